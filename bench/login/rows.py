"""The table of the log-in bench."""

import statistics
from collections.abc import Mapping, Sequence

import msgspec

from bench.load.drivers import Load
from bench.login.attempts import Report

KINDS = {
    "none": "no flood: the attackers are at work elsewhere",
    "everywhere": "each wrong password from another /24, so that no lock-out helps",
    "few": "wrong passwords from twenty addresses, each in a /24 of its own",
}


PACE = 0.5
"""What is offered in a paced round, as a part of what an undisturbed server takes."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one round showed."""

    kind: str
    pace_per_s: float | None
    """Messages offered in a second; None for as many as the server takes."""
    accepted_per_s: float
    """Messages of a verified credential that logs in for each."""
    p50_ms: float
    p99_ms: float
    cold: Report
    flood: Report | None


def render(rows: Sequence[Row], load: Load, per_s: int, machine: Mapping[str, str]) -> str:
    """Return the rows as Markdown, medians of the rounds, with the share that the flood leaves."""
    columns = (
        "| flood | offered | accepted/s | share | rounds | p50 ms | p99 ms | cold log-ins ok | cold p50 ms | cold p99 ms "
        "| answers to the flood |"
    )
    lines = [columns, "|" + " --- |" * columns[1:].count("|")]
    for is_paced in (False, True):
        chosen = [row for row in rows if (row.pace_per_s is not None) == is_paced]
        undisturbed = _middle([row for row in chosen if row.kind == "none"], "accepted_per_s")
        offered = f"{PACE:.0%} of it" if is_paced else "all it takes"
        for kind in dict.fromkeys(row.kind for row in chosen):
            lines.append(_line(kind, offered, [row for row in chosen if row.kind == kind], undisturbed))
    lines += [
        "",
        f"{load.messages} messages of {load.size} octets a round, {load.sessions} sessions, a connection and a login for",
        f"each; beside them five cold log-ins a second from a client that is known, and {per_s} wrong passwords a second.",
        "The clients run on the same cores, and so do the attackers, who are at work on an `smtp-sink` where the server has no",
        "flood. Each figure is the median of the rounds; share is the rate with the flood by the rate without it.",
        "",
        *(f"- {kind}: {text}" for kind, text in KINDS.items()),
        "",
        "; ".join(f"{name} {value}" for name, value in machine.items()),
        "",
    ]
    return "\n".join(lines)


def _line(kind: str, offered: str, rounds: Sequence[Row], undisturbed: float) -> str:
    rate = _middle(rounds, "accepted_per_s")
    ok = sum(row.cold.answers.get("235", 0) for row in rounds)
    cold = sum(row.cold.attempts for row in rounds)
    answers: dict[str, int] = {}
    for row in rounds:
        for code, count in (row.flood.answers if row.flood else {}).items():
            answers[code] = answers.get(code, 0) + count
    cells = [
        *(kind, offered, f"{rate:.0f}", f"{rate / undisturbed:.0%}"),
        " ".join(f"{row.accepted_per_s:.0f}" for row in rounds),
        *(f"{_middle(rounds, name):.1f}" for name in ("p50_ms", "p99_ms")),
        f"{ok} of {cold}",
        f"{statistics.median(row.cold.p50_ms for row in rounds):.0f}",
        f"{statistics.median(row.cold.p99_ms for row in rounds):.0f}",
        ", ".join(f"{count} × {code}" for code, count in sorted(answers.items())),
    ]
    return f"| {' | '.join(cells)} |"


def _middle(rounds: Sequence[Row], name: str) -> float:
    values: list[float] = [getattr(row, name) for row in rounds]
    return statistics.median(values)
