"""Each event exactly as our own words tell it, and the headers of Standard Webhooks."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from postroad.dialects.samples import sample
from postroad.dialects.standard.events import call
from postroad.dialects.standard.signature import secret_of, signature_headers
from postroad.model.credential import Secret
from postroad.model.event import EventType
from tests.unit.dialects.happenings import HAPPENINGS, SEAL

AGENT = sample(EventType.OPENED).event.data["agent"]
COMMON: dict[str, Any] = {
    "domain": "news.example.com",
    "delivery_id": "06MPSNR2R0001",
    "recipient": "ada@example.net",
    "message": {
        "id": "06MPSNR2R0000",
        "message_id": "sample@news.example.com",
        "from": "hello@news.example.com",
        "envelope_from": "app@news.example.com",
        "subject": "News of November",
        "size": 2048,
        "accepted_at": "2026-11-27T10:29:58.923Z",
        "channel": "smtp",
        "headers": {"To": "ada@example.net", "X-Order": "4711"},
        "template": "welcome",
        "template_version": "2",
    },
    "tags": ["newsletter", "autumn"],
    "variables": {"order": 4711, "plan": "gold", "nested": {"a": [1, None]}},
    "is_test": False,
}
ATTEMPT = {"attempt": 1, "queued_ms": 180, "duration_ms": 840}
SESSION = ATTEMPT | {
    "host": "mx.example.net",
    "host_address": "192.0.2.25",
    "source_address": "192.0.2.10",
    "tls": {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "is_verified": True},
}
CLIENT = {"agent": AGENT, "client_address": "192.0.2.77", "program": "Apple Mail", "system": "iOS", "device": "mobile"}
URL = {"url": "https://example.com/offer?id=7"}


def bounced(kind: str, bounce_class: str, status: str, reply: str, description: str, **more: Any) -> dict[str, Any]:
    told = {"kind": kind, "bounce_class": bounce_class, "enhanced_status": status, "reply": reply}
    return told | {"description": description} | more


EXPECTED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "accepted": ("0", "accepted", {"channel": "smtp"}),
    "delivered": (
        "2",
        "delivered",
        SESSION | {"code": 250, "enhanced_status": "2.0.0", "reply": "250 2.0.0 Ok: queued as 4F2A11"},
    ),
    "greylisted": (
        "3",
        "deferred",
        SESSION
        | {
            "code": 450,
            "enhanced_status": "4.2.0",
            "reply": "450 4.2.0 Greylisted, try again later",
            "bounce_class": "policy-related",
            "description": "A policy of the receiving host refuses the message",
            "next_attempt_at": "2026-11-27T10:35:00.123Z",
        },
    ),
    "host not found": (
        "3",
        "deferred",
        ATTEMPT
        | {
            "enhanced_status": "4.4.3",
            "reply": "4.4.3 example.net could not be looked up.",
            "bounce_class": "routing",
            "description": "The receiving host cannot be reached, or relays nothing",
            "next_attempt_at": "2026-11-27T10:35:00.123Z",
        },
    ),
    "no such mailbox": (
        "4",
        "bounced",
        bounced(
            "hard", "bad-mailbox", "5.1.1", "550 5.1.1 No such user here", "There is no such mailbox",
            code=550, **SESSION,
        ),
    ),
    "taken for spam": (
        "4",
        "bounced",
        bounced(
            "blocked", "spam-related", "5.7.1", "554 5.7.1 Spam", "The receiving host takes the message for spam",
            code=554, **SESSION,
        ),
    ),
    "mailbox full": (
        "4",
        "bounced",
        bounced("soft", "quota", "5.2.2", "552 5.2.2 Over quota", "The mailbox is full", code=552, **SESSION),
    ),
    "expired": (
        "4",
        "bounced",
        bounced(
            "soft", "bad-mailbox", "4.4.7", "4.4.7 Not delivered in time. Last reply: 450 4.1.1 Who?",
            "Not delivered in time: there is no such mailbox", is_expired=True, **SESSION,
        ),
    ),
    "returned later": (
        "4",
        "bounced",
        bounced(
            "hard", "bad-mailbox", "5.1.1", "5.1.1 No such user",
            "Returned after it was delivered: there is no such mailbox", is_late=True,
        ),
    ),
    "suppressed": (
        "5",
        "suppressed",
        {"reason": "unsubscribe", "text": "The recipient unsubscribed.", "way": "one-click"},
    ),
    "suppressed by hand": (
        "5",
        "suppressed",
        {"reason": "block", "text": "The address is blocked: left", "way": "one-click"},
    ),
    "cancelled": ("6", "cancelled", {"reason": "cancelled by hand"}),
    "held": ("7", "held", {}),
    "released": ("8", "released", {}),
    "deduplicated": ("9", "deduplicated", {"first_message": "06MPSNR2R0000"}),
    "complained": ("A", "complained", {"feedback_type": "abuse", "reporter": "feedback.example.net"}),
    "opened": ("B", "opened", CLIENT | {"verdict": "human"}),
    "opened by Apple": (
        "B",
        "opened",
        {
            "agent": "Mozilla/5.0",
            "client_address": "192.0.2.77",
            "verdict": "machine",
            "evidence": ["apple-privacy-proxy"],
        },
    ),
    "opened by Google": (
        "B",
        "opened",
        {
            "agent": "GoogleImageProxy",
            "client_address": "192.0.2.77",
            "program": "Gmail",
            "verdict": "human",
            "proxy": "google-image-proxy",
            "country": "US",
            "city": "Reno",
        },
    ),
    "opened by Yahoo": (
        "B",
        "opened",
        {
            "agent": "YahooMailProxy",
            "client_address": "192.0.2.77",
            "program": "Yahoo Mail",
            "verdict": "proxy",
            "proxy": "yahoo-mail-proxy",
            "evidence": ["yahoo-mail-proxy"],
        },
    ),
    "clicked": ("C", "clicked", CLIENT | URL | {"verdict": "human"}),
    "clicked by a scanner": (
        "C",
        "clicked",
        CLIENT | URL | {"verdict": "machine", "evidence": ["hidden-link", "at-delivery"]},
    ),
    "unsubscribed": ("D", "unsubscribed", CLIENT | {"way": "link"}),
    "unsubscribed with one click": ("D", "unsubscribed", CLIENT | {"way": "one-click", "scope": ["newsletter"]}),
}  # fmt: skip


@pytest.mark.parametrize("what", EXPECTED)
def test_event_is_told_exactly_so(what: str) -> None:
    last, word, facts = EXPECTED[what]

    assert json.loads(call([HAPPENINGS[what]], SEAL).body) == {
        "type": f"email.{word}",
        "timestamp": "2026-11-27T10:30:00.123Z",
        "data": COMMON | {"event_id": f"06MPSP1ER000{last}", word: facts},
    }


def test_rejection_names_the_recipients_and_no_message() -> None:
    assert json.loads(call([HAPPENINGS["rejected"]], SEAL).body) == {
        "type": "email.rejected",
        "timestamp": "2026-11-27T10:30:00.123Z",
        "data": {
            "event_id": "06MPSP1ER0001",
            "domain": "news.example.com",
            "recipients": ["ada@example.net", "Bob@example.org"],
            "message": {"message_id": "sample@news.example.com", "subject": "News of November"},
            "tags": [],
            "variables": {},
            "is_test": False,
            "rejected": {
                "rule": "from_not_aligned",
                "enhanced_status": "5.7.1",
                "text": "From must be at the sending domain.",
                "reverse_path": "app@news.example.com",
                "recipient_count": 2,
                "size": 2048,
            },
        },
    }


def test_signature_covers_id_time_and_body_by_every_key() -> None:
    keys = (Secret("prw_new"), Secret("prw_old"))

    headers = signature_headers("01A", 1_795_775_401_999, b'{"a":1}', keys)

    assert headers == {
        "webhook-id": "01A",
        "webhook-timestamp": "1795775401",
        "webhook-signature": " ".join(
            "v1,"
            + base64.b64encode(hmac.new(key.encode(), b'01A.1795775401.{"a":1}', hashlib.sha256).digest()).decode()
            for key in keys
        ),
    }


def test_secret_is_the_signing_key_in_the_form_that_libraries_read_and_stays_secret() -> None:
    secret = secret_of(SEAL.keys[0])

    assert base64.b64decode(secret.removeprefix("whsec_")).decode() == SEAL.keys[0]
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64
    assert SEAL.keys[0][4:] not in repr(secret)
    assert isinstance(secret, Secret)
