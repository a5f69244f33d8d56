"""What a report that comes after delivery changes: nothing, or a delivery that bounced after all."""

from collections.abc import Sequence
from typing import Any

import msgspec

from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.event import Event, EventType
from postroad.model.outcome import BounceClass, Phase
from postroad.model.returned import Returned, ReturnedStatus
from postroad.model.suppression import Suppression
from postroad.policy.bounce_class import bounce_class_of
from postroad.policy.suppression import comparable, of_late_bounce

_AT_RCPT = "in reply to rcpt to"
"""Postfix says so; other reports do not tell at which command a host refused."""


class LateBounce(msgspec.Struct, frozen=True):
    """What to record."""

    event: Event
    last_reply: str
    suppressions: tuple[Suppression, ...]


def late_bounce(delivery: Delivery, returned: Returned, event_id: int, now: int) -> LateBounce | None:
    """Return what to record of a report on a delivery; None where it changes nothing.

    Only what was delivered can bounce late: everything else has its outcome already, or will have it.
    """
    failed = _failed(delivery, returned.statuses)
    if failed is None or delivery.state is not DeliveryState.DELIVERED:
        return None
    bounce_class = class_of(failed)
    reply = _reply(failed)
    data: dict[str, Any] = {
        "is_late": True,
        # A delivery that has ended was due for the last time when it did.
        "delivered_at": delivery.due_at,
        "reply": reply,
        "scope": "recipient",
        "bounce_class": bounce_class.value,
        "shape": returned.shape,
        "report": returned.report,
    }
    optional = {
        "code": failed.code,
        "enhanced_status": failed.status,
        "host": failed.host,
        "client_address": returned.client_address,
    }
    event = Event(
        id=event_id,
        type=EventType.BOUNCED,
        at=now,
        account_id=delivery.account_id,
        domain_id=delivery.domain_id,
        message_id=delivery.message_id,
        delivery_id=delivery.id,
        recipient=delivery.recipient,
        data=data | {name: value for name, value in optional.items() if value} | delivery.event_marks,
        callback=delivery.options.callback,
    )
    last_reply = f"{failed.host}: {reply}" if failed.host else reply
    suppressions = of_late_bounce(
        delivery,
        bounce_class,
        code=failed.code,
        enhanced_status=failed.status or None,
        text=failed.diagnosis,
        reply=last_reply,
        now=now,
    )
    return LateBounce(event, last_reply, suppressions)


def class_of(failed: ReturnedStatus) -> BounceClass:
    """Return why it was refused.

    A bare 550 says nothing here: unlike at RCPT, it may as well have been the message that was refused.
    """
    phase = Phase.RCPT if _AT_RCPT in failed.diagnosis.lower() else Phase.FINAL_DOT
    return bounce_class_of(phase, failed.code, failed.status or None, failed.diagnosis)


def _failed(delivery: Delivery, statuses: Sequence[ReturnedStatus]) -> ReturnedStatus | None:
    """Return the failure that is about the delivery: of its recipient where the report names that one, else any.

    Behind an alias the report names others than we mailed to.
    """
    wanted = comparable(delivery.recipient)
    of_recipient = [one for one in statuses if wanted in {comparable(address) for address in one.addresses}]
    return next((one for one in of_recipient or statuses if one.action == "failed"), None)


def _reply(failed: ReturnedStatus) -> str:
    if failed.diagnosis:
        return failed.diagnosis
    return f"{failed.status} returned without a reason".strip() if failed.status else "returned without a reason"
