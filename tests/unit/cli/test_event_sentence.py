"""How an event is told in one line."""

from typing import Any

import pytest

from postroad.cli.events import event_sentence
from postroad.model.event import Event, EventType


def told(kind: EventType, **data: Any) -> str:
    event = Event(id=1, type=kind, at=0, account_id=1, domain_id=1, recipient="you@example.net", data=data)
    return event_sentence(event)


def test_an_attempt_is_told_with_host_tls_and_the_full_reply() -> None:
    told_of = told(
        EventType.DELIVERED,
        attempt=2,
        host="mx.example.net",
        host_address="192.0.2.1",
        source_address="192.0.2.10",
        tls={"version": "TLSv1.3"},
        reply="250 2.0.0 queued\nas 42",
    )

    expected = "delivered   you@example.net  attempt 2  mx.example.net [192.0.2.1] over TLSv1.3 from 192.0.2.10"
    assert told_of == f"{expected}  250 2.0.0 queued as 42"


def test_an_attempt_without_a_host_says_why_and_its_class() -> None:
    told_of = told(EventType.BOUNCED, attempt=1, reply="5.1.2 no such domain", bounce_class="bad-domain")

    assert told_of == "bounced     you@example.net  attempt 1  5.1.2 no such domain  bad-domain"


def test_a_bounce_after_delivery_says_so_and_who_said_it() -> None:
    data = {"is_late": True, "reply": "550 5.1.1 unknown", "bounce_class": "bad-mailbox", "client_address": "192.0.2.9"}
    told_of = told(EventType.BOUNCED, host="mx.example.net", **data)

    expected = "bounced     you@example.net  after delivery  by word of mx.example.net  550 5.1.1 unknown  bad-mailbox"
    assert told_of == f"{expected}  returned by 192.0.2.9"


def test_what_happened_after_the_final_dot_is_not_hidden() -> None:
    told_of = told(EventType.DEFERRED, attempt=1, phase="final_dot", host="mx", reply="lost", maybe_delivered=True)

    assert told_of == "deferred    you@example.net  attempt 1  mx in the clear  lost  may have been delivered"


@pytest.mark.parametrize("phase", ["connect", "greeting", "ehlo", "starttls", "auth"])
def test_an_attempt_that_came_to_no_transaction_sent_nothing_in_the_clear(phase: str) -> None:
    told_of = told(EventType.DEFERRED, attempt=1, phase=phase, host="mx", reply="4.7.10 self-signed certificate")

    assert told_of == "deferred    you@example.net  attempt 1  mx  4.7.10 self-signed certificate"


def test_an_attempt_names_the_variables_that_had_no_value() -> None:
    told_of = told(
        EventType.DELIVERED, attempt=1, host="mx", reply="250 ok", missing_variables=("recipient.first", "order.id")
    )

    assert told_of.endswith("  250 ok  no value for recipient.first, order.id")


def test_a_refusal_names_its_rule() -> None:
    told_of = told(
        EventType.REJECTED,
        username="app@x",
        client_address="192.0.2.9",
        rule="bare_lf",
        enhanced_status="5.6.0",
        text="No.",
    )

    assert told_of == "rejected    you@example.net  by app@x  from 192.0.2.9  rule bare_lf  5.6.0 No."
