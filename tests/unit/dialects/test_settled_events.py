"""The events that settling writes are told with what they hold: formats read the names that policy gives."""

import json
from typing import Any

import msgspec
import pytest

from postroad.dialects import formats
from postroad.dialects.samples import sample
from postroad.model.event import Event, EventType
from postroad.model.options import CallbackFormat, DeliveryOptions
from postroad.model.outcome import Outcome, TlsFacts
from postroad.model.suppression import Suppression, SuppressionKind, Way
from postroad.policy.settlement import settle, suppress
from tests.unit.dialects.happenings import SEAL
from tests.unit.policy.test_settlement import BOUNCED, DEFERRED, DELIVERED, HOW, NOW, SENDER, delivery

TLS = TlsFacts(version="TLSv1.3", cipher="X", is_verified=True)


def settled(outcome: Outcome, **changes: Any) -> Event:
    facts = msgspec.structs.replace(outcome.facts, tls=TLS)
    one = delivery(options=DeliveryOptions(tags=("a",), is_test=False), **changes)
    (event,) = settle(one, msgspec.structs.replace(outcome, facts=facts), SENDER, HOW).events
    return event


def told(chosen: CallbackFormat, event: Event) -> Any:
    happening = msgspec.structs.replace(sample(event.type), event=event)
    return json.loads(formats.of(chosen).call([happening], SEAL).body)


@pytest.mark.parametrize(
    ("event", "code", "status", "message"),
    [
        (settled(DELIVERED), 250, "2.0.0", "2.0.0 ok"),
        (settled(DEFERRED), 450, "4.2.0", "4.2.0 Greylisted\nsee you"),
        (settled(BOUNCED), 550, "4.2.0", "4.2.0 Greylisted\nsee you"),
    ],
)
def test_attempt_is_told_with_host_reply_and_connection(event: Event, code: int, status: str, message: str) -> None:
    found = told(CallbackFormat.MAILGUN, event)["event-data"]["delivery-status"]

    assert {
        name: found[name] for name in ("attempt-no", "code", "enhanced-code", "message", "mx-host", "mx-ip", "tls")
    } == {
        "attempt-no": event.data["attempt"],
        "code": code,
        "enhanced-code": status,
        "message": message,
        "mx-host": "mx.test",
        "mx-ip": "192.0.2.1",
        "tls": True,
    }
    assert (found["session-seconds"], found["certificate-verified"]) == (0.2, True)
    assert ("retry-seconds" in found) == (event.type is EventType.DEFERRED)
    assert told(CallbackFormat.SENDGRID, event)[0]["tls"] == 1
    assert told(CallbackFormat.STANDARD, event)["data"][event.type.value]["tls"]["version"] == "TLSv1.3"


def test_expired_delivery_is_told_as_too_old() -> None:
    event = settled(DEFERRED, expires_at=NOW)

    found = told(CallbackFormat.MAILGUN, event)["event-data"]

    assert (found["severity"], found["reason"], found["delivery-status"]["code"]) == ("permanent", "old", 602)
    assert told(CallbackFormat.SPARKPOST, event)[0]["msys"]["message_event"]["bounce_class"] == "24"


def test_suppressed_delivery_is_told_with_the_list_that_stopped_it() -> None:
    entry = Suppression(
        account_id=1, domain_id=1, kind=SuppressionKind.COMPLAINT, address="a@b.c", way=Way.HAND, created_at=1,
        created_by="mallory",
    )  # fmt: skip
    (event,) = suppress(delivery(), entry, HOW).events

    found = told(CallbackFormat.MAILGUN, event)["event-data"]

    assert (found["reason"], found["delivery-status"]["code"]) == ("suppress-complaint", 607)
    assert told(CallbackFormat.SENDGRID, event)[0]["reason"] == "Spam Reporting Address"
    assert "mallory" not in json.dumps(told(CallbackFormat.STANDARD, event))
