"""What a check of records comes to for a domain and its keys."""

import pytest

from postroad.model.domain import DkimKey, DomainState, KeyAlgorithm, KeyState, SendingDomain
from postroad.policy.record_comparison import RecordVerdict, VerdictStatus
from postroad.policy.records import ExpectedRecord, RecordPurpose
from postroad.policy.verification import CheckResult, after_check

NOW = 1_790_000_000_000
DAY = 86_400_000
GRACE = 3 * DAY
OK, MISSING, DIFFERENT, UNKNOWN = VerdictStatus


def domain(state: DomainState, failing_since: int | None = None, verified_at: int | None = None) -> SendingDomain:
    return SendingDomain(
        id=1,
        account_id=1,
        name="news.example.com",
        state=state,
        created_at=0,
        failing_since=failing_since,
        verified_at=verified_at,
    )


def verdict(
    status: VerdictStatus, purpose: RecordPurpose = RecordPurpose.DKIM, selector: str = "", *, is_required: bool = True
) -> RecordVerdict:
    expected = ExpectedRecord(
        purpose=purpose, name="n", form="TXT", value="v", is_required=is_required, reason="", selector=selector
    )
    return RecordVerdict(expected=expected, status=status)


def key(selector: str, state: KeyState, *, signs: bool = False, algorithm: KeyAlgorithm = KeyAlgorithm.RSA) -> DkimKey:
    return DkimKey(
        id=1,
        domain_id=1,
        selector=selector,
        algorithm=algorithm,
        state=state,
        public_key="",
        signs_organisational=signs,
        created_at=0,
    )


def check(before: SendingDomain, *statuses: VerdictStatus, now: int = NOW) -> CheckResult:
    return after_check(before, (), [verdict(status) for status in statuses], now, GRACE)


def keys_after(keys: list[DkimKey], *verdicts: RecordVerdict) -> dict[str, tuple[KeyState, bool]]:
    result = after_check(domain(DomainState.ACTIVE), keys, verdicts, NOW, GRACE)
    return {key.selector: (key.state, key.signs_organisational) for key in result.keys}


def test_an_unverified_domain_becomes_active_when_every_required_record_is_right() -> None:
    after = check(domain(DomainState.UNVERIFIED, failing_since=1), OK, OK).domain

    assert (after.state, after.verified_at, after.checked_at, after.failing_since) == (
        DomainState.ACTIVE,
        NOW,
        NOW,
        None,
    )


@pytest.mark.parametrize("status", [MISSING, DIFFERENT, UNKNOWN])
def test_one_required_record_that_is_not_right_keeps_a_domain_unverified(status: VerdictStatus) -> None:
    after = check(domain(DomainState.UNVERIFIED), OK, status).domain

    assert (after.state, after.verified_at) == (DomainState.UNVERIFIED, None)


def test_a_recommended_record_holds_nothing_up() -> None:
    verdicts = [verdict(OK), verdict(MISSING, is_required=False)]

    assert after_check(domain(DomainState.UNVERIFIED), (), verdicts, NOW, GRACE).domain.state is DomainState.ACTIVE


@pytest.mark.parametrize("state", [DomainState.VETTING, DomainState.REJECTED, DomainState.DISABLED])
@pytest.mark.parametrize("status", [OK, MISSING])
def test_dns_moves_no_domain_that_the_operator_decides_on(state: DomainState, status: VerdictStatus) -> None:
    after = check(domain(state), status).domain

    assert (after.state, after.checked_at, after.failing_since) == (state, NOW, None)


def test_an_active_domain_goes_on_for_a_while_when_its_records_fail() -> None:
    result = check(domain(DomainState.ACTIVE, verified_at=5), OK, MISSING)

    assert (result.domain.state, result.domain.failing_since, result.stops_at) == (
        DomainState.ACTIVE,
        NOW,
        NOW + GRACE,
    )
    assert result.domain.verified_at == 5


@pytest.mark.parametrize(("age", "state"), [(GRACE - 1, DomainState.ACTIVE), (GRACE, DomainState.UNVERIFIED)])
def test_an_active_domain_is_stopped_when_the_grace_is_over(age: int, state: DomainState) -> None:
    result = check(domain(DomainState.ACTIVE, failing_since=NOW - age), DIFFERENT)

    assert (result.domain.state, result.domain.failing_since) == (state, NOW - age)


def test_records_that_are_right_again_end_the_warning() -> None:
    result = check(domain(DomainState.ACTIVE, failing_since=NOW - DAY), OK)

    assert (result.domain.state, result.domain.failing_since, result.stops_at) == (DomainState.ACTIVE, None, None)


def test_a_dns_outage_stops_nobody() -> None:
    result = check(domain(DomainState.ACTIVE, failing_since=NOW - 2 * GRACE), OK, UNKNOWN)

    assert (result.domain.state, result.domain.failing_since) == (DomainState.ACTIVE, NOW - 2 * GRACE)


def test_a_new_key_takes_over_when_it_is_seen() -> None:
    keys = [key("postroad1", KeyState.ACTIVE), key("postroad2", KeyState.PUBLISHED)]

    after = keys_after(keys, verdict(OK, selector="postroad1"), verdict(OK, selector="postroad2", is_required=False))

    assert after == {"postroad1": (KeyState.RETIRED, False), "postroad2": (KeyState.ACTIVE, False)}


@pytest.mark.parametrize("status", [MISSING, DIFFERENT, UNKNOWN])
def test_the_old_key_signs_until_the_new_one_is_seen(status: VerdictStatus) -> None:
    keys = [key("postroad1", KeyState.ACTIVE), key("postroad2", KeyState.PUBLISHED)]

    after = keys_after(keys, verdict(OK, selector="postroad1"), verdict(status, selector="postroad2"))

    assert after == {"postroad1": (KeyState.ACTIVE, False), "postroad2": (KeyState.PUBLISHED, False)}


def test_a_new_ed25519_key_leaves_the_rsa_key_alone() -> None:
    keys = [
        key("postroad1", KeyState.ACTIVE),
        key("postroad1e", KeyState.PUBLISHED, algorithm=KeyAlgorithm.ED25519),
    ]

    after = keys_after(keys, verdict(OK, selector="postroad1"), verdict(OK, selector="postroad1e"))

    assert after == {"postroad1": (KeyState.ACTIVE, False), "postroad1e": (KeyState.ACTIVE, False)}


@pytest.mark.parametrize(
    ("before", "status", "after"),
    [
        (False, OK, True),
        (True, OK, True),
        (True, MISSING, False),
        (True, DIFFERENT, False),
        (True, UNKNOWN, True),
        (False, UNKNOWN, False),
    ],
)
def test_the_second_signature_follows_the_organisational_record(
    before: bool, status: VerdictStatus, after: bool
) -> None:
    organisational = verdict(status, RecordPurpose.ORGANISATIONAL_DKIM, "postroad1", is_required=False)

    assert keys_after([key("postroad1", KeyState.ACTIVE, signs=before)], organisational) == {
        "postroad1": (KeyState.ACTIVE, after)
    }
