"""A repeated message is stored once, on both engines."""

import asyncio

import msgspec
import pytest

from postroad.model.dedupe import Repeatable, Repeats
from postroad.model.delivery import DeliveryState
from postroad.model.message import Accepted
from postroad.storage import dedupe, messages
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from tests.storage import samples
from tests.storage.samples import NOW


def offered(*recipients: str, name: str = "m", content: bytes | None = None, until: int = NOW + 60_000) -> Accepted:
    accepted = samples.accepted(*recipients)
    keys = tuple(f"{name} {recipient}".encode() for recipient in recipients)
    return msgspec.structs.replace(accepted, repeatable=Repeatable(keys=keys, content=content, expires_at=until))


async def recipients_of(database: Database, accepted: Accepted) -> list[str] | None:
    story = await database.read(messages.show, accepted.message.id)
    return None if story is None else [one.recipient for one in story.deliveries]


async def repeats_of(database: Database, accepted: Accepted) -> Repeats | None:
    return (await database.accept(accepted)).repeats


async def test_a_repeat_is_not_stored_and_names_the_first(database: Database) -> None:
    first, second = offered("a@r.example"), offered("a@r.example")
    assert await repeats_of(database, first) is None
    repeats = await repeats_of(database, second)
    assert repeats is not None
    assert [one.message_id for one in repeats.firsts.values()] == [first.message.id]
    assert await recipients_of(database, second) is None


async def test_only_new_recipients_are_stored(database: Database) -> None:
    first, second = offered("a@r.example"), offered("a@r.example", "b@r.example")
    await database.accept(first)
    repeats = await repeats_of(database, second)
    assert repeats is not None
    assert list(repeats.firsts) == [second.deliveries[0].id]
    assert await recipients_of(database, second) == ["b@r.example"]


async def test_fifty_copies_at_once_are_stored_once(database: Database) -> None:
    copies = [offered("a@r.example") for _ in range(50)]
    answers = await asyncio.gather(*[repeats_of(database, copy) for copy in copies])
    stored = [copy for copy, answer in zip(copies, answers, strict=True) if answer is None]
    assert len(stored) == 1
    firsts = {one.message_id for answer in answers if answer for one in answer.firsts.values()}
    assert firsts == {stored[0].message.id}


async def test_a_key_with_another_content_is_not_stored_and_takes_no_key(database: Database) -> None:
    await database.accept(offered("a@r.example", content=b"1"))
    other = offered("b@r.example", "a@r.example", content=b"2")
    repeats = await repeats_of(database, other)
    assert repeats is not None
    assert repeats.is_reused
    assert await recipients_of(database, other) is None
    assert await repeats_of(database, offered("b@r.example", content=b"1")) is None


async def test_a_window_that_is_over_blocks_nothing(database: Database) -> None:
    await database.accept(offered("a@r.example", until=NOW - 1))
    assert await repeats_of(database, offered("a@r.example")) is None
    assert await repeats_of(database, offered("a@r.example")) is not None


async def test_a_first_copy_that_bounced_blocks_nothing(database: Database) -> None:
    first = offered("a@r.example")
    bounced = tuple(msgspec.structs.replace(one, state=DeliveryState.BOUNCED) for one in first.deliveries)
    await database.accept(msgspec.structs.replace(first, deliveries=bounced))
    assert await repeats_of(database, offered("a@r.example")) is None
    assert await repeats_of(database, offered("a@r.example")) is not None


async def test_expired_keys_are_removed_in_slices(database: Database) -> None:
    for number in range(3):
        await database.accept(offered(f"{number}@r.example", until=NOW - 1))
    await database.accept(offered("kept@r.example"))
    assert [await database.write(dedupe.delete_before, NOW, 2) for _ in range(3)] == [2, 1, 0]
    assert await repeats_of(database, offered("kept@r.example")) is not None


async def test_what_could_not_be_stored_leaves_no_key_behind(database: Database) -> None:
    first = offered("a@r.example", name="stored")
    await database.accept(first)
    broken = offered("a@r.example", name="lost")
    # Its delivery has an id that is taken: the keys were claimed by then.
    taken = tuple(msgspec.structs.replace(one, id=first.deliveries[0].id) for one in broken.deliveries)

    with pytest.raises(StorageError):
        await database.accept(msgspec.structs.replace(broken, deliveries=taken))

    assert await database.read(dedupe.known, [b"lost a@r.example"], NOW) == {}
    assert await repeats_of(database, offered("a@r.example", name="lost")) is None


async def test_what_is_known_is_told_as_accepting_would(database: Database) -> None:
    first = offered("a@r.example", "b@r.example")
    over = offered("c@r.example", until=NOW - 1)
    gone = offered("d@r.example")
    cancelled = tuple(msgspec.structs.replace(one, state=DeliveryState.CANCELLED) for one in gone.deliveries)
    for one in (first, over, msgspec.structs.replace(gone, deliveries=cancelled)):
        await database.accept(one)

    found = await database.read(dedupe.known, [f"m {name}@r.example".encode() for name in "abcde"], NOW)

    assert {key.decode(): one.delivery_id for key, one in found.items()} == {
        "m a@r.example": first.deliveries[0].id,
        "m b@r.example": first.deliveries[1].id,
    }
