"""Searching events: every filter, both directions, page by page, in bounded work."""

import random
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import Event, EventType
from postroad.model.ids import IdSource, lowest_at, partition_of
from postroad.model.options import NO_OPTIONS
from postroad.storage import accounts, domains, event_search, events, search_index
from postroad.storage.database import Database
from postroad.storage.events import EventSelector
from postroad.storage.search_index import Pass
from tests.storage.samples import NOW, accepted, event_of, rejected

HOUR = 3_600_000


async def _account_with_domains(database: Database, name: str, count: int) -> tuple[int, list[int]]:
    account = await database.write(accounts.add, name, NOW)
    ids = []
    for number in range(count):
        wanted = SendingDomain(
            id=0, account_id=account.id, name=f"{number}.{name}.example", state=DomainState.ACTIVE, created_at=NOW
        )
        ids.append((await database.write(domains.add, wanted)).id)
    return account.id, ids


async def _happened(database: Database, owners: list[tuple[int, int]], count: int) -> list[Event]:
    """Store messages of several domains and what became of them; returns all events."""
    chance = random.Random(5)
    told: list[Event] = []
    for number in range(count):
        account_id, domain_id = chance.choice(owners)
        tags = tuple(chance.sample(("Orders", "ÄNDERUNG", 'a "quoted" one', "spring"), chance.randrange(3)))
        one = accepted(
            *chance.sample(
                ("Uwe@example.net", "ada@example.net", "bob@Example.org", "a_b@example.com", "ÄNNE@example.net"), 2
            ),
            account_id=account_id,
            domain_id=domain_id,
            channel=chance.choice(("smtp", "report")),
            options=msgspec.structs.replace(NO_OPTIONS, tags=tags),
        )
        marks: dict[str, Any] = {"tags": list(tags)} if tags else {}
        kinds = (EventType.DELIVERED, EventType.DEFERRED, EventType.BOUNCED, EventType.OPENED)
        more = [
            event_of(delivery, chance.choice(kinds), at=NOW - number * 500, **marks)
            for delivery in one.deliveries
            for _ in range(chance.randrange(3))
        ]
        first = tuple(event_of(delivery, EventType.ACCEPTED, **marks) for delivery in one.deliveries)
        stored = msgspec.structs.replace(one, events=first)
        await database.accept(stored)
        refused = [msgspec.structs.replace(rejected(domain_id), account_id=account_id, data={"channel": "smtp"})]
        await database.append_events([*more, *refused])
        told += [*first, *more, *refused]
    return sorted(told, key=lambda event: event.id)


async def _all_pages(database: Database, selector: EventSelector, limit: int, *, is_newest_first: bool) -> list[Event]:
    found: list[Event] = []
    cursor: int | None = None
    while True:
        page = await database.read(event_search.search, selector, limit, cursor=cursor, is_newest_first=is_newest_first)
        assert len(page.found) <= limit
        found += page.found
        if page.cursor is None:
            return found
        cursor = page.cursor


def _ids(found: Iterable[Event]) -> list[int]:
    return [one.id for one in found]


YEAR_9999 = 253_402_300_799_000
Holds = Callable[[Event], bool]

FILTERS: list[tuple[dict[str, Any], Holds]] = [
    ({}, lambda _: True),
    ({"types": (EventType.BOUNCED, EventType.OPENED)}, lambda one: one.type.value in {"bounced", "opened"}),
    ({"types": (EventType.REJECTED,)}, lambda one: one.type is EventType.REJECTED),
    ({"recipient": "UWE@example.net"}, lambda one: one.recipient == "Uwe@example.net"),
    ({"recipient": "a_b@example.com"}, lambda one: one.recipient == "a_b@example.com"),
    ({"recipient": "änne@Example.net"}, lambda one: one.recipient == "ÄNNE@example.net"),
    ({"recipient": "@example.org"}, lambda one: (one.recipient or "").endswith("@Example.org")),
    ({"tag": "oRDERS"}, lambda one: "Orders" in one.data.get("tags", ())),
    ({"tag": "änderung"}, lambda one: "ÄNDERUNG" in one.data.get("tags", ())),
    ({"tag": 'A "quoted" one'}, lambda one: 'a "quoted" one' in one.data.get("tags", ())),
    ({"tag": "none"}, lambda _: False),
    ({"since": NOW - 5_000}, lambda one: one.at >= NOW - 5_000),
    ({"until": NOW - 5_000}, lambda one: one.at < NOW - 5_000),
    ({"recipient": "a\u0308nne@example.net"}, lambda one: one.recipient == "ÄNNE@example.net"),
    ({"since": YEAR_9999}, lambda _: False),
    ({"until": YEAR_9999}, lambda _: True),
    ({"tag": "spring", "recipient": "@example.net"}, lambda one: "spring" in one.data.get("tags", ()) and (one.recipient or "").endswith("@example.net")),
]  # fmt: skip


