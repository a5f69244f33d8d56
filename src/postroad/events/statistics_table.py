"""Statistics as a file for spreadsheets: a row for each hour or key, and the same columns whatever happened."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from postroad.events.statistics import KINDS, KeyTotals
from postroad.storage.counters import EXPIRED

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FURTHER = "(further)"


def over_time(rows: Iterable[tuple[int, Mapping[str, int]]]) -> str:
    """Return CSV with a row for each part of a span: when it begins, in UTC, and its counts by ``KINDS``."""
    lines = ([_time(begins_at), *(by_kind.get(name, 0) for name in KINDS)] for begins_at, by_kind in rows)
    return _csv(["from", *KINDS], lines)


def by_key(dimension: str, rows: Iterable[KeyTotals]) -> str:
    """Return CSV with a row for each tag, destination or bounce class, and its counts by type of event."""
    types = [name for name in KINDS if name != EXPIRED]
    lines = (
        [_FURTHER if row.key is None else _inert(row.key), *(row.by_type.get(name, 0) for name in types)]
        for row in rows
    )
    return _csv([dimension, *types], lines)


def _csv(headings: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(headings)
    writer.writerows(lines)
    return file.getvalue()


def _inert(text: str) -> str:
    # Tags are anybody's words, and spreadsheets run what begins like a formula.
    return f"'{text}" if text.startswith(_FORMULA) else text


def _time(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
