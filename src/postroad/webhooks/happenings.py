"""What is read of an event's message, as formats tell it."""

from collections.abc import Mapping, Sequence
from typing import Any

from postroad.model.domain import SendingDomain
from postroad.model.event import Event
from postroad.model.message import Message
from postroad.model.webhook import Happening, WaitingCall
from postroad.policy.told_header import told_fields
from postroad.protocol.mime import encoded_word
from postroad.protocol.mime.header import unfold
from postroad.rendering.told_variables import told_variables
from postroad.storage import domains
from postroad.storage.database import Database
from postroad.storage.rows import storable
from postroad.storage.webhook_calls import Material, material_of
from postroad.webhooks.facts import ReceiverFacts


def happening_of(call: WaitingCall, facts: ReceiverFacts, material: Material) -> Happening | None:
    """Return the event of a call with all that a format may say of it; None where it is no longer kept."""
    event = material.events.get(call.event_id)
    return None if event is None else happenings_of([event], facts, material)[0]


def happenings_of(events: Sequence[Event], facts: ReceiverFacts, material: Material) -> list[Happening]:
    """Return events with all that a format may say of them."""
    return [_happening(event, facts.domain, material) for event in events]


async def told_happenings(database: Database, events: Sequence[Event]) -> list[Happening]:
    """Return events of any sending domains with all that a format may say of them; without those of domains that are gone."""
    material, names = await database.read(_read_all, events)
    return [_happening(event, names[event.domain_id], material) for event in events if event.domain_id in names]


def _read_all(connection: Any, events: Sequence[Event]) -> tuple[Material, dict[int, SendingDomain]]:
    material = material_of(connection, [one.id for one in events])
    return material, {one.id: one for one in domains.get_many(connection, {one.domain_id for one in events})}


def _happening(event: Event, domain: SendingDomain, material: Material) -> Happening:
    message_id = -1 if event.message_id is None else event.message_id
    message = material.messages.get(message_id)
    return Happening(
        event=event,
        domain=domain.name,
        is_transactional=domain.settings.is_transactional,
        message=message,
        message_headers=echoed_headers(material.headers.get(message_id, b"")),
        variables=None if message is None else _variables(event, message, material),
        attempts=event.data.get("attempt", 0),
    )


def _variables(event: Event, message: Message, material: Material) -> Mapping[str, Any] | None:
    values = None if event.delivery_id is None else material.values.get(event.delivery_id)
    if values is None or event.recipient is None:
        return None
    return told_variables(
        message.options.variables,
        event.recipient,
        values,
        on_missing=message.options.on_missing,
        header=material.headers.get(message.id, b""),
    )


def echoed_headers(kept: bytes) -> Mapping[str, str]:
    """Return the fields that events echo, decoded, of what is kept of a message's header for them."""
    return {
        name.decode("ascii"): storable(encoded_word.decode(unfold(value).strip(b" \t")))
        for name, value in told_fields(kept).items()
    }
