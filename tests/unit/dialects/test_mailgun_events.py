"""Each event exactly as Mailgun tells it."""

import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest

from postroad.dialects.mailgun.events import call, event_data
from postroad.dialects.samples import AT, sample
from postroad.model.credential import Secret
from postroad.model.event import EventType
from tests.unit.dialects.happenings import HAPPENINGS, SEAL, happening

AGENT = sample(EventType.OPENED).event.data["agent"]
MESSAGE_ID = {"message-id": "sample@news.example.com"}
MESSAGE = {
    "headers": {
        "to": "ada@example.net",
        **MESSAGE_ID,
        "from": "hello@news.example.com",
        "subject": "News of November",
        "X-Order": "4711",
    },
    "attachments": [],
    "size": 2048,
}
COMMON = {
    "timestamp": 1_795_775_400.123,
    "domain": {"name": "news.example.com"},
    "tags": ["newsletter", "autumn"],
    "campaigns": [],
    "user-variables": {"order": 4711, "plan": "gold", "nested": {"a": [1, None]}},
    "template": {"name": "welcome", "version": "2"},
    "recipient": "ada@example.net",
    "recipient-domain": "example.net",
}
REJECTED = {
    "event": "rejected",
    "id": "06MPSP1ER0001",
    "timestamp": 1_795_775_400.123,
    "log-level": "warn",
    "flags": {"is-test-mode": False},
    "domain": {"name": "news.example.com"},
    "tags": [],
    "campaigns": [],
    "user-variables": {},
}
ENVELOPE = {"transport": "smtp", "sender": "app@news.example.com", "targets": "ada@example.net"}
FLAGS = {"is-authenticated": True, "is-routed": False, "is-system-test": False, "is-test-mode": False}
TRIED = {"envelope": ENVELOPE, "flags": FLAGS, "message": MESSAGE}
CONNECTED = TRIED | {"envelope": ENVELOPE | {"sending-ip": "192.0.2.10"}}
SESSION = {
    "attempt-no": 1,
    "mx-host": "mx.example.net",
    "mx-ip": "192.0.2.25",
    "session-seconds": 0.84,
    "tls": True,
    "certificate-verified": True,
}
PLAIN = {"tls": False, "certificate-verified": False}
NOWHERE = {"country": "Unknown", "region": "Unknown", "city": "Unknown"}
CLIENT = {
    "client-type": "email client",
    "client-name": "Apple Mail",
    "client-os": "iOS",
    "device-type": "mobile",
    "user-agent": AGENT,
    "bot": "",
    "suspected-bot": False,
}
RESPONSE = {
    "log-level": "info",
    "ip": "192.0.2.77",
    "geolocation": NOWHERE,
    "client-info": CLIENT,
    "message": {"headers": MESSAGE_ID},
}


def failed(severity: str, reason: str, **status: Any) -> dict[str, Any]:
    return {
        "event": "failed",
        "id": "06MPSP1ER0003" if severity == "temporary" else "06MPSP1ER0004",
        "log-level": "warn" if severity == "temporary" else "error",
        "severity": severity,
        "reason": reason,
        "delivery-status": {name.replace("_", "-"): value for name, value in status.items()},
        **(CONNECTED if "mx-host" in status else TRIED),
    }


def suppressed(reason: str, code: int, text: str) -> dict[str, Any]:
    status = {"attempt_no": 1, "code": code, "message": text, "description": text}
    return failed("permanent", reason, **status) | {"id": "06MPSP1ER0005"}


