"""A call that has a name is carried out once and answered as before, whatever has become of its recipients."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from structlog.testing import capture_logs

from postroad.model.dedupe import AnsweredCall, NamedMessage
from postroad.model.delivery import DeliveryState
from postroad.model.domain import DomainSettings, SendingDomain
from postroad.model.event import EventType
from postroad.model.message import Accepted
from postroad.model.options import Options
from postroad.model.submission import Submission
from postroad.model.suppression import Suppression, SuppressionKind, Way
from postroad.policy.dedupe import named_call
from postroad.storage import call_keys, deliveries, messages, suppressions
from postroad.storage.database import Database
from postroad.storage.deliveries import Selector, Steering
from postroad.storage.errors import CallRepeated
from postroad.submission.batch import Receipt
from tests.storage import samples
from tests.storage.samples import NOW, new_id
from tests.storage.test_limited_submissions import CONTENT, DOMAIN, Domains, Door, door, used
from tests.storage.test_submissions_together import count, offered, rules, taken

__all__ = ["door"]
MINUTES = 24 * 60


def called(*submissions: Submission, name: str = "order-17", content: bytes = b"1", now: int = NOW) -> list[Submission]:
    call = named_call(name, content, domain=DOMAIN, least_minutes=MINUTES, now=now)
    return [msgspec.structs.replace(one, call=call) for one in submissions]


def blocked(address: str) -> Suppression:
    return Suppression(
        account_id=1, domain_id=DOMAIN.id, kind=SuppressionKind.BLOCK, address=address, way=Way.HAND, created_at=NOW
    )


async def states(database: Database, receipt: Receipt) -> list[DeliveryState]:
    story = await database.read(messages.show, receipt.message_id)
    assert story is not None
    return [one.state for one in story.deliveries]


@pytest.mark.parametrize("places", [1, 3])
async def test_a_repeat_gets_the_first_answer_and_stores_nothing(database: Database, door: Door, places: int) -> None:
    call = called(*[offered(f"r{place}") for place in range(places)])
    first = taken(await door.submissions.submit_all(call))
    assert len({one.message_id for one in first}) == places
    assert taken(await door.submissions.submit_all(call)) == first
    assert (await count(database), await used(database, door)) == (places, [places, places])
    story = await database.read(messages.show, first[0].message_id)
    assert story is not None
    assert [one.type for one in story.events].count(EventType.DEDUPLICATED) == 1


async def test_it_counts_not_what_became_of_the_recipients(database: Database, door: Door) -> None:
    await database.write(suppressions.add, [blocked("s@example.net")])
    [suppressed] = taken(await door.submissions.submit_all(called(offered("s"), name="suppressed")))
    assert await states(database, suppressed) == [DeliveryState.SUPPRESSED]
    [cancelled] = taken(await door.submissions.submit_all(called(offered("c"), name="cancelled")))
    steering = Steering(by="me", now=NOW, new_id=new_id)
    assert await database.write(deliveries.cancel, Selector(message_id=cancelled.message_id), steering, 10) == 1
    for name, recipient, receipt in (("suppressed", "s", suppressed), ("cancelled", "c", cancelled)):
        assert taken(await door.submissions.submit_all(called(offered(recipient), name=name))) == (receipt,)
    assert await count(database) == 2


@pytest.mark.parametrize("places", [1, 2])
async def test_of_many_at_once_one_is_carried_out(database: Database, door: Door, places: int) -> None:
    call = called(*[offered(f"r{place}") for place in range(places)])
    answers = [taken(one) for one in await asyncio.gather(*(door.submissions.submit_all(call) for _ in range(9)))]
    assert len(set(answers)) == 1
    assert (await count(database), await used(database, door)) == (places, [places, places])


async def test_of_two_workers_one_carries_it_out(database: Database, door: Door) -> None:
    other = Door(database, worker=2)
    call = called(offered("a"), offered("b"))
    answers = await asyncio.gather(*(one.submissions.submit_all(call) for one in (door, other) * 2))
    assert len({taken(one) for one in answers}) == 1
    assert (await count(database), await used(database, door)) == (2, [2, 2])


async def test_two_workers_do_not_contend_for_the_last_room(database: Database, door: Door) -> None:
    other = Door(database, worker=2)
    call = called(offered("a", "b"), offered("c", "d", "e"))
    answers = await asyncio.gather(*(one.submissions.submit_all(call) for one in (door, other)))
    assert len({taken(one) for one in answers}) == 1
    assert (await count(database), await used(database, door)) == (5, [5, 5])
    assert door.meter.refused == other.meter.refused == []


class Overtaken(Domains):
    """Lets another worker carry out a call between a worker's first look at it and the facts of its domain."""

    def __init__(self, quicker: Door, call: Sequence[Submission], domain: SendingDomain) -> None:
        self._quicker = quicker
        self._call = call
        self.domain = domain
        self.answer: tuple[Receipt, ...] = ()

    async def get(self, domain_id: int) -> SendingDomain | None:
        self.answer = taken(await self._quicker.submissions.submit_all(self._call))
        return self.domain


