"""Each event as Bloomreach Engagement is told it: by its channel's callback, and as events of its customers."""

import json
from typing import Any

import jwt
import msgspec
import pytest

from postroad.dialects.bloomevents import events as bloomevents
from postroad.dialects.bloomreach import events as bloomreach
from postroad.dialects.samples import sample
from postroad.model.credential import Secret
from postroad.model.event import EventType
from postroad.model.webhook import Happening
from tests.unit.dialects.happenings import HAPPENINGS, SEAL

AGENT = sample(EventType.OPENED).event.data["agent"]
CUSTOM = {
    "company_id": "c1",
    "customer_ids": {"registered": "ada", "cookie": "x"},
    "properties": {"action_id": 7, "campaign_id": "c7", "status": "never"},
}
EXPECTED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "accepted": ("06MPSP1ER0000", "enqueued", {}),
    "delivered": ("06MPSP1ER0002", "delivered", {"code": "250", "message": "2.0.0 Ok: queued as 4F2A11"}),
    "delivered in test mode": (
        "06MPSP1ER0002",
        "delivered",
        {"message": "test mode: nothing was sent", "is_test": True},
    ),
    "no such mailbox": ("06MPSP1ER0004", "hard_bounced", {"code": "550", "message": "5.1.1 No such user here"}),
    "taken for spam": ("06MPSP1ER0004", "soft_bounced", {"code": "554", "message": "5.7.1 Spam"}),
    "mailbox full": ("06MPSP1ER0004", "soft_bounced", {"code": "552", "message": "5.2.2 Over quota"}),
    "expired": (
        "06MPSP1ER0004",
        "soft_bounced",
        {"message": "4.4.7 Not delivered in time. Last reply: 450 4.1.1 Who?"},
    ),
    "returned later": ("06MPSP1ER0004", "hard_bounced", {"message": "5.1.1 No such user"}),
    "suppressed": ("06MPSP1ER0005", "suppressed", {"message": "The recipient unsubscribed."}),
    "complained": ("06MPSP1ER000A", "complained", {}),
    "opened": ("06MPSP1ER000B", "opened", {"user_agent": AGENT, "is_machine": False}),
    "opened by Apple": ("06MPSP1ER000B", "opened", {"user_agent": "Mozilla/5.0", "is_machine": True}),
    "opened by Yahoo": ("06MPSP1ER000B", "opened", {"user_agent": "YahooMailProxy", "is_machine": True}),
    "clicked": (
        "06MPSP1ER000C",
        "clicked",
        {"user_agent": AGENT, "is_machine": False, "url": "https://example.com/offer?id=7"},
    ),
    "unsubscribed": ("06MPSP1ER000D", "unsubscribed", {"user_agent": AGENT}),
}


def with_variables(what: str, variables: dict[str, Any]) -> Happening:
    return msgspec.structs.replace(HAPPENINGS[what], variables=variables)


@pytest.mark.parametrize("what", EXPECTED)
def test_channel_is_told_exactly_so(what: str) -> None:
    event_id, status, more = EXPECTED[what]
    ip = {"ip": "192.0.2.77"} if "user_agent" in more else {}
    told = with_variables(what, {"custom_data": "opaque-Zm9v", "other": 1})

    assert json.loads(bloomreach.call([told], SEAL).body) == [
        {
            "event_id": event_id,
            "status": status,
            "timestamp": 1_795_775_400.123,
            "custom_data": "opaque-Zm9v",
            "message_id": "sample@news.example.com",
            "recipient": "ada@example.net",
            **more,
            **ip,
        }
    ]


@pytest.mark.parametrize("what", EXPECTED)
def test_customer_is_told_exactly_so(what: str) -> None:
    event_id, status, more = EXPECTED[what]
    told = with_variables(what, {"my-custom-data": json.dumps(CUSTOM)})
    properties = {
        "action_id": 7,
        "campaign_id": "c7",
        "action_type": "email",
        "event_id": event_id,
        "status": status,
        "recipient": "ada@example.net",
        "message_id": "sample@news.example.com",
        "subject": "News of November",
    }

    assert json.loads(bloomevents.call([told], SEAL).body) == {
        "commands": [
            {
                "name": "customers/events",
                "data": {
                    "customer_ids": {"registered": "ada", "cookie": "x"},
                    "event_type": "campaign",
                    "timestamp": 1_795_775_400.123,
                    "properties": properties | more,
                },
            }
        ]
    }


def test_rejection_is_told_to_the_channel_for_each_recipient() -> None:
    told = {
        "status": "enqueue_failed",
        "timestamp": 1_795_775_400.123,
        "message": "From must be at the sending domain.",
        "message_id": "sample@news.example.com",
    }

    assert json.loads(bloomreach.call([HAPPENINGS["rejected"]], SEAL).body) == [
        told | {"event_id": "06MPSP1ER0001-0", "recipient": "ada@example.net"},
        told | {"event_id": "06MPSP1ER0001-1", "recipient": "Bob@example.org"},
    ]


def test_custom_data_comes_back_as_the_text_that_it_was() -> None:
    text = '{"company_id": "c1",  "ts": 1.50}'

    def custom_data(variables: dict[str, Any]) -> str | None:
        (told,) = json.loads(bloomreach.call([with_variables("delivered", variables)], SEAL).body)
        found: str | None = told.get("custom_data")
        return found

    assert custom_data({"my-custom-data": text}) == text
    assert custom_data({"custom_data": "first", "my-custom-data": text}) == "first"
    assert custom_data({"my-custom-data": {"a": 1}}) == '{"a":1}'
    assert custom_data({"order": 7}) == '{"order":7}'
    assert custom_data({}) is None


@pytest.mark.parametrize(
    "custom", ["", "opaque", "[1]", "7", "{", '{"customer_ids":[],"properties":7}', "[" * 2000, '{"a":"\ud800"}']
)
def test_customer_is_the_address_where_custom_data_names_none(custom: str) -> None:
    told = json.loads(bloomevents.call([with_variables("delivered", {"my-custom-data": custom})], SEAL).body)

    assert told["commands"][0]["data"]["customer_ids"] == {"registered": "ada@example.net"}


def test_token_of_the_channel_is_signed_now_with_the_account_s_key() -> None:
    token = bloomreach.call([HAPPENINGS["delivered"]], SEAL).headers["Authorization"]

    claims = jwt.decode(token, SEAL.keys[0], algorithms=["HS256"], options={"verify_iat": False})

    assert claims == {"iat": 1_795_775_401}
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, "prw_" + "x" * 49, algorithms=["HS256"])


def test_previous_key_signs_the_token_as_long_as_it_counts() -> None:
    in_overlap = msgspec.structs.replace(SEAL, keys=(Secret("prw_" + "n" * 49), SEAL.keys[0]))

    assert bloomreach.call([HAPPENINGS["delivered"]], in_overlap) == bloomreach.call([HAPPENINGS["delivered"]], SEAL)
