"""Lists of addresses in the database, and what they stop in the flow, on both engines."""

import asyncio
from typing import Any

import msgspec
import pytest

from postroad.model.dedupe import Repeatable
from postroad.model.delivery import Delivery, DeliveryState
from postroad.model.event import EventType
from postroad.model.message import Accepted
from postroad.model.options import TRANSACTIONAL_DELIVERY, DeliveryOptions
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.storage import counters, messages, suppressions
from postroad.storage.counters import Period
from postroad.storage.database import Database
from postroad.storage.messages import Story
from postroad.storage.suppressions import Place, Wanted, place_of
from tests.storage import samples
from tests.storage.samples import NOW, OWNER, claim, settled

KIND = SuppressionKind
_HOUR_MS = 3_600_000


def entry(address: str = "a@r.example", kind: SuppressionKind = KIND.BOUNCE, **facts: Any) -> Suppression:
    values: dict[str, Any] = {"account_id": 1, "domain_id": 1, "kind": kind, "address": address, "created_at": NOW}
    return Suppression(**values | facts)


def with_options(accepted: Accepted, options: DeliveryOptions) -> Accepted:
    deliveries = tuple(msgspec.structs.replace(one, options=options) for one in accepted.deliveries)
    return msgspec.structs.replace(accepted, deliveries=deliveries)


async def story_of(database: Database, accepted: Accepted) -> Story:
    story = await database.read(messages.show, accepted.message.id)
    assert story is not None
    return story


async def states(database: Database, accepted: Accepted) -> dict[str, str]:
    return {one.recipient: one.state.value for one in (await story_of(database, accepted)).deliveries}


async def leased(database: Database, *recipients: str) -> list[Delivery]:
    await database.accept(samples.accepted(*recipients))
    return await database.claim(claim())


# -- at accept ---------------------------------------------------------------------------------------------------------


async def test_a_listed_recipient_ends_at_accept_and_the_others_wait(database: Database) -> None:
    await database.write(suppressions.add, [entry("b@r.example", reason="550 5.1.1 Nobody")])
    one = samples.accepted("a@r.example", "B@r.example", "c@r.example")

    stored = (await database.accept(one)).accepted
    story = await story_of(database, one)

    assert await states(database, one) == {
        "a@r.example": "scheduled",
        "B@r.example": "suppressed",
        "c@r.example": "scheduled",
    }
    assert stored is not None
    assert [delivery.lease for delivery in stored.deliveries] == [None] * 3
    mine = [event for event in story.events if event.recipient == "B@r.example"]
    assert [event.type for event in mine] == [EventType.ACCEPTED, EventType.SUPPRESSED]
    assert mine[1].data["reason"] == "bounce"
    assert mine[1].data["text"] == "The address bounced: 550 5.1.1 Nobody"
    assert [one.recipient for one in await database.claim(claim())] == ["a@r.example", "c@r.example"]


async def test_a_message_of_listed_recipients_only_is_finished_at_once(database: Database) -> None:
    await database.write(suppressions.add, [entry(kind=KIND.BLOCK)])
    one = samples.accepted("a@r.example", keep_content_ms=5)
    await database.accept(one)

    found = await database.read(
        lambda connection: connection.exec_driver_sql(
            "SELECT open_deliveries, finished_at, content_until FROM messages"
        ).one()
    )
    assert tuple(found) == (0, NOW, NOW + 5)
    assert await database.claim(claim()) == []


async def test_what_is_suppressed_is_counted(database: Database) -> None:
    await database.write(suppressions.add, [entry()])
    await database.accept(with_options(samples.accepted("a@r.example"), DeliveryOptions(tags=("Spring",))))

    hour = NOW // _HOUR_MS
    counts = await database.read(counters.read_of, Period.HOUR, hour, hour + 1, [1])
    assert {(one.type, one.count) for one in counts} >= {("accepted", 1), ("suppressed", 1)}


