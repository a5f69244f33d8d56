"""Opens, clicks and unsubscribes on each engine: events, counters and the lists, whatever is still kept of the message."""

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest

from postroad.feedback.responses import SETTLED_MS, Responses
from postroad.model.delivery import DeliveryState
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import Event, EventType
from postroad.model.message import Accepted
from postroad.model.options import DeliveryOptions, Options
from postroad.model.returned import Returned, ReturnedStatus, ReturnResult
from postroad.model.suppression import SuppressionKind, Way
from postroad.model.tracking import NOWHERE, Hit, HitKind, Place, Unsubscribing, fingerprint
from postroad.model.unsubscribe_group import UnsubscribeGroup
from postroad.storage import (
    accounts,
    counters,
    domains,
    events,
    recent_clicks,
    responses,
    returns,
    suppressions,
    unsubscribe_groups,
)
from postroad.storage.counters import Period
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable
from postroad.storage.responses import Unsubscribed
from postroad.storage.rows import HOUR_MS
from tests.storage.samples import NOW, accepted, new_id

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LATER = NOW + 600_000
URL = "https://shop.example/"


class Meter:
    def __init__(self) -> None:
        self.lost: Counter[str] = Counter()
        self.waiting = 0

    def hits_lost(self, reason: str, count: int) -> None:
        self.lost[reason] += count

    def hits_waiting(self, count: int) -> None:
        self.waiting = count


async def stored(
    database: Database, recipient: str = "Ann@mailbox.example", *, tags: tuple[str, ...] = (), is_test: bool = False
) -> Accepted:
    """Store a message that was delivered at once."""
    message = accepted(recipient, options=Options(tags=tags))
    options = DeliveryOptions(tags=tags, is_test=is_test)
    marked = tuple(
        msgspec.structs.replace(one, options=options, state=DeliveryState.DELIVERED, due_at=NOW)
        for one in message.deliveries
    )
    message = msgspec.structs.replace(message, deliveries=marked)
    await database.accept(message)
    return message


def hit(message: Accepted, kind: HitKind = HitKind.CLICK, **facts: Any) -> Hit:
    url = URL if kind is HitKind.CLICK else ""
    given: dict[str, Any] = {"at": LATER, "agent": AGENT, "client_address": "203.0.113.7", "url": url} | facts
    return Hit(kind=kind, delivery_id=message.deliveries[0].id, domain_id=1, **given)


def leaving(message: Accepted, *tags: str, **facts: Any) -> Unsubscribing:
    given: dict[str, Any] = {"address": message.deliveries[0].recipient, "way": Way.ONE_CLICK, "at": LATER} | facts
    return Unsubscribing(delivery_id=message.deliveries[0].id, domain_id=1, tags=tags, **given)


async def told(database: Database, message: Accepted) -> list[Event]:
    found = await database.read(events.of_message, message.message.id)
    return [one for one in found if one.type in {EventType.OPENED, EventType.CLICKED, EventType.UNSUBSCRIBED}]


async def counted(database: Database, tag: str | None = None) -> dict[str, int]:
    hour = NOW // HOUR_MS
    found = await database.read(counters.read, Period.HOUR, hour, hour + 1, 1, tag=tag)
    sums: Counter[str] = Counter()
    for one in found:
        sums[one.type] += one.count
    return {name: number for name, number in sums.items() if not name.startswith("accepted")}


