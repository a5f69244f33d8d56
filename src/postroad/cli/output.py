"""How answers look: aligned tables and local time for people, one JSON document for programs."""

import re
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Any

import click
import msgspec

from postroad.cli.invocation import Invocation
from postroad.protocol.mime.date import utc_moment

_WIDEST = 64
"""Columns that a cell may make all of its table wide; a longer one goes beyond its column."""
# C0 but tab and line feed, DEL, C1, line separators, and what turns the direction of a line.
_UNSOUND = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def answer(invocation: Invocation, document: Any, text: str) -> None:
    """Print the document where ``--json`` asks for it, else the text."""
    if invocation.is_json:
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    elif text:
        echo(text)


def echo(text: str) -> None:
    """Print a text for people.

    Much of what is told was written by others, a subject or a name tried at a log-in: none of it may command the terminal.
    """
    click.echo(_UNSOUND.sub("\ufffd", text.replace("\r\n", "\n")))


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows in aligned columns under their headings."""
    lines = [tuple(headings), *(tuple(_one_line(cell) for cell in row) for row in rows)]
    widths = [min(max(len(line[column]) for line in lines), _WIDEST) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names and values under one another; those without a value are left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    indent = "\n" + " " * (width + 2)
    return "\n".join(f"{name.ljust(width)}  {value.replace(chr(10), indent)}" for name, value in shown)


def local_time(at: int | None, zone: tzinfo | None = None) -> str:
    """Return an instant in local time with its zone, or a dash for none."""
    if at is None:
        return "-"
    return utc_moment(at).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def utc_time(at: int | None) -> str | None:
    """Return an instant as programs read it: RFC 3339 in UTC with milliseconds."""
    if at is None:
        return None
    return utc_moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(ms: int) -> str:
    """Return a duration in its two largest units: ``2 h 5 min``."""
    seconds = max(0, ms) // 1000
    parts: list[str] = []
    for unit, length in _UNITS:
        count, seconds = divmod(seconds, length)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part) or "0 s"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 delivery``, ``1,204 deliveries``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def confirm(question: str, *, is_confirmed: bool) -> None:
    """Ask before something that cannot be undone; ``--yes`` answers beforehand."""
    if not is_confirmed:
        click.confirm(question, abort=True, err=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())
