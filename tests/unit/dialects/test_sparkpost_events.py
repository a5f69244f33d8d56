"""Each event exactly as SparkPost's webhooks tell it."""

import json
from typing import Any

import msgspec
import pytest

from postroad.dialects.samples import sample
from postroad.dialects.sparkpost.events import call
from postroad.model.credential import Secret
from postroad.model.event import EventType
from postroad.model.ids import text_of
from postroad.model.outcome import BounceClass
from tests.unit.dialects.happenings import HAPPENINGS, SEAL, happening

AGENT = sample(EventType.OPENED).event.data["agent"]
COMMON: dict[str, Any] = {
    "timestamp": "1795775400",
    "transmission_id": "06MPSNR2R0000",
    "message_id": "06MPSNR2R0001",
    "sending_domain": "news.example.com",
    "transactional": "0",
    "campaign_id": "newsletter",
    "template_id": "welcome",
    "template_version": "2",
    "friendly_from": "hello@news.example.com",
    "msg_from": "app@news.example.com",
    "msg_size": "2048",
    "subject": "News of November",
    "injection_time": "2026-11-27T10:29:58.923+00:00",
    "recv_method": "esmtp",
    "open_tracking": "1",
    "click_tracking": "1",
    "rcpt_tags": ["newsletter", "autumn"],
    "rcpt_meta": {"order": 4711, "plan": "gold", "nested": {"a": [1, None]}},
    "raw_rcpt_to": "ada@example.net",
    "rcpt_to": "ada@example.net",
    "recipient_domain": "example.net",
    "routing_domain": "example.net",
}
ATTEMPT = {"delv_method": "esmtp", "num_retries": "0", "queue_time": "180"}
SESSION = ATTEMPT | {"ip_address": "192.0.2.25", "sending_ip": "192.0.2.10"}
PARSED = {
    "agent_family": "Apple Mail",
    "os_family": "iOS",
    "device_family": "mobile",
    "is_mobile": True,
    "is_proxy": False,
    "is_prefetched": False,
}
CLIENT = {"ip_address": "192.0.2.77", "user_agent": AGENT, "user_agent_parsed": PARSED}


def message_event(word: str, event_id: str, told: dict[str, Any]) -> dict[str, Any]:
    return {"message_event": COMMON | {"type": word, "event_id": event_id} | told}


def bounce(bounce_class: str, code: str, reply: str, reason: str) -> dict[str, Any]:
    told = SESSION | {"bounce_class": bounce_class, "error_code": code, "raw_reason": reply, "reason": reason}
    return message_event("bounce", "06MPSP1ER0004", told)


def suppressed(text: str) -> dict[str, Any]:
    told = {"type": "generation_rejection", "event_id": "06MPSP1ER0005", "error_code": "554"}
    return {"gen_event": COMMON | told | {"raw_reason": text, "reason": text}}


def track_event(word: str, **told: Any) -> dict[str, Any]:
    event_id = "06MPSP1ER000B" if word == "open" else "06MPSP1ER000C"
    return {"track_event": COMMON | CLIENT | {"type": word, "event_id": event_id} | told}


def unsubscribe_event(word: str) -> dict[str, Any]:
    return {"unsubscribe_event": COMMON | CLIENT | {"type": word, "event_id": "06MPSP1ER000D"}}


EXPECTED: dict[str, dict[str, Any]] = {
    "accepted": message_event("injection", "06MPSP1ER0000", {}),
    "delivered": message_event("delivery", "06MPSP1ER0002", SESSION | {"outbound_tls": "1"}),
    "delivered in test mode": message_event("delivery", "06MPSP1ER0002", ATTEMPT | {"outbound_tls": "0"}),
    "greylisted": message_event(
        "delay",
        "06MPSP1ER0003",
        SESSION
        | {
            "bounce_class": "70",
            "error_code": "450",
            "raw_reason": "450 4.2.0 Greylisted, try again later",
            "reason": "A policy of the receiving host refuses the message",
        },
    ),
    "host not found": message_event(
        "delay",
        "06MPSP1ER0003",
        ATTEMPT
        | {
            "bounce_class": "21",
            "raw_reason": "4.4.3 example.net could not be looked up.",
            "reason": "The receiving host cannot be reached, or relays nothing",
        },
    ),
    "no such mailbox": bounce("10", "550", "550 5.1.1 No such user here", "There is no such mailbox"),
    "taken for spam": bounce("51", "554", "554 5.7.1 Spam", "The receiving host takes the message for spam"),
    "mailbox full": bounce("22", "552", "552 5.2.2 Over quota", "The mailbox is full"),
    "expired": message_event(
        "bounce",
        "06MPSP1ER0004",
        SESSION
        | {
            "bounce_class": "24",
            "raw_reason": "4.4.7 Not delivered in time. Last reply: 450 4.1.1 Who?",
            "reason": "Not delivered in time: there is no such mailbox",
        },
    ),
    "returned later": message_event(
        "out_of_band",
        "06MPSP1ER0004",
        {
            "delv_method": "esmtp",
            "bounce_class": "10",
            "raw_reason": "5.1.1 No such user",
            "reason": "Returned after it was delivered: there is no such mailbox",
        },
    ),
    "suppressed": suppressed("The recipient unsubscribed."),
    "suppressed by a bounce": suppressed("The address bounced."),
    "suppressed by a complaint": suppressed("The recipient complained."),
    "suppressed by hand": suppressed("The address is blocked: left"),
    "complained": message_event(
        "spam_complaint", "06MPSP1ER000A", {"fbtype": "abuse", "report_by": "feedback.example.net"}
    ),
    "opened": track_event("open"),
    "opened by Apple": track_event(
        "open",
        user_agent="Mozilla/5.0",
        user_agent_parsed={"is_mobile": False, "is_proxy": False, "is_prefetched": True},
    ),
    "opened by Google": track_event(
        "open",
        user_agent="GoogleImageProxy",
        user_agent_parsed={"agent_family": "Gmail", "is_mobile": False, "is_proxy": True, "is_prefetched": False},
        geo_ip={"country": "US", "city": "Reno"},
    ),
    "opened by Yahoo": track_event(
        "open",
        user_agent="YahooMailProxy",
        user_agent_parsed={"agent_family": "Yahoo Mail", "is_mobile": False, "is_proxy": True, "is_prefetched": False},
    ),
    "clicked": track_event("click", target_link_url="https://example.com/offer?id=7"),
    "clicked by a scanner": track_event(
        "click", target_link_url="https://example.com/offer?id=7", user_agent_parsed=PARSED | {"is_prefetched": True}
    ),
    "unsubscribed": unsubscribe_event("link_unsubscribe"),
    "unsubscribed with one click": unsubscribe_event("list_unsubscribe"),
}