@pytest.mark.parametrize(
    ("listed", "options", "state"),
    [
        ([entry(kind=KIND.UNSUBSCRIBE)], DeliveryOptions(), "suppressed"),
        ([entry(kind=KIND.UNSUBSCRIBE)], TRANSACTIONAL_DELIVERY, "scheduled"),
        ([entry(kind=KIND.COMPLAINT)], TRANSACTIONAL_DELIVERY, "suppressed"),
        ([entry(kind=KIND.BOUNCE)], TRANSACTIONAL_DELIVERY, "suppressed"),
        ([entry(kind=KIND.UNSUBSCRIBE, tag="spring")], DeliveryOptions(tags=("Spring",)), "suppressed"),
        ([entry(kind=KIND.UNSUBSCRIBE, tag="spring")], DeliveryOptions(tags=("autumn",)), "scheduled"),
        ([entry(kind=KIND.BOUNCE), entry(kind=KIND.ALLOW)], DeliveryOptions(), "scheduled"),
        ([entry(kind=KIND.BLOCK), entry(kind=KIND.ALLOW)], DeliveryOptions(), "suppressed"),
        ([entry("@r.example", KIND.BLOCK)], DeliveryOptions(), "suppressed"),
        ([entry(), entry("@r.example", KIND.ALLOW)], DeliveryOptions(), "scheduled"),
        ([entry(domain_id=2)], DeliveryOptions(), "scheduled"),
        ([entry("other@r.example")], DeliveryOptions(), "scheduled"),
    ],
)
async def test_each_kind_stops_what_it_should(
    database: Database, listed: list[Suppression], options: DeliveryOptions, state: str
) -> None:
    for one in listed:
        await database.write(suppressions.add, [one])
    offered = with_options(samples.accepted("a@r.example"), options)
    await database.accept(offered)

    assert await states(database, offered) == {"a@r.example": state}


async def test_a_thousand_recipients_are_looked_up_together(database: Database) -> None:
    names = [f"u{number}@r{number % 3}.example" for number in range(1000)]
    await database.write(suppressions.add, [entry(name) for name in names[::2]])
    one = samples.accepted(*names)
    await database.accept(one)

    found = list((await states(database, one)).values())
    assert (found.count("suppressed"), found.count("scheduled")) == (500, 500)


async def test_a_suppressed_first_copy_blocks_no_second_one(database: Database) -> None:
    def offered() -> Accepted:
        one = samples.accepted("a@r.example")
        return msgspec.structs.replace(one, repeatable=Repeatable(keys=(b"key",), expires_at=NOW + 60_000))

    await database.write(suppressions.add, [entry()])
    # Both in one batch, then one alone once the address is free again.
    both = await asyncio.gather(database.accept(offered()), database.accept(offered()))
    await database.write(suppressions.remove, place_of(entry()))
    later, repeated = await database.accept(offered()), await database.accept(offered())

    assert [stored.repeats for stored in both] == [None, None]
    assert later.repeats is None
    assert repeated.repeats is not None


# -- at claim ----------------------------------------------------------------------------------------------------------


async def test_an_address_listed_after_accept_is_known_at_the_claim(database: Database) -> None:
    await database.accept(samples.accepted("a@r.example", "b@r.example"))
    await database.write(suppressions.add, [entry("b@r.example", KIND.COMPLAINT)])

    found = {one.recipient: one.barrier for one in await database.claim(claim())}

    assert found["a@r.example"] is None
    assert found["b@r.example"] == entry("b@r.example", KIND.COMPLAINT)


# -- what a settlement adds --------------------------------------------------------------------------------------------


async def test_a_settlement_that_holds_adds_what_it_brings(database: Database) -> None:
    one, other = await leased(database, "a@r.example", "b@r.example")
    void = msgspec.structs.replace(settled(other, DeliveryState.BOUNCED), owner=OWNER + 1)
    await database.settle(
        [
            msgspec.structs.replace(settled(one, DeliveryState.BOUNCED), suppressions=(entry("a@r.example"),)),
            msgspec.structs.replace(void, suppressions=(entry("b@r.example"),)),
        ],
        {},
    )

    assert await database.read(suppressions.page, Wanted(domain_ids=(1,)), 10) == [entry("a@r.example")]


async def test_a_bounce_of_an_allowed_address_adds_nothing_and_a_second_one_changes_nothing(database: Database) -> None:
    known = entry("b@r.example", reason="the first")
    await database.write(suppressions.add, [entry("@dear.example", KIND.ALLOW), known])
    deliveries = await leased(database, "a@dear.example", "b@r.example")
    await database.settle(
        [
            settled(one, DeliveryState.BOUNCED, suppressions=(entry(one.recipient, reason="the second"),))
            for one in deliveries
        ],
        {},
    )

    assert await database.read(suppressions.page, Wanted(domain_ids=(1,), kind=KIND.BOUNCE), 10) == [known]


# -- the lists ---------------------------------------------------------------------------------------------------------


