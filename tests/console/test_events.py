"""Events in the console: found by every filter, followed as they happen, saved as files; each of one account alone."""

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from html import unescape
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from postroad.events import live
from postroad.httpd.console import streams
from postroad.httpd.console.console import Console
from postroad.httpd.console.pages import events as page
from postroad.httpd.console.view import View
from postroad.model.channel import CHANNELS
from postroad.model.event import Event, EventType
from postroad.model.ids import IdSource, text_of
from postroad.net.clock import now_ms
from postroad.storage import audit
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database
from tests.storage.samples import PARTITION, accepted, event_of

from .conftest import Client, SignIn, World

_HOSTILE = "<script>alert('reply')</script>"


class Mail:
    """Writes events of an account's mail, made so long ago."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids = IdSource(9)

    async def happens(
        self, world: World, kind: EventType, to: str, *, ago_ms: int = 60_000, is_theirs: bool = False, **data: Any
    ) -> Event:
        account, domain = (world.theirs, world.their_domain) if is_theirs else (world.ours, world.domain)
        delivery = accepted(to, account_id=account.id, domain_id=domain.id).deliveries[0]
        at = now_ms() - ago_ms
        event = msgspec.structs.replace(event_of(delivery, kind, at=at, **data), id=self._ids.next(at, PARTITION))
        await self._database.append_events([event])
        return event


@pytest.fixture
def mail(database: Database) -> Mail:
    return Mail(database)


def _kinds(text: str) -> list[str]:
    return re.findall(r'data-label="Event"><span class="badges"><span class="badge[^>]*>([^<]*)<', text)


async def test_an_account_without_events_is_told_what_comes(admin: Client) -> None:
    reply = await admin.get("/events")

    assert reply.status_code == 200
    assert "No events yet" in reply.text


async def test_events_are_listed_newest_first_and_lead_to_their_message(user: Client, mail: Mail, world: World) -> None:
    await mail.happens(world, EventType.ACCEPTED, "a@example.net")
    bounced = await mail.happens(world, EventType.BOUNCED, "b@example.net", reply=f"550 {_HOSTILE}")
    await mail.happens(world, EventType.BOUNCED, "c@example.net", is_theirs=True)
    reply = await user.get("/events")

    assert _kinds(reply.text) == ["bounced", "accepted"]
    assert bounced.message_id is not None
    assert f'href="/messages/{text_of(bounced.message_id)}"' in reply.text
    assert _HOSTILE not in reply.text
    assert _HOSTILE in unescape(reply.text)


async def test_filters_stand_in_the_address_and_on_the_page(user: Client, mail: Mail, world: World) -> None:
    await mail.happens(world, EventType.OPENED, "a@example.net", ago_ms=7_200_000, verdict="machine")
    rejected = await mail.happens(world, EventType.REJECTED, "a@example.net", text="Too large")
    assert _kinds((await user.get("/events", params={"type": "rejected"})).text) == ["rejected"]
    assert _kinds((await user.get("/events", params={"span": "1h"})).text) == ["rejected"]
    assert _kinds((await user.get("/events", params={"to": "2026-01-02"})).text) == []
    assert rejected.message_id is not None
    of_message = {"message": text_of(rejected.message_id), "type": "opened"}
    shown = (await user.get("/events", params=of_message)).text
    assert "Nothing found" in shown
    assert f'value="{of_message["message"]}"' in shown
    assert f"/events/export?{urlencode({'type': 'opened', 'message': of_message['message']})}" in unescape(shown)


async def test_every_channel_can_be_chosen(user: Client) -> None:
    shown = (await user.get("/events", params={"channel": "postroad"})).text

    [choice] = re.findall(r'<select id="channel".*?</select>', shown)
    assert re.findall(r'value="(\w+)"', choice) == list(CHANNELS)
    assert '<option value="postroad" selected>Postroad API</option>' in choice


@pytest.mark.parametrize(("name", "value"), [("message", "no id"), ("from", "yesterday"), ("to", "31.12.2026")])
async def test_what_is_no_filter_is_said_at_its_field(user: Client, name: str, value: str) -> None:
    reply = await user.get("/events", params={name: value})

    assert reply.status_code == 422
    assert f'id="{name}-error"' in reply.text


async def test_pages_lead_on_with_their_filters(
    user: Client, mail: Mail, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "PAGE_SIZE", 2)
    for kind in (EventType.ACCEPTED, EventType.DEFERRED, EventType.DELIVERED):
        await mail.happens(world, kind, "a@example.net")
    first = (await user.get("/events", params={"span": "24h"})).text
    [older] = re.findall(r'hx-get="([^"]*before=[^"]*)"', first)

    assert _kinds(first) == ["delivered", "deferred"]
    assert "span=24h" in older
    second = (await user.get(unescape(older))).text
    assert _kinds(second) == ["accepted"]
    assert "before=" not in second


async def test_the_chosen_sending_domain_narrows_it(user: Client, mail: Mail, world: World) -> None:
    await mail.happens(world, EventType.ACCEPTED, "a@example.net")
    await user.send_form("/choose-domain", domain=world.domain.id, next="/events")
    shown = (await user.get("/events")).text

    assert f"to the mail of {world.domain.name}" in shown
    assert _kinds(shown) == ["accepted"]


class Stream:
    """What a browser is sent, message by message, read from the application itself: the client waits for an end."""

    def __init__(self, status: int, headers: dict[str, str], chunks: "asyncio.Queue[bytes | None]") -> None:
        self.status = status
        self.headers = headers
        self._chunks = chunks

    async def message(self) -> dict[str, str]:
        """Return the fields of the next one that is no sign of life; empty at the end."""
        while True:
            chunk = await asyncio.wait_for(self._chunks.get(), 5)
            if chunk is None:
                return {}
            lines = [line.partition(": ") for line in chunk.decode().splitlines() if line]
            names = {name for name, _, _ in lines}
            if "event" in names:
                return {name: "\n".join(of for one, _, of in lines if one == name) for name in names}


Listen = Callable[..., Any]


@pytest.fixture
def listen(app: Any, monkeypatch: pytest.MonkeyPatch) -> Listen:
    """Return what opens the stream as a client does."""
    monkeypatch.setattr(page, "_LOOK_EVERY_S", 0.02)

    @asynccontextmanager
    async def listening(client: Client, **headers: str) -> AsyncIterator[Stream]:
        request = client.build_request("GET", "/events/live", headers={"Accept": "text/event-stream"} | headers)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "method": "GET",
            "path": "/events/live",
            "raw_path": b"/events/live",
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("127.0.0.1", 50000),
            "server": ("localhost", 80),
        }
        chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        begun: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                told = {name.decode(): value.decode() for name, value in message["headers"]}
                begun.set_result(Stream(message["status"], told, chunks))
            else:
                chunks.put_nowait(message["body"] or None)

        gone = asyncio.Event()

        async def receive() -> Any:
            await gone.wait()
            return {"type": "http.disconnect"}

        serving = asyncio.ensure_future(app(scope, receive, send))
        try:
            yield await asyncio.wait_for(begun, 5)
        finally:
            gone.set()
            await asyncio.wait_for(serving, 5)

    return listening


async def test_events_come_as_they_happen_and_only_those_of_the_account(
    user: Client, mail: Mail, world: World, listen: Listen
) -> None:
    async with listen(user) as stream:
        await mail.happens(world, EventType.BOUNCED, "x@example.net", ago_ms=1_900, is_theirs=True)
        await mail.happens(world, EventType.DELIVERED, "a@example.net", ago_ms=1_900, reply="250 ok")
        told = await stream.message()

    assert stream.headers["content-type"].startswith("text/event-stream")
    assert "form-action" in stream.headers["content-security-policy"]
    assert (told["event"], _kinds(told["data"])) == ("rows", ["delivered"])


async def test_who_comes_again_is_told_what_was_missed(user: Client, mail: Mail, world: World, listen: Listen) -> None:
    seen = await mail.happens(world, EventType.ACCEPTED, "a@example.net", ago_ms=20_000)
    await mail.happens(world, EventType.DELIVERED, "a@example.net", ago_ms=10_000)
    async with listen(user, **{"Last-Event-ID": text_of(seen.id)}) as stream:
        assert _kinds((await stream.message())["data"]) == ["delivered"]


async def test_what_is_too_much_to_read_is_a_number(
    user: Client, mail: Mail, world: World, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_MOST_READ", 10)
    monkeypatch.setattr(live, "MOST_AT_ONCE", 3)
    seen = await mail.happens(world, EventType.ACCEPTED, "a@example.net", ago_ms=20_000)
    for _ in range(12):
        await mail.happens(world, EventType.DELIVERED, "a@example.net", ago_ms=10_000)
    async with listen(user, **{"Last-Event-ID": text_of(seen.id)}) as stream:
        passed, rows = await stream.message(), await stream.message()

    assert (passed["event"], passed["data"]) == ("passed", "7+")
    assert len(_kinds(rows["data"])) == 3


async def test_a_stream_ends_when_its_session_does(
    user: Client, world: World, console: Console, listen: Listen
) -> None:
    async with listen(user) as stream:
        await user.send_form("/sign-out")
        told = await stream.message()
        assert (told["event"], told["data"]) == ("over", "signed-out")
        assert await stream.message() == {}


async def test_all_streams_end_with_the_worker(user: Client, console: Console, listen: Listen) -> None:
    async with listen(user) as stream:
        assert len(console.streams) == 1
        console.streams.close()
        assert await stream.message() == {}
    assert len(console.streams) == 0


async def test_a_person_has_only_so_many_streams(
    user: Client, admin: Client, console: Console, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.streams, "_most_of_person", 1)
    async with listen(user), listen(user) as second, listen(admin) as other:
        assert (second.status, other.status) == (429, 200)
    async with listen(user) as third:
        assert third.status == 200


async def test_the_stream_is_no_page(user: Client) -> None:
    assert (await user.get("/events/live")).status_code == 406


async def test_a_file_holds_the_events_of_the_account_that_were_chosen(
    user: Client, mail: Mail, world: World, database: Database
) -> None:
    await mail.happens(world, EventType.DELIVERED, "+a@example.net", tags=["=1+1"])
    await mail.happens(world, EventType.BOUNCED, "b@example.net")
    await mail.happens(world, EventType.DELIVERED, "c@example.net", is_theirs=True)
    reply = await user.send_form("/events/export", format="csv", type="delivered")
    rows = list(csv.DictReader(io.StringIO(reply.text)))

    assert [(row["recipient"], row["tags"]) for row in rows] == [("'+a@example.net", "'=1+1")]
    assert reply.headers["content-disposition"].startswith('attachment; filename="postroad-events-')
    assert int(reply.headers["postroad-since"]) < int(reply.headers["postroad-until"])
    [entry] = await database.read(audit.search, AuditSelector(action="events.exported"), 10)
    assert (entry.actor_name, entry.account_id) == (world.user.email, world.ours.id)
    assert entry.after == {"types": "delivered", "format": "csv"}


async def test_a_file_of_documents_has_one_on_each_line(user: Client, mail: Mail, world: World) -> None:
    for _ in range(3):
        await mail.happens(world, EventType.DELIVERED, "a@example.net")
    reply = await user.send_form("/events/export", format="ndjson")

    assert reply.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line)["domain"] for line in reply.text.splitlines()] == [world.domain.name] * 3


async def test_no_other_form_of_file_is_made(user: Client) -> None:
    assert (await user.send_form("/events/export", format="xlsx")).status_code == 422


async def test_a_download_breaks_off_when_its_session_ends(
    user: Client, sign_in: SignIn, mail: Mail, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would seem whole."""
    await mail.happens(world, EventType.DELIVERED, "a@example.net")

    async def gone(_view: object) -> bool:
        return False

    monkeypatch.setattr(View, "still_holds", gone)
    with pytest.raises(ConnectionAbortedError):
        await user.send_form("/events/export", format="csv")


def test_places_are_given_back() -> None:
    few = streams.Streams(most=2, most_of_person=1)
    with few.room_for(1), few.room_for(2):
        for person in (1, 3):
            with pytest.raises(streams._FullError), few.room_for(person):
                raise AssertionError("there was room")
    with few.room_for(3):
        assert len(few) == 1
