"""Each event exactly as SendGrid's event webhook tells it."""

import json
from typing import Any

import msgspec
import pytest

from postroad.dialects.samples import sample
from postroad.dialects.sendgrid.events import OWN_NAMES, call
from postroad.model.event import EventType
from postroad.model.ids import text_of
from postroad.model.unsubscribe_group import MailGroup
from tests.unit.dialects.happenings import EVENT_KEY, HAPPENINGS, SEAL, happening

AGENT = sample(EventType.OPENED).event.data["agent"]
VARIABLES = {"order": 4711, "plan": "gold", "nested": {"a": [1, None]}}
COMMON: dict[str, Any] = VARIABLES | {
    "email": "ada@example.net",
    "timestamp": 1_795_775_400,
    "smtp-id": "<sample@news.example.com>",
    "sg_message_id": "06MPSNR2R0000",
    "category": ["newsletter", "autumn"],
}
SESSION = {"ip": "192.0.2.10", "tls": 1, "cert_err": 0}
CLIENT = {"useragent": AGENT, "ip": "192.0.2.77"}


def bounce(kind: str, reason: str, status: str, classification: str, **more: Any) -> dict[str, Any]:
    told = {"event": "bounce", "sg_event_id": "06MPSP1ER0004", "type": kind, "reason": reason, "status": status}
    return told | {"bounce_classification": classification} | more


def dropped(reason: str) -> dict[str, Any]:
    return {"event": "dropped", "sg_event_id": "06MPSP1ER0005", "reason": reason}


def opened(**more: Any) -> dict[str, Any]:
    return {"event": "open", "sg_event_id": "06MPSP1ER000B", "sg_content_type": "html", "sg_machine_open": False} | more


CLICKED = {"event": "click", "sg_event_id": "06MPSP1ER000C", "url": "https://example.com/offer?id=7", **CLIENT}
EXPECTED: dict[str, dict[str, Any]] = {
    "accepted": {"event": "processed", "sg_event_id": "06MPSP1ER0000", "send_at": 1_795_775_500},
    "delivered": {
        "event": "delivered",
        "sg_event_id": "06MPSP1ER0002",
        "response": "250 2.0.0 Ok: queued as 4F2A11",
        **SESSION,
    },
    "delivered in test mode": {
        "event": "delivered",
        "sg_event_id": "06MPSP1ER0002",
        "response": "test mode: nothing was sent",
        "tls": 0,
    },
    "greylisted": {
        "event": "deferred",
        "sg_event_id": "06MPSP1ER0003",
        "response": "450 4.2.0 Greylisted, try again later",
        "attempt": "1",
        **SESSION,
    },
    "host not found": {
        "event": "deferred",
        "sg_event_id": "06MPSP1ER0003",
        "response": "4.4.3 example.net could not be looked up.",
        "attempt": "1",
        "tls": 0,
    },
    "no such mailbox": bounce("bounce", "550 5.1.1 No such user here", "5.1.1", "Invalid Address", **SESSION),
    "taken for spam": bounce("blocked", "554 5.7.1 Spam", "5.7.1", "Reputation", **SESSION),
    "mailbox full": bounce("blocked", "552 5.2.2 Over quota", "5.2.2", "Mailbox Unavailable", **SESSION),
    "expired": bounce(
        "blocked", "4.4.7 Not delivered in time. Last reply: 450 4.1.1 Who?", "4.4.7", "Invalid Address", **SESSION
    ),
    "returned later": bounce("bounce", "5.1.1 No such user", "5.1.1", "Invalid Address", tls=0),
    "suppressed": dropped("Unsubscribed Address"),
    "suppressed by a bounce": dropped("Bounced Address"),
    "suppressed by a complaint": dropped("Spam Reporting Address"),
    "suppressed by hand": dropped("Blocked"),
    "complained": {"event": "spamreport", "sg_event_id": "06MPSP1ER000A"},
    "opened": opened(**CLIENT),
    "opened by Apple": opened(useragent="Mozilla/5.0", ip="192.0.2.77", sg_machine_open=True),
    "opened by Google": opened(useragent="GoogleImageProxy", ip="192.0.2.77"),
    "opened by Yahoo": opened(useragent="YahooMailProxy", ip="192.0.2.77", sg_machine_open=True),
    "clicked": CLICKED,
    "clicked by a scanner": CLICKED,
    "unsubscribed": {"event": "unsubscribe", "sg_event_id": "06MPSP1ER000D"},
    "unsubscribed with one click": {"event": "unsubscribe", "sg_event_id": "06MPSP1ER000D"},
}