EXPECTED: dict[str, dict[str, Any]] = {
    "accepted": {
        "event": "accepted",
        "id": "06MPSP1ER0000",
        "log-level": "info",
        "method": "smtp",
        **TRIED,
        "message": MESSAGE | {"recipients": ["ada@example.net"]},
    },
    "delivered": {
        "event": "delivered",
        "id": "06MPSP1ER0002",
        "log-level": "info",
        "delivery-status": SESSION | {"code": 250, "enhanced-code": "2.0.0", "message": "2.0.0 Ok: queued as 4F2A11"},
        **CONNECTED,
    },
    "delivered in test mode": {
        "event": "delivered",
        "id": "06MPSP1ER0002",
        "log-level": "info",
        "delivery-status": PLAIN
        | {"attempt-no": 1, "session-seconds": 0.0, "code": 650, "message": "test mode: nothing was sent"},
        **TRIED,
        "flags": FLAGS | {"is-test-mode": True},
    },
    "greylisted": failed(
        "temporary",
        "greylisted",
        **SESSION,
        code=450,
        enhanced_code="4.2.0",
        bounce_code="4.2.0",
        bounce_class="policy-related",
        retry_seconds=300.0,
        message="4.2.0 Greylisted, try again later",
        description="A policy of the receiving host refuses the message",
    ),
    "host not found": failed(
        "temporary",
        "generic",
        **PLAIN,
        attempt_no=1,
        session_seconds=0.84,
        code=498,
        enhanced_code="4.4.3",
        bounce_code="4.4.3",
        bounce_class="routing",
        retry_seconds=300.0,
        message="4.4.3 example.net could not be looked up.",
        description="The receiving host cannot be reached, or relays nothing",
    ),
    "no such mailbox": failed(
        "permanent",
        "bounce",
        **SESSION,
        code=550,
        enhanced_code="5.1.1",
        bounce_code="5.1.1",
        bounce_class="bad-mailbox",
        bounce_type="hard",
        message="5.1.1 No such user here",
        description="There is no such mailbox",
    ),
    "taken for spam": failed(
        "permanent",
        "espblock",
        **SESSION,
        code=554,
        enhanced_code="5.7.1",
        bounce_code="5.7.1",
        bounce_class="spam-related",
        bounce_type="soft",
        message="5.7.1 Spam",
        description="The receiving host takes the message for spam",
    ),
    "mailbox full": failed(
        "permanent",
        "generic",
        **SESSION,
        code=552,
        enhanced_code="5.2.2",
        bounce_code="5.2.2",
        bounce_class="quota",
        bounce_type="soft",
        message="5.2.2 Over quota",
        description="The mailbox is full",
    ),
    "expired": failed(
        "permanent",
        "old",
        **SESSION,
        code=602,
        enhanced_code="4.4.7",
        bounce_code="4.4.7",
        bounce_class="bad-mailbox",
        bounce_type="soft",
        message="4.4.7 Not delivered in time. Last reply: 450 4.1.1 Who?",
        description="Not delivered in time: there is no such mailbox",
    ),
    "returned later": failed(
        "permanent",
        "bounce",
        **PLAIN,
        code=550,
        enhanced_code="5.1.1",
        bounce_code="5.1.1",
        bounce_class="bad-mailbox",
        bounce_type="hard",
        message="5.1.1 No such user",
        description="Returned after it was delivered: there is no such mailbox",
    )
    | {"flags": FLAGS | {"is-delayed-bounce": True}},
    "suppressed": suppressed("suppress-unsubscribe", 606, "The recipient unsubscribed."),
    "suppressed by a bounce": suppressed("suppress-bounce", 605, "The address bounced."),
    "suppressed by a complaint": suppressed("suppress-complaint", 607, "The recipient complained."),
    "suppressed by hand": suppressed("generic", 625, "The address is blocked: left"),
    "complained": {
        "event": "complained",
        "id": "06MPSP1ER000A",
        "log-level": "warn",
        "flags": {"is-test-mode": False},
        "message": MESSAGE,
    },
    "opened": RESPONSE | {"event": "opened", "id": "06MPSP1ER000B"},
    "opened by Apple": RESPONSE
    | {
        "event": "opened",
        "id": "06MPSP1ER000B",
        "client-info": {
            "client-type": "unknown",
            "client-name": "unknown",
            "client-os": "unknown",
            "device-type": "unknown",
            "user-agent": "Mozilla/5.0",
            "bot": "apple",
            "suspected-bot": True,
        },
    },
    "opened by Google": RESPONSE
    | {
        "event": "opened",
        "id": "06MPSP1ER000B",
        "geolocation": {"country": "US", "region": "Unknown", "city": "Reno"},
        "client-info": CLIENT
        | {
            "client-name": "Gmail",
            "client-os": "unknown",
            "device-type": "unknown",
            "user-agent": "GoogleImageProxy",
            "bot": "gmail",
        },
    },
    "opened by Yahoo": RESPONSE
    | {
        "event": "opened",
        "id": "06MPSP1ER000B",
        "client-info": CLIENT
        | {
            "client-name": "Yahoo Mail",
            "client-os": "unknown",
            "device-type": "unknown",
            "user-agent": "YahooMailProxy",
            "bot": "generic",
            "suspected-bot": True,
        },
    },
    "clicked": RESPONSE | {"event": "clicked", "id": "06MPSP1ER000C", "url": "https://example.com/offer?id=7"},
    "clicked by a scanner": RESPONSE
    | {
        "event": "clicked",
        "id": "06MPSP1ER000C",
        "url": "https://example.com/offer?id=7",
        "client-info": CLIENT | {"bot": "generic", "suspected-bot": True},
    },
    "unsubscribed": RESPONSE | {"event": "unsubscribed", "id": "06MPSP1ER000D"},
    "unsubscribed with one click": RESPONSE | {"event": "unsubscribed", "id": "06MPSP1ER000D"},
}


