import itertools
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.events.time_spans import (
    DAY_MS,
    HOUR_MS,
    PERIODS,
    Grain,
    Span,
    between,
    gathered,
    latest,
    parse_instant,
    starts_of,
    text_of,
    zoomed,
)
from postroad.model.refused import RefusedError

PRAGUE, CHATHAM = ZoneInfo("Europe/Prague"), ZoneInfo("Pacific/Chatham")
ZONES: list[tzinfo] = [UTC, PRAGUE, CHATHAM, ZoneInfo("America/Sao_Paulo"), ZoneInfo("Asia/Kolkata")]


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def test_a_period_ends_with_the_present_hour_and_begins_at_midnight() -> None:
    now = _at("2026-11-27T14:20:00+00:00")

    assert latest("24h", now, PRAGUE) == Span(_at("2026-11-26T15:00:00+00:00"), _at("2026-11-27T15:00:00+00:00"))
    assert latest("7d", now, PRAGUE).since == _at("2026-11-21T00:00:00+01:00")
    assert latest("30d", now, UTC).since == _at("2026-10-29T00:00:00+00:00")
    with pytest.raises(RefusedError, match="choose one of 24h"):
        latest("", now, UTC)


def test_two_instants_mean_their_hours_in_either_order() -> None:
    early, late = _at("2026-11-26T10:59:00+00:00"), _at("2026-11-26T12:01:00+00:00")

    assert between(late, early) == between(early, late)
    assert between(early, late) == Span(_at("2026-11-26T10:00:00+00:00"), _at("2026-11-26T13:00:00+00:00"))
    assert between(early, early).until - between(early, early).since == HOUR_MS
    with pytest.raises(RefusedError, match="three years"):
        between(0, 1_200 * DAY_MS)


def test_a_day_is_the_viewers_and_belongs_to_the_span_it_ends() -> None:
    assert parse_instant("2026-11-26", PRAGUE, is_end=False) == _at("2026-11-26T00:00:00+01:00")
    assert parse_instant("2026-11-26", PRAGUE, is_end=True) == _at("2026-11-27T00:00:00+01:00")
    assert parse_instant("2026-11-26T14:00Z", PRAGUE, is_end=True) == _at("2026-11-26T14:00:00+00:00")
    for text in ("", "26.11.2026", "9999-12-31", "2026-13-01"):
        with pytest.raises(RefusedError, match="is not a time"):
            parse_instant(text, PRAGUE, is_end=True)


@given(hour=st.integers(493_000, 500_000), length=st.integers(1, 9_000), zone=st.sampled_from(ZONES))
def test_the_parts_of_a_span_hold_every_hour_once(hour: int, length: int, zone: tzinfo) -> None:
    span = Span(hour * HOUR_MS, (hour + length) * HOUR_MS)
    starts = starts_of(span, zone)

    assert list(starts) == sorted(set(starts))
    assert starts[0] <= span.since < span.until
    assert starts[-1] < span.until
    assert all(later - earlier <= 25 * HOUR_MS for earlier, later in itertools.pairwise(starts))
    if span.grain is Grain.DAY:
        days = [datetime.fromtimestamp(at / 1000, zone).date() for at in starts]
        assert len(set(days)) == len(days)
    counts = gathered(((at, "n", 1) for at in range(span.since, span.until, HOUR_MS)), starts)
    assert sum(counts["n"]) == length
    assert all(counts["n"][:-1]) or zone is not UTC


@given(hour=st.integers(493_000, 500_000), length=st.integers(1, 9_000), passed=st.integers(0, 10_000))
def test_zooming_leads_to_spans_that_can_be_shown_and_never_beyond_now(hour: int, length: int, passed: int) -> None:
    span = Span(hour * HOUR_MS, (hour + length) * HOUR_MS)
    now = span.until + passed * HOUR_MS - 1
    places = zoomed(span, now)

    for place in places.values():
        assert place == between(place.since, place.until)
        assert place.until <= max(now + 1, span.until)
        assert parse_instant(text_of(place.since), UTC, is_end=False) == place.since
    assert places["earlier"].until == span.since
    assert ("later" in places) == (passed > 0)
    if "in" in places:
        assert span.since < places["in"].since < places["in"].until < span.until
    if "out" in places:
        assert places["out"].since < span.since
        assert span.until <= places["out"].until


def test_every_period_that_is_offered_has_a_grain_that_a_chart_can_show() -> None:
    for name in PERIODS:
        assert len(starts_of(latest(name, _at("2026-11-27T14:20:00+00:00"), PRAGUE), PRAGUE)) <= 366