async def test_adding_tells_what_was_new(database: Database) -> None:
    first = await database.write(suppressions.add, [entry("a@r.example"), entry("a@r.example", reason="again")])
    second = await database.write(
        suppressions.add, [entry("a@r.example"), entry("b@r.example"), entry("a@r.example", KIND.BLOCK)]
    )

    assert first == [entry("a@r.example")]
    assert {(one.address, one.kind) for one in second} == {("b@r.example", KIND.BOUNCE), ("a@r.example", KIND.BLOCK)}


async def test_the_same_entry_on_many_connections_is_added_once(database: Database) -> None:
    added = await asyncio.gather(*[database.write(suppressions.add, [entry()]) for _ in range(8)])
    assert sorted(map(len, added)) == [0] * 7 + [1]


async def test_pages_go_on_where_the_last_one_ended(database: Database) -> None:
    names = ["a@r.example", "B", "_@r.example", "z@r.example", "é@r.example", "ab@r.example"]
    listed = [entry(name) for name in names] + [entry("a@r.example", KIND.BLOCK), entry("c@r.example", domain_id=2)]
    await database.write(suppressions.add, listed)
    wanted = Wanted(domain_ids=(1, 2))

    found: list[Suppression] = []
    while part := await database.read(suppressions.page, wanted, 3, place_of(found[-1]) if found else None):
        found += part

    assert found == sorted(listed, key=lambda one: (one.domain_id, one.address, one.kind.value))


async def test_single_addresses_are_listed_by_time_and_removed_together(database: Database) -> None:
    offered = [entry(f"{name}@r.example", created_at=NOW + number) for number, name in enumerate("abc")]
    others = [
        entry("@r.example", KIND.BLOCK),
        entry("a@r.example", KIND.UNSUBSCRIBE, tag="weekly"),
        entry("a@r.example", KIND.UNSUBSCRIBE),
        entry("a@r.example", domain_id=2),
    ]
    await database.write(suppressions.add, offered + others)

    async def found(kind: SuppressionKind, *, since: int | None = None, until: int | None = None) -> list[str]:
        wanted = Wanted(domain_ids=(1,), kind=kind, is_plain=True)
        read = await database.read(suppressions.added_between, wanted, (since, until), 10)
        return [one.address for one in read]

    assert await found(KIND.BOUNCE) == ["a@r.example", "b@r.example", "c@r.example"]
    assert await found(KIND.BOUNCE, since=NOW + 1, until=NOW + 1) == ["b@r.example"]
    assert await found(KIND.BLOCK) == []
    both = Wanted(domain_ids=(1, 2), is_plain=True)
    part = await database.read(suppressions.added_between, both, (None, None), 2, 1)
    assert [one.kind for one in part] == [KIND.UNSUBSCRIBE, KIND.BOUNCE]
    going = ["a@r.example", "c@r.example", "none@r.example", *(f"{number}@r.example" for number in range(600))]
    removed = await database.write(suppressions.remove_addresses, 1, KIND.BOUNCE, going)
    assert sorted(one.address for one in removed) == ["a@r.example", "c@r.example"]
    await database.write(suppressions.remove_addresses, 1, KIND.UNSUBSCRIBE, going)
    left = await database.read(suppressions.page, Wanted(domain_ids=(1, 2)), 10)
    assert [(one.domain_id, one.address, one.tag) for one in left] == [
        (1, "@r.example", ""),
        (1, "a@r.example", "weekly"),
        (1, "b@r.example", ""),
        (2, "a@r.example", ""),
    ]


async def test_entries_are_found_by_beginning_and_kind(database: Database) -> None:
    await database.write(
        suppressions.add,
        [
            entry("ann@r.example"),
            entry("Anna%"),
            entry("anna@r.example", KIND.BLOCK),
            entry("bob@r.example"),
            entry("anne@r.example", domain_id=3),
        ],
    )

    async def found(**wish: Any) -> list[str]:
        wanted = Wanted(**{"domain_ids": (1,)} | wish)
        return [one.address for one in await database.read(suppressions.page, wanted, 10)]

    assert await found(beginning="ann") == ["ann@r.example", "anna@r.example"]
    assert await found(beginning="ann", kind=KIND.BLOCK) == ["anna@r.example"]
    assert await found(beginning="%") == []
    assert await found(domain_ids=()) == []
    assert await database.read(suppressions.count, 1, 3) == 3
    assert await database.read(suppressions.count, 1, 10) == 4


