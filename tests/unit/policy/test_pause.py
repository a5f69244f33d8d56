"""When bounces or complaints pause a sending domain, and what of the past counts."""

import msgspec
import pytest

from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.policy.pause import Cause, PauseReason, Tally, asks_for_pauses, tally_lately, why_pause

HOUR = 3_600_000
THIS = 500_000
NOW = THIS * HOUR + HOUR // 2


def domain(percent: int = 10, after: int = 100, complaints: float = 0) -> SendingDomain:
    settings = DomainSettings(
        pause_bounce_percent=percent, pause_after_messages=after, pause_complaint_percent=complaints
    )
    return SendingDomain(
        id=1, account_id=1, name="news.example.com", state=DomainState.ACTIVE, created_at=0, settings=settings
    )


@pytest.mark.parametrize(
    ("delivered", "bounced", "is_paused"),
    [(90, 10, False), (89, 11, True), (0, 99, False), (0, 100, True), (9_000, 1_000, False), (0, 0, False)],
)
def test_more_bounces_than_allowed_pause_once_enough_deliveries_ended(
    delivered: int, bounced: int, is_paused: bool
) -> None:
    assert (why_pause(domain(), Tally(delivered, bounced)) is not None) == is_paused


def test_the_reason_has_its_numbers() -> None:
    why = why_pause(domain(), Tally(680, 320))

    assert why == PauseReason(
        Cause.BOUNCES,
        "32.0% of the deliveries of the last 24 hours bounced: 320 of 1,000, more than the 10% that the domain allows.",
    )


@pytest.mark.parametrize(
    ("allowed", "tally", "is_paused"),
    [
        (0.3, Tally(1_000, 0, 3), False),
        (0.3, Tally(1_000, 0, 4), True),
        (0.1, Tally(3_000, 0, 3), False),
        (0.1, Tally(3_000, 0, 4), True),
        (0.072, Tally(12_500, 0, 9), False),
        (0.072, Tally(12_500, 0, 10), True),
        (0.3, Tally(99, 0, 99), False),
        (0.3, Tally(99, 100, 50), False),
        (0.3, Tally(0, 100, 1), False),
        (99, Tally(100, 0, 99), False),
    ],
)
def test_more_complaints_than_allowed_pause_once_enough_deliveries_ended(
    allowed: float, tally: Tally, is_paused: bool
) -> None:
    assert (why_pause(domain(percent=0, complaints=allowed), tally) is not None) == is_paused


def test_the_reason_names_the_rate_of_complaints() -> None:
    why = why_pause(domain(complaints=0.3), Tally(9_000, 100, 45))

    assert why == PauseReason(
        Cause.COMPLAINTS,
        "Recipients complained 45 times in the last 24 hours, in which 9,000 messages were delivered: 0.50%, more than "
        "the 0.3% that the domain allows.",
    )


def test_either_rate_asks_for_a_look_at_the_domain() -> None:
    assert asks_for_pauses(domain(percent=1))
    assert asks_for_pauses(domain(percent=0, complaints=0.1))
    assert not asks_for_pauses(domain(percent=0))


def test_nothing_pauses_a_domain_that_does_not_ask_for_it_or_is_paused() -> None:
    paused = msgspec.structs.replace(domain(), paused_at=NOW)

    assert why_pause(domain(percent=0, after=1), Tally(0, 1_000)) is None
    assert why_pause(domain(percent=0, after=1), Tally(1_000, 0, 1_000)) is None
    assert (DomainSettings().pause_bounce_percent, DomainSettings().pause_complaint_percent) == (0, 0)
    assert why_pause(paused, Tally(0, 1_000)) is None


def test_the_last_24_clock_hours_count() -> None:
    by_hour = {
        THIS - 24: Tally(1_000, 1_000, 9),
        THIS - 23: Tally(1, 2, 1),
        THIS: Tally(10, 20, 3),
        THIS + 1: Tally(5, 5),
    }

    assert tally_lately(domain(), by_hour, NOW) == Tally(11, 22, 4)


def test_after_a_pause_only_what_ended_since_counts() -> None:
    resumed = msgspec.structs.replace(
        domain(),
        resumed_at=NOW - HOUR,
        delivered_before_resume=30,
        bounced_before_resume=40,
        complained_before_resume=5,
    )
    by_hour = {THIS - 2: Tally(500, 500, 50), THIS - 1: Tally(35, 41, 6), THIS: Tally(7, 8, 2)}

    assert tally_lately(resumed, by_hour, NOW) == Tally(12, 9, 3)


def test_a_pause_of_long_ago_takes_nothing_away() -> None:
    resumed = msgspec.structs.replace(
        domain(), resumed_at=NOW - 24 * HOUR, delivered_before_resume=30, bounced_before_resume=40
    )

    assert tally_lately(resumed, {THIS - 23: Tally(1, 1)}, NOW) == Tally(1, 1)
