"""Events for Bloomreach Engagement's tracking API: each becomes an event of the customer that the message went to."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from postroad.dialects import campaign
from postroad.dialects.campaign import custom_data_of, status_of
from postroad.dialects.json_body import json_body
from postroad.model.event import EventType
from postroad.model.ids import text_of
from postroad.model.webhook import Call, Happening, Seal
from postroad.policy.happening import description_of, is_machine, message_ids_of, present, reply_of

BATCH = 50
"""As many commands as the API takes at once."""
SPEAKS_OF = campaign.SPEAKS_OF - {EventType.REJECTED}
"""Of a submission that was refused nothing is kept, so that there is no customer to file it under."""


def call(happenings: Sequence[Happening], _: Seal) -> Call:
    """Return the call that tells of some happenings; the API knows its caller by HTTP Basic, as the address gives it."""
    commands = [{"name": "customers/events", "data": _event(happening)} for happening in happenings]
    return Call(body=json_body({"commands": commands}), headers={"Content-Type": "application/json"})


def _event(happening: Happening) -> dict[str, Any]:
    custom = _object_in(custom_data_of(happening))
    given = custom.get("properties")
    return {
        "customer_ids": _customer(custom, happening.event.recipient or ""),
        "event_type": "campaign",
        "timestamp": happening.event.at / 1000,
        "properties": (given if isinstance(given, dict) else {}) | {"action_type": "email"} | _properties(happening),
    }


def _properties(happening: Happening) -> dict[str, Any]:
    event, message = happening.event, happening.message
    data = event.data
    code = data.get("code")
    return present(
        {
            "event_id": text_of(event.id),
            "status": status_of(event),
            "recipient": event.recipient,
            "message_id": message_ids_of(happening)[1],
            "subject": None if message is None else message.subject,
            "code": None if code is None else str(code),
            "message": reply_of(event) or description_of(event),
            "url": data.get("url"),
            "user_agent": data.get("agent"),
            "is_machine": is_machine(event) if "verdict" in data else None,
            "is_test": data.get("is_test"),
        }
    )


def _object_in(text: str) -> Mapping[str, Any]:
    """Return the object that custom data is, or an empty one where it is anything else."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _customer(custom: Mapping[str, Any], recipient: str) -> dict[str, Any]:
    """Return whom the API files the event under: as the custom data says, else by the address."""
    ids = custom.get("customer_ids")
    return dict(ids) if isinstance(ids, dict) and ids else {"registered": recipient}