async def test_hits_become_events_counted_for_humans_and_machines_apart(database: Database) -> None:
    message = await stored(database, tags=("Sale",))
    batch = [
        hit(message, HitKind.OPEN),
        hit(message),
        hit(message, agent="curl/8"),
        hit(message, HitKind.TRAP),
        hit(message, HitKind.OPEN, at=NOW + 1000),
        hit(message, HitKind.OPEN, agent="Mozilla/5.0 (via ggpht.com GoogleImageProxy)"),
    ]
    assert await database.write(responses.record, batch, new_id=new_id) == 0

    found = await told(database, message)
    assert sorted((one.type.value, one.data["verdict"], one.data.get("evidence")) for one in found) == [
        ("clicked", "human", None),
        ("clicked", "machine", ["agent"]),
        ("clicked", "machine", ["hidden-link"]),
        ("opened", "human", None),
        ("opened", "machine", ["at-delivery"]),
        ("opened", "proxy", ["google-image-proxy"]),
    ]
    clicked = next(one for one in found if one.data.get("url") and one.data["verdict"] == "human")
    assert clicked.recipient == "Ann@mailbox.example"
    assert (clicked.account_id, clicked.domain_id, clicked.at) == (1, 1, LATER)
    assert clicked.data == {
        "url": URL, "verdict": "human", "client_address": "203.0.113.7", "agent": AGENT, "program": "Firefox",
        "system": "Linux", "device": "desktop", "tags": ["Sale"],
        "is_first": True,
    }  # fmt: skip
    expected = {"opened": 1, "opened-by-machine": 1, "opened-by-proxy": 1, "clicked": 1, "clicked-by-machine": 2}
    expected |= {"opened-unique": 1, "clicked-unique": 1}
    assert await counted(database) == expected
    assert await counted(database, "sale") == expected


async def test_who_opens_what_bounced_late_is_a_human_as_before(database: Database) -> None:
    message = await stored(database)
    delivery = message.deliveries[0]
    failed = ReturnedStatus(action="failed", status="5.2.2", code=552, diagnosis="552 5.2.2 mailbox full")
    returned = Returned(delivery_id=delivery.id, shape="rfc3464", report="", statuses=(failed,))
    bounced = await database.write(returns.record, returned, at=NOW + 300_000, new_id=new_id)
    await database.write(responses.record, [hit(message, HitKind.OPEN)], new_id=new_id)

    assert bounced.result is ReturnResult.BOUNCED
    assert [one.data["verdict"] for one in await told(database, message)] == ["human"]


async def test_the_first_open_and_click_of_each_delivery_are_counted_once_more(database: Database) -> None:
    """Repeats are told and counted, machines never are the first, and each delivery has its own."""
    message, other = await stored(database, tags=("Sale",)), await stored(database, "bob@mailbox.example")
    opening = hit(message, HitKind.OPEN)
    await database.write(responses.record, [hit(message, agent="curl/8"), opening, opening], new_id=new_id)
    await database.write(responses.record, [hit(other), opening, hit(message, at=LATER + 60_000)], new_id=new_id)
    await database.write(responses.record, [hit(message, at=LATER + 120_000)], new_id=new_id)

    firsts = [one.type.value for one in await told(database, message) if "is_first" in one.data]
    assert sorted(firsts) == ["clicked", "opened"]
    sums = {"opened": 3, "opened-unique": 1, "clicked": 3, "clicked-unique": 2, "clicked-by-machine": 1}
    assert await counted(database) == sums
    assert await counted(database, "sale") == sums | {"clicked": 2, "clicked-unique": 1}
    while await database.write(counters.fold, 3):
        pass
    assert await counted(database) == sums


async def test_workers_that_write_at_once_count_a_first_open_once(database: Database) -> None:
    messages = [await stored(database, f"u{number}@mailbox.example") for number in range(3)]
    batch = [hit(one, HitKind.OPEN) for one in messages]
    turns = [database.write(responses.record, order, new_id=new_id) for order in [batch, batch[::-1]] * 6]
    await asyncio.gather(*turns)

    assert await counted(database) == {"opened": 36, "opened-unique": 3}


async def test_a_hit_on_what_is_no_longer_kept_is_said_to_be_unknown(database: Database) -> None:
    message = await stored(database)
    gone = msgspec.structs.replace(hit(message), delivery_id=message.deliveries[0].id + 1)

    assert await database.write(responses.record, [gone, hit(message)], new_id=new_id) == 1
    assert len(await told(database, message)) == 1


async def test_strangers_words_are_stored_as_far_as_they_can_be(database: Database) -> None:
    message = await stored(database)
    await database.write(responses.record, [hit(message, agent="a\0b\udcffc")], new_id=new_id)

    [event] = await told(database, message)
    assert event.data["agent"].startswith("a\N{REPLACEMENT CHARACTER}b")


