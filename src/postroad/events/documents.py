"""An event as programs read it."""

from collections.abc import Iterable
from typing import Any

from postroad.model.event import Event
from postroad.model.ids import text_of
from postroad.protocol.mime.date import utc_moment
from postroad.storage import messages
from postroad.storage.database import Database

Variables = dict[int | None, dict[str, Any]]
"""The variables that messages were sent with, by the message's id."""


def event_document(event: Event, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an event as programs read it, with the variables that its message was sent with."""
    document = {
        "id": text_of(event.id),
        "type": event.type.value,
        "at": utc_text(event.at),
        "message_id": None if event.message_id is None else text_of(event.message_id),
        "delivery_id": None if event.delivery_id is None else text_of(event.delivery_id),
        "recipient": event.recipient,
        "data": event.data,
    }
    return document | {"variables": variables} if variables else document


async def variables_of(database: Database, found: Iterable[Event]) -> Variables:
    """Return the variables of the messages that events are about, while those are kept."""
    named = {one.message_id for one in found if one.message_id is not None}
    about = await database.read(messages.get_many, named) if named else {}
    return {message_id: message.options.variables for message_id, message in about.items()}


def utc_text(at: int) -> str:
    """Return an instant as RFC 3339 has it, in UTC with milliseconds."""
    return utc_moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