@pytest.mark.parametrize("what", EXPECTED)
def test_event_is_told_exactly_so(what: str) -> None:
    assert event_data(HAPPENINGS[what]) == COMMON | EXPECTED[what]


def test_rejection_is_told_without_a_recipient_as_none_was_accepted() -> None:
    message = {"attachments": [], "size": 2048}
    headers = {"to": "ada@example.net, Bob@example.org", "from": "app@news.example.com"}
    headers |= MESSAGE_ID | {"subject": "News of November"}
    reject = {"reason": "From must be at the sending domain.", "description": "from_not_aligned"}

    assert event_data(HAPPENINGS["rejected"]) == REJECTED | {
        "reject": reject,
        "message": message | {"headers": headers},
    }


def test_rejection_before_the_header_came_has_no_message_id_and_no_subject() -> None:
    headers = event_data(happening(EventType.REJECTED, "message_id_header", "subject"))["message"]["headers"]

    assert headers == {"to": "ada@example.net", "from": "app@news.example.com"}


def test_only_failures_have_a_severity_and_a_reason_as_receivers_take_them_for_one_otherwise() -> None:
    for told in map(event_data, (HAPPENINGS[what] for what in EXPECTED)):
        assert ("severity" in told) == ("reason" in told) == (told["event"] == "failed")


@pytest.mark.parametrize(
    ("at", "written"), [(AT, "1795775400.123"), (AT - 123, "1795775400.0001"), (AT - 23, "1795775400.1")]
)
def test_timestamp_has_a_fraction_that_is_seen_in_the_fourth_place(at: int, written: str) -> None:
    found = happening(EventType.DELIVERED)
    moved = msgspec.structs.replace(found, event=msgspec.structs.replace(found.event, at=at))

    body = call([moved], SEAL).body.decode()

    assert f'"timestamp":{written},' in body
    assert "." in f"{float(written):.14g}"


def test_signature_covers_a_fresh_timestamp_and_the_token_that_stays() -> None:
    later = msgspec.structs.replace(SEAL, now=SEAL.now + 60_000)
    first, second = (json.loads(call([HAPPENINGS["delivered"]], seal).body)["signature"] for seal in (SEAL, later))

    assert (first["timestamp"], second["timestamp"]) == ("1795775401", "1795775461")
    assert first["token"] == second["token"] == SEAL.token
    assert [one["signature"] for one in (first, second)] == [
        hmac.new(SEAL.keys[0].encode(), (one["timestamp"] + one["token"]).encode(), hashlib.sha256).hexdigest()
        for one in (first, second)
    ]


def test_previous_key_signs_as_long_as_it_counts() -> None:
    old = Secret("prw_" + "o" * 49)
    in_overlap = msgspec.structs.replace(SEAL, keys=(Secret("prw_" + "n" * 49), old))
    by_old = msgspec.structs.replace(SEAL, keys=(old,))

    assert call([HAPPENINGS["delivered"]], in_overlap) == call([HAPPENINGS["delivered"]], by_old)
    assert call([HAPPENINGS["delivered"]], in_overlap) != call([HAPPENINGS["delivered"]], SEAL)


@pytest.mark.parametrize(("channel", "method"), [("smtp", "smtp"), ("report", "smtp"), ("mailgun", "http")])
def test_method_follows_from_the_channel(channel: str, method: str) -> None:
    assert event_data(happening(EventType.ACCEPTED, channel=channel))["method"] == method


def test_delivery_without_a_text_is_told_as_ok_as_receivers_look_for_a_reason_otherwise() -> None:
    assert event_data(happening(EventType.DELIVERED, reply="250"))["delivery-status"]["message"] == "OK"


def test_what_is_no_longer_kept_is_left_out() -> None:
    gone = msgspec.structs.replace(HAPPENINGS["delivered"], message=None, message_headers={})

    told = event_data(gone)

    assert told["message"] == {"headers": {}, "attachments": []}
    assert told["envelope"] == {"transport": "smtp", "sending-ip": "192.0.2.10", "targets": "ada@example.net"}
    assert told["user-variables"] == {}


def test_variables_of_the_recipient_come_before_those_of_the_message() -> None:
    mine = msgspec.structs.replace(HAPPENINGS["delivered"], variables={"order": "for Ada"})

    assert event_data(mine)["user-variables"] == {"order": "for Ada"}
