"""What a bounce means for its address: hard, blocked or soft."""

from typing import Any

import pytest

from postroad.model.event import Event, EventType
from postroad.model.outcome import BounceClass
from postroad.policy.bounce_kind import DESCRIPTIONS, BounceKind, bounce_class_of, bounce_kind_of

HARD, BLOCKED, SOFT = BounceKind.HARD, BounceKind.BLOCKED, BounceKind.SOFT
GONE: dict[str, Any] = {"bounce_class": "bad-mailbox", "phase": "rcpt", "code": 550, "enhanced_status": "5.1.1"}


def bounced(**data: Any) -> Event:
    kept = {name: value for name, value in data.items() if value is not None}
    return Event(
        id=1, type=EventType.BOUNCED, at=1, account_id=1, domain_id=1, message_id=1, recipient="a@b.c", data=kept
    )


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, HARD),
        ({"enhanced_status": None}, HARD),
        ({"enhanced_status": "5.0.0"}, HARD),
        ({"enhanced_status": "5.2.1", "bounce_class": "inactive-mailbox"}, HARD),
        ({"phase": "final_dot"}, HARD),
        ({"phase": "dns", "code": None, "enhanced_status": "5.1.10", "bounce_class": "bad-domain"}, HARD),
        ({"phase": None, "code": None, "is_late": True}, HARD),
        ({"phase": None, "code": None, "enhanced_status": "4.1.1", "is_late": True}, SOFT),
        ({"phase": "mail"}, SOFT),
        ({"phase": "connect"}, SOFT),
        ({"code": 450}, SOFT),
        ({"code": None, "enhanced_status": "4.4.7", "is_expired": True}, SOFT),
        ({"code": None, "is_expired": True}, SOFT),
        ({"enhanced_status": "5.7.1"}, SOFT),
        ({"enhanced_status": "5.1.8"}, SOFT),
        ({"enhanced_status": "5.4.4", "bounce_class": "bad-domain"}, SOFT),
        ({"bounce_class": "quota"}, SOFT),
        ({"bounce_class": "routing"}, SOFT),
        ({"bounce_class": "protocol"}, SOFT),
        ({"bounce_class": "other"}, SOFT),
        ({"bounce_class": "a word of tomorrow"}, SOFT),
        ({"bounce_class": None}, SOFT),
        ({"bounce_class": "spam-related"}, BLOCKED),
        ({"bounce_class": "policy-related"}, BLOCKED),
        ({"bounce_class": "content-related"}, BLOCKED),
    ],
)
def test_bounce_means_for_its_address(changes: dict[str, Any], kind: BounceKind) -> None:
    assert bounce_kind_of(bounced(**GONE | changes)) is kind


def test_every_class_is_described() -> None:
    assert set(DESCRIPTIONS) == set(BounceClass)


def test_class_that_is_not_known_is_other() -> None:
    assert bounce_class_of(bounced(bounce_class="a word of tomorrow")) is BounceClass.OTHER
    assert bounce_class_of(bounced()) is BounceClass.OTHER
