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
from postroad.model.suppression import SuppressionKind, Way
from postroad.model.tracking import Hit, HitKind, Unsubscribing
from postroad.storage import accounts, counters, domains, events, responses, suppressions
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
    ]
    assert await database.write(responses.record, batch, new_id=new_id) == 0

    found = await told(database, message)
    assert sorted((one.type.value, one.data["verdict"], one.data.get("evidence")) for one in found) == [
        ("clicked", "human", None),
        ("clicked", "machine", ["agent"]),
        ("clicked", "machine", ["hidden-link"]),
        ("opened", "human", None),
        ("opened", "machine", ["at-delivery"]),
    ]
    clicked = next(one for one in found if one.data.get("url") and one.data["verdict"] == "human")
    assert clicked.recipient == "Ann@mailbox.example"
    assert (clicked.account_id, clicked.domain_id, clicked.at) == (1, 1, LATER)
    assert clicked.data == {
        "url": URL, "verdict": "human", "client_address": "203.0.113.7", "agent": AGENT, "program": "Firefox",
        "system": "Linux", "device": "desktop", "tags": ["Sale"],
    }  # fmt: skip
    expected = {"opened": 1, "opened-by-machine": 1, "clicked": 1, "clicked-by-machine": 2}
    assert await counted(database) == expected
    assert await counted(database, "sale") == expected


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
        self.responses = Responses(database, lambda: self.now, new_id, meter=self.meter, room=room)

    async def run_once(self) -> None:
        running = asyncio.create_task(self.responses.run())
        await asyncio.sleep(0.8)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_hits_are_written_once_what_is_around_them_is_known(database: Database) -> None:
    message, service = await stored(database), Service(database)
    for number in range(4):
        service.responses.take(hit(message, url=f"{URL}{number}", at=LATER + number * 100))
    await service.run_once()
    assert await told(database, message) == []

    service.now = LATER + 300 + SETTLED_MS
    await service.run_once()

    # The first of them too: by then it is known that all were followed at once.
    assert [one.data["evidence"] for one in await told(database, message)] == [["many-links-at-once"]] * 4


async def test_links_that_are_followed_by_way_of_several_workers_are_seen_together(database: Database) -> None:
    message = await stored(database)
    workers = [Service(database) for _ in range(4)]
    for number in range(12):
        workers[number % 4].responses.take(hit(message, url=f"{URL}{number}", at=LATER + number))
    for worker in workers:
        worker.now = LATER + 12 + SETTLED_MS
        await worker.run_once()

    # Of the first three nothing else was told yet.
    verdicts = [one.data["verdict"] for one in sorted(await told(database, message), key=lambda one: one.id)]
    assert Counter(verdicts) == {"human": 3, "machine": 9}


async def test_links_are_seen_together_across_the_minute_that_repetitions_are_counted_in(database: Database) -> None:
    message, service = await stored(database), Service(database)
    service.responses.take(hit(message, HitKind.OPEN))
    for number in range(6):
        service.responses.take(hit(message, url=f"{URL}{number}", at=LATER + 59_990 + number * 5))
    service.now = LATER + 70_000
    await service.run_once()

    evidence = [one.data.get("evidence") for one in await told(database, message) if one.type is EventType.CLICKED]
    assert evidence == [["many-links-at-once"]] * 6


async def test_a_link_that_is_followed_again_was_followed_before_too(database: Database) -> None:
    message, service = await stored(database), Service(database)
    for number, at in ((0, 0), (1, 100), (2, 200), (3, 300), (0, 3_050)):
        service.responses.take(hit(message, url=f"{URL}{number}", at=LATER + at))
    service.now = LATER + 10_000
    await service.run_once()

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
    service.now = LATER + 2 * SETTLED_MS + 1
    await service.run_once()
    assert not service.responses._clicks
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
