"""Our own API over a real database: what is sent is stored, what is wrong is told by field, and a key holds."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.httpd.api.app import api_app
from postroad.model.actor import SYSTEM
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.ids import IdSource, from_text
from postroad.policy.admission import AdmissionFacts
from postroad.policy.alignment import OrganisationalDomains
from postroad.protocol.smtp.data import Fault
from postroad.storage import accounts, bodies, domains, messages
from postroad.storage.database import Database
from postroad.submission.accept import Submissions, Templates
from postroad.submission.settings import SubmissionSettings

from .services import NOW, VAULT, Directory, TakenDown, api_services

PATH = "/api/postroad/v1/messages"
WHOLE: dict[str, Any] = {
    "from": "Shop <a@news.example.com>",
    "to": ["Ada <ada@x.example>", {"email": "bo@x.example", "name": "Bo"}],
    "subject": "Grüße",
    "text": "Hello.",
}
_ORGANISATIONAL = OrganisationalDomains()


class Uncounted:
    def accepted(self, channel: str, recipients: int, duration_ms: float) -> None: ...

    def rejected(self, rule: str) -> None: ...


def facts_for(domain: SendingDomain, message_id: int, now: int, faults: Fault | None) -> AdmissionFacts:
    return AdmissionFacts(
        domain=domain,
        hostname="mail.example.org",
        message_id=message_id,
        now=now,
        identifier_key=bytes(32),
        organisational_domain_of=_ORGANISATIONAL,
        faults=faults,
    )


def submissions_over(check: ApiKeyCheck, database: Database, templates: Templates | None = None) -> Submissions:
    return Submissions(
        database=database,
        domains=Directory(check),
        ready=None,
        ids=IdSource(1),
        clock=lambda: NOW,
        meter=Uncounted(),
        facts_for=facts_for,
        settings=SubmissionSettings(),
        templates=templates,
    )


@pytest.fixture
async def client(check: ApiKeyCheck, database: Database, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    submissions = submissions_over(check, database)
    services = msgspec.structs.replace(api_services(check, folder=tmp_path), submissions=submissions)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=api_app(services), client=("192.0.2.9", 50000)),
        base_url="http://api.example.net",
    ) as made:
        yield made


@pytest.fixture
async def auth(keys: ApiKeys, domain: SendingDomain) -> dict[str, str]:
    return {"Authorization": f"Bearer {(await keys.add_for_domain(SYSTEM, domain.name)).text}"}


async def stored(database: Database, reply: httpx2.Response) -> tuple[messages.Story, str]:
    assert reply.status_code == 202, reply.text
    message_id = from_text(reply.json()["id"])
    story = await database.read(messages.show, message_id)
    assert story is not None
    content = (await database.read(bodies.read_many, [message_id]))[message_id]
    return story, content.decode()


async def test_a_message_is_stored_with_its_options(
    client: httpx2.AsyncClient, auth: dict[str, str], database: Database
) -> None:
    asked = WHOLE | {
        "cc": ["team@x.example"],
        "bcc": ["secret@x.example"],
        "reply_to": ["service@news.example.com"],
        "html": "<p>Hello.</p>",
        "attachments": [{"content": base64.b64encode(b"a;b").decode(), "name": "data.csv"}],
        "headers": {"X-Campaign": "spring"},
        "tags": ["orders"],
        "variables": {"order": 17},
        "tracking": {"opens": True},
        "require_tls": "encrypt",
        "deliver_at": "2026-05-29T00:00:00+02:00",
        "test_mode": True,
    }
    story, content = await stored(database, await client.post(PATH, json=asked, headers=auth))
    options = story.message.options
    assert story.message.channel == "postroad"
    assert (options.tags, options.variables, options.is_test, options.tracks_opens) == (
        ("orders",),
        {"order": 17},
        True,
        True,
    )
    assert options.deliver_at == 1_780_005_600_000
    assert sorted(one.recipient for one in story.deliveries) == [
        "ada@x.example",
        "bo@x.example",
        "secret@x.example",
        "team@x.example",
    ]
    assert 'To: "Ada" <ada@x.example>, "Bo" <bo@x.example>' in content
    assert "X-Campaign: spring" in content
    assert 'filename="data.csv"' in content
    assert "secret" not in content


async def test_a_whole_message_goes_as_it_is(
    client: httpx2.AsyncClient, auth: dict[str, str], database: Database
) -> None:
    raw = "From: a@news.example.com\nTo: ada@x.example\nSubject: Whole\nX-OV-Tag: one\n\nAs it is.\n"
    asked = {"raw": raw, "to": ["ada@x.example"], "tags": ["two"]}
    story, content = await stored(database, await client.post(PATH, json=asked, headers=auth))
    assert content.endswith("Subject: Whole\r\n\r\nAs it is.\r\n") or "As it is." in content
    assert (story.message.subject, story.message.options.tags) == ("Whole", ("two",))
    reply = await client.post(PATH, json=asked | {"text": "Beside."}, headers=auth)
    assert [one["field"] for one in reply.json()["errors"]] == ["text"]


async def test_all_that_is_wrong_is_told_by_field(client: httpx2.AsyncClient, auth: dict[str, str]) -> None:
    wrong = {"from": 1, "to": ["ada@x.example", "no address", {"email": 5}], "tags": [""], "none": 1}
    reply = await client.post(PATH, json=wrong, headers=auth)
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")
    problem = reply.json()
    assert (problem["title"], problem["status"]) == ("Unprocessable Content", 422)
    assert [(one["field"], one["rule"]) for one in problem["errors"]] == [
        ("from", "type"),
        ("to.2.email", "type"),
        ("tags.0", "value"),
        ("none", "unknown"),
    ]
    reply = await client.post(
        PATH, json=WHOLE | {"to": ["a@x.example", "no address"], "headers": {"Subject": "x"}}, headers=auth
    )
    assert [(one["field"], one["rule"]) for one in reply.json()["errors"]] == [
        ("to.1", "value"),
        ("headers.Subject", "value"),
    ]


async def test_each_fault_of_a_batch_has_its_place_and_its_rule(
    client: httpx2.AsyncClient, auth: dict[str, str]
) -> None:
    for asked, found in (
        ([WHOLE, WHOLE | {"foo": 1}, 7], [("messages.1.foo", "unknown"), ("messages.2", "type")]),
        ([WHOLE | {"to": [{"name": "Ada"}]}], [("messages.0.to.0.email", "required")]),
        ([WHOLE | {"to": [{"email": "ada@x.example", "foo": 1}]}], [("messages.0.to.0.foo", "unknown")]),
        (
            [WHOLE | {"to": []}, WHOLE | {"text": ""}, {"to": ["ada@x.example"], "text": "x"}],
            [("messages.0.to", "required"), ("messages.1.text", "required"), ("messages.2.from", "required")],
        ),
        ([], [("messages", "value")]),
    ):
        reply = await client.post(f"{PATH}/batch", json={"messages": asked}, headers=auth)
        assert (reply.status_code, [(one["field"], one.get("rule")) for one in reply.json()["errors"]]) == (422, found)
    reply = await client.post(PATH, params={"dry_run": "perhaps", "foo": "1"}, json=WHOLE, headers=auth)
    assert [(one["field"], one.get("rule")) for one in reply.json()["errors"]] == [("foo", "unknown")]


async def test_what_admission_refuses_is_told_with_its_rule(client: httpx2.AsyncClient, auth: dict[str, str]) -> None:
    reply = await client.post(PATH, json=WHOLE | {"from": "a@else.example"}, headers=auth)
    assert reply.status_code == 403
    [fault] = reply.json()["errors"]
    assert (fault["field"], fault["rule"]) == ("from", "header_from_not_aligned")
    late = "2020-01-01T00:00:00Z"
    for wrong, field in (
        ({"expires_at": late}, "expires_at"),
        ({"headers": {"X-OV-Expires": "1577836800"}}, "headers.X-OV-Expires"),
    ):
        reply = await client.post(PATH, json=WHOLE | wrong, headers=auth)
        [fault] = reply.json()["errors"]
        assert (reply.status_code, fault["rule"]) == (422, "option_malformed")
        assert fault["field"] == field


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [(b"{", {}, 400), (b"{}", {"Content-Type": "text/plain"}, 415), (b"[]", {}, 422), (b"", {}, 400)],
)
async def test_what_is_no_document_is_refused(
    content: bytes, headers: dict[str, str], status: int, client: httpx2.AsyncClient, auth: dict[str, str]
) -> None:
    for path in (PATH, f"{PATH}/batch"):
        reply = await client.post(path, content=content, headers=auth | headers)
        assert (reply.status_code, reply.json()["status"]) == (status, status)


async def test_a_batch_is_accepted_as_a_whole_or_not_at_all(
    client: httpx2.AsyncClient, auth: dict[str, str], database: Database
) -> None:
    listed = [WHOLE | {"subject": f"No. {number}"} for number in range(1000)]
    reply = await client.post(f"{PATH}/batch", json={"messages": listed}, headers=auth)
    ids = [one["id"] for one in reply.json()["messages"]]
    assert (reply.status_code, len(set(ids))) == (202, 1000)
    foreign = [WHOLE, WHOLE | {"from": "a@else.example"}]
    reply = await client.post(f"{PATH}/batch", json={"messages": foreign}, headers=auth)
    assert (reply.status_code, [one["field"] for one in reply.json()["errors"]]) == (403, ["messages.1.from"])
    reply = await client.post(f"{PATH}/batch", json={"messages": [*listed, WHOLE]}, headers=auth)
    assert reply.status_code == 422


async def test_the_same_call_with_the_same_key_is_answered_as_before(
    client: httpx2.AsyncClient, auth: dict[str, str], database: Database, domain: SendingDomain
) -> None:
    settings = msgspec.structs.replace(domain.settings, deduplicate_minutes=0)
    await database.write(domains.change, VAULT, domain, msgspec.structs.replace(domain, settings=settings))
    named = auth | {"Idempotency-Key": "order-17"}
    replies = await asyncio.gather(*(client.post(PATH, json=WHOLE, headers=named) for _ in range(5)))
    assert {one.status_code for one in replies} == {202}
    assert len({one.json()["id"] for one in replies}) == 1
    reply = await client.post(PATH, json=WHOLE | {"text": "Other."}, headers=named)
    [fault] = reply.json()["errors"]
    assert (reply.status_code, fault["field"], fault["rule"]) == (422, "Idempotency-Key", "call_key_reused")
    pair = {"messages": [WHOLE, WHOLE | {"subject": "Second"}]}
    first, second = [
        (await client.post(f"{PATH}/batch", json=pair, headers=auth | {"Idempotency-Key": "pair"})).json()
        for _ in range(2)
    ]
    assert first == second
    assert (await client.post(PATH, json=WHOLE, headers=auth | {"Idempotency-Key": "x" * 201})).status_code == 400


async def test_a_scheduled_message_is_shown_and_taken_back(
    client: httpx2.AsyncClient, auth: dict[str, str], keys: ApiKeys, database: Database
) -> None:
    sent = await client.post(PATH, json=WHOLE | {"deliver_at": "2026-05-30T00:00:00Z"}, headers=auth)
    one = f"{PATH}/{sent.json()['id']}"
    shown = (await client.get(one, headers=auth)).json()
    assert (shown["subject"], [each["state"] for each in shown["deliveries"]]) == ("Grüße", ["scheduled"] * 2)
    other = await database.write(accounts.add, "other", NOW)
    stranger = {"Authorization": f"Bearer {(await keys.add_for_account(SYSTEM, other.id)).text}"}
    assert (await client.get(one, headers=stranger)).status_code == 404
    assert (await client.post(f"{one}/cancel", headers=stranger)).status_code == 404
    assert (await client.post(f"{one}/cancel", headers=auth)).json() == {"cancelled": 2}
    assert (await client.post(f"{one}/cancel", headers=auth)).json() == {"cancelled": 0}
    assert (await client.get(f"{PATH}/none", headers=auth)).status_code == 404


async def test_a_key_of_the_account_sends_for_the_domain_of_from(
    client: httpx2.AsyncClient, keys: ApiKeys, domain: SendingDomain, database: Database
) -> None:
    auth = {"Authorization": f"Bearer {(await keys.add_for_account(SYSTEM, domain.account_id)).text}"}
    assert (await client.post(PATH, json=WHOLE, headers=auth)).status_code == 202
    other = await database.write(accounts.add, "other", NOW)
    await database.write(
        domains.add,
        SendingDomain(id=0, account_id=other.id, name="else.example", state=DomainState.ACTIVE, created_at=NOW),
    )
    reply = await client.post(PATH, json=WHOLE | {"from": "a@else.example"}, headers=auth)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "from")
    pair = {"messages": [WHOLE | {"from": "a@else.example"}]}
    reply = await client.post(f"{PATH}/batch", json=pair, headers=auth)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "messages.0.from")


@pytest.mark.parametrize(
    ("message", "faults"),
    [
        ({}, {"to": "required", "from": "required", "text": "required"}),
        ({"to": ["a@x.example"], "text": "Hi"}, {"from": "required"}),
        ({"from": "nonsense", "to": ["a@x.example"], "text": "Hi"}, {"from": "value"}),
        ({"to": ["a@x.example"], "raw": "Subject: Hi\n\nHi"}, {"raw": "required"}),
    ],
)
async def test_a_message_from_nobody_is_told_so_where_the_key_says_no_domain(
    client: httpx2.AsyncClient, keys: ApiKeys, domain: SendingDomain, message: dict[str, Any], faults: dict[str, str]
) -> None:
    auth = {"Authorization": f"Bearer {(await keys.add_for_account(SYSTEM, domain.account_id)).text}"}
    alone = await client.post(PATH, json=message, headers=auth)
    first = await client.post(f"{PATH}/batch", json={"messages": [message, WHOLE]}, headers=auth)
    assert (alone.status_code, first.status_code) == (422, 422)
    told = alone.json()["errors"]
    assert {one["field"]: one["rule"] for one in told} == faults
    assert {one["field"]: one["rule"] for one in first.json()["errors"]} == {
        f"messages.0.{field}": rule for field, rule in faults.items()
    }
    assert "no sending domain" not in str(told)


async def test_a_refused_call_is_told_of(check: ApiKeyCheck, auth: dict[str, str]) -> None:
    taken = TakenDown()
    transport = httpx2.ASGITransport(app=api_app(api_services(check, taken)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://api.example.net") as client:
        assert (await client.post(PATH, json={}, headers=auth)).status_code == 422
    assert [one.rule for one in taken.refused] == ["call_malformed"]


async def test_the_description_needs_no_key_and_names_every_route(client: httpx2.AsyncClient) -> None:
    described = (await client.get("/api/postroad/v1/openapi.json")).json()
    assert described["openapi"] == "3.1.0"
    assert f"{PATH}/batch" in described["paths"]
    text = msgspec.json.encode(described).decode()
    for reference in set(text.split('"#/components/schemas/')[1:]):
        assert reference.partition('"')[0] in described["components"]["schemas"]
    page = await client.get("/api/postroad/v1/docs")
    assert "POST /api/postroad/v1/messages/batch" in page.text
    assert "<script" not in page.text


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("name", ["deliver_at", "expires_at"])
async def test_times_at_the_end_of_the_calendar_are_no_error_of_ours(
    name: str, at: str, client: httpx2.AsyncClient, auth: dict[str, str]
) -> None:
    for query in ({"dry_run": "yes"}, {}):
        reply = await client.post(PATH, params=query, json=WHOLE | {name: at}, headers=auth)
        assert reply.status_code < 500
