"""Bytes at hand: read once, rendered once, within bounds."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import msgspec
import pytest

from postroad.delivery import tracked
from postroad.delivery.contents import Contents, Made, Outgoing, Unfit
from postroad.delivery.tracked import TrackingTerms
from postroad.model.delivery import Delivery
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.message import Message
from postroad.model.options import PLAIN_DELIVERY, DeliveryOptions, Options, TemplateName
from postroad.protocol.dkim.key import SigningKey
from postroad.rendering.merge import Merged
from postroad.rendering.placeholder import Addressee
from postroad.rendering.track import Layout, lay_out
from postroad.rendering.track_body import Wishes
from postroad.storage.database import Database
from postroad.tracking.token import Place, TrackingKey, read_leaving, read_token

KEY = TrackingKey(1, 0, b"k" * 32)
HTML = b"""From: a@news.test\r
Content-Type: text/html\r
\r
<a href="https://a.test/">%recipient.n%</a> %recipient_email% %unsubscribe_url%\r
"""
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


def make_delivery(message: Message, number: int = 0, options: DeliveryOptions = PLAIN_DELIVERY) -> Delivery:
    return Delivery(
        id=message.id * 1000 + number,
        message_id=message.id,
        account_id=1,
        domain_id=message.domain_id,
        recipient=f"r{number}@dest.test",
        destination="dest.test",
        pool="default",
        lane=1,
        due_at=0,
        expires_at=1,
        accepted_at=0,
        options=options,
    )


async def leaving(contents: Contents, found: Mapping[int, Message]) -> dict[int, Made]:
    """Ask for one delivery of each message; returns what leaves by message."""
    outgoing = await contents.outgoing([make_delivery(one) for one in found.values()], found)
    return {delivery_id // 1000: one for delivery_id, one in outgoing.items()}


@pytest.fixture
def table() -> MessageTable:
    return MessageTable()


class OnePlace:
    """Tracks over one host, or over none."""

    def __init__(self, host: str = "t.news.test") -> None:
        self.host = host

    def terms_for(self, domain: SendingDomain) -> TrackingTerms | None:
        assert domain.id == 1
        return TrackingTerms(Place(f"https://{self.host}", self.host), KEY) if self.host else None


def make_contents(
    table: MessageTable, cache_bytes: int = 10_000, now: Sequence[int] = (0,), tracking: OnePlace | None = None
) -> Contents:
    return Contents(cast("Database", table), OneDomain(), lambda: now[0], cache_bytes, tracking=tracking)


async def test_what_was_just_accepted_is_not_read_back(table: MessageTable) -> None:
    contents = make_contents(table)
    contents.keep(make_message(1), CONTENT)
    found = await contents.messages([1, 1])
    outgoing = (await leaving(contents, found))[1]
    assert isinstance(outgoing, Outgoing)
    assert (outgoing.rendered.content, outgoing.origin.return_path_host) == (CONTENT, "rp.news.test")
    assert table.reads == []


async def test_a_message_for_one_is_let_go_and_one_for_many_is_rendered_once(table: MessageTable) -> None:
    contents = make_contents(table)
    single, many = make_message(1), make_message(2, recipients=3)
    table.contents = {1: CONTENT, 2: CONTENT}
    first = await leaving(contents, {1: single, 2: many})
    second = await leaving(contents, {1: single, 2: many})
    assert table.reads == [("read_many", [1, 2]), ("read_many", [1])]
    assert first[2] is second[2]


async def test_an_old_rendering_is_made_anew(table: MessageTable) -> None:
    now = [0]
    contents = make_contents(table, now=now)
    table.contents = {2: CONTENT}
    first = await leaving(contents, {2: make_message(2, recipients=3)})
    now[0] = 600_001
    assert (await leaving(contents, {2: make_message(2, recipients=3)}))[2] is not first[2]


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
    assert await leaving(contents, {1: make_message(1)}) == {}


async def test_one_unfit_message_does_not_spoil_the_others(table: MessageTable) -> None:
    contents = make_contents(table)
    table.contents = {1: CONTENT, 2: CONTENT}
    outgoing = await leaving(contents, {1: make_message(1, domain_id=9), 2: make_message(2)})
    assert outgoing[1] == Unfit("there is no domain 9")
    assert isinstance(outgoing[2], Outgoing)


async def test_stored_content_comes_from_wherever_it_is(table: MessageTable) -> None:
    contents = make_contents(table)
    table.contents = {1: CONTENT}
    contents.keep(make_message(2, recipients=2), CONTENT)
    assert [await contents.stored(make_message(number)) for number in (1, 2, 3)] == [CONTENT, CONTENT, None]
    await leaving(contents, {2: make_message(2, recipients=2)})
    assert await contents.stored(make_message(2)) == CONTENT


PERSONAL = b"From: a@news.test\r\nTo: Ada <r1@dest.test>\r\nSubject: Hi\r\n\r\nDear %recipient_name% %recipient.n%.\r\n"


def personal_message(number: int, recipients: int, **options: Any) -> Message:
    return msgspec.structs.replace(make_message(number, recipients), options=Options(**options))


async def test_each_recipient_with_variables_gets_a_copy_of_a_message_that_is_read_and_planned_once(
    table: MessageTable,
) -> None:
    contents = make_contents(table)
    table.contents = {1: PERSONAL}
    message = personal_message(1, 3)
    deliveries = [
        make_delivery(message, number, DeliveryOptions(variables={"n": f"no. {number}"})) for number in range(2)
    ]
    first = await contents.outgoing(deliveries, {1: message})
    third = make_delivery(message, 2, DeliveryOptions(variables={}))
    second = await contents.outgoing([third], {1: message})
    bodies = [
        one.rendered.content.partition(b"\r\n\r\n")[2] for one in (first | second).values() if isinstance(one, Outgoing)
    ]
    assert bodies == [b"Dear  no. 0.\r\n", b"Dear Ada no. 1.\r\n", b"Dear  .\r\n"]
    assert second[third.id].rendered.missing_variables == ("recipient.n",)  # type: ignore[union-attr]
    assert table.reads == [("read_many", [1])]
    assert await contents.stored(message) == PERSONAL


async def test_a_thousand_copies_leave_the_cache_with_one_plan(table: MessageTable) -> None:
    contents = make_contents(table, cache_bytes=7_500)
    table.contents = {1: PERSONAL + b"x" * 2_000}
    message = personal_message(1, 1_000)
    for start in range(0, 1_000, 20):
        batch = [
            make_delivery(message, number, DeliveryOptions(variables={"n": "y" * 900}))
            for number in range(start, start + 20)
        ]
        assert len(await contents.outgoing(batch, {1: message})) == 20
    assert table.reads == [("read_many", [1])]


async def test_texts_that_may_be_read_count_towards_the_cache(table: MessageTable) -> None:
    contents = make_contents(table, cache_bytes=5_000)
    table.contents = {1: PERSONAL + b"x" * 2_000}
    message = personal_message(1, 2)
    for number in range(2):
        await contents.outgoing([make_delivery(message, number, DeliveryOptions(variables={"n": "y"}))], {1: message})
    assert table.reads == [("read_many", [1])] * 2


async def test_personal_and_shared_messages_go_in_one_batch(table: MessageTable) -> None:
    contents = make_contents(table)
    table.contents = {1: PERSONAL, 2: PERSONAL}
    personal, shared = personal_message(1, 1), make_message(2)
    one = make_delivery(personal, 1, DeliveryOptions(variables={"n": "x"}))
    other = make_delivery(shared, 1)
    outgoing = await contents.outgoing([one, other], {1: personal, 2: shared})
    assert outgoing[one.id].rendered.content.endswith(b"Dear Ada x.\r\n")  # type: ignore[union-attr]
    assert outgoing[other.id].rendered.content == PERSONAL  # type: ignore[union-attr]


class Shouting:
    """Templates that put their recipient's address in place of the body."""

    async def content_of(self, message: Message, delivery: Delivery, content: bytes, addressee: Addressee) -> Merged:
        assert addressee.address == delivery.recipient
        assert message.options.template is not None
        if message.options.template.name == "gone":
            raise LookupError("there is no template gone")
        body = f"%recipient.n% {delivery.recipient}"
        return Merged(content.partition(b"\r\n\r\n")[0] + f"\r\n\r\n{body}".encode(), frozenset({"lost"}))