async def test_removing_returns_what_was_there(database: Database) -> None:
    await database.write(suppressions.add, [entry(kind=KIND.UNSUBSCRIBE, tag="spring"), entry(kind=KIND.UNSUBSCRIBE)])
    place = Place(1, "a@r.example", "unsubscribe", "spring")

    assert await database.read(suppressions.get, place) == entry(kind=KIND.UNSUBSCRIBE, tag="spring")
    assert await database.write(suppressions.remove, place) == entry(kind=KIND.UNSUBSCRIBE, tag="spring")
    assert await database.write(suppressions.remove, place) is None
    assert await database.read(suppressions.about, 1, "a@r.example") == [entry(kind=KIND.UNSUBSCRIBE)]


async def test_all_that_is_said_of_an_address_is_found(database: Database) -> None:
    await database.write(
        suppressions.add, [entry(), entry("@r.example", KIND.ALLOW), entry("b@r.example"), entry(domain_id=2)]
    )

    found = await database.read(suppressions.about, 1, "a@r.example")
    assert [(one.kind, one.address) for one in found] == [(KIND.ALLOW, "@r.example"), (KIND.BOUNCE, "a@r.example")]


async def test_pages_lead_back_and_a_kind_is_removed_in_parts(database: Database) -> None:
    names = ["Ünal@r.example", "a@r.example", "b@r.example", "c@r.example"]
    await database.write(suppressions.add, [entry(name) for name in names])
    await database.write(suppressions.add, [entry("b@r.example", KIND.COMPLAINT), entry("b@r.example", domain_id=2)])
    wanted = Wanted(domain_ids=(1,), kind=KIND.BOUNCE)
    forth = [one.address for one in await database.read(suppressions.page, wanted, 9)]

    last = await database.read(suppressions.page_before, wanted, 2, None)
    assert [one.address for one in last] == forth[2:]
    before = await database.read(suppressions.page_before, wanted, 1, Place(1, forth[2], "", ""))
    assert [one.address for one in before] == [forth[1]]
    assert await database.read(suppressions.page_before, wanted, 9, Place(1, forth[0], "", "")) == []

    assert [await database.write(suppressions.remove_some, wanted, 3) for _ in range(3)] == [3, 1, 0]
    left = await database.read(suppressions.page, Wanted(domain_ids=(1, 2)), 9)
    assert [(one.domain_id, one.kind) for one in left] == [(1, KIND.COMPLAINT), (2, KIND.BOUNCE)]


async def test_what_is_plain_is_removed_apart(database: Database) -> None:
    plain, of_tag = entry("a@r.example", KIND.UNSUBSCRIBE), entry("a@r.example", KIND.UNSUBSCRIBE, tag="news")
    of_destination = entry("@r.example", KIND.BLOCK)
    await database.write(suppressions.add, [plain, of_tag, of_destination, entry(kind=KIND.BLOCK)])
    for kind in (KIND.UNSUBSCRIBE, KIND.BLOCK):
        wanted = Wanted(domain_ids=(1,), kind=kind, is_plain=True)
        assert [await database.write(suppressions.remove_some, wanted, 9) for _ in range(2)] == [1, 0]
    assert await database.read(suppressions.page, Wanted(domain_ids=(1,)), 9) == [of_destination, of_tag]


async def test_entries_are_written_anew(database: Database) -> None:
    old = entry(reason="550 5.1.1 Nobody", message_id=7)
    other_tag = entry("b@r.example", KIND.UNSUBSCRIBE, tag="news")
    allowed = [entry("@quiet.example", KIND.ALLOW), entry("c@quiet.example", KIND.COMPLAINT)]
    await database.write(suppressions.add, [old, other_tag, *allowed])
    new = entry(reason="moved", created_at=NOW + 1, created_by="key")
    fresh = entry("b@r.example", KIND.UNSUBSCRIBE, created_at=NOW + 1)

    offered = [entry(reason="first"), new, fresh, entry("c@quiet.example"), entry("Ü\udcff@r.example")]
    written = await database.write(suppressions.put, offered)

    assert written[:2] == [(old, new), (None, fresh)]
    assert len(written) == 3
    assert await database.read(suppressions.about, 1, "a@r.example") == [new]
    assert await database.read(suppressions.about, 1, "b@r.example") == [fresh, other_tag]
    assert [one.kind for one in await database.read(suppressions.about, 1, "c@quiet.example")] == [
        KIND.ALLOW,
        KIND.COMPLAINT,
    ]
