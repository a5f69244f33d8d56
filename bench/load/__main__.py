"""``python -m bench.load``: Postroad beside Postfix with OpenDKIM, alternated in one run, in one table."""

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

import msgspec
from tests.peers.programs import missing, why_missing
from tests.peers.sink import Sink

from bench.load import report
from bench.load.drivers import DRIVERS, Load, Measurement, measure
from bench.load.servers import COMPARED, SERVERS, versions

_RESULTS = Path(__file__).parents[1] / "results"
_PEERS = ("postfix", "opendkim", "smtp-sink", "smtp-source")
_WARM_UP_MESSAGES = 500


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    load: Load
    servers: list[str]
    drivers: list[str]
    rounds: int
    folder: Path
    is_kept: bool
    is_parted: bool


def read_options(arguments: list[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--messages", type=int, default=20000, help="in each round (default %(default)s)")
    parser.add_argument("--sessions", type=int, default=20, help="parallel client connections (default %(default)s)")
    parser.add_argument("--size", type=int, default=4096, help="octets of a message (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="of each server and driver (default %(default)s)")
    parser.add_argument("--only", choices=list(SERVERS), action="append", help="one server alone; may be repeated")
    parser.add_argument("--driver", choices=list(DRIVERS), action="append", help="one client alone; may be repeated")
    parser.add_argument("--limit-s", type=float, default=600, help="a longer round has failed (default %(default)s)")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="on the disk to be measured")
    parser.add_argument("--no-files", action="store_true", help="print only, write nothing to bench/results")
    parser.add_argument("--one-core", action="store_true", help="servers on one core, clients and sink on the others")
    parsed = parser.parse_args(arguments)
    return Options(
        load=Load(messages=parsed.messages, sessions=parsed.sessions, size=parsed.size, limit_s=parsed.limit_s),
        servers=parsed.only or list(COMPARED),
        drivers=parsed.driver or list(DRIVERS),
        rounds=parsed.rounds,
        folder=parsed.folder,
        is_kept=not parsed.no_files,
        is_parted=parsed.one_core,
    )


def run(options: Options) -> list[Measurement]:
    """Measure each server with each driver, one server after the other within a round, the rest of them idle."""
    measurements = []
    all_cores = os.sched_getaffinity(0)
    servers_cores, others = (
        ({min(all_cores)}, all_cores - {min(all_cores)}) if options.is_parted else (all_cores, all_cores)
    )
    with contextlib.ExitStack() as running:
        # What is started later takes over the cores of the moment.
        os.sched_setaffinity(0, others)
        sink = running.enter_context(Sink())
        os.sched_setaffinity(0, servers_cores)
        servers = [running.enter_context(SERVERS[name](sink.port, options.folder)) for name in options.servers]
        os.sched_setaffinity(0, others)
        warm_up = msgspec.structs.replace(options.load, messages=min(_WARM_UP_MESSAGES, options.load.messages))
        for driver in options.drivers:
            for server in servers:
                measure(server, sink, driver, warm_up)
            for _ in range(options.rounds):
                for server in servers:
                    measurement = measure(server, sink, driver, options.load)
                    print(f"{driver}, {server.name}: {measurement.delivered_per_s:.0f}/s", file=sys.stderr)
                    measurements.append(measurement)
    return measurements


def main(arguments: list[str]) -> int:
    """Run the bench and print its table."""
    options = read_options(arguments)
    absent = missing(_PEERS)
    if absent:
        print("; ".join(why_missing(name) for name in absent), file=sys.stderr)
        return 1
    found = report.Report(
        date=report.today(),
        machine=report.machine(options.folder),
        versions=versions(),
        load=options.load,
        measurements=run(options),
        is_parted=options.is_parted,
    )
    print(report.render(found))
    if options.is_kept:
        for path in report.write(found, _RESULTS):
            print(f"written to {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
