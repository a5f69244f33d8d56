"""Messages, events and counts by our own API: what is found, page by page, and by whom."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from postroad.dialects.postroad.paging import cursor_text
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import Event, EventType
from postroad.model.ids import IdSource, lowest_at, text_of
from postroad.model.message import Message
from postroad.model.options import Options
from postroad.storage import counters, domains, events, messages
from postroad.storage.database import Database

from .mail import store_message
from .own_api import Caller
from .services import NOW

IDS = IdSource(7)


@pytest.fixture
async def order(database: Database, domain: SendingDomain) -> Message:
    """A message of the domain with a tag and variables, that was delivered."""
    message = await store_message(
        database,
        domain,
        "ada@x.example",
        subject="Your order of spring",
        options=Options(tags=("orders",), variables={"order": 17}),
    )
    await add_event(database, message, EventType.DELIVERED, "ada@x.example")
    return message


@pytest.fixture
async def of_other(database: Database, domain: SendingDomain) -> Message:
    """A message of another domain of the account."""
    wanted = SendingDomain(
        id=0, account_id=domain.account_id, name="two.example.com", state=DomainState.ACTIVE, created_at=NOW
    )
    return await store_message(database, await database.write(domains.add, wanted), "bo@y.example", subject="Other")


async def add_event(database: Database, message: Message, kind: EventType, recipient: str, at: int = NOW) -> str:
    event = Event(
        id=IDS.next(at, 0),
        type=kind,
        at=at,
        account_id=message.account_id,
        domain_id=message.domain_id,
        message_id=message.id,
        recipient=recipient,
        data={"tags": list(message.options.tags)},
    )
    await database.write(events.append, [event], lambda partition: IDS.next(at, partition))
    return text_of(event.id)


FOUND_BY: tuple[dict[str, Any], ...] = (
    {},
    {"recipient": "ada@x.example"},
    {"recipient": "@X.example"},
    {"subject": "SPRING order"},
    {"tag": "Orders"},
    {"state": "scheduled"},
    {"domain": "News.example.com"},
    {"from_": "2026-05-28T20:00:00Z", "to": "2026-05-28T23:00:00+02:00"},
    {"tag": "orders", "subject": "order", "recipient": "ada@x.example", "limit": 1},
)
NOT_FOUND_BY: tuple[dict[str, Any], ...] = (
    {"recipient": "bo@x.example"},
    {"recipient": "@y.example"},
    {"subject": "orders"},
    {"tag": "order"},
    {"state": "bounced"},
    {"to": "2026-05-28T20:00:00Z"},
    {"message_id": "<nobody@news.example.com>"},
    {"id": "0000000000000"},
)


async def test_a_message_is_found(own: Caller, order: Message) -> None:
    for query in FOUND_BY:
        found = await own.ok("GET", "/messages", **query)
        assert [one["id"] for one in found["messages"]] == [text_of(order.id)], query
        assert found["next"] is None
    [told] = found["messages"]
    assert told | {"from": 0, "message_id": 0} == {
        "id": text_of(order.id),
        "message_id": 0,
        "domain": "news.example.com",
        "from": 0,
        "subject": "Your order of spring",
        "accepted_at": "2026-05-28T20:26:40Z",
        "tags": ["orders"],
        "recipient_count": 1,
        "recipients": ["ada@x.example"],
        "states": {"scheduled": 1},
    }
    for query in NOT_FOUND_BY:
        assert (await own.ok("GET", "/messages", **query))["messages"] == [], query


async def test_a_message_is_found_by_its_ids(own: Caller, order: Message) -> None:
    for query in ({"id": text_of(order.id)}, {"id": text_of(order.id)[:6]}, {"message_id": order.message_id_header}):
        found = await own.ok("GET", "/messages", **query)
        assert [one["id"] for one in found["messages"]] == [text_of(order.id)], query


async def test_messages_come_page_by_page(own: Caller, database: Database, domain: SendingDomain) -> None:
    stored = [await store_message(database, domain, "ada@x.example") for _ in range(3)]
    first = await own.ok("GET", "/messages", limit=2)
    second = await own.ok("GET", "/messages", limit=2, cursor=first["next"])
    assert second["next"] is None
    told = [one["id"] for page in (first, second) for one in page["messages"]]
    assert told == sorted((text_of(one.id) for one in stored), reverse=True)


async def test_a_key_of_a_domain_finds_nothing_but_what_it_has_the_id_of(
    own_of_domain: Caller, order: Message, of_other: Message
) -> None:
    for path in ("/messages", "/events", "/statistics", f"/messages/{text_of(order.id)}/events"):
        assert await own_of_domain.refused(403, "GET", path) == [], path
    assert (await own_of_domain.ok("GET", f"/messages/{text_of(order.id)}"))["subject"] == order.subject
    await own_of_domain.refused(404, "GET", f"/messages/{text_of(of_other.id)}")
    await own_of_domain.refused(404, "POST", f"/messages/{text_of(of_other.id)}/cancel")


async def test_events_of_a_message_are_not_all_read_for_a_page(
    own: Caller, order: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(messages, "show")
    assert len((await own.ok("GET", f"/messages/{text_of(order.id)}/events", limit=1))["events"]) == 1


async def test_what_is_another_account_s_does_not_exist(
    own: Caller, database: Database, foreign: SendingDomain
) -> None:
    message = await store_message(database, foreign, "ada@x.example")
    assert (await own.ok("GET", "/messages"))["messages"] == []
    assert (await own.ok("GET", "/events"))["events"] == []
    for path in ("/messages", "/events", "/statistics"):
        await own.refused(404, "GET", path, domain=foreign.name)
    await own.refused(404, "GET", f"/messages/{text_of(message.id)}")
    await own.refused(404, "GET", f"/messages/{text_of(message.id)}/events")
    await own.refused(404, "POST", f"/messages/{text_of(message.id)}/hold")


NOT_UNDERSTOOD: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("/messages", {"limit": "0"}, "limit"),
    ("/messages", {"limit": "101"}, "limit"),
    ("/messages", {"limit": "many"}, "limit"),
    ("/messages", {"limit": ["1", "2"]}, "limit"),
    ("/messages", {"lmit": "2"}, "lmit"),
    ("/messages", {"cursor": "x"}, "cursor"),
    ("/messages", {"cursor": "WyJ4Il0"}, "cursor"),
    ("/messages", {"cursor": cursor_text(2**70)}, "cursor"),
    ("/events", {"cursor": cursor_text(2**63), "order": "oldest"}, "cursor"),
    ("/events", {"cursor": cursor_text(-(2**70))}, "cursor"),
    ("/messages", {"state": "lost"}, "state"),
    ("/messages", {"from_": "yesterday"}, "from"),
    ("/messages", {"from_": "2026-05-28T20:00:00"}, "from"),
    ("/messages", {"subject": "!!"}, "subject"),
    ("/messages", {"id": "!!"}, "id"),
    ("/messages", {"domain": "no name"}, "domain"),
    ("/messages", {"tag": "a\0b"}, "tag"),
    ("/events", {"type": ["bounced", "lost"]}, "type.1"),
    ("/events", {"order": "random"}, "order"),
    ("/events", {"cursor": "é"}, "cursor"),
    ("/statistics", {"by": "week"}, "by"),
    ("/statistics", {"from_": "2026-05-28T20:00:00Z", "to": "2026-05-27T20:00:00Z"}, "from"),
    ("/statistics", {"from_": "2020-05-28T20:00:00Z"}, "from"),
    ("/statistics", {"by": "hour", "from_": "2025-05-28T20:00:00Z"}, "from"),
    ("/statistics", {"from_": "0001-01-01T00:00:00+14:00"}, "from"),
)


async def test_a_question_that_is_not_understood_is_refused(own: Caller) -> None:
    for path, query, field in NOT_UNDERSTOOD:
        assert await own.refused(400, "GET", path, **query) == [field], (path, query)


async def test_times_at_the_end_of_the_calendar_are_no_error_of_ours(own: Caller) -> None:
    for path in ("/messages", "/events", "/statistics"):
        for at in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
            for name in ("from_", "to"):
                assert (await own("GET", path, **{name: at})).status_code in {200, 400}


async def test_all_that_is_wrong_is_named_at_once(own: Caller) -> None:
    assert await own.refused(400, "GET", "/messages", limit="0", lmit="2", state="x") == ["limit", "lmit", "state"]


async def test_events_are_found(own: Caller, database: Database, order: Message, of_other: Message) -> None:
    bounced = await add_event(database, order, EventType.BOUNCED, "ada@x.example")
    told = (await own.ok("GET", "/events", type="bounced"))["events"]
    assert told == [
        {
            "id": bounced,
            "type": "bounced",
            "at": "2026-05-28T20:26:40Z",
            "domain": "news.example.com",
            "message_id": text_of(order.id),
            "delivery_id": None,
            "recipient": "ada@x.example",
            "data": {"tags": ["orders"]},
            "variables": {"order": 17},
        }
    ]
    asked: tuple[tuple[dict[str, Any], int], ...] = (
        ({}, 4),
        ({"limit": 4}, 4),
        ({"type": ["bounced", "delivered"]}, 2),
        ({"domain": "two.example.com"}, 1),
        ({"recipient": "@X.example"}, 3),
        ({"recipient": "ADA@x.example"}, 3),
        ({"tag": "ORDERS", "type": "delivered"}, 1),
        ({"to": "2026-05-28T20:26:40Z"}, 0),
        ({"from_": "2026-05-28T20:26:40Z"}, 4),
    )
    for query, count in asked:
        found = await own.ok("GET", "/events", **query)
        assert len(found["events"]) == count, query
        assert (found["next"], found["has_more"]) == (None, False)
    of_message = await own.ok("GET", f"/messages/{text_of(order.id)}/events", order="oldest")
    assert sorted(one["type"] for one in of_message["events"]) == ["accepted", "bounced", "delivered"]


async def test_events_are_followed_without_a_gap_or_a_repeat(
    own: Caller, database: Database, domain: SendingDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = await store_message(database, domain, "ada@x.example")
    long_ago = [await add_event(database, message, EventType.DEFERRED, "ada@x.example", NOW - 60_000) for _ in range(3)]
    first = await own.ok("GET", "/events", order="oldest", type="deferred", limit=2)
    assert ([one["id"] for one in first["events"]], first["has_more"]) == (long_ago[:2], True)
    second = await own.ok("GET", "/events", order="oldest", type="deferred", limit=2, cursor=first["next"])
    assert ([one["id"] for one in second["events"]], second["has_more"]) == (long_ago[2:], False)
    # Nothing is there now; what comes then is told by the same cursor.
    third = await own.ok("GET", "/events", order="oldest", type="deferred", cursor=second["next"])
    assert (third["events"], third["has_more"]) == ([], False)
    # What has just happened waits until nothing can come before it.
    now = int(time.time() * 1000)
    late = await add_event(database, message, EventType.DEFERRED, "ada@x.example", now)
    fourth = await own.ok("GET", "/events", order="oldest", type="deferred", cursor=third["next"])
    assert fourth["events"] == []

    async def nothing_is_waited_for(_database: Database, clock: Callable[[], int]) -> int:
        return lowest_at(clock() + 1_000)

    monkeypatch.setattr("postroad.events.events.watermark", nothing_is_waited_for)
    fifth = await own.ok("GET", "/events", order="oldest", type="deferred", cursor=fourth["next"])
    assert [one["id"] for one in fifth["events"]] == [late]


async def test_what_happened_is_counted(own: Caller, database: Database, order: Message, of_other: Message) -> None:
    await database.write(counters.fold, NOW)
    by_day = await own.ok("GET", "/statistics", from_="2026-05-27T12:00:00Z")
    assert [one["at"] for one in by_day["parts"]] == ["2026-05-27T00:00:00Z", "2026-05-28T00:00:00Z"]
    assert (by_day["from"], by_day["to"], by_day["by"]) == ("2026-05-27T00:00:00Z", "2026-05-29T00:00:00Z", "day")
    assert by_day["parts"][0]["counts"] == {}
    assert by_day["parts"][1]["counts"] == by_day["totals"] == {"accepted": 2, "delivered": 1}
    by_hour = await own.ok("GET", "/statistics", by="hour", domain="news.example.com")
    assert len(by_hour["parts"]) == 24
    assert by_hour["parts"][-1] == {"at": "2026-05-28T20:00:00Z", "counts": {"accepted": 1, "delivered": 1}}
    tagged = await own.ok("GET", "/statistics", by="hour", tag="Orders")
    assert tagged["totals"] == {"delivered": 1}


async def test_what_waits_of_a_message_is_held_let_go_and_taken_back(
    own: Caller, own_of_domain: Caller, order: Message
) -> None:
    path = f"/messages/{text_of(order.id)}"
    assert await own.refused(400, "GET", path, verbose="true") == ["verbose"]
    assert await own.refused(400, "POST", f"{path}/cancel", dry_run="true") == ["dry_run"]
    assert await own.refused(400, "GET", "/key", verbose="true") == ["verbose"]
    for verb, state, count in (
        ("hold", "held", 1),
        ("retry", "held", 0),
        ("release", "scheduled", 1),
        ("retry", "scheduled", 0),
    ):
        assert await own.ok("POST", f"{path}/{verb}") == {"deliveries": count}
        assert (await own_of_domain.ok("GET", path))["deliveries"][0]["state"] == state
    for name in ("nothing", text_of(order.id + 1)):
        await own.refused(404, "POST", f"/messages/{name}/hold")
    assert await own_of_domain.ok("POST", f"{path}/cancel") == {"cancelled": 1}
    assert (await own.ok("GET", path))["deliveries"][0]["state"] == "cancelled"


async def test_messages_that_were_sent_are_not_changed(own_of_domain: Caller) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        assert (await own_of_domain(method, "/messages")).status_code == 405