@pytest.mark.parametrize("paused_at", [None, NOW])
async def test_a_worker_that_was_overtaken_refuses_nothing(
    database: Database, door: Door, paused_at: int | None
) -> None:
    other = Door(database, worker=2)
    call = called(offered("a", "b", "c"))
    domains = Overtaken(door, call, msgspec.structs.replace(DOMAIN, paused_at=paused_at))
    other.domains = domains
    other.watch(None)
    assert taken(await other.submissions.submit_all(call)) == domains.answer
    assert (await count(database), other.meter.refused) == (3, [])


async def test_another_call_of_the_same_name_is_refused_and_told_of(database: Database, door: Door) -> None:
    first = taken(await door.submissions.submit_all(called(offered("a"))))
    refused = await door.submissions.submit_all(called(offered("b"), content=b"2"))
    assert rules(refused) == {0: "call_key_reused"}
    assert await count(database) == 1
    assert door.meter.refused == ["call_key_reused"]
    both = await asyncio.gather(
        *(door.submissions.submit_all(called(offered("a"), name="new", content=content)) for content in (b"1", b"2"))
    )
    assert sorted(isinstance(one, tuple) for one in both) == [False, True]
    assert taken(await door.submissions.submit_all(called(offered("a")))) == first


async def test_what_was_refused_takes_no_name(database: Database, door: Door) -> None:
    wrong = called(offered("a", content=b"Subject: no From\r\n\r\n"))
    assert rules(await door.submissions.submit_all(wrong)) == {0: "header_from_missing"}
    crowd = called(offered("a", "b", "c", "d", "e", "f"), content=b"2")
    assert rules(await door.submissions.submit_all(crowd)) == {0: "recipients_over_limit"}
    assert len(taken(await door.submissions.submit_all(called(offered("a"), content=b"3")))) == 1


async def test_a_repeat_is_answered_while_new_mail_is_refused(database: Database, door: Door) -> None:
    call = called(offered("a", "b", "c", "d", "e"))
    first = taken(await door.submissions.submit_all(call))
    door.domains.domain = msgspec.structs.replace(DOMAIN, paused_at=NOW)
    assert taken(await door.submissions.submit_all(call)) == first
    assert rules(await door.submissions.submit_all(called(offered("a"), name="new"))) == {0: "domain_paused"}


async def test_a_name_holds_for_its_time_and_within_its_domain(database: Database, door: Door) -> None:
    first = taken(await door.submissions.submit_all(called(offered("a"))))
    door.now = NOW + MINUTES * 60_000 - 1
    assert taken(await door.submissions.submit_all(called(offered("a"), now=door.now))) == first
    door.now += 1
    again = taken(await door.submissions.submit_all(called(offered("a"), content=b"2", now=door.now)))
    assert again != first
    other = msgspec.structs.replace(DOMAIN, id=3)
    keys = {named_call("x", b"", domain=one, least_minutes=1, now=NOW).key for one in (DOMAIN, other)}
    assert len(keys) == 2
    longer = msgspec.structs.replace(DOMAIN, settings=DomainSettings(deduplicate_minutes=3 * MINUTES))
    assert named_call("x", b"", domain=longer, least_minutes=MINUTES, now=NOW).expires_at == NOW + 3 * MINUTES * 60_000


