"""What a dry run is answered with: every check in its order, and what would be sent."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from postroad.dialects.postroad.answers import MOST_SHOWN, instant
from postroad.dialects.postroad.message import Instant
from postroad.dialects.postroad.problem import Fault, rejected
from postroad.dialects.postroad.shown_copy import ShownCopy, shown_copy
from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.ids import text_of
from postroad.policy.explanation import Check, Copy, Explained, ExplainedCall, Fate, NoCopy, Result
from postroad.policy.quota import Period
from postroad.policy.suppression import comparable

_MOST_OCTETS = 32 * 1024 * 1024
"""Of the copies of one message that are made to look at, the first aside."""


_MOST_SHOWN_OCTETS = 10_000_000
"""Of all copies that an answer shows."""
_SHOWN_OCTETS = range(20_000, 1_000_000)
"""The least and the most of one of them."""


class ShownCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One check of a message, in the order in which they are made."""

    name: Annotated[
        str,
        Meta(
            description="`idempotency_key`, `domain`, `envelope_sender`, `size`, `octets`, `header`, `from`, `options`, `template`, "
            "`pause`, `quotas`, `repeats`, `suppressions`, `copies`."
        ),
    ]
    result: Annotated[Result, Meta(description="`not_reached` where what failed before makes it meaningless.")]
    detail: Annotated[str, Meta(description="What was found, or what is wrong.")]
    rule: Annotated[str | None, Meta(description="The rule that does not hold, as for refusals.")]
    others: Annotated[tuple[str, ...], Meta(description="More that is wrong by the same rule.")]