@pytest.mark.usefixtures("domain")
async def test_who_unsubscribes_is_on_the_list_and_told_of_once(database: Database) -> None:
    message = await stored(database)
    results = [await database.write(responses.unsubscribe, leaving(message), new_id=new_id) for _ in range(2)]

    assert results == [Unsubscribed.ADDED, Unsubscribed.KNOWN]
    [entry] = await database.read(suppressions.about, 1, "ann@mailbox.example")
    assert (entry.kind, entry.way, entry.tag, entry.created_at) == (
        SuppressionKind.UNSUBSCRIBE,
        Way.ONE_CLICK,
        "",
        LATER,
    )
    assert entry.message_id == message.message.id
    [event] = await told(database, message)
    assert (event.type, event.data) == (EventType.UNSUBSCRIBED, {"way": "one-click"})
    assert await counted(database) == {"unsubscribed": 1}


@pytest.mark.usefixtures("domain")
async def test_one_may_unsubscribe_from_some_tags_only(database: Database) -> None:
    message = await stored(database, tags=("News", "Sale"))
    await database.write(responses.unsubscribe, leaving(message, "News", way=Way.LINK), new_id=new_id)

    [entry] = await database.read(suppressions.about, 1, "ann@mailbox.example")
    assert (entry.tag, entry.way) == ("news", Way.LINK)
    [event] = await told(database, message)
    assert event.data == {"way": "link", "scope": ["News"], "tags": ["News", "Sale"]}


async def test_who_leaves_a_group_leaves_all_mail_once_the_group_is_gone(
    database: Database, domain: SendingDomain
) -> None:
    wanted = UnsubscribeGroup(id=0, account_id=domain.account_id, domain_id=domain.id, name="weekly", created_at=NOW)
    group = await database.write(unsubscribe_groups.add, wanted, 9)
    for is_gone, address in ((False, "ann@mailbox.example"), (True, "bob@mailbox.example")):
        if is_gone:
            await database.write(unsubscribe_groups.remove, group.id)
        message = await stored(database, address)
        asked = msgspec.structs.replace(leaving(message, group.tag, group_id=group.id), domain_id=domain.id)
        assert await database.write(responses.unsubscribe, asked, new_id=new_id) is Unsubscribed.ADDED
        [entry] = await database.read(suppressions.about, domain.id, address)
        assert entry.tag == ("" if is_gone else group.tag)
        [event] = await told(database, message)
        assert event.data.get("scope") == (None if is_gone else [group.tag])


async def test_a_tag_that_looks_like_a_group_is_left_alone_whatever_groups_others_have(
    database: Database, domain: SendingDomain
) -> None:
    other = await database.write(domains.add, msgspec.structs.replace(domain, id=0, name="other.example.com"))
    wanted = UnsubscribeGroup(id=0, account_id=domain.account_id, domain_id=other.id, name="weekly", created_at=NOW)
    theirs = await database.write(unsubscribe_groups.add, wanted, 9)
    given: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("ann@mailbox.example", {}, theirs.tag),
        ("bob@mailbox.example", {}, "group:999"),
        ("eve@mailbox.example", {"group_id": theirs.id}, theirs.tag),
    )
    found = []
    for address, facts, tag in given:
        message = await stored(database, address, tags=(tag,))
        asked = msgspec.structs.replace(leaving(message, tag, **facts), domain_id=domain.id)
        await database.write(responses.unsubscribe, asked, new_id=new_id)
        found += [one.tag for one in await database.read(suppressions.about, domain.id, address)]
    # What is another domain's group is none of this one.
    assert found == [theirs.tag, "group:999", ""]


async def test_unsubscribing_works_when_the_message_is_long_gone(database: Database, domain: SendingDomain) -> None:
    message = accepted("bob@mailbox.example")
    asked = msgspec.structs.replace(leaving(message), domain_id=domain.id)

    assert await database.write(responses.unsubscribe, asked, new_id=new_id) is Unsubscribed.ADDED
    [entry] = await database.read(suppressions.about, domain.id, "bob@mailbox.example")
    assert (entry.account_id, entry.message_id) == (domain.account_id, None)
    [event] = await database.read(
        events.search, events.EventSelector(domain_id=domain.id, types=(EventType.UNSUBSCRIBED,)), 10
    )
    assert (event.message_id, event.recipient) == (None, "bob@mailbox.example")


