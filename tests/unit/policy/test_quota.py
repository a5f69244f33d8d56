"""Which limits count now, and what a message that goes over one is told."""

from postroad.model.credential import CredentialKind, Principal
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.policy.quota import Demand, Period, demands_of, over_quota

# 2027-01-15 08:00:00 UTC
EIGHT = 1_800_000_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def principal(hourly: int | None, daily: int | None) -> Principal:
    return Principal(
        1, 2, "news.example.com", 3, "app", CredentialKind.PASSWORD, hourly_limit=hourly, daily_limit=daily
    )


def domain(hourly: int = 0, daily: int = 0) -> SendingDomain:
    settings = DomainSettings(hourly_quota=hourly, daily_quota=daily)
    return SendingDomain(
        id=2, account_id=1, name="news.example.com", state=DomainState.ACTIVE, settings=settings, created_at=1
    )


def test_who_has_no_limit_is_counted_against_none() -> None:
    assert demands_of(principal(None, None), domain(), EIGHT) == ()


def test_limits_are_of_the_clock_hour_and_the_day_in_utc() -> None:
    assert demands_of(principal(10, 100), domain(), EIGHT + 59 * 60_000) == (
        Demand("smtp_user:3", Period.HOUR, EIGHT, 10),
        Demand("smtp_user:3", Period.DAY, EIGHT - 8 * HOUR_MS, 100),
    )
    assert demands_of(principal(10, None), domain(), EIGHT + HOUR_MS) == (
        Demand("smtp_user:3", Period.HOUR, EIGHT + HOUR_MS, 10),
    )


def test_a_reached_limit_may_be_tried_again_and_says_when() -> None:
    hourly = over_quota(Demand("smtp_user:3", Period.HOUR, EIGHT, 10), 2)
    daily = over_quota(Demand("smtp_user:3", Period.DAY, EIGHT - 8 * HOUR_MS, 100), 2)

    assert (hourly.rule, hourly.enhanced_status) == ("hourly_limit", "4.7.1")
    assert "10 recipients an hour" in hourly.text
    assert "after 2027-01-15 09:00 UTC" in hourly.text
    assert (daily.rule, daily.enhanced_status) == ("daily_limit", "4.7.1")
    assert "after 2027-01-16 00:00 UTC" in daily.text


def test_a_limit_of_one_is_told_in_the_singular() -> None:
    full = over_quota(Demand("smtp_user:3", Period.HOUR, EIGHT, 1), 1)
    never = over_quota(Demand("smtp_user:3", Period.DAY, EIGHT, 1), 2)

    assert "may have 1 recipient an hour, and 1 more is too many now" in full.text
    assert "has 2 recipients and this SMTP user may have 1 recipient a day" in never.text


def test_a_message_that_no_hour_has_room_for_is_refused_for_good() -> None:
    refusal = over_quota(Demand("smtp_user:3", Period.HOUR, EIGHT, 10), 11)

    assert (refusal.rule, refusal.enhanced_status) == ("recipients_over_limit", "5.7.1")
    assert "has 11 recipients" in refusal.text


def test_a_domains_quotas_count_after_its_users_limits() -> None:
    assert demands_of(principal(10, None), domain(20, 200), EIGHT) == (
        Demand("smtp_user:3", Period.HOUR, EIGHT, 10),
        Demand("domain:2", Period.HOUR, EIGHT, 20),
        Demand("domain:2", Period.DAY, EIGHT - 8 * HOUR_MS, 200),
    )
    assert demands_of(principal(None, None), domain(daily=200), EIGHT) == (
        Demand("domain:2", Period.DAY, EIGHT - 8 * HOUR_MS, 200),
    )


def test_a_full_quota_is_the_domains_and_says_when_it_frees() -> None:
    full = over_quota(Demand("domain:2", Period.HOUR, EIGHT, 10), 2)
    never = over_quota(Demand("domain:2", Period.DAY, EIGHT, 10), 11)

    assert (full.rule, full.enhanced_status) == ("hourly_quota", "4.7.1")
    assert "This sending domain may have 10 recipients an hour" in full.text
    assert "after 2027-01-15 09:00 UTC" in full.text
    assert (never.rule, never.enhanced_status) == ("recipients_over_quota", "5.7.1")
