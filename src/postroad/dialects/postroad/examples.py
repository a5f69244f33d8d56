"""Examples for the calls that send, whose descriptions are not made of the table of operations."""

from collections.abc import Mapping
from typing import Any

import msgspec

from postroad.dialects.postroad.answers import AcceptedMessage, AcceptedMessages
from postroad.dialects.postroad.description import example_of

_MESSAGE = {
    "from": "Shop <hello@news.example.com>",
    "to": ["Ada <ada@example.net>"],
    "subject": "Your order",
    "text": "Thank you.",
    "tags": ["orders"],
    "variables": {"order": 17},
}
_ACCEPTED = AcceptedMessage(id="06N1DHYH1R810", message_id="<06n1dhyh1r810@news.example.com>")
_BODIES: Mapping[str, Any] = {"sendMessage": _MESSAGE, "sendMessages": {"messages": [_MESSAGE]}}
_ANSWERS: Mapping[tuple[str, str], msgspec.Struct] = {
    ("sendMessage", "202"): _ACCEPTED,
    ("sendMessages", "202"): AcceptedMessages(messages=(_ACCEPTED,)),
}
_PARAMETERS: Mapping[str, Any] = {"dry_run": "true", "recipient": "ada@example.net", "Idempotency-Key": "order-17"}


def with_examples(operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operation of sending with the examples that there are for it."""
    name = operation["operationId"]
    told = dict(operation)
    told["parameters"] = [
        {**one, "example": _PARAMETERS[one["name"]]} if one["name"] in _PARAMETERS else one
        for one in operation["parameters"]
    ]
    body = operation["requestBody"]
    told["requestBody"] = {**body, "content": _exemplified(body["content"], _BODIES.get(name))}
    told["responses"] = {
        status: {**answer, "content": _exemplified(answer["content"], _answer(name, status))}
        for status, answer in operation["responses"].items()
    }
    return told


def _answer(name: str, status: str) -> Any:
    found = _ANSWERS.get((name, status))
    return example_of(int(status)) if found is None else msgspec.to_builtins(found)


def _exemplified(content: Mapping[str, Any], example: Any) -> dict[str, Any]:
    if example is None:
        return dict(content)
    return {kind: {**one, "example": example} for kind, one in content.items()}