@pytest.mark.parametrize("is_indexed", [True, False], ids=["indexed", "new"])
@pytest.mark.parametrize("most_messages", [2_000, 3], ids=["by message", "by walking"])
async def test_every_filter_finds_what_it_says_in_both_directions(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, most_messages: int, is_indexed: bool
) -> None:
    monkeypatch.setattr(event_search, "_MOST_MESSAGES", most_messages)
    monkeypatch.setattr(event_search, "_WALKED", 40)
    monkeypatch.setattr(event_search, "_ROUNDS", 2)
    monkeypatch.setattr(event_search, "_LEAST_OF_DOMAIN", 5)
    ours, ours_domains = await _account_with_domains(database, "acme", 3)
    theirs, their_domains = await _account_with_domains(database, "globex", 1)
    owners = [*((ours, one) for one in ours_domains), (theirs, their_domains[0])]
    told = await _happened(database, owners, 40)
    if is_indexed:
        await database.write(search_index.fill, Pass.FIRST, lowest_at(NOW + HOUR), 1000)
    for wanted, holds in FILTERS:
        whoses: list[dict[str, Any]] = [{}, {"account_id": ours}, {"domain_id": their_domains[0]}]
        for whose in whoses:
            expected = [
                one.id for one in told if holds(one) and all(getattr(one, name) == of for name, of in whose.items())
            ]
            selector = EventSelector(**wanted, **whose)
            assert _ids(await _all_pages(database, selector, 19, is_newest_first=False)) == expected, (wanted, whose)
            newest = await _all_pages(database, selector, 19, is_newest_first=True)
            assert _ids(newest) == expected[::-1], (wanted, whose)


async def test_the_channel_is_that_of_the_message_or_what_a_refusal_says(database: Database) -> None:
    account, [domain] = await _account_with_domains(database, "acme", 1)
    told = await _happened(database, [(account, domain)], 10)
    by_smtp = await _all_pages(database, EventSelector(channel="smtp"), 100, is_newest_first=False)
    by_report = await _all_pages(database, EventSelector(channel="report"), 100, is_newest_first=False)

    assert {one.type for one in by_report if one.type is EventType.REJECTED} == set()
    assert sum(one.type is EventType.REJECTED for one in by_smtp) == 10
    assert sorted(_ids([*by_smtp, *by_report])) == _ids(told)


async def test_a_page_looks_at_so_many_events_and_says_how_far_it_came(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_search, "_WALKED", 10)
    monkeypatch.setattr(event_search, "_ROUNDS", 3)
    monkeypatch.setattr(event_search, "_LEAST_OF_DOMAIN", 10)
    account, [domain] = await _account_with_domains(database, "acme", 1)
    await database.append_events([msgspec.structs.replace(rejected(domain), account_id=account) for _ in range(45)])
    selector = EventSelector(account_id=account, types=(EventType.COMPLAINED,))

    first = await database.read(event_search.search, selector, 5, is_newest_first=True)
    assert (first.found, first.is_cut) == ((), True)
    second = await database.read(event_search.search, selector, 5, cursor=first.cursor, is_newest_first=True)
    assert (second.found, second.is_cut, second.cursor) == ((), False, None)


async def test_a_tail_tests_every_filter_too(database: Database) -> None:
    account, [domain] = await _account_with_domains(database, "acme", 1)
    told = await _happened(database, [(account, domain)], 20)
    for wanted, holds in FILTERS:
        found = await database.read(events.search, EventSelector(**wanted), 1_000)
        assert _ids(found) == [one.id for one in told if holds(one)], wanted


async def test_many_pages_are_of_the_events_that_were_there_at_first(database: Database) -> None:
    account, [domain] = await _account_with_domains(database, "acme", 1)
    told = await _happened(database, [(account, domain)], 5)
    below = told[-1].id
    page = await database.read(event_search.search, EventSelector(account_id=account), 1_000, below=below)
    assert _ids(page.found) == _ids(told[:-1])


@pytest.mark.parametrize("by", ["message_id", "recipient", "tag", "domain_id", "account_id", "anything"])
async def test_what_is_told_long_after_it_happened_is_found_with_an_end(database: Database, by: str) -> None:
    account, [domain] = await _account_with_domains(database, "acme", 1)
    one = accepted(account_id=account, domain_id=domain, options=msgspec.structs.replace(NO_OPTIONS, tags=("spring",)))
    await database.accept(msgspec.structs.replace(one, events=()))
    delivery = one.deliveries[0]
    clicked = event_of(delivery, EventType.CLICKED, at=NOW + HOUR, tags=["spring"])
    partition = partition_of(one.message.id)
    clicked = msgspec.structs.replace(clicked, id=IdSource(3).next(NOW + 9 * HOUR, partition))
    await database.append_events([clicked])
    wanted: dict[str, Any] = {"message_id": one.message.id, "recipient": delivery.recipient, "tag": "spring"}
    wanted |= {"domain_id": domain, "account_id": account}
    told = {} if by == "anything" else {by: wanted[by]}

    for is_newest_first in (True, False):
        until = [
            await _all_pages(database, EventSelector(**told, until=end), 7, is_newest_first=is_newest_first)
            for end in (NOW + 2 * HOUR, NOW + HOUR)
        ]
        assert [_ids(found) for found in until] == [[clicked.id], []]


@pytest.mark.parametrize("is_newest_first", [True, False])
async def test_pages_go_on_to_what_was_told_late(database: Database, is_newest_first: bool) -> None:
    account, [domain] = await _account_with_domains(database, "acme", 1)
    one = accepted(account_id=account, domain_id=domain)
    await database.accept(msgspec.structs.replace(one, events=()))
    source, partition = IdSource(3), partition_of(one.message.id)
    written = [NOW + number * 1000 for number in range(5)] + [NOW + 9 * HOUR + number for number in range(5)]
    told = [
        msgspec.structs.replace(
            event_of(one.deliveries[0], EventType.CLICKED, at=NOW + number), id=source.next(at, partition)
        )
        for number, at in enumerate(written)
    ]
    await database.append_events(told)

    for limit in (1, 2, 5, 9, 10):
        found = await _all_pages(database, EventSelector(until=NOW + HOUR), limit, is_newest_first=is_newest_first)
        assert _ids(found) == sorted(_ids(told), reverse=is_newest_first)
