"""Happenings of every kind, as storage and the relay make them, for the tests of all formats."""

from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from postroad.dialects.samples import sample
from postroad.model.credential import Secret
from postroad.model.event import EventType
from postroad.model.options import Options, TemplateName
from postroad.model.webhook import Happening, Seal

T = EventType
SEAL = Seal(
    call_id="06MPSP1ES0000",
    token="0123456789" * 5,
    now=1_795_775_401_500,
    keys=(Secret("prw_" + "k" * 49),),
)
EVENT_KEY = ec.derive_private_key(4711, ec.SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
OPTIONS = Options(
    tags=("newsletter", "autumn"),
    variables={"order": 4711, "plan": "gold", "nested": {"a": [1, None]}},
    template=TemplateName("welcome", "2"),
    tracks_opens=True,
    tracks_clicks=True,
    deliver_at=1_795_775_500_000,
)
_ATTEMPT = ("code", "enhanced_status", "reply", "bounce_class", "tls", "host", "host_address", "source_address")


def happening(event_type: EventType, *without: str, **data: Any) -> Happening:
    """Return the sample of a type as of a message in earnest, with other data, or without some."""
    found = sample(event_type)
    kept = {name: value for name, value in found.event.data.items() if name not in {"is_test", *without}}
    kept["tags"] = () if found.message is None else OPTIONS.tags
    message = None if found.message is None else msgspec.structs.replace(found.message, options=OPTIONS)
    event = msgspec.structs.replace(found.event, data=kept | data)
    return msgspec.structs.replace(found, event=event, message=message)


HAPPENINGS: dict[str, Happening] = {
    "accepted": happening(T.ACCEPTED),
    "rejected": happening(T.REJECTED, recipients=["ada@example.net", "Bob@example.org"], recipient_count=2),
    "template failed": happening(T.REJECTED, rule="template_failed", text="The template welcome cannot be rendered."),
    "delivered": happening(T.DELIVERED),
    "delivered in test mode": happening(
        T.DELIVERED, "code", "enhanced_status", "tls", "host", "host_address", "source_address",
        is_test=True, phase="queue", reply="test mode: nothing was sent", duration_ms=0,
    ),
    "greylisted": happening(T.DEFERRED),
    "host not found": happening(
        T.DEFERRED, *_ATTEMPT, phase="dns", enhanced_status="4.4.3", reply="4.4.3 example.net could not be looked up.",
        bounce_class="routing",
    ),
    "no such mailbox": happening(T.BOUNCED),
    "taken for spam": happening(
        T.BOUNCED, phase="final_dot", code=554, enhanced_status="5.7.1", reply="554 5.7.1 Spam", bounce_class="spam-related",
    ),
    "mailbox full": happening(
        T.BOUNCED, code=552, enhanced_status="5.2.2", reply="552 5.2.2 Over quota", bounce_class="quota",
    ),
    "expired": happening(
        T.BOUNCED, "code", enhanced_status="4.4.7", reply="4.4.7 Not delivered in time. Last reply: 450 4.1.1 Who?",
        is_expired=True,
    ),
    "returned later": happening(
        T.BOUNCED, *_ATTEMPT, "attempt", "phase", "queued_ms", "duration_ms",
        is_late=True, enhanced_status="5.1.1", reply="5.1.1 No such user", bounce_class="bad-mailbox",
    ),
    "suppressed": happening(T.SUPPRESSED),
    "suppressed by a bounce": happening(T.SUPPRESSED, reason="bounce", text="The address bounced."),
    "suppressed by a complaint": happening(T.SUPPRESSED, reason="complaint", text="The recipient complained."),
    "suppressed by hand": happening(T.SUPPRESSED, reason="block", text="The address is blocked: left", added_by="eve"),
    "cancelled": happening(T.CANCELLED),
    "held": happening(T.HELD, by="eve"),
    "released": happening(T.RELEASED, by="eve"),
    "deduplicated": happening(T.DEDUPLICATED, client_address="192.0.2.9"),
    "complained": happening(T.COMPLAINED),
    "opened": happening(T.OPENED),
    "opened by Apple": happening(
        T.OPENED, "program", "system", "device", verdict="machine", evidence=["apple-privacy-proxy"], agent="Mozilla/5.0",
    ),
    "opened by Google": happening(
        T.OPENED, "system", "device", program="Gmail", proxy="google-image-proxy", agent="GoogleImageProxy",
        country="US", city="Reno",
    ),
    "opened by Yahoo": happening(
        T.OPENED, "system", "device", program="Yahoo Mail", verdict="proxy", proxy="yahoo-mail-proxy",
        evidence=["yahoo-mail-proxy"], agent="YahooMailProxy",
    ),
    "clicked": happening(T.CLICKED),
    "clicked by a scanner": happening(T.CLICKED, verdict="machine", evidence=["hidden-link", "at-delivery"]),
    "unsubscribed": happening(T.UNSUBSCRIBED),
    "unsubscribed with one click": happening(T.UNSUBSCRIBED, way="one-click", scope=["newsletter"]),
}  # fmt: skip
"""By what happened."""