async def test_a_domain_that_is_gone_has_no_list(database: Database) -> None:
    # Its message may be kept for longer.
    message = await stored(database)
    for asked in (leaving(message), leaving(accepted("bob@mailbox.example"))):
        assert await database.write(responses.unsubscribe, asked, new_id=new_id) is Unsubscribed.NO_DOMAIN

    assert await told(database, message) == []
    assert await database.read(suppressions.about, 1, "ann@mailbox.example") == []


@pytest.mark.usefixtures("domain")
async def test_who_unsubscribes_again_and_again_is_written_once_and_anew_after_a_while(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, service, written = await stored(database), Service(database), list[Any]()
    write = database.write

    async def counted_write(*arguments: Any, **options: Any) -> Any:
        written.append(arguments)
        return await write(*arguments, **options)

    monkeypatch.setattr(database, "write", counted_write)
    await asyncio.gather(*(service.responses.unsubscribe(leaving(message)) for _ in range(50)))
    await service.responses.unsubscribe(leaving(message, at=LATER + 9_000))
    assert len(written) == 1
    await service.responses.unsubscribe(leaving(message, "News"))
    # By then somebody may have taken the address off the list.
    await service.responses.unsubscribe(leaving(message, at=LATER + 11_000))
    assert len(written) == 3


@pytest.mark.usefixtures("domain")
async def test_unsubscribing_that_failed_is_tried_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    message, service = await stored(database), Service(database)

    async def away(*_arguments: Any, **_options: Any) -> None:
        raise StorageUnavailable("no database")

    with monkeypatch.context() as patch:
        patch.setattr(database, "write", away)
        with pytest.raises(StorageUnavailable):
            await service.responses.unsubscribe(leaving(message))
    await service.responses.unsubscribe(leaving(message))

    [entry] = await database.read(suppressions.about, 1, "ann@mailbox.example")
    assert entry.created_at == LATER


@pytest.mark.usefixtures("domain")
async def test_in_test_mode_nobody_is_listed(database: Database) -> None:
    message = await stored(database, is_test=True)

    results = [
        await database.write(responses.unsubscribe, leaving(message, *tags), new_id=new_id)
        for tags in ((), (), ("News",), ("News",))
    ]

    assert results == [Unsubscribed.ADDED, Unsubscribed.KNOWN] * 2
    assert await database.read(suppressions.about, 1, "ann@mailbox.example") == []
    assert [one.data["is_test"] for one in await told(database, message)] == [True, True]


@pytest.fixture
async def domain(database: Database) -> SendingDomain:
    account = await database.write(accounts.add, "Testers", NOW)
    made = SendingDomain(id=0, account_id=account.id, name="news.example.com", state=DomainState.ACTIVE, created_at=NOW)
    return await database.write(domains.add, made)


class Service:
    """The service with a clock and a database that can be put away."""

    def __init__(self, database: Database, room: int = 1000) -> None:
        self.now = LATER
        self.meter = Meter()
        self.responses = Responses(
            database, lambda: self.now, new_id, meter=self.meter, room=room, find_place=self.find_place
        )

    def find_place(self, address: str) -> Place:
        return Place("DE", "Köln") if address == "203.0.113.7" else NOWHERE

    async def run_once(self) -> None:
        before = self.responses._flushing
        running = asyncio.create_task(self.responses.run())
        async with asyncio.timeout(20):
            while self.responses._flushing is before:
                await asyncio.sleep(0.01)
            assert self.responses._flushing is not None
            await self.responses._flushing
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def note_and_write(self) -> None:
        await self.run_once()
        self.now += SETTLED_MS
        await self.run_once()


async def test_hits_are_written_once_what_is_around_them_is_known(database: Database) -> None:
    message, service = await stored(database), Service(database)
    for number in range(4):
        service.responses.take(hit(message, url=f"{URL}{number}", at=LATER + number * 100))
    await service.run_once()
    assert await told(database, message) == []

    service.now = LATER + SETTLED_MS - 1
    await service.run_once()
    assert await told(database, message) == []
    service.now = LATER + SETTLED_MS
    await service.run_once()

    # The first of them too: by then it is known that all were followed at once.
    assert [one.data["evidence"] for one in await told(database, message)] == [["many-links-at-once"]] * 4


@pytest.mark.parametrize(("links", "verdict"), [(3, "machine"), (2, "human")])
async def test_the_hidden_link_is_one_of_those_that_are_followed_at_once(
    database: Database, links: int, verdict: str
) -> None:
    message, service = await stored(database), Service(database)
    service.responses.take(hit(message, HitKind.TRAP))
    for number in range(links):
        service.responses.take(hit(message, url=f"{URL}{number}", at=LATER + 100))
    service.now = LATER + 200
    await service.note_and_write()

    told_of = [one.data["verdict"] for one in await told(database, message) if one.data.get("url")]
    assert told_of == [verdict] * links


async def test_links_that_are_followed_by_way_of_several_workers_are_seen_together(database: Database) -> None:
    message = await stored(database)
    workers = [Service(database) for _ in range(4)]
    for number in range(12):
        workers[number % 4].responses.take(hit(message, url=f"{URL}{number}", at=LATER + number))
    for step in (12, 12 + SETTLED_MS):
        for worker in workers:
            worker.now = LATER + step
            await worker.run_once()

    # Also those that the first of them wrote, which saw three of the links itself.
    evidence = [one.data.get("evidence") for one in await told(database, message)]
    assert evidence == [["many-links-at-once"]] * 12


async def test_what_other_recipients_and_other_times_led_to_is_not_seen_together(database: Database) -> None:
    message, other = await stored(database), await stored(database, "bob@mailbox.example")
    one, two = Service(database), Service(database)
    for number in range(3):
        one.responses.take(hit(message, url=f"{URL}{number}"))
        two.responses.take(hit(other, url=f"{URL}{number + 3}"))
        two.responses.take(hit(message, url=f"{URL}{number + 3}", at=LATER + 3_001))
    for step in (3_100, 3_100 + SETTLED_MS):
        for worker in (one, two):
            worker.now = LATER + step
            await worker.run_once()

    found = [*await told(database, message), *await told(database, other)]
    assert [one.data["verdict"] for one in found] == ["human"] * 9


async def test_what_workers_told_each_other_is_forgotten(database: Database) -> None:
    message = await stored(database)
    first, second = hit(message), hit(message, url=f"{URL}2")
    await database.write(recent_clicks.note, [first], LATER)
    await database.write(recent_clicks.note, [second], LATER + 60_000)
    assert await database.read(recent_clicks.around, [second], 1_000) == [
        frozenset({fingerprint(first.url), fingerprint(second.url)})
    ]
    await database.write(recent_clicks.note, [second], LATER + 120_001)
    assert await database.read(recent_clicks.around, [second], 1_000) == [frozenset({fingerprint(second.url)})]


async def test_links_are_seen_together_across_the_minute_that_repetitions_are_counted_in(database: Database) -> None:
    message, service = await stored(database), Service(database)
    service.responses.take(hit(message, HitKind.OPEN))
    for number in range(6):
        service.responses.take(hit(message, url=f"{URL}{number}", at=LATER + 59_990 + number * 5))
    service.now = LATER + 60_100
    await service.note_and_write()

    evidence = [one.data.get("evidence") for one in await told(database, message) if one.type is EventType.CLICKED]
    assert evidence == [["many-links-at-once"]] * 6


async def test_a_link_that_is_followed_again_was_followed_before_too(database: Database) -> None:
    message, service = await stored(database), Service(database)
    for number, at in ((0, 0), (1, 100), (2, 200), (3, 300), (0, 3_050)):
        service.responses.take(hit(message, url=f"{URL}{number}", at=LATER + at))
    service.now = LATER + 3_100
    await service.note_and_write()

    assert [one.data.get("evidence") for one in await told(database, message)] == [["many-links-at-once"]] * 5


async def test_what_was_around_a_hit_is_known_however_long_storage_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, service = await stored(database), Service(database)
    write = database.write

    async def away(*_arguments: Any, **_options: Any) -> None:
        raise StorageUnavailable("no database")

    monkeypatch.setattr(database, "write", away)
    for number in range(5):
        service.responses.take(hit(message, url=f"{URL}{number}", at=LATER + number))
    service.now = LATER + 10_000
    await service.run_once()
    service.responses.take(hit(message, at=LATER + 65_000))
    service.now = LATER + 75_000
    monkeypatch.setattr(database, "write", write)
    await service.responses.close()

    evidence = [one.data.get("evidence") for one in await told(database, message)]
    assert evidence == [["many-links-at-once"]] * 5 + [None]


async def test_what_was_asked_for_is_forgotten_with_time(database: Database) -> None:
    message, service = await stored(database), Service(database)
    service.responses.take(hit(message))
    service.now = LATER + 60_000 + SETTLED_MS + 1
    await service.run_once()
    assert not service.responses._minutes


async def test_what_waits_is_written_at_the_end(database: Database) -> None:
    message, service = await stored(database), Service(database)
    service.responses.take(hit(message))
    await service.responses.close()

    assert len(await told(database, message)) == 1
    assert service.meter.lost == {}


async def test_a_write_under_way_at_the_end_is_not_repeated(database: Database) -> None:
    message, service = await stored(database), Service(database)
    service.responses.take(hit(message))
    await service.run_once()
    assert service.responses._count()
    service.now = LATER + SETTLED_MS
    running = asyncio.create_task(service.responses.run())
    async with asyncio.timeout(5):
        while service.responses._count():
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await service.responses.close()

    assert len(await told(database, message)) == 1


async def test_hits_wait_while_storage_is_away_and_overflow_is_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, service = await stored(database), Service(database, room=3)
    write = database.write

    async def away(*_arguments: Any, **_options: Any) -> None:
        raise StorageUnavailable("no database")

    monkeypatch.setattr(database, "write", away)
    for number in range(5):
        service.responses.take(hit(message, url=f"{URL}{number}"))
    service.now = LATER + SETTLED_MS
    await service.run_once()
    monkeypatch.setattr(database, "write", write)
    await service.responses.close()

    assert service.meter.lost == {"overflow": 2}
    assert [one.data["url"] for one in await told(database, message)] == [f"{URL}{number}" for number in range(3)]


async def test_what_cannot_be_written_at_the_end_is_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, service = await stored(database), Service(database)

    async def away(*_arguments: Any, **_options: Any) -> None:
        raise StorageUnavailable("no database")

    monkeypatch.setattr(database, "write", away)
    service.responses.take(hit(message))
    await service.responses.close()

    assert service.meter.lost == {"stopped": 1}


async def test_who_repeats_a_request_endlessly_does_not_fill_the_disk(database: Database) -> None:
    message, service = await stored(database), Service(database)
    for _ in range(250):
        service.responses.take(hit(message, HitKind.OPEN))

    assert service.meter.lost == {"repeated": 50}


@pytest.mark.usefixtures("domain")
async def test_where_the_client_is_is_told_with_what_it_did_but_not_of_a_proxy(database: Database) -> None:
    message, service = await stored(database), Service(database)
    service.responses.take(hit(message))
    service.responses.take(hit(message, url=f"{URL}2", client_address="198.51.100.1"))
    service.responses.take(hit(message, HitKind.OPEN, agent="Mozilla/5.0 (via ggpht.com GoogleImageProxy)"))
    await service.responses.unsubscribe(leaving(message, client_address="203.0.113.7"))
    await service.responses.close()

    found = await told(database, message)
    assert [(one.type.value, one.data.get("country"), one.data.get("city")) for one in found] == [
        ("unsubscribed", "DE", "Köln"),
        ("clicked", "DE", "Köln"),
        ("clicked", None, None),
        ("opened", None, None),
    ]