async def test_a_template_comes_after_the_placeholders_and_is_made_for_each_delivery(table: MessageTable) -> None:
    contents = Contents(cast("Database", table), OneDomain(), lambda: 0, 10_000, Shouting())
    table.contents = {1: PERSONAL.replace(b"Hi", b"Hi %recipient.n%"), 2: PERSONAL}
    message = personal_message(1, 2, template=TemplateName("shout"))
    gone = personal_message(2, 1, template=TemplateName("gone"))
    deliveries = [make_delivery(message, number, DeliveryOptions(variables={"n": "Bo"})) for number in range(2)]
    lost = make_delivery(gone)
    outgoing = await contents.outgoing([*deliveries, lost], {1: message, 2: gone})
    for number, delivery in enumerate(deliveries):
        content = outgoing[delivery.id].rendered.content  # type: ignore[union-attr]
        assert b"Subject: Hi Bo\r\n" in content
        assert outgoing[delivery.id].rendered.missing_variables == ("lost",)  # type: ignore[union-attr]
        assert content.endswith(f"\r\n%recipient.n% r{number}@dest.test".encode())
    assert outgoing[lost.id] == Unfit("there is no template gone")


def tracked_copies(outgoing: Mapping[int, Made]) -> list[bytes]:
    copies = [one.rendered.content for one in outgoing.values() if isinstance(one, Outgoing)]
    assert len(copies) == len(outgoing)
    return copies


