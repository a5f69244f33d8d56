"""``python -m bench.login``: verified traffic and cold log-ins with and without a flood of wrong passwords."""

import argparse
import asyncio
import contextlib
import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from tests.peers.programs import missing, why_missing
from tests.peers.sink import Sink
from tests.scenarios.product import DOMAIN, PASSWORD, USERNAME, Product

from bench.load import report
from bench.load.drivers import Load, run_generator
from bench.load.servers import Server
from bench.login import attempts
from bench.login.rows import PACE, Row, render
from postroad.accounts.password_hashing import hash_password
from postroad.model.credential import CredentialKind, Secret, SmtpUser
from postroad.net.clock import now_ms
from postroad.storage import domains, lockouts, smtp_users
from postroad.storage.engine import open_database
from postroad.storage.lockouts import LoginNetwork

_RESULTS = Path(__file__).parents[1] / "results"
_WARM_UP_MESSAGES = 1_000
_COLD_PER_S = 5
_COLD_AFTER_S = 10
"""How long the node under test remembers a proof; a user that comes again later is cold."""
_USERS = 200
_LEAD_S = 10.0
"""Seconds of flood before anything is measured, so that what it does at first is over."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    load: Load
    per_s: int
    rounds: int
    kinds: list[str]
    folder: Path
    is_kept: bool


def read_options(arguments: list[str]) -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.login", description=__doc__)
    parser.add_argument("--messages", type=int, default=8000, help="of each round (default %(default)s)")
    parser.add_argument("--sessions", type=int, default=20, help="parallel client connections (default %(default)s)")
    parser.add_argument("--per-s", type=int, default=500, help="wrong passwords a second (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of each kind (default %(default)s)")
    parser.add_argument("--kind", choices=("everywhere", "few"), action="append", help="one flood alone")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="on the disk to be used")
    parser.add_argument("--no-files", action="store_true", help="print only, write nothing to bench/results")
    parsed = parser.parse_args(arguments)
    return Options(
        load=Load(messages=parsed.messages, sessions=parsed.sessions, size=4096, limit_s=600),
        per_s=parsed.per_s,
        rounds=parsed.rounds,
        kinds=parsed.kind or ["everywhere", "few"],
        folder=parsed.folder,
        is_kept=not parsed.no_files,
    )


def run(options: Options) -> list[Row]:
    """Measure without and with each kind of flood in turn, on one node."""
    rows = []
    with contextlib.ExitStack() as running:
        sink, elsewhere = running.enter_context(Sink()), running.enter_context(Sink())
        server = running.enter_context(_node(sink.port, options.folder))
        run_generator(server, msgspec.structs.replace(options.load, messages=_WARM_UP_MESSAGES), login="each")
        sink.wait_for(_WARM_UP_MESSAGES)
        for _ in range(options.rounds):
            undisturbed = None
            for kind in ("none", *options.kinds):
                measure = functools.partial(_measure, server, sink, elsewhere, kind, options)
                row = measure(None)
                undisturbed = undisturbed or row.accepted_per_s
                rows += [row, measure(undisturbed * PACE)]
                for one in rows[-2:]:
                    print(one, file=sys.stderr)
    return rows


def _measure(  # noqa: PLR0917 - what is measured, and the way it is
    server: Server, sink: Sink, elsewhere: Sink, kind: str, options: Options, pace_per_s: float | None
) -> Row:
    before = sink.count()
    flood = None
    # Longer than any round takes: they are ended when the traffic has come to its end.
    with contextlib.ExitStack() as running:
        cold = running.enter_context(_trying(server.login_port, "cold", _COLD_PER_S))
        if kind == "none":
            # The attackers' own processor time is no loss of the server's: they are at work in either case.
            running.enter_context(_trying(elsewhere.port, "elsewhere", options.per_s))
        else:
            flood = running.enter_context(_trying(server.login_port, kind, options.per_s))
        time.sleep(_LEAD_S)
        sent = run_generator(server, options.load, login="each", pace_per_s=pace_per_s)
    sink.wait_for(before + options.load.messages, options.load.limit_s)
    return Row(
        kind=kind,
        pace_per_s=pace_per_s,
        accepted_per_s=sent.accepted / (sent.ended_at - sent.began_at),
        p50_ms=sent.p50_ms,
        p99_ms=sent.p99_ms,
        cold=_report(cold),
        flood=None if flood is None else _report(flood),
    )


@contextlib.contextmanager
def _trying(port: int, kind: str, per_s: int) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "bench.login.attempts", "--port", str(port), "--kind", kind]
    command += ["--per-s", str(per_s), "--domain", DOMAIN, "--users", str(_USERS)]
    environment = {**os.environ, "LOAD_PASSWORD": PASSWORD}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    try:
        yield process
        process.terminate()
        process.wait(120)
    finally:
        process.kill()


def _report(process: "subprocess.Popen[bytes]") -> attempts.Report:
    assert process.stdout is not None
    with process.stdout:
        return msgspec.json.decode(process.stdout.read(), type=attempts.Report)


@contextlib.contextmanager
def _node(next_hop_port: int, folder: Path) -> Iterator[Server]:
    settings = {"accounts": {"verified_for_s": _COLD_AFTER_S}}
    with tempfile.TemporaryDirectory(prefix="postroad-bench-", dir=folder) as directory:
        node = Product(Path(directory), smarthost_port=next_hop_port, settings=settings)
        node.prepare()
        asyncio.run(_fill(node.data_dir))
        with node:
            yield Server(
                name="Postroad",
                open_port=node.by_address_port,
                login_port=node.submission_port,
                login_tls_port=node.submission_tls_port,
                username=USERNAME,
                password=PASSWORD,
                pids=(node.pid,),
            )


async def _fill(data_dir: Path) -> None:
    """Add the users whose log-ins are cold, all of whom logged in from here yesterday."""
    stored, now = hash_password(Secret(PASSWORD)), now_ms()
    database = await open_database("", data_dir=data_dir, clock=now_ms)
    domain = await database.read(domains.by_name, DOMAIN)
    assert domain is not None
    known = []
    for number in range(_USERS):
        user = SmtpUser(
            id=0,
            account_id=domain.account_id,
            domain_id=domain.id,
            username=f"cold{number}@{DOMAIN}",
            kind=CredentialKind.PASSWORD,
            password_hash=stored,
            created_at=now,
        )
        added = await database.write(smtp_users.add, user)
        known.append(LoginNetwork("127.0.0.1", added.id, now - 86_400_000))
    await database.write(lockouts.note_successes, known)
    await database.close()


def main(arguments: list[str]) -> int:
    """Run the bench and print its table."""
    options = read_options(arguments)
    if missing(("smtp-sink",)):
        print(why_missing("smtp-sink"), file=sys.stderr)
        return 1
    rows = run(options)
    machine = report.machine(options.folder)
    text = render(rows, options.load, options.per_s, machine)
    print(text)
    if options.is_kept:
        _RESULTS.mkdir(parents=True, exist_ok=True)
        path = _RESULTS / f"login-{report.today()}"
        path.with_suffix(".md").write_text(f"# Log-ins under attack, {report.today()}\n\n{text}")
        path.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n")
        print(f"written to {path}.md", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
