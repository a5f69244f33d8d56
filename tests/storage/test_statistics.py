"""Sums by hour, day, tag, destination and bounce class: they agree with the events, however far folding is."""

import asyncio
import itertools
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.model.envelope import destination_of
from postroad.model.event import Event, EventType
from postroad.model.outcome import BounceClass
from postroad.storage import counters, events, statistics
from postroad.storage.counters import EXPIRED, FURTHER, MOST_DESTINATIONS, Dimension, Period
from postroad.storage.database import Database
from postroad.storage.events import EventSelector
from postroad.storage.rows import HOUR_MS
from postroad.storage.statistics import Hours, cut
from tests.storage.samples import NOW, accepted, column, event_of

HOUR = NOW // HOUR_MS
SPAN_HOURS = 1_500
"""More than two times four weeks."""
DOMAINS = (1, 2, 3)
DESTINATIONS = ("example.net", "bücher.example", "[192.0.2.7]", "example.org")
TAGS = ("Orders", "ORDERS", "spring", "")

Keys = Callable[[Event], Iterable[str]]


def _happening(chance: random.Random) -> Event:
    kind = chance.choice([EventType.ACCEPTED, EventType.DELIVERED, EventType.DEFERRED, EventType.BOUNCED])
    delivery = accepted(f"u@{chance.choice(DESTINATIONS)}", domain_id=chance.choice(DOMAINS)).deliveries[0]
    data: dict[str, Any] = {"tags": [tag for tag in chance.sample(TAGS, chance.randrange(3)) if tag]}
    if kind in {EventType.DEFERRED, EventType.BOUNCED}:
        data["bounce_class"] = chance.choice(list(BounceClass)).value
    if kind is EventType.BOUNCED and chance.random() < 0.3:
        data["is_expired"] = True
    at = NOW + chance.randrange(SPAN_HOURS * HOUR_MS)
    event = event_of(delivery, kind, at=at, **data)
    return msgspec.structs.replace(event, recipient=None) if chance.random() < 0.1 else event


def _tags(event: Event) -> Iterable[str]:
    return [tag.casefold() for tag in event.data["tags"]]


def _destinations(event: Event) -> Iterable[str]:
    return [] if event.recipient is None else [destination_of(event.recipient)]


def _classes(event: Event) -> Iterable[str]:
    return [event.data["bounce_class"]] if "bounce_class" in event.data else []


def _all(event: Event) -> Iterable[str]:
    return ["", EXPIRED] if "is_expired" in event.data else [""]


KEYS: dict[Dimension, Keys] = {
    Dimension.ALL: _all,
    Dimension.TAG: _tags,
    Dimension.DESTINATION: _destinations,
    Dimension.BOUNCE_CLASS: _classes,
}