class ShownRecipient(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of one recipient."""

    recipient: str
    result: Annotated[
        Fate,
        Meta(
            description="`sent`; `suppressed` by a list of the domain; `repeated`, as it had the message before; `impossible`, as its "
            "copy cannot be made and would bounce; `refused` with the whole call."
        ),
    ]
    detail: str
    missing_variables: Annotated[tuple[str, ...], Meta(description="Placeholders without a value in its copy.")]


class ShownMessageToBe(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a call that was only looked at."""

    checks: tuple[ShownCheck, ...]
    envelope_from: str
    recipients: Annotated[tuple[ShownRecipient, ...], Meta(description=f"The first {MOST_SHOWN} of them.")]
    recipient_count: int
    deliver_at: Annotated[Instant | None, Meta(description="When it would be sent; null where it is refused.")]
    expires_at: Instant | None
    options: Annotated[
        dict[str, Any], Meta(description="The options that take effect, defaults of the domain among them.")
    ]
    notes: Annotated[tuple[str, ...], Meta(description="What was done to the message, and what of it has no effect.")]
    copy: Annotated[
        ShownCopy | None,
        Meta(
            description="What would leave for the `recipient` of the call, else for the first; null where it cannot be made."
        ),
    ]


class ShownQuota(msgspec.Struct, frozen=True, kw_only=True):
    """One quota of the sending domain."""

    period: Period
    limit: int
    used: Annotated[int, Meta(description="Recipients so far; this call is not counted.")]
    wanted: Annotated[int, Meta(description="Recipients that the call would count.")]
    ends_at: Instant


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What a call would come to: nothing was stored, counted or sent."""

    status: Annotated[int, Meta(description="What the call would be answered with.")]
    detail: str
    errors: Annotated[tuple[Fault, ...], Meta(description="What it would be refused for.")]
    first_answer: Annotated[
        tuple[str, ...], Meta(description="The ids that the call was answered with before, by its key.")
    ]
    quotas: tuple[ShownQuota, ...]
    messages: tuple[ShownMessageToBe, ...]


def may_have(message: Explained, address: str) -> bool:
    """Whether a message has a recipient; of one that is refused, nobody knows."""
    accepted = message.accepted
    return accepted is None or any(comparable(one.recipient) == comparable(address) for one in accepted.deliveries)


def copied(message: Explained, wanted: str, room: int) -> list[Delivery]:
    """Return the recipients of a message whose copies are made to look at: first the one whose copy is shown.

    Args:
        message: The message.
        wanted: The recipient that somebody asks about; empty for none.
        room: How many copies may be made.
    """
    accepted = message.accepted
    if accepted is None or not accepted.deliveries:
        return []
    listed = accepted.deliveries
    asked = comparable(wanted) if wanted else None
    shown = next((one for one in listed if comparable(one.recipient) == asked), None)
    leaving = [one for one in listed[:MOST_SHOWN] if one.state is not DeliveryState.SUPPRESSED]
    first = shown or (leaving or listed)[0]
    count = min(room, _MOST_OCTETS // max(1, len(accepted.content)))
    return [first, *[one for one in leaving if one is not first][: max(0, count - 1)]]


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """One message with the copies that were made of it."""

    message: Explained
    shown: Sequence[Delivery]
    """As ``copied`` returned them."""
    copies: Mapping[int, Copy | NoCopy]
    options: Mapping[str, Any]


def explanation(call: ExplainedCall, looked: Sequence[Looked], now: int, *, is_batch: bool) -> Explanation:
    """Return the answer to a dry run; ``now`` is in milliseconds since 1970."""
    status, detail, faults = 202, "The call would be accepted.", tuple[Fault, ...]()
    if call.first_answer:
        detail = "The call was made before by the same key: it gets the first answer, and nothing is sent again."
    elif call.rejected:
        refusal = rejected(call.rejected, now, is_batch=is_batch)
        status, detail, faults = refusal.status, refusal.detail, refusal.faults
    otherwise = Fate.REPEATED if call.first_answer else Fate.REFUSED if call.rejected else Fate.SENT
    most = min(max(_MOST_SHOWN_OCTETS // max(1, len(looked)), _SHOWN_OCTETS.start), _SHOWN_OCTETS.stop)
    return Explanation(
        status=status,
        detail=detail,
        errors=faults,
        first_answer=tuple(map(text_of, call.first_answer)),
        quotas=tuple(
            ShownQuota(
                period=one.demand.period,
                limit=one.demand.limit,
                used=one.used,
                wanted=call.count,
                ends_at=instant(one.demand.ends_at),
            )
            for one in call.usages
        ),
        messages=tuple(_message(one, otherwise, most) for one in looked),
    )


def _message(looked: Looked, otherwise: Fate, most: int) -> ShownMessageToBe:
    message, accepted = looked.message, looked.message.accepted
    envelope = message.submission.envelope
    checks = tuple(map(_check, (*message.checks, _copies_check(looked))))
    if accepted is None:
        refused = tuple(_recipient(one.forward_path, Fate.REFUSED) for one in envelope.recipients[:MOST_SHOWN])
        return ShownMessageToBe(
            checks=checks, envelope_from=envelope.reverse_path, recipients=refused,
            recipient_count=len(envelope.recipients), deliver_at=None, expires_at=None, options={}, notes=(), copy=None,
        )  # fmt: skip
    first = next((one for one in accepted.deliveries if one.state is not DeliveryState.SUPPRESSED), None)
    return ShownMessageToBe(
        checks=checks,
        envelope_from=accepted.message.reverse_path,
        recipients=tuple(_fate(one, looked, otherwise) for one in accepted.deliveries[:MOST_SHOWN]),
        recipient_count=len(accepted.deliveries),
        deliver_at=None if first is None else instant(first.due_at),
        expires_at=None if first is None else instant(first.expires_at),
        options=dict(looked.options),
        notes=tuple(accepted.events[0].data.get("edits", ())),
        copy=_shown(looked, most),
    )


def _copies_check(looked: Looked) -> Check:
    if looked.message.accepted is None:
        return Check("copies", Result.NOT_REACHED)
    faults = [
        f"{one.recipient}: {made.why}" for one in looked.shown if isinstance(made := looked.copies.get(one.id), NoCopy)
    ]
    made_of = f"{len(looked.shown)} of {len(looked.message.accepted.deliveries)} copies were made"
    if not faults:
        return Check("copies", Result.PASSED, made_of)
    detail = f"{made_of}, of which {len(faults)} cannot be: they would be accepted, and bounce"
    return Check("copies", Result.FAILED, detail, None, tuple(faults))


def _fate(delivery: Delivery, looked: Looked, otherwise: Fate) -> ShownRecipient:
    if delivery.state is DeliveryState.SUPPRESSED:
        return _recipient(delivery.recipient, Fate.SUPPRESSED, delivery.last_reply or "")
    if (first := looked.message.firsts.get(delivery.id)) is not None and otherwise is Fate.SENT:
        return _recipient(delivery.recipient, Fate.REPEATED, f"It had message {text_of(first.message_id)}.")
    match looked.copies.get(delivery.id):
        case NoCopy(why):
            return _recipient(delivery.recipient, Fate.IMPOSSIBLE if otherwise is Fate.SENT else otherwise, why)
        case Copy(missing=missing):
            return _recipient(delivery.recipient, otherwise, missing=missing)
    return _recipient(delivery.recipient, otherwise)


def _recipient(address: str, fate: Fate, detail: str = "", missing: tuple[str, ...] = ()) -> ShownRecipient:
    return ShownRecipient(recipient=address, result=fate, detail=detail, missing_variables=missing)


def _shown(looked: Looked, most: int) -> ShownCopy | None:
    if not looked.shown:
        return None
    made = looked.copies.get(looked.shown[0].id)
    return shown_copy(looked.shown[0].recipient, made.content, most) if isinstance(made, Copy) else None


def _check(check: Check) -> ShownCheck:
    return ShownCheck(name=check.name, result=check.result, detail=check.detail, rule=check.rule, others=check.others)