@pytest.mark.parametrize("what", EXPECTED)
def test_event_is_told_exactly_so(what: str) -> None:
    assert json.loads(call([HAPPENINGS[what]], SEAL).body) == [{"msys": EXPECTED[what]}]


def refused(text: str, recipient: str, number: int) -> dict[str, Any]:
    domain = recipient.rpartition("@")[2]
    return {
        "timestamp": "1795775400",
        "sending_domain": "news.example.com",
        "transactional": "0",
        "rcpt_tags": [],
        "rcpt_meta": {},
        "msg_from": "app@news.example.com",
        "msg_size": "2048",
        "error_code": "550",
        "raw_reason": text,
        "reason": text,
        "subject": "News of November",
        "event_id": f"06MPSP1ER0001-{number}",
        "raw_rcpt_to": recipient,
        "rcpt_to": recipient.lower(),
        "recipient_domain": domain,
        "routing_domain": domain,
    }


def test_messages_of_one_transmission_are_told_by_its_id() -> None:
    made = HAPPENINGS["delivered"]
    assert made.message is not None
    options = msgspec.structs.replace(made.message.options, sent_with=made.message.id - 1)
    message = msgspec.structs.replace(made.message, options=options)
    [told] = msgspec.json.decode(call([msgspec.structs.replace(made, message=message)], SEAL).body)
    assert told["msys"]["message_event"]["transmission_id"] == text_of(made.message.id - 1)


def test_rejection_is_told_for_each_recipient() -> None:
    policy = {"type": "policy_rejection", "bounce_class": "25"}
    text = "From must be at the sending domain."

    assert json.loads(call([HAPPENINGS["rejected"]], SEAL).body) == [
        {"msys": {"message_event": refused(text, recipient, number) | policy}}
        for number, recipient in enumerate(("ada@example.net", "Bob@example.org"))
    ]


def test_template_that_failed_is_a_failure_of_generation() -> None:
    failure = refused("The template welcome cannot be rendered.", "ada@example.net", 0) | {"type": "generation_failure"}

    assert json.loads(call([HAPPENINGS["template failed"]], SEAL).body) == [{"msys": {"gen_event": failure}}]


def test_complaint_of_nobody_in_particular_names_none() -> None:
    found = HAPPENINGS["complained"]
    unknown = msgspec.structs.replace(found, event=msgspec.structs.replace(found.event, recipient=None))

    ((told,),) = (one["msys"].values() for one in json.loads(call([unknown], SEAL).body))

    assert (told["event_id"], told["fbtype"], "rcpt_to" in told) == ("06MPSP1ER000A", "abuse", False)


@pytest.mark.parametrize(("channel", "method"), [("smtp", "esmtp"), ("report", "esmtp"), ("sparkpost", "rest")])
def test_method_follows_from_the_channel(channel: str, method: str) -> None:
    found = HAPPENINGS["accepted"]
    assert found.message is not None
    moved = msgspec.structs.replace(found, message=msgspec.structs.replace(found.message, channel=channel))

    assert json.loads(call([moved], SEAL).body)[0]["msys"]["message_event"]["recv_method"] == method


def test_class_is_a_hard_one_only_where_the_bounce_is() -> None:
    def class_of(event_type: EventType, **data: Any) -> str:
        ((told,),) = (one["msys"].values() for one in json.loads(call([happening(event_type, **data)], SEAL).body))
        return str(told["bounce_class"])

    assert class_of(EventType.BOUNCED, bounce_class="bad-mailbox", enhanced_status="5.7.1") == "20"
    for one in BounceClass:
        deferred = class_of(EventType.DEFERRED, bounce_class=one.value, code=450, enhanced_status="4.1.1")
        assert deferred not in {"10", "30", "50", "90"}


def test_batch_has_an_id_and_a_token_where_there_is_one() -> None:
    bare = call([HAPPENINGS["delivered"]], SEAL)
    with_token = call([HAPPENINGS["delivered"]], msgspec.structs.replace(SEAL, token_header=Secret("t0k3n")))

    assert bare.headers == {"Content-Type": "application/json", "X-MessageSystems-Batch-ID": SEAL.call_id}
    assert with_token.headers == dict(bare.headers) | {"X-MessageSystems-Webhook-Token": "t0k3n"}