def _expected(
    happened: list[Event], dimension: Dimension, hours: Hours, domain_ids: list[int] | None, length_ms: int
) -> dict[tuple[int, str, str], int]:
    """What the events themselves say."""
    counts: Counter[tuple[int, str, str]] = Counter()
    for event in happened:
        is_mine = domain_ids is None or event.domain_id in domain_ids
        if is_mine and hours.since <= event.at // HOUR_MS < hours.until:
            counts.update((event.at // length_ms, key, event.type.value) for key in KEYS[dimension](event))
    return dict(counts)


def _parts(hours: Hours) -> list[int]:
    """Return where days begin in a zone that changes its clock in some of them; the first one is what is left of it."""
    starts, lengths = [hours.since], itertools.cycle([5, 24, 24, 24, 23, 24, 25, 24, 24, 23, 25, 24])
    while starts[-1] < hours.until:
        starts.append(starts[-1] + next(lengths))
    return starts[:-1]


async def _agree(database: Database, happened: list[Event], hours: Hours, domain_ids: list[int] | None) -> None:
    days = Hours(hours.since // 24 * 24, -(-hours.until // 24) * 24)
    for dimension in Dimension:
        for period, span, length in ((Period.HOUR, hours, HOUR_MS), (Period.DAY, days, 24 * HOUR_MS)):
            found = await database.read(statistics.read_series, dimension, period, hours, domain_ids)
            series = {(one.period, one.key, one.type): one.count for one in found}
            assert series == _expected(happened, dimension, span, domain_ids, length), (dimension, period)
        starts, parts = _parts(hours), Counter[tuple[int, str, str]]()
        for (hour, key, kind), count in _expected(happened, dimension, hours, domain_ids, HOUR_MS).items():
            parts[bisect_right(starts, hour) - 1, key, kind] += count
        if hours.since < hours.until:
            in_parts = await database.read(statistics.read_parts, dimension, starts, hours.until, domain_ids)
            assert {(one.period, one.key, one.type): one.count for one in in_parts} == parts, dimension
        sums: dict[str, dict[str, int]] = {}
        for (_, key, kind), count in _expected(happened, dimension, hours, domain_ids, 10**15).items():
            sums.setdefault(key, {})[kind] = count
        keys = await database.read(statistics.read_keys, dimension, hours, domain_ids, 100)
        assert keys == sums, dimension
        totals = [sum(by_type.values()) for by_type in keys.values()]
        assert totals == sorted(totals, reverse=True)


@pytest.mark.parametrize("seed", [1, 2])
async def test_sums_agree_with_the_events_before_while_and_after_folding(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(60):
        await database.append_events([_happening(chance) for _ in range(chance.randrange(1, 12))])
        if chance.random() < 0.3:
            await database.write(counters.fold, chance.randrange(1, 30))
    happened = await database.read(events.search, EventSelector(), 10_000)
    spans = [Hours(HOUR, HOUR + SPAN_HOURS), Hours(HOUR + 3, HOUR + 9), Hours(HOUR + 60, HOUR + 60)]
    spans += [Hours(HOUR + chance.randrange(90), HOUR + chance.randrange(90, SPAN_HOURS)) for _ in range(4)]

    folded = 1
    while folded:
        for hours, domain_ids in zip(spans, (None, [1], None, [2, 3], [], [3], [1, 2, 3]), strict=True):
            await _agree(database, happened, hours, domain_ids)
        folded = await database.write(counters.fold, 150)
    assert await database.read(column, "SELECT count(*) FROM counter_deltas") == [0]


async def test_folding_at_the_same_time_as_writing_counts_each_destination_once(database: Database) -> None:
    deliveries = accepted("a@example.net", "b@example.org").deliveries

    async def write() -> None:
        for _ in range(30):
            kinds = [event_of(one, EventType.BOUNCED, bounce_class="quota") for one in deliveries]
            await database.append_events(kinds)

    async def fold() -> None:
        for _ in range(30):
            await database.write(counters.fold, 7)

    await asyncio.gather(write(), fold(), write(), fold())
    while await database.write(counters.fold, 100):
        pass

    hours = Hours(HOUR, HOUR + 1)
    found = await database.read(statistics.read_keys, Dimension.DESTINATION, hours, [1], 9)
    assert found == {"example.net": {"bounced": 60}, "example.org": {"bounced": 60}}
    assert await database.read(statistics.read_keys, Dimension.BOUNCE_CLASS, hours, [1], 9) == {
        "quota": {"bounced": 120}
    }


async def test_an_hour_has_room_for_so_many_destinations_and_counts_the_others_together(database: Database) -> None:
    for kind in (EventType.ACCEPTED, EventType.DELIVERED):
        for number in range(MOST_DESTINATIONS + 20):
            (one,) = accepted(f"u@d{number:03}.example").deliveries
            await database.append_events([event_of(one, kind), event_of(one, kind, at=NOW + HOUR_MS)])
            if number % 50 == 0:
                await database.write(counters.fold, 70)
    while await database.write(counters.fold, 70):
        pass

    for hours, times in ((Hours(HOUR, HOUR + 1), 1), (Hours(HOUR, HOUR + 2), 2)):
        found = await database.read(statistics.read_keys, Dimension.DESTINATION, hours, [1], 1_000)
        assert len(found) == MOST_DESTINATIONS + 1
        assert found["d199.example"] == {"accepted": times, "delivered": times}
        assert found[FURTHER] == {"accepted": 20 * times, "delivered": 20 * times}
        assert "d200.example" not in found


async def test_writing_events_costs_a_row_for_each_destination_and_class_and_none_for_their_sums(
    database: Database,
) -> None:
    deliveries = accepted("a@example.net", "b@example.net", "c@example.org").deliveries
    await database.append_events(
        [event_of(one, EventType.BOUNCED, bounce_class="quota", is_expired=True) for one in deliveries]
    )

    assert sorted(await database.read(column, "SELECT count FROM counter_deltas")) == [1, 2]


def test_a_span_is_cut_into_the_longest_periods_that_are_counted() -> None:
    assert list(cut(Hours(24, 72))) == [(24, Hours(1, 3))]
    assert list(cut(Hours(20, 75))) == [(24, Hours(1, 3)), (1, Hours(20, 24)), (1, Hours(72, 75))]
    assert list(cut(Hours(1, 47))) == [(1, Hours(1, 47))]
    assert list(cut(Hours(7, 7))) == []
    assert list(cut(Hours(672 - 25, 3 * 672 + 1))) == [
        (672, Hours(1, 3)),
        (24, Hours(27, 28)),
        (1, Hours(647, 648)),
        (1, Hours(2016, 2017)),
    ]


@given(since=st.integers(0, 3_000), length=st.integers(0, 20_000))
def test_what_a_span_is_cut_into_holds_each_of_its_hours_once(since: int, length: int) -> None:
    parts = [
        hour for step, part in cut(Hours(since, since + length)) for hour in range(part.since * step, part.until * step)
    ]

    assert sorted(parts) == list(range(since, since + length))
