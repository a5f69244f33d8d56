"""Bytes at hand: read once, rendered once, within bounds."""

from collections.abc import Collection, Sequence
from typing import Any, cast

import pytest

from postroad.delivery.contents import Contents, Outgoing, Unfit
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.message import Message
from postroad.protocol.dkim.key import SigningKey
from postroad.storage.database import Database

CONTENT = b"From: a@news.test\r\n\r\nHello.\r\n"


class MessageTable:
    """Counts what is read."""

    def __init__(self) -> None:
        self.reads: list[tuple[str, list[int]]] = []
        self.contents: dict[int, bytes] = {}

    async def read(self, fn: Any, message_ids: Collection[int]) -> dict[int, Any]:
        self.reads.append((fn.__name__, list(message_ids)))
        if fn.__name__ == "get_many":
            return {message_id: make_message(message_id) for message_id in message_ids if message_id in self.contents}
        return {message_id: self.contents[message_id] for message_id in message_ids if message_id in self.contents}


class OneDomain:
    """Knows the domain 1 and no other."""

    async def get(self, domain_id: int) -> SendingDomain:
        return SendingDomain(id=domain_id, account_id=1, name="news.test", state=DomainState.ACTIVE, created_at=0)

    async def signing_keys(self, domain_id: int) -> Sequence[SigningKey]:
        if domain_id != 1:
            raise LookupError(f"there is no domain {domain_id}")
        return ()

    async def return_path_host(self, domain_id: int) -> str:
        return "rp.news.test"


def make_message(number: int, recipients: int = 1, domain_id: int = 1) -> Message:
    return Message(
        id=number,
        account_id=1,
        domain_id=domain_id,
        credential_id=1,
        reverse_path="a@news.test",
        header_from="a@news.test",
        subject="",
        message_id_header="<1@news.test>",
        size=len(CONTENT),
        recipient_count=recipients,
        accepted_at=0,
        client_address="",
        channel="smtp",
    )


@pytest.fixture
def table() -> MessageTable:
    return MessageTable()


def make_contents(table: MessageTable, cache_bytes: int = 10_000, now: Sequence[int] = (0,)) -> Contents:
    return Contents(cast("Database", table), OneDomain(), lambda: now[0], cache_bytes)


async def test_what_was_just_accepted_is_not_read_back(table: MessageTable) -> None:
    contents = make_contents(table)
    contents.keep(make_message(1), CONTENT)
    found = await contents.messages([1, 1])
    outgoing = (await contents.outgoing(found))[1]
    assert isinstance(outgoing, Outgoing)
    assert (outgoing.rendered.content, outgoing.origin.return_path_host) == (CONTENT, "rp.news.test")
    assert table.reads == []


async def test_a_message_for_one_is_let_go_and_one_for_many_is_rendered_once(table: MessageTable) -> None:
    contents = make_contents(table)
    single, many = make_message(1), make_message(2, recipients=3)
    table.contents = {1: CONTENT, 2: CONTENT}
    first = await contents.outgoing({1: single, 2: many})
    second = await contents.outgoing({1: single, 2: many})
    assert table.reads == [("read_many", [1, 2]), ("read_many", [1])]
    assert first[2] is second[2]


async def test_an_old_rendering_is_made_anew(table: MessageTable) -> None:
    now = [0]
    contents = make_contents(table, now=now)
    table.contents = {2: CONTENT}
    first = await contents.outgoing({2: make_message(2, recipients=3)})
    now[0] = 600_001
    assert (await contents.outgoing({2: make_message(2, recipients=3)}))[2] is not first[2]


async def test_the_cache_lets_the_oldest_go(table: MessageTable) -> None:
    contents = make_contents(table, cache_bytes=2 * len(CONTENT))
    for number in (1, 2, 3):
        table.contents[number] = CONTENT
        contents.keep(make_message(number), CONTENT)
    await contents.messages([1, 2, 3])
    assert table.reads == [("get_many", [1])]


async def test_what_is_larger_than_the_cache_is_not_kept(table: MessageTable) -> None:
    contents = make_contents(table, cache_bytes=3)
    contents.keep(make_message(1), CONTENT)
    assert await contents.stored(make_message(1)) is None


async def test_content_that_is_gone_is_left_out(table: MessageTable) -> None:
    contents = make_contents(table)
    assert await contents.messages([1]) == {}
    assert await contents.outgoing({1: make_message(1)}) == {}


async def test_one_unfit_message_does_not_spoil_the_others(table: MessageTable) -> None:
    contents = make_contents(table)
    table.contents = {1: CONTENT, 2: CONTENT}
    outgoing = await contents.outgoing({1: make_message(1, domain_id=9), 2: make_message(2)})
    assert outgoing[1] == Unfit("there is no domain 9")
    assert isinstance(outgoing[2], Outgoing)


async def test_stored_content_comes_from_wherever_it_is(table: MessageTable) -> None:
    contents = make_contents(table)
    table.contents = {1: CONTENT}
    contents.keep(make_message(2, recipients=2), CONTENT)
    assert [await contents.stored(make_message(number)) for number in (1, 2, 3)] == [CONTENT, CONTENT, None]
    await contents.outgoing({2: make_message(2, recipients=2)})
    assert await contents.stored(make_message(2)) == CONTENT
