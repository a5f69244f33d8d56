"""Webhook calls tell a message's variables as they stand in the copy of the recipient, on both engines."""

from typing import Any

import msgspec

from postroad.model.credential import Secret, SigningKeys
from postroad.model.message import Accepted
from postroad.model.options import CallbackFormat, Options
from postroad.model.webhook import Receiver
from postroad.storage import bodies, webhook_calls
from postroad.storage.database import Database
from postroad.webhooks.facts import ReceiverFacts
from postroad.webhooks.happenings import happening_of
from tests.storage.test_webhooks import domain, message, waiting, webhook, with_outbox

KEYS = SigningKeys(account_id=1, key=Secret("prw_key"), changed_at=0)
CONTENT = b"Subject: hello\r\nCc: Bob <b@example.net>\r\nTo: Ada <a@example.net>, c@example.net\r\n\r\nhello\r\n"


def to_each(sent: Accepted, **values: Any) -> Accepted:
    """Return a message whose recipients have variables of their own, by the local part of their address."""
    deliveries = tuple(
        msgspec.structs.replace(
            one, options=msgspec.structs.replace(one.options, variables=values.get(one.recipient.partition("@")[0], {}))
        )
        for one in sent.deliveries
    )
    return msgspec.structs.replace(sent, deliveries=deliveries)


async def told(database: Database, variables: dict[str, Any], **values: Any) -> dict[str, dict[str, Any]]:
    """Return what the recipients' accepted events tell when the content has gone."""
    one = await domain(database)
    hook = await webhook(database, one)
    await with_outbox(database)
    recipients = ("a@example.net", "b@example.net", "c@example.net")[: max(2, len(values))]
    sent = message(one, *recipients, content=CONTENT, options=Options(variables=variables))
    await database.accept(to_each(sent, **values) if values else sent)
    await database.write(bodies.delete_of, [sent.message.id])
    calls = await waiting(database)
    material = await database.read(webhook_calls.material, calls)
    receiver = Receiver(
        id=hook.id, account_id=one.account_id, domain_id=one.id, url=hook.url, format=CallbackFormat.MAILGUN
    )
    facts = ReceiverFacts(receiver=receiver, url=hook.url, username="", domain=one, keys=KEYS)
    found = [happening_of(call, facts, material) for call in calls]
    return {one.event.recipient or "": dict(one.told_variables) for one in found if one is not None}


async def test_each_recipient_s_values_stand_in_its_events(database: Database) -> None:
    variables = {"user": "%recipient.id%", "to": "%recipient%", "order": 7}

    assert await told(database, variables, a={"id": 1}, b={"id": "two"}, c={}) == {
        "a@example.net": {"user": "1", "to": "Ada <a@example.net>", "order": 7},
        "b@example.net": {"user": "two", "to": "Bob <b@example.net>", "order": 7},
        "c@example.net": {"user": "", "to": "c@example.net", "order": 7},
    }


async def test_without_recipient_variables_they_stay_as_they_are_written(database: Database) -> None:
    variables = {"user": "%recipient.id%", "order": 7}

    assert await told(database, variables) == {"a@example.net": variables, "b@example.net": variables}


async def test_variables_that_are_the_same_for_all_are_told_to_all(database: Database) -> None:
    assert await told(database, {"order": 7}, a={"id": 1}) == {
        "a@example.net": {"order": 7},
        "b@example.net": {"order": 7},
    }
