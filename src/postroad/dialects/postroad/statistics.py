"""Counts of events by our own API."""

import enum
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from postroad.dialects.postroad.answers import instant
from postroad.dialects.postroad.instants import milliseconds
from postroad.dialects.postroad.operation import DomainName, Instant, Operation
from postroad.dialects.postroad.paging import QueryRefusedError
from postroad.model.options import MAX_TAG_LENGTH

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_MOST_PARTS = 1_000


class StatisticsStep(enum.Enum):
    """What a span is cut into."""

    HOUR = "hour"
    DAY = "day"


_LENGTHS = {StatisticsStep.HOUR: _HOUR_MS, StatisticsStep.DAY: _DAY_MS}
_USUAL = {StatisticsStep.HOUR: _DAY_MS, StatisticsStep.DAY: 30 * _DAY_MS}


class StatisticsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is counted."""

    from_: Annotated[
        Instant | None,
        Meta(description="In the first hour or day; where it is not said, 24 hours or 30 days before the end."),
    ] = msgspec.field(default=None, name="from")
    to: Annotated[Instant | None, Meta(description="Up to this time; now where it is not said.")] = None
    by: Annotated[StatisticsStep, Meta(description="Hours, or days of UTC.")] = StatisticsStep.DAY
    domain: Annotated[DomainName | None, Meta(description="The sending domain.")] = None
    tag: (
        Annotated[
            str,
            Meta(
                min_length=1, max_length=MAX_TAG_LENGTH, description="Of messages with this tag.", examples=["orders"]
            ),
        ]
        | None
    ) = None

    def span(self, now: int) -> tuple[int, int]:
        """Return whole hours or days, in milliseconds since 1970; raises QueryRefusedError."""
        length = _LENGTHS[self.by]
        to, from_ = milliseconds(self.to), milliseconds(self.from_)
        until = -(-(now + 1 if to is None else to) // length) * length
        since = (until - _USUAL[self.by] if from_ is None else from_) // length * length
        if since >= until:
            raise QueryRefusedError("It must be before `to`.", field="from")
        if since < 0 or until - since > _MOST_PARTS * length:
            raise QueryRefusedError(f"At most {_MOST_PARTS:,} {self.by.value}s can be asked for.", field="from")
        return since, until


Counts = Annotated[
    Mapping[str, int],
    Meta(
        description="By type of event; what did not happen is not there. Without `tag` also `unique-opened` and the like.",
        examples=[{"accepted": 3, "delivered": 2, "bounced": 1}],
    ),
]


class CountedPart(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in an hour or a day."""

    at: Annotated[Instant, Meta(description="When it begins.")]
    counts: Counts


class ShownStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a span."""

    from_: Instant = msgspec.field(name="from")
    to: Instant
    by: StatisticsStep
    totals: Counts
    parts: Annotated[tuple[CountedPart, ...], Meta(description="Every hour or day of the span, in order.")]


def shown(by: StatisticsStep, since: int, until: int, found: Mapping[int, Mapping[str, int]]) -> ShownStatistics:
    """Return counts, from those of the hours or days that have any."""
    starts: Sequence[int] = range(since, until, _LENGTHS[by])
    totals: dict[str, int] = {}
    for counts in found.values():
        for kind, count in counts.items():
            totals[kind] = totals.get(kind, 0) + count
    return ShownStatistics(
        from_=instant(since),
        to=instant(until),
        by=by,
        totals=totals,
        parts=tuple(CountedPart(at=instant(at), counts=found.get(at, {})) for at in starts),
    )


_MIDNIGHT = 1_795_737_600_000
SHOW_STATISTICS = Operation(
    name="showStatistics",
    method="GET",
    path="/statistics",
    summary="Count events by hour or day, of all mail, or of a sending domain's or a tag's",
    query=StatisticsQuery,
    answer=ShownStatistics,
    sample=shown(StatisticsStep.DAY, _MIDNIGHT, _MIDNIGHT + _DAY_MS, {_MIDNIGHT: {"accepted": 3, "delivered": 3}}),
)
OPERATIONS = (SHOW_STATISTICS,)
