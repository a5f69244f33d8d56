"""What every format says of a happening alike."""

from typing import Any

import msgspec
import pytest

from postroad.dialects.samples import sample
from postroad.model.event import Event, EventType
from postroad.policy.happening import description_of, message_ids_of, reply_of, seconds_of, wait_of


def event(event_type: EventType, **data: Any) -> Event:
    return Event(id=1, type=event_type, at=10_000, account_id=1, domain_id=1, data=data)


@pytest.mark.parametrize(
    ("code", "reply", "told"),
    [
        (550, "550 5.1.1 No such user", "5.1.1 No such user"),
        (550, "550-5.1.1 No such user\nsee you", "5.1.1 No such user\nsee you"),
        (250, "250", ""),
        (None, "450 apples were ordered", "450 apples were ordered"),
        (550, "no such user 550", "no such user 550"),
        (550, "", ""),
    ],
)
def test_reply_is_told_without_its_code(code: int | None, reply: str, told: str) -> None:
    assert reply_of(event(EventType.BOUNCED, code=code, reply=reply)) == told


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (event(EventType.BOUNCED, bounce_class="quota"), "The mailbox is full"),
        (event(EventType.BOUNCED, bounce_class="quota", is_expired=True), "Not delivered in time: the mailbox is full"),
        (
            event(EventType.BOUNCED, bounce_class="quota", is_late=True),
            "Returned after it was delivered: the mailbox is full",
        ),
        (event(EventType.DEFERRED, bounce_class="quota"), "The mailbox is full"),
        (event(EventType.SUPPRESSED, text="The address bounced."), "The address bounced."),
        (event(EventType.REJECTED, text="No."), "No."),
        (event(EventType.CANCELLED, reason="by hand"), "by hand"),
        (event(EventType.DELIVERED, reply="250 ok"), ""),
    ],
)
def test_description_says_why_in_a_sentence(found: Event, text: str) -> None:
    assert description_of(found) == text


@pytest.mark.parametrize(("due_at", "wait"), [(None, None), (310_500, 300.5), (9_000, 0)])
def test_wait_is_in_seconds_and_never_negative(due_at: int | None, wait: float | None) -> None:
    assert wait_of(event(EventType.DEFERRED, **({} if due_at is None else {"due_at": due_at}))) == wait


@pytest.mark.parametrize(
    ("written", "told"), [("<a@b.c>", "a@b.c"), (" <a@b.c> ", "a@b.c"), ("a@b.c", "a@b.c"), ("", ""), ("<>", "")]
)
def test_message_id_is_told_without_brackets(written: str, told: str) -> None:
    found = sample(EventType.DELIVERED)
    assert found.message is not None
    changed = msgspec.structs.replace(found, message=msgspec.structs.replace(found.message, message_id_header=written))

    assert message_ids_of(changed)[1] == told


def test_seconds_are_whole() -> None:
    assert seconds_of(1_795_775_400_999) == 1_795_775_400