@pytest.mark.parametrize("what", EXPECTED)
def test_event_is_told_exactly_so(what: str) -> None:
    assert json.loads(call([HAPPENINGS[what]], SEAL).body) == [COMMON | EXPECTED[what]]


def test_rejection_is_told_for_each_recipient() -> None:
    told = {
        "timestamp": 1_795_775_400,
        "event": "dropped",
        "smtp-id": "<sample@news.example.com>",
        "reason": "From must be at the sending domain.",
        "status": "5.7.1",
    }

    assert json.loads(call([HAPPENINGS["rejected"]], SEAL).body) == [
        told | {"email": "ada@example.net", "sg_event_id": "06MPSP1ER0001-0"},
        told | {"email": "Bob@example.org", "sg_event_id": "06MPSP1ER0001-1"},
    ]


def test_id_of_a_message_begins_with_that_of_the_call_it_came_in() -> None:
    made = HAPPENINGS["delivered"]
    assert made.message is not None
    options = msgspec.structs.replace(made.message.options, sent_with=made.message.id - 1)
    message = msgspec.structs.replace(made.message, options=options)
    [told] = msgspec.json.decode(call([msgspec.structs.replace(made, message=message)], SEAL).body)
    assert told["sg_message_id"] == f"{text_of(made.message.id - 1)}.{text_of(made.message.id)}"


def test_several_happenings_make_one_call() -> None:
    told = json.loads(call([HAPPENINGS[what] for what in EXPECTED], SEAL).body)

    assert told == [COMMON | one for one in EXPECTED.values()]


def test_variable_with_a_name_of_the_format_is_left_out() -> None:
    mine = msgspec.structs.replace(
        HAPPENINGS["delivered"], variables=dict.fromkeys(OWN_NAMES, "mine") | {"anymail_id": "7"}
    )

    (told,) = json.loads(call([mine], SEAL).body)

    assert told == {name: value for name, value in COMMON.items() if name not in VARIABLES} | EXPECTED["delivered"] | {
        "anymail_id": "7"
    }


def test_every_name_that_is_told_is_one_of_the_format() -> None:
    for told in json.loads(call(list(HAPPENINGS_SPOKEN_OF), SEAL).body):
        assert set(told) - set(VARIABLES) <= OWN_NAMES


HAPPENINGS_SPOKEN_OF = [HAPPENINGS[what] for what in (*EXPECTED, "rejected", "template failed")]


def test_call_is_signed_only_where_there_is_a_key() -> None:
    with_key = msgspec.structs.replace(SEAL, event_key=EVENT_KEY)
    unsigned, signed, again = (call([HAPPENINGS["delivered"]], seal) for seal in (SEAL, with_key, with_key))

    assert unsigned.headers == {"Content-Type": "application/json"}
    assert signed.headers["X-Twilio-Email-Event-Webhook-Timestamp"] == "1795775401"
    assert "X-Twilio-Email-Event-Webhook-Signature" in signed.headers
    assert signed == again


def test_leaving_a_group_is_another_event_than_leaving_all_mail() -> None:
    group = MailGroup(12, "Weekly")
    left = happening(EventType.UNSUBSCRIBED, scope=["group:12"])
    message = left.message
    assert message is not None
    message = msgspec.structs.replace(message, options=msgspec.structs.replace(message.options, group=group))
    delivered = msgspec.structs.replace(happening(EventType.DELIVERED), message=message)
    tagged = happening(EventType.UNSUBSCRIBED, scope=["newsletter"])
    own = happening(EventType.UNSUBSCRIBED, scope=["group:12"], tags=["group:12"])
    told = json.loads(call([left, delivered, tagged, own], SEAL).body)
    assert [(one["event"], one.get("asm_group_id")) for one in told] == [
        ("group_unsubscribe", 12),
        ("delivered", 12),
        ("unsubscribe", None),
        ("unsubscribe", None),
    ]
    assert told[0]["useragent"] == left.event.data["agent"]