def read(copy: bytes, path: bytes) -> list[tuple[int, bytes]]:
    tokens = re.findall(b"https://t.news.test/" + path + rb"/([\w-]+)", copy)
    found = [read_token(one.decode(), "t.news.test", {1: KEY.secret}) for one in tokens]
    return [(one.delivery_id, one.payload) for one in found if one is not None]


async def test_each_recipient_of_a_tracked_message_has_links_of_its_own_in_one_layout(
    table: MessageTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid_out: list[bytes] = []

    def counted(content: bytes, place: Place, wishes: Wishes) -> Layout:
        laid_out.append(content)
        return lay_out(content, place, wishes)

    monkeypatch.setattr(tracked, "lay_out", counted)
    contents = make_contents(table, tracking=OnePlace())
    message = msgspec.structs.replace(make_message(1, recipients=4), options=Options(tracks_clicks=True))
    table.contents = {1: HTML}
    deliveries = [make_delivery(message, number) for number in range(4)]
    copies = [
        copy
        for part in (deliveries[:2], deliveries[2:])
        for copy in tracked_copies(await contents.outgoing(part, {1: message}))
    ]

    assert [read(copy, b"c") for copy in copies] == [[(1000 + number, b"https://a.test/")] for number in range(4)]
    assert len(laid_out) == 1
    # Without recipient variables, and without the offer to unsubscribe, what looks like a placeholder stays.
    assert all(b">%recipient.n%</a> %recipient_email% %unsubscribe_url%\r\n" in copy for copy in copies)


async def test_the_link_to_unsubscribe_is_put_in_also_without_recipient_variables(table: MessageTable) -> None:
    contents = make_contents(table, tracking=OnePlace())
    message = msgspec.structs.replace(
        make_message(1, recipients=2), options=Options(offers_unsubscribe=True, tags=("news",))
    )
    table.contents = {1: HTML}
    copies = tracked_copies(
        await contents.outgoing([make_delivery(message, number) for number in range(2)], {1: message})
    )

    for number, copy in enumerate(copies):
        links = read(copy, b"u")
        assert [delivery_id for delivery_id, _ in links] == [1000 + number] * 2
        assert {read_leaving(payload).address for _, payload in links} == {f"r{number}@dest.test"}
        assert b"List-Unsubscribe: <https://t.news.test/u/" in copy
        assert b">%recipient.n%</a> %recipient_email% https://t.news.test/u/" in copy


async def test_a_link_made_of_a_recipients_variables_is_tracked_as_it_becomes(table: MessageTable) -> None:
    contents = make_contents(table, tracking=OnePlace())
    message = msgspec.structs.replace(make_message(1, recipients=2), options=Options(tracks_clicks=True))
    table.contents = {1: HTML.replace(b"a.test/", b"a.test/%recipient.n%")}
    deliveries = [
        make_delivery(message, number, DeliveryOptions(variables={"n": f"no{number}"})) for number in range(2)
    ]
    copies = tracked_copies(await contents.outgoing(deliveries, {1: message}))

    assert [read(copy, b"c") for copy in copies] == [
        [(1000, b"https://a.test/no0")], [(1001, b"https://a.test/no1")]
    ]  # fmt: skip


async def test_links_follow_their_host_when_it_changes(table: MessageTable) -> None:
    place = OnePlace()
    contents = make_contents(table, tracking=place)
    message = msgspec.structs.replace(make_message(1, recipients=3), options=Options(tracks_opens=True))
    table.contents = {1: HTML}
    await contents.outgoing([make_delivery(message)], {1: message})
    place.host = "other.news.test"

    [copy] = tracked_copies(await contents.outgoing([make_delivery(message, 1)], {1: message}))
    assert b"https://other.news.test/o/" in copy


@pytest.mark.parametrize("place", [None, OnePlace("")])
async def test_without_a_host_nothing_is_tracked(table: MessageTable, place: OnePlace | None) -> None:
    contents = make_contents(table, tracking=place)
    options = Options(tracks_clicks=True, tracks_opens=True, offers_unsubscribe=True)
    table.contents = {1: HTML}

    [copy] = (await leaving(contents, {1: msgspec.structs.replace(make_message(1), options=options)})).values()
    assert isinstance(copy, Outgoing)
    assert copy.rendered.content == HTML


async def test_without_a_host_one_copy_is_signed_for_all_recipients(table: MessageTable) -> None:
    place = OnePlace("")
    contents = make_contents(table, tracking=place)
    message = msgspec.structs.replace(make_message(1, recipients=3), options=Options(tracks_opens=True))
    table.contents = {1: HTML}
    deliveries = [make_delivery(message, number) for number in range(3)]

    assert await contents.personal(deliveries, {1: message}) == set()
    copies = list((await contents.outgoing(deliveries, {1: message})).values())
    assert copies[0] is copies[1] is copies[2]

    place.host = "t.news.test"
    assert await contents.personal(deliveries, {1: message}) == {one.id for one in deliveries}
    assert len(set(tracked_copies(await contents.outgoing(deliveries, {1: message})))) == 3


async def test_the_links_of_a_template_are_tracked_like_others(table: MessageTable) -> None:
    class Made:
        async def content_of(
            self, message: Message, delivery: Delivery, content: bytes, addressee: Addressee
        ) -> Merged:
            assert set(addressee.links) == {"unsubscribe_url", "tag_unsubscribe_url"}
            return Merged(content.replace(b"a.test", delivery.recipient[:2].encode() + b".test"), frozenset())

    contents = Contents(cast("Database", table), OneDomain(), lambda: 0, 10_000, Made(), tracking=OnePlace())
    options = Options(tracks_clicks=True, offers_unsubscribe=True, template=TemplateName("welcome"))
    message = msgspec.structs.replace(make_message(1, recipients=2), options=options)
    table.contents = {1: HTML}
    copies = tracked_copies(
        await contents.outgoing([make_delivery(message, number) for number in range(2)], {1: message})
    )

    assert [[url for _, url in read(copy, b"c")] for copy in copies] == [[b"https://r0.test/"], [b"https://r1.test/"]]
