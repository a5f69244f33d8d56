"""Events for the callback of Bloomreach Engagement's email channel: a list of objects, with a JSON Web Token."""

from collections.abc import Iterator, Sequence
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey

from postroad.dialects import campaign
from postroad.dialects.campaign import custom_data_of, status_of
from postroad.dialects.json_body import json_body
from postroad.model.ids import text_of
from postroad.model.webhook import Call, Happening, Seal
from postroad.policy.happening import (
    description_of,
    is_machine,
    is_response,
    message_ids_of,
    present,
    recipients_of,
    reply_of,
)

BATCH = 100
SPEAKS_OF = campaign.SPEAKS_OF


def call(happenings: Sequence[Happening], seal: Seal) -> Call:
    """Return the call that tells of some happenings."""
    body = json_body([told for happening in happenings for told in _objects(happening)])
    return Call(body=body, headers={"Content-Type": "application/json", "Authorization": _token(seal)})


def _token(seal: Seal) -> str:
    # By the previous key while that still counts, as an overlap promises: there is room for one signature.
    # RFC 7519 §4.1.6: the receiver measures the token's age from ``iat``, and takes it for 15 minutes.
    return jwt.encode({"alg": "HS256"}, {"iat": seal.now // 1000}, OctKey.import_key(seal.keys[-1]))


def _objects(happening: Happening) -> Iterator[dict[str, Any]]:
    event = happening.event
    data = event.data
    code = data.get("code")
    common = present(
        {
            "status": status_of(event),
            "timestamp": event.at / 1000,
            "custom_data": custom_data_of(happening),
            "message_id": message_ids_of(happening)[1],
            "code": None if code is None else str(code),
            "message": reply_of(event) or description_of(event),
            "url": data.get("url"),
            "user_agent": data.get("agent"),
            # Of a submission it is the application's, which does not belong to the recipient's story.
            "ip": data.get("client_address") if is_response(event) else None,
            "is_machine": is_machine(event) if "verdict" in data else None,
            "is_test": data.get("is_test"),
        }
    )
    for number, recipient in enumerate(recipients_of(happening) or ("",)):
        event_id = text_of(event.id) if event.recipient is not None else f"{text_of(event.id)}-{number}"
        yield {"event_id": event_id} | common | present({"recipient": recipient})
