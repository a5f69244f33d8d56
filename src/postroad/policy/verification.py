"""What a check of a sending domain's records comes to: its next state, and that of its keys."""

from collections.abc import Sequence

import msgspec

from postroad.model.domain import DkimKey, DomainState, KeyState, SendingDomain
from postroad.policy.record_comparison import RecordVerdict, VerdictStatus
from postroad.policy.records import RecordPurpose

_WRONG = frozenset({VerdictStatus.MISSING, VerdictStatus.DIFFERENT})


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """The domain and keys as they are to be after a check."""

    domain: SendingDomain
    keys: tuple[DkimKey, ...]
    stops_at: int | None = None
    """When an active domain whose records fail will be stopped, or was."""


def after_check(
    domain: SendingDomain, keys: Sequence[DkimKey], verdicts: Sequence[RecordVerdict], now: int, grace_ms: int
) -> CheckResult:
    """Decide what live DNS means for a domain.

    An unverified domain becomes active when every required record is right. An active one whose records fail goes on
    for ``grace_ms``, so that a slip in a zone does not stop mail, and is unverified after that. Where DNS gave no
    answer nothing is started or stopped.
    """
    required = [verdict.status for verdict in verdicts if verdict.expected.is_required]
    is_right = all(status is VerdictStatus.OK for status in required)
    checked = msgspec.structs.replace(domain, checked_at=now)
    keys_after = _keys_after(keys, verdicts)
    if domain.state is DomainState.UNVERIFIED and is_right:
        active = msgspec.structs.replace(checked, state=DomainState.ACTIVE, verified_at=now, failing_since=None)
        return CheckResult(domain=active, keys=keys_after)
    if domain.state is not DomainState.ACTIVE:
        return CheckResult(domain=checked, keys=keys_after)
    if is_right:
        return CheckResult(domain=msgspec.structs.replace(checked, failing_since=None), keys=keys_after)
    if not _WRONG & set(required):
        return CheckResult(domain=checked, keys=keys_after)
    since = now if domain.failing_since is None else domain.failing_since
    state = DomainState.ACTIVE if now - since < grace_ms else DomainState.UNVERIFIED
    failing = msgspec.structs.replace(checked, state=state, failing_since=since)
    return CheckResult(domain=failing, keys=keys_after, stops_at=since + grace_ms)


def _keys_after(keys: Sequence[DkimKey], verdicts: Sequence[RecordVerdict]) -> tuple[DkimKey, ...]:
    """Let published keys that were seen sign, and retire what they replace."""
    seen = _selectors(verdicts, RecordPurpose.DKIM, VerdictStatus.OK)
    taking_over = {key.algorithm for key in keys if key.state is KeyState.PUBLISHED and key.selector in seen}
    organisational = _selectors(verdicts, RecordPurpose.ORGANISATIONAL_DKIM, VerdictStatus.OK)
    unknown = _selectors(verdicts, RecordPurpose.ORGANISATIONAL_DKIM, VerdictStatus.UNKNOWN)
    after = []
    for key in keys:
        state = key.state
        if state is KeyState.PUBLISHED and key.selector in seen:
            state = KeyState.ACTIVE
        elif state is KeyState.ACTIVE and key.algorithm in taking_over:
            state = KeyState.RETIRED
        signs = key.signs_organisational if key.selector in unknown else key.selector in organisational
        after.append(msgspec.structs.replace(key, state=state, signs_organisational=signs))
    return tuple(after)


def _selectors(verdicts: Sequence[RecordVerdict], purpose: RecordPurpose, status: VerdictStatus) -> frozenset[str]:
    return frozenset(
        verdict.expected.selector
        for verdict in verdicts
        if verdict.expected.purpose is purpose and verdict.status is status
    )
