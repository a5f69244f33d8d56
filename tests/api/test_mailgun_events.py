"""Events, stored messages and queues by Mailgun's API."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.dialects.mailgun.filters import read_filter
from postroad.httpd.api.app import api_app
from postroad.model.actor import SYSTEM
from postroad.model.audit import entry_of
from postroad.model.delivery import DeliveryState
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import Event, EventType
from postroad.model.ids import IdSource, partition_of, text_of
from postroad.model.message import Message
from postroad.model.options import Options
from postroad.model.refused import RefusedError
from postroad.storage import accounts, domain_pauses, domains, events, messages
from postroad.storage.database import Database

from .conftest import NOW
from .mail import store_message
from .services import TakenDown, api_services

BASE = "http://api.example.net"
OWN, OTHER = "news.example.com", "other.example.org"
CONTENT = (
    b"From: Shop <app@news.example.com>\r\nTo: Ann <ann@x.example>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHallo Z\xc3\xb6\r\n"
    b'--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename="data.csv"\r\n\r\na;b\r\n--b--\r\n'
)


class Caller:
    """Calls with a key of the account."""

    def __init__(self, client: httpx2.AsyncClient, key: str) -> None:
        self._client, self._key = client, key

    async def __call__(self, method: str, url: str, *, status: int = 200, key: str = "", **more: Any) -> Any:
        answer = await self._client.request(method, url, auth=("api", key or self._key), **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def items(self, query: str = "") -> list[str]:
        found = (await self("GET", f"/v3/{OWN}/events?{query}"))["items"]
        return [f"{one['event']} {one['recipient'][:1]}" for one in found]


@pytest.fixture
def taken() -> TakenDown:
    return TakenDown()


@pytest.fixture
async def call(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, taken: TakenDown, tmp_path: Path
) -> AsyncIterator[Caller]:
    key = str((await keys.add_for_account(SYSTEM, domain.account_id)).text)
    app = api_app(api_services(check, taken, folder=tmp_path))
    transport = httpx2.ASGITransport(app=app, client=("192.0.2.9", 50000))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as made:
        yield Caller(made, key)


@pytest.fixture
async def foreign(database: Database) -> SendingDomain:
    account = await database.write(accounts.add, "other", NOW)
    wanted = SendingDomain(id=0, account_id=account.id, name=OTHER, state=DomainState.ACTIVE, created_at=NOW)
    return await database.write(domains.add, wanted)


@pytest.fixture
async def message(database: Database, domain: SendingDomain, foreign: SendingDomain) -> Message:
    """Return a message with six events, and beside them one of another account and one without a word."""
    options = Options(tags=("spring",))
    stored = await store_message(database, domain, "ann@x.example", "bob@y.example", options=options, content=CONTENT)
    told = [
        (EventType.DEFERRED, domain, "ann@x.example"),
        (EventType.DELIVERED, domain, "bob@y.example"),
        (EventType.HELD, domain, "ann@x.example"),
        (EventType.BOUNCED, domain, "ann@x.example"),
        (EventType.OPENED, domain, "bob@y.example"),
        (EventType.DELIVERED, foreign, "ann@x.example"),
    ]
    ids = IdSource(5)
    written = [
        Event(
            id=ids.next(NOW + 1_000 * number, partition_of(stored.id)),
            type=kind,
            at=NOW + 1_000 * number,
            account_id=whose.account_id,
            domain_id=whose.id,
            message_id=stored.id if whose is domain else None,
            recipient=recipient,
            data={"tags": ["spring"]},
        )
        for number, (kind, whose, recipient) in enumerate(told, 1)
    ]
    await database.write(events.append, written, lambda _: 1)
    return stored


NEWEST = ["opened b", "failed a", "delivered b", "failed a", "accepted b", "accepted a"]


async def test_events_come_newest_first_or_in_a_range(call: Caller, message: Message) -> None:
    assert await call.items() == NEWEST
    assert await call.items("ascending=yes") == NEWEST[::-1]
    begin, end = NOW / 1000 + 2, NOW / 1000 + 4
    assert await call.items(f"begin={begin}&end={end}") == ["delivered b", "failed a"]
    assert await call.items(f"begin={end}&end={begin}") == ["failed a", "delivered b"]
    assert await call.items(f"begin={end}&ascending=yes") == ["failed a", "opened b"]
    assert await call.items(f"begin={begin}&ascending=no") == NEWEST[2:]
    dated = format_datetime(datetime.fromtimestamp(NOW / 1000 + 4, UTC)).replace("+", "%2B").replace(" ", "%20")
    assert await call.items(f"begin={dated}&ascending=yes") == ["failed a", "opened b"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("event=delivered OR opened", ["opened b", "delivered b"]),
        ("event=failed&severity=temporary", ["failed a"]),
        ("event=NOT (failed OR accepted)", ["opened b", "delivered b"]),
        ("event=rejected", []),
        ("recipient=ann@x.example&event=failed", ["failed a", "failed a"]),
        ("recipient=y.example&event=delivered", ["delivered b"]),
        ("tags=spring&event=opened", ["opened b"]),
        ("tags=summer", []),
        ("tags=spring&tags=summer", []),
        ('subject="hello"&event=delivered', ["delivered b"]),
        ("subject=hello bye", []),
        ("size=>1 <9999&event=delivered", ["delivered b"]),
        ("size=>9999", []),
        ("from=app@news.example.com&event=delivered", ["delivered b"]),
        ("message-id=1@news.example.com&event=opened", ["opened b"]),
        ("list=x", []),
        ("limit=1", ["opened b"]),
    ],
)
async def test_filters_narrow(query: str, found: list[str], call: Caller, message: Message) -> None:
    assert await call.items(query.replace(" ", "%20").replace('"', "%22").replace(">", "%3E")) == found


@pytest.mark.parametrize("ascending", ["yes", "no"])
@pytest.mark.parametrize("part", ["path", "query"])
async def test_pages_lead_on_and_back(ascending: str, part: str, call: Caller, message: Message) -> None:
    whole = NEWEST[::-1] if ascending == "yes" else NEWEST

    async def page(url: str) -> tuple[list[str], dict[str, str]]:
        # One client keeps the end of the path, another the query.
        url = url.partition("?")[0] if part == "path" else f"/v3/{OWN}/events?{url.partition('?')[2]}"
        answer = await call("GET", url)
        return [f"{one['event']} {one['recipient'][:1]}" for one in answer["items"]], answer["paging"]

    answer = await call("GET", f"/v3/{OWN}/events?limit=4&ascending={ascending}")
    assert set(answer["paging"]) == {"first", "last", "next", "previous"}
    assert all(one.startswith(f"{BASE}/v3/{OWN}/events/") for one in answer["paging"].values())
    second, links = await page(answer["paging"]["next"])
    assert second == whole[4:]
    empty, beyond = await page(links["next"])
    assert empty == []
    assert (await page(beyond["next"]))[0] == []
    assert (await page(beyond["previous"]))[0] == whole[-4:]
    first, back = await page(links["previous"])
    assert first == whole[:4]
    assert (await page(back["next"]))[0] == whole[4:]
    assert (await page(back["previous"]))[0] == []
    assert (await page(links["last"]))[0] == whole[-4:]
    assert (await page(links["first"]))[0] == whole[:4]


async def test_the_end_of_an_open_range_is_polled(
    call: Caller, message: Message, domain: SendingDomain, database: Database
) -> None:
    answer = await call("GET", f"/v3/{OWN}/events?ascending=yes&begin={NOW / 1000}&event=delivered%20OR%20complained")
    empty = await call("GET", answer["paging"]["next"])
    assert (len(answer["items"]), empty["items"]) == (1, [])
    late = Event(
        id=IdSource(6).next(NOW + 60_000, partition_of(message.id)),
        type=EventType.COMPLAINED,
        at=NOW + 60_000,
        account_id=domain.account_id,
        domain_id=domain.id,
        message_id=message.id,
        recipient="ann@x.example",
    )
    await database.write(events.append, [late], lambda _: 1)
    polled = await call("GET", empty["paging"]["next"])
    assert [one["event"] for one in polled["items"]] == ["complained"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=301", "limit=x", "begin=1", "begin=x&ascending=yes", "begin=1&end=2&ascending=no",
        "ascending=maybe", "colour=red", "event=(a", "event=a)", "event=AND", "event=%22a", "event=NOT", "page=x",
        f"event={'(' * 30}a", f"event={'a' * 1001}", "page=W10", "begin=9e99&ascending=yes",
    ],
)  # fmt: skip
async def test_what_is_no_search_is_refused(query: str, call: Caller) -> None:
    assert (await call("GET", f"/v3/{OWN}/events?{query}", status=400))["message"]


async def test_events_are_the_accounts_own(
    call: Caller, message: Message, foreign: SendingDomain, keys: ApiKeys, domain: SendingDomain
) -> None:
    for path in ("events", "events/x"):
        found = await call("GET", f"/v3/{OTHER}/{path}", status=404)
        assert found["message"] == f"Domain not found: {OTHER}"
    key = str((await keys.add_for_domain(SYSTEM, domain.name)).text)
    for method, path in (
        ("GET", f"{OWN}/events"),
        ("DELETE", f"{OWN}/envelopes"),
        ("GET", f"domains/{OWN}/sending_queues"),
        ("GET", f"domains/{OWN}/messages/{text_of(message.id)}"),
        ("POST", f"domains/{OWN}/messages/{text_of(message.id)}"),
    ):
        await call(method, f"/v3/{path}", key=key, status=403)


async def test_a_stored_message_is_shown_and_sent_again(call: Caller, message: Message, taken: TakenDown) -> None:
    [told] = (await call("GET", f"/v3/{OWN}/events?event=delivered"))["items"]
    assert told["storage"]["key"] == text_of(message.id)
    url = told["storage"]["url"]
    shown = await call("GET", url)
    assert (shown["recipients"], shown["Subject"]) == ("ann@x.example, bob@y.example", "Grüße")
    assert (shown["body-plain"], shown["stripped-text"]) == ("Hallo Zö", "Hallo Zö")
    assert shown["attachments"] == [{"filename": "data.csv", "content-type": "text/csv", "size": 3}]
    assert ["To", "Ann <ann@x.example>"] in shown["message-headers"]
    whole = await call("GET", url, headers={"Accept": "message/rfc2822"})
    assert whole["body-mime"] == CONTENT.decode()
    assert "body-plain" not in whole
    again = await call("POST", url, data={"to": "cy@z.example"})
    assert (again["id"], again["message"]) == ("<1@news.example.com>", "Queued. Thank you.")
    [submission] = taken.submitted
    assert [one.forward_path for one in submission.envelope.recipients] == ["cy@z.example"]
    assert b"Hallo Z\xc3\xb6" in submission.content
    assert (await call("POST", url, status=400))["message"]
    assert len(taken.submitted) == 1


async def test_a_message_of_somebody_else_is_not_stored(
    call: Caller, foreign: SendingDomain, domain: SendingDomain, database: Database
) -> None:
    theirs = await store_message(database, foreign, "ann@x.example")
    wanted = SendingDomain(
        id=0, account_id=domain.account_id, name="second.example.com", state=DomainState.ACTIVE, created_at=NOW
    )
    second = await database.write(domains.add, wanted)
    of_second = await store_message(database, second, "ann@x.example")
    for key in (text_of(theirs.id), text_of(of_second.id), "x", "0000000000000"):
        for method in ("GET", "POST"):
            found = await call(method, f"/v3/domains/{OWN}/messages/{key}", status=404)
            assert found == {"message": "message not found"}
    await call("GET", f"/v3/domains/{OTHER}/messages/{text_of(theirs.id)}", status=404)
    await call("GET", f"/v3/domains/second.example.com/messages/{text_of(of_second.id)}")


async def test_queues_are_told_and_emptied(
    call: Caller, message: Message, foreign: SendingDomain, domain: SendingDomain, database: Database
) -> None:
    theirs = await store_message(database, foreign, "ann@x.example")
    told = await call("GET", f"/v3/domains/{OWN}/sending_queues")
    assert told["regular"] == {"is_disabled": False, "disabled": {"until": "", "reason": ""}}
    entry = entry_of(SYSTEM, "domain.paused", domain.name, at=NOW, account_id=domain.account_id)
    await database.write(domain_pauses.pause, entry, domain.id, at=NOW, reason="Too many bounces.")
    told = await call("GET", f"/v3/domains/{OWN}/sending_queues")
    assert told["scheduled"] == {"is_disabled": True, "disabled": {"until": "", "reason": "Too many bounces."}}
    await call("DELETE", f"/v3/{OTHER}/envelopes", status=404)
    assert await call("DELETE", f"/v3/{OWN}/envelopes") == {"message": "done"}
    for one, state in ((message, DeliveryState.CANCELLED), (theirs, DeliveryState.SCHEDULED)):
        story = await database.read(messages.show, one.id)
        assert story is not None
        assert {each.state for each in story.deliveries} == {state}


def test_filters_are_read_by_their_precedence() -> None:
    wanted = read_filter("subject", ["a OR b NOT c"])
    assert [wanted.takes([text], is_whole=False) for text in ("a", "b", "b c", "a c", "x")] == [
        True, True, False, True, False,
    ]  # fmt: skip
    phrase = read_filter("subject", ['"a OR b"'])
    assert phrase.takes(["x A or B y"], is_whole=False)
    assert not phrase.takes(["a"], is_whole=False)
    with pytest.raises(RefusedError, match="not closed"):
        read_filter("subject", ["(a"])
