"""Statistics as a file for spreadsheets: a row for each hour or key, and the same columns whatever happened."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from postroad.events.rates import RATES, percents
from postroad.events.statistics import KINDS, KeyTotals
from postroad.storage.counters import EXPIRED, Dimension

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FURTHER = "(further)"
_RATE_COLUMNS = tuple(f"{one.name}-rate-percent" for one in RATES)


def over_time(rows: Iterable[tuple[int, Mapping[str, int]]]) -> str:
    """Return CSV with a row for each part of a span: when it begins, in UTC, its counts by ``KINDS``, and its rates."""
    lines = (
        [_time(begins_at), *(by_kind.get(name, 0) for name in KINDS), *_rates(by_kind)] for begins_at, by_kind in rows
    )
    return _csv(["from", *KINDS, *_RATE_COLUMNS], lines)


def by_key(dimension: str, rows: Iterable[KeyTotals]) -> str:
    """Return CSV with a row for each tag, destination or bounce class, its counts by type of event, and its rates."""
    types = [name for name in KINDS if name != EXPIRED]
    has_rates = dimension != Dimension.BOUNCE_CLASS.value
    lines = (
        [
            _FURTHER if row.key is None else inert(row.key),
            *(row.by_type.get(name, 0) for name in types),
            *(_rates(row.by_type) if has_rates else ()),
        ]
        for row in rows
    )
    return _csv([dimension, *types, *(_RATE_COLUMNS if has_rates else ())], lines)


def _rates(counts: Mapping[str, int]) -> Iterator[object]:
    found = percents(counts)
    for rate in RATES:
        yield found.get(rate.name, "")


def _csv(headings: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(headings)
    writer.writerows(lines)
    return file.getvalue()


def inert(text: str) -> str:
    """Return a cell's text as no spreadsheet runs it: anybody's words may begin like a formula, and get an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _time(instant: int) -> str:
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
