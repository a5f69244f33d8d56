"""Lock-outs: who may try another password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroad.policy.lockout import (
    CLEAN,
    CLIENT,
    CREDENTIAL,
    NETWORK,
    Locked,
    LockoutRule,
    LoginFacts,
    MayTry,
    Standing,
    client_subject,
    credential_subject,
    failed,
    network_subject,
    remembered,
    taken_back,
    verdict,
)

MINUTE = 60_000
HOUR = 60 * MINUTE
RULE = LockoutRule(
    failures=5,
    locks_ms=(MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR),
    failures_forgotten_after_ms=HOUR,
    locks_forgotten_after_ms=24 * HOUR,
)
NOW = 1_800_000_000_000
LOCKED = Standing(failures=5, times_locked=1, last_failed_at=NOW - 1, locked_until=NOW + MINUTE)

standings = st.builds(
    Standing,
    failures=st.integers(0, 20),
    times_locked=st.integers(0, 10),
    last_failed_at=st.integers(NOW - 48 * HOUR, NOW),
    locked_until=st.none() | st.integers(NOW - 48 * HOUR, NOW + HOUR),
)
anyone = st.builds(LoginFacts, credential=standings, client=standings, network=standings, is_known=st.booleans())


def _lock(standing: Standing, now: int) -> Standing:
    for _ in range(RULE.failures):
        standing = failed(standing, RULE, now)
    return standing


def test_failures_lock_when_there_are_as_many_as_the_rule_says() -> None:
    standing = CLEAN
    for _ in range(4):
        standing = failed(standing, RULE, NOW)
        assert not standing.is_locked(NOW)
    standing = failed(standing, RULE, NOW)

    assert standing.is_locked(NOW + MINUTE - 1)
    assert not standing.is_locked(NOW + MINUTE)


def test_each_lock_lasts_longer_than_the_one_before_up_to_the_longest() -> None:
    standing, now, minutes = CLEAN, NOW, []
    for _ in range(6):
        standing = _lock(standing, now)
        assert standing.locked_until is not None
        minutes.append((standing.locked_until - now) // MINUTE)
        now = standing.locked_until
    assert minutes == [1, 5, 15, 60, 60, 60]


def test_many_failures_at_once_lock_once() -> None:
    at_once = failed(CLEAN, RULE, NOW, times=500)

    assert (at_once.times_locked, at_once.locked_until) == (1, NOW + MINUTE)


def test_failures_while_locked_do_not_lengthen_the_lock() -> None:
    assert failed(LOCKED, RULE, NOW, times=100) == LOCKED


def test_a_failure_that_is_taken_back_takes_its_own_lock_along_and_no_other() -> None:
    assert taken_back(LOCKED, NOW, lock=LOCKED.locked_until) == Standing(failures=4, last_failed_at=NOW)
    for lock in (None, NOW - 1):
        assert taken_back(LOCKED, NOW, lock=lock) == Standing(
            failures=4, times_locked=1, last_failed_at=NOW, locked_until=LOCKED.locked_until
        )
    assert taken_back(CLEAN, NOW, lock=None) == Standing(last_failed_at=NOW)


def test_count_begins_anew_after_a_lock_and_after_an_hour_without_a_failure() -> None:
    assert failed(LOCKED, RULE, NOW + 2 * MINUTE).failures == 1
    almost = Standing(failures=4, last_failed_at=NOW)
    assert failed(almost, RULE, NOW + HOUR - 1).is_locked(NOW + HOUR)
    assert failed(almost, RULE, NOW + HOUR).failures == 1


def test_next_lock_is_a_first_one_again_after_a_quiet_day() -> None:
    hardened = Standing(failures=5, times_locked=4, last_failed_at=NOW - HOUR, locked_until=NOW)

    assert _lock(hardened, NOW + 24 * HOUR - 1).times_locked == 5
    assert _lock(hardened, NOW + 24 * HOUR).times_locked == 1


@pytest.mark.parametrize(
    ("facts", "scope"),
    [
        (LoginFacts(credential=LOCKED), CREDENTIAL),
        (LoginFacts(client=LOCKED), CLIENT),
        (LoginFacts(network=LOCKED), NETWORK),
        (LoginFacts(credential=LOCKED, is_known=True, is_client_good=True, is_network_good=True), CREDENTIAL),
        (LoginFacts(client=LOCKED, is_network_good=True, is_known=True), CLIENT),
    ],
)
def test_locked_subjects_lock_out_whoever_is_not_spared(facts: LoginFacts, scope: str) -> None:
    assert verdict(facts, RULE, NOW) == Locked(scope, NOW + MINUTE)


@pytest.mark.parametrize(
    "facts",
    [
        LoginFacts(credential=LOCKED, is_known_to_credential=True),
        LoginFacts(client=LOCKED, is_client_good=True),
        LoginFacts(network=LOCKED, is_network_good=True),
        LoginFacts(network=LOCKED, is_client_good=True),
        LoginFacts(client=LOCKED, network=LOCKED, is_client_good=True, is_network_good=True),
    ],
)
def test_those_who_authenticated_well_go_on(facts: LoginFacts) -> None:
    assert isinstance(verdict(facts, RULE, NOW), MayTry)


def test_known_clients_go_before_strangers_until_they_fail_too_often_themselves() -> None:
    assert verdict(LoginFacts(is_known=True), RULE, NOW) == MayTry(is_preferred=True)
    assert verdict(LoginFacts(), RULE, NOW) == MayTry(is_preferred=False)
    failing = failed(CLEAN, RULE, NOW, times=100, may_lock=False)
    assert verdict(LoginFacts(client=failing, is_known=True), RULE, NOW) == MayTry(is_preferred=False)
    assert verdict(LoginFacts(client=failing, is_known=True), RULE, NOW + HOUR) == MayTry(is_preferred=True)


@given(anyone, st.booleans())
def test_a_client_that_has_just_authenticated_well_is_never_locked_out(
    facts: LoginFacts, is_network_good: bool
) -> None:
    spared = LoginFacts(
        credential=facts.credential,
        client=facts.client,
        network=facts.network,
        is_client_good=True,
        is_network_good=is_network_good,
        is_known=True,
        is_known_to_credential=True,
    )
    assert isinstance(verdict(spared, RULE, NOW), MayTry)


@given(standings, st.integers(1, 1000))
def test_a_spared_subject_is_never_newly_locked(standing: Standing, times: int) -> None:
    after = failed(standing, RULE, NOW, times=times, may_lock=False)

    assert after.is_locked(NOW) == standing.is_locked(NOW)


@given(anyone)
def test_every_lock_passes_with_time(facts: LoginFacts) -> None:
    assert isinstance(verdict(facts, RULE, NOW + HOUR), MayTry)


@given(st.lists(st.tuples(st.integers(0, 30 * HOUR), st.integers(1, 20)), max_size=40))
def test_whatever_happens_locks_are_within_the_rule_and_never_shorter_in_a_row(steps: list[tuple[int, int]]) -> None:
    standing, now = CLEAN, NOW
    for pause, times in steps:
        now += pause
        before = standing
        standing = failed(standing, RULE, now, times=times)
        if standing.is_locked(now) and not before.is_locked(now):
            assert standing.locked_until is not None
            assert standing.locked_until - now in RULE.locks_ms
            if standing.times_locked > 1:
                assert standing.times_locked == before.times_locked + 1
        assert standing.failures >= 0


@given(standings, st.integers(NOW, NOW + 48 * HOUR))
def test_forgetting_changes_nothing_that_holds(standing: Standing, now: int) -> None:
    after = remembered(standing, RULE, now)

    assert after.is_locked(now) == standing.is_locked(now)
    assert (after.failures, after.times_locked) <= (standing.failures, standing.times_locked)


@pytest.mark.parametrize(
    ("address", "client", "network"),
    [
        ("192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", None),
        ("", "", None),
    ],
)
def test_a_client_is_an_address_or_the_64_of_one_host(address: str, client: str, network: str | None) -> None:
    assert client_subject(address) == client
    assert network_subject(client) == network


def test_names_are_counted_in_one_spelling_and_a_bounded_length() -> None:
    assert credential_subject(" App@Example.COM ") == "app@example.com"
    assert len(credential_subject("x" * 9000)) == 254
