"""A call that is only looked at: what the checks of a real one say of it, nothing stored and nothing counted."""

from collections.abc import Iterator, Sequence

import msgspec

from postroad.model.dedupe import Repeats
from postroad.model.delivery import DeliveryState
from postroad.model.ids import text_of
from postroad.model.message import Accepted
from postroad.model.submission import Rejected
from postroad.policy.admission import pause_refusal
from postroad.policy.explanation import (
    Check,
    Explained,
    ExplainedCall,
    Result,
    Usage,
    check_of,
    of_admission,
    over,
)
from postroad.policy.quota import demands_of, over_quota
from postroad.policy.suppression import keys_of, screened
from postroad.storage import quotas, suppressions
from postroad.storage.database import Database
from postroad.submission.batch import Fit, Receipt, Turned, new_deliveries, unless_reused


class _Together(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of all messages of a call."""

    key: Rejected | None
    pause: Rejected | None
    quota: Rejected | None
    usages: tuple[Usage, ...]
    count: int
    first_answer: tuple[int, ...]

    @property
    def refusal(self) -> Rejected | None:
        """What all of them are refused for once each was admitted."""
        return self.pause or self.quota


async def explained(
    database: Database,
    looked_at: Sequence[Fit | Turned],
    repeats: Sequence[Repeats | None],
    first_answer: tuple[Receipt, ...] | Rejected | None,
) -> ExplainedCall:
    """Return what would become of submissions that were looked at.

    Args:
        database: Where lists and quotas stand.
        looked_at: What admission said of each.
        repeats: What each of those that were found fit repeats.
        first_answer: What the call was answered with before, or the refusal of its name.
    """
    fit = [one for one in looked_at if isinstance(one, Fit)]
    batch = [one.accepted for one in fit]
    together = await _together(database, fit, repeats, first_answer)
    found = await database.read(suppressions.lookup, keys_of(one for accepted in batch for one in accepted.deliveries))
    repeated = dict(zip((one.message.id for one in batch), repeats, strict=True))
    messages = []
    for one in looked_at:
        if isinstance(one, Turned):
            messages.append(_turned(one, together))
        else:
            accepted = screened(one.accepted, found)
            messages.append(_fit(one, accepted, repeated[accepted.message.id], together))
    return ExplainedCall(
        messages=tuple(messages),
        count=together.count,
        usages=together.usages,
        rejected=_refusals(messages, together),
        first_answer=together.first_answer,
    )


def _refusals(messages: Sequence[Explained], together: _Together) -> dict[int, Rejected]:
    """Return what a call would be refused for, by the message, in the order in which a real one finds out."""
    if together.first_answer:
        return {}
    if together.key is not None:
        return {0: together.key}
    refused = {place: one.rejected for place, one in enumerate(messages) if one.rejected is not None}
    is_admitted = all(one.accepted is not None for one in messages)
    return {0: together.refusal} if is_admitted and together.refusal is not None else refused


async def _together(
    database: Database,
    fit: Sequence[Fit],
    repeats: Sequence[Repeats | None],
    first_answer: tuple[Receipt, ...] | Rejected | None,
) -> _Together:
    count = new_deliveries([one.accepted for one in fit], repeats)
    usages: tuple[Usage, ...] = ()
    pause = full = None
    if fit:
        submission, domain = fit[0].submission, fit[0].domain
        # What repeats mail of before the pause is none of its business.
        pause = pause_refusal(domain) if count else None
        demands = demands_of(submission.principal, domain, fit[0].accepted.message.accepted_at)
        if demands:
            used = await database.read(quotas.used, demands)
            usages = tuple(map(Usage, demands, used))
            full = over(usages, count) if count else None
    return _Together(
        key=first_answer if isinstance(first_answer, Rejected) else None,
        pause=pause,
        quota=None if full is None else over_quota(full, count),
        usages=usages,
        count=count,
        first_answer=tuple(one.message_id for one in first_answer) if isinstance(first_answer, tuple) else (),
    )


def _turned(one: Turned, together: _Together) -> Explained:
    details = {"size": f"{len(one.submission.content)} octets", "domain": one.submission.principal.sending_domain}
    checks = [_key_check(together, one.submission.call is not None), *of_admission(one.rejected, details)]
    checks += [Check(name, Result.NOT_REACHED) for name in ("pause", "quotas", "repeats", "suppressions")]
    return Explained(submission=one.submission, checks=tuple(checks), accepted=None, rejected=one.rejected)


def _fit(one: Fit, accepted: Accepted, repeats: Repeats | None, together: _Together) -> Explained:
    message, options = accepted.message, accepted.message.options
    template = options.template
    details = {
        "domain": one.domain.name,
        "envelope_sender": message.reverse_path,
        "size": f"{message.size} octets",
        "from": message.header_from,
        "options": ", ".join(msgspec.to_builtins(options)),
        "template": "none" if template is None else f"{template.name}, version {template.version}",
    }
    reused = unless_reused([repeats])
    refusal = reused if isinstance(reused, Rejected) else None
    firsts = {} if repeats is None else repeats.firsts
    stopped = sum(each.state is DeliveryState.SUPPRESSED for each in accepted.deliveries)
    checks = (
        _key_check(together, one.submission.call is not None),
        *of_admission(None, details),
        check_of("pause", together.pause),
        check_of("quotas", together.quota, ", ".join(_used(together))),
        check_of("repeats", refusal, f"{len(firsts)} of {len(accepted.deliveries)} recipients"),
        Check("suppressions", Result.PASSED, f"{stopped} of {len(accepted.deliveries)} recipients"),
    )
    return Explained(submission=one.submission, checks=checks, accepted=accepted, firsts=firsts, rejected=refusal)


def _key_check(together: _Together, has_key: bool) -> Check:
    detail = "new" if has_key else "none"
    if together.first_answer:
        detail = f"used before for the same call: it is answered with message {text_of(together.first_answer[0])}"
    return check_of("idempotency_key", together.key, detail)


def _used(together: _Together) -> Iterator[str]:
    for one in together.usages:
        demand = one.demand
        yield f"{one.used} of {demand.limit} used this {demand.period.value}, and {together.count} more"
