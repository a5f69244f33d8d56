"""The table that a load bench ends in, and its files."""

import datetime as dt
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from bench.load.drivers import DRIVERS, Load, Measurement


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one bench found, as it is written to the JSON file."""

    date: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    load: Load
    measurements: Sequence[Measurement]
    is_parted: bool = False
    """Whether the servers had one core, and the clients and the sink the others."""


def machine(folder: Path) -> dict[str, str]:
    """Return what the figures depend on: processor, cores, kernel, and the disk that holds the queues."""
    device = folder.stat().st_dev
    mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    wanted = f"{os.major(device)}:{os.minor(device)}"
    mount = next((fields for fields in mounts if fields[2] == wanted), None)
    disk = "unknown"
    if mount:
        after = mount[mount.index("-") + 1 :]
        disk = f"{after[1]} ({after[0]})"
    return {"processor": _processor(), "cores": str(os.cpu_count()), "kernel": platform.release(), "disk": disk}


def render(report: Report) -> str:
    """Return the report as Markdown: one table, then what it was measured on."""
    columns = "| driver | server | delivered/s | rounds | accepted/s | p50 ms | p99 ms | CPU ms/message | memory MiB |"
    lines = [columns, "|" + " --- |" * columns[1:].count("|")]
    for driver in dict.fromkeys(measurement.driver for measurement in report.measurements):
        by_server = _by_server(report.measurements, driver)
        lines += [_row(driver, server, rounds) for server, rounds in by_server.items()]
        if len(by_server) == 2:
            first, second = (_middle(rounds, "delivered_per_s") for rounds in by_server.values())
            lines.append(f"| {driver} | **ratio** | **{first / second:.2f}** | | | | | | |")
    lines += [
        "",
        f"{report.load.messages} messages of {report.load.size} octets a round, {report.load.sessions} sessions.",
    ]
    if report.is_parted:
        lines.append("The servers ran on one core, the clients and the sink on the others.")
    lines += ["delivered/s is end to end, the median of the rounds; memory is the peak, shared pages counted once.", ""]
    lines += [f"- {name}: {text}" for name, text in DRIVERS.items()]
    lines.append("- Postfix takes the generator's mail without a login: it would need Dovecot or saslauthd for one.")
    facts = {**report.machine, **report.versions}
    return "\n".join([*lines, "", "; ".join(f"{name} {value}" for name, value in facts.items()), ""])


def write(report: Report, folder: Path) -> list[Path]:
    """Write the report as Markdown and JSON and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"load-{'one-core-' if report.is_parted else ''}{report.date}"
    text, data = (folder / f"{name}.{suffix}" for suffix in ("md", "json"))
    text.write_text(f"# Load bench, {report.date}\n\n{render(report)}")
    data.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return [text, data]


def today() -> str:
    """Return the date that names the files."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def _by_server(measurements: Sequence[Measurement], driver: str) -> dict[str, list[Measurement]]:
    found: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        if measurement.driver == driver:
            found.setdefault(measurement.server, []).append(measurement)
    return found


def _row(driver: str, server: str, rounds: Sequence[Measurement]) -> str:
    each = " ".join(f"{measurement.delivered_per_s:.0f}" for measurement in rounds)
    waits = [
        f"{_middle(rounds, name):.1f}" if getattr(rounds[0], name) is not None else "" for name in ("p50_ms", "p99_ms")
    ]
    cells = [
        *(driver, server, f"{_middle(rounds, 'delivered_per_s'):.0f}", each),
        *(f"{_middle(rounds, 'accepted_per_s'):.0f}", *waits),
        f"{_middle(rounds, 'cpu_ms_per_message'):.2f}",
        f"{max(measurement.peak_memory_mib for measurement in rounds):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _middle(rounds: Sequence[Measurement], name: str) -> float:
    values: list[float] = [getattr(measurement, name) for measurement in rounds]
    return statistics.median(values)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