async def test_a_key_of_a_header_does_not_count_beside_the_name_of_the_call(database: Database, door: Door) -> None:
    keyed = Options(idempotency_key="same")
    two = called(offered("a", options=keyed), offered("a", options=keyed))
    assert len({one.message_id for one in taken(await door.submissions.submit_all(two))}) == 2


async def test_it_is_not_compared_with_other_mail(database: Database, door: Door) -> None:
    same = offered("a", content=CONTENT.replace(b"Subject", b"Message-ID: <1@news.example.com>\r\nSubject"))
    [plain] = taken(await door.submissions.submit_all([same]))
    [named] = taken(await door.submissions.submit_all(called(same)))
    assert plain.message_id != named.message_id
    assert taken(await door.submissions.submit_all([same])) == (plain,)
    assert await count(database) == 2


async def test_its_name_counts_in_test_mode_and_where_repeats_do_not(database: Database, door: Door) -> None:
    door.domains.domain = msgspec.structs.replace(DOMAIN, settings=DomainSettings(deduplicate_minutes=0))
    tried = called(offered("a", options=Options(is_test=True)))
    assert taken(await door.submissions.submit_all(tried)) == taken(await door.submissions.submit_all(tried))
    assert await count(database) == 1


async def test_names_whose_time_is_over_are_removed_in_slices(database: Database) -> None:
    for number in range(3):
        call = named_call(str(number), b"", domain=DOMAIN, least_minutes=60 + number, now=NOW)
        answered = msgspec.structs.replace(samples.accepted(), call=AnsweredCall(call, ()))
        await database.accept(answered)
    assert [await database.write(call_keys.delete_before, NOW + 3_700_000, 1) for _ in range(3)] == [1, 1, 0]


async def test_storage_takes_one_of_a_name(database: Database) -> None:
    call = AnsweredCall(named_call("n", b"", domain=DOMAIN, least_minutes=1, now=NOW), ())
    offers = [msgspec.structs.replace(samples.accepted(), call=call) for _ in range(3)]
    results = await asyncio.gather(*map(database.accept, offers), return_exceptions=True)
    assert sorted(isinstance(one, CallRepeated) for one in results) == [False, True, True]
    assert await database.read(call_keys.find, call.call.key, NOW) == call
    assert await database.read(call_keys.find, call.call.key, NOW + 3_600_000) is None


def answered(name: str, places: int) -> list[Accepted]:
    batch = [samples.accepted() for _ in range(places)]
    told = tuple(NamedMessage(one.message.id, one.message.message_id_header) for one in batch)
    call = AnsweredCall(named_call(name, b"", domain=DOMAIN, least_minutes=1, now=NOW), told)
    return [msgspec.structs.replace(batch[0], call=call), *batch[1:]]


@pytest.mark.parametrize("places", [1, 3])
async def test_a_repeat_leaves_what_is_stored_beside_it_in_its_transaction(database: Database, places: int) -> None:
    async def store(batch: list[Accepted]) -> None:
        await (database.accept(batch[0]) if places == 1 else database.accept_all(batch))

    await store(answered("known", places))
    repeats = [answered("known" if number % 2 else "twice", places) for number in range(10)]
    others = [[samples.accepted() for _ in range(places)] for _ in range(10)]
    offers = [one for pair in zip(repeats, others, strict=True) for one in pair]
    with capture_logs() as logs:
        results = await asyncio.gather(*map(store, offers), return_exceptions=True)
    assert logs == []
    stored = [batch for batch, result in zip(offers, results, strict=True) if result is None]
    assert stored == [repeats[0], *others]
    assert all(isinstance(one, CallRepeated) for one in results if one is not None)
    assert await count(database) == places * 12
    ids = [one.message.id for batch in stored for one in batch]
    assert set(await database.read(messages.get_many, ids)) == set(ids)
