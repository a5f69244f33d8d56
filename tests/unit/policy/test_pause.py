"""When bounces pause a sending domain, and what of the past counts."""

import msgspec
import pytest

from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.policy.pause import Ended, ended_lately, why_pause

HOUR = 3_600_000
THIS = 500_000
NOW = THIS * HOUR + HOUR // 2


def domain(percent: int = 10, after: int = 100) -> SendingDomain:
    settings = DomainSettings(pause_bounce_percent=percent, pause_after_messages=after)
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
    assert (why_pause(domain(), Ended(delivered, bounced)) is not None) == is_paused


def test_the_reason_has_its_numbers() -> None:
    why = why_pause(domain(), Ended(680, 320))

    assert why == (
        "32.0% of the deliveries of the last 24 hours bounced: 320 of 1,000, more than the 10% that the domain allows."
    )


def test_nothing_pauses_a_domain_that_does_not_ask_for_it_or_is_paused() -> None:
    paused = msgspec.structs.replace(domain(), paused_at=NOW)

    assert why_pause(domain(percent=0, after=1), Ended(0, 1_000)) is None
    assert DomainSettings().pause_bounce_percent == 0
    assert why_pause(paused, Ended(0, 1_000)) is None


def test_the_last_24_clock_hours_count() -> None:
    by_hour = {THIS - 24: Ended(1_000, 1_000), THIS - 23: Ended(1, 2), THIS: Ended(10, 20), THIS + 1: Ended(5, 5)}

    assert ended_lately(domain(), by_hour, NOW) == Ended(11, 22)


def test_after_a_pause_only_what_ended_since_counts() -> None:
    resumed = msgspec.structs.replace(
        domain(), resumed_at=NOW - HOUR, delivered_before_resume=30, bounced_before_resume=40
    )
    by_hour = {THIS - 2: Ended(500, 500), THIS - 1: Ended(35, 41), THIS: Ended(7, 8)}

    assert ended_lately(resumed, by_hour, NOW) == Ended(12, 9)


def test_a_pause_of_long_ago_takes_nothing_away() -> None:
    resumed = msgspec.structs.replace(
        domain(), resumed_at=NOW - 24 * HOUR, delivered_before_resume=30, bounced_before_resume=40
    )

    assert ended_lately(resumed, {THIS - 23: Ended(1, 1)}, NOW) == Ended(1, 1)
