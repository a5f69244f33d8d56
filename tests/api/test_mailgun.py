"""Mailgun's API as its callers meet it: keys, domains, statuses, and what is too much."""

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.dialects.mailgun.errors import rejected
from postroad.httpd.api.app import api_app
from postroad.model.actor import SYSTEM
from postroad.model.credential import CredentialKind
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.submission import Rejected
from postroad.policy.admission import RULES
from postroad.policy.quota import RULES as QUOTA_RULES
from postroad.storage import accounts, domains
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable
from postroad.storage.secrets import Vault

from .services import LIMITS, NOW, Receipt, TakenDown, api_services

CLIENT = "192.0.2.9"
PATH = "/v3/news.example.com/messages"
WHOLE = {"from": "a@news.example.com", "to": "b@x.example", "subject": "Hi", "text": "Hello."}


@pytest.fixture
def taken() -> TakenDown:
    return TakenDown()


@pytest.fixture
async def client(check: ApiKeyCheck, taken: TakenDown, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    app = api_app(api_services(check, taken, folder=tmp_path))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app, client=(CLIENT, 50000), raise_app_exceptions=False),
        base_url="http://api.example.net",
    ) as made:
        yield made


@pytest.fixture
async def auth(keys: ApiKeys, domain: SendingDomain) -> tuple[str, str]:
    return "api", str((await keys.add_for_domain(SYSTEM, domain.name)).text)


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", "/v3/NEWS.Example.com/messages"])
async def test_a_message_is_answered_with_its_message_id(
    path: str, client: httpx2.AsyncClient, auth: tuple[str, str], taken: TakenDown, domain: SendingDomain
) -> None:
    taken.answer = lambda _: Receipt(7, "<7@news.example.com>")
    reply = await client.post(path, data=WHOLE, auth=auth)

    assert (reply.status_code, reply.json()) == (200, {"id": "<7@news.example.com>", "message": "Queued. Thank you."})
    [submission] = taken.submitted
    assert submission.principal.kind is CredentialKind.API_KEY
    assert (submission.principal.domain_id, submission.principal.username) == (domain.id, auth[1][:10])
    assert (submission.client.channel, submission.client.address) == ("mailgun", CLIENT)
    assert submission.client.protocol == "HTTP"
    assert submission.option_notes == ()


@pytest.mark.parametrize("wrong", [None, ("api", "prd_nothing"), ("api", ""), ("api", "prd_" + "x" * 48)])
async def test_a_wrong_key_is_told_what_mailgun_tells(
    wrong: tuple[str, str] | None, client: httpx2.AsyncClient, domain: SendingDomain
) -> None:
    reply = await client.post(PATH, data=WHOLE, auth=wrong or httpx2.USE_CLIENT_DEFAULT)

    assert (reply.status_code, reply.text) == (401, "Forbidden")
    assert reply.headers["content-type"].startswith("text/plain")
    assert reply.headers["www-authenticate"].startswith("Basic ")


async def test_a_domain_key_sends_for_its_domain_only(
    client: httpx2.AsyncClient, auth: tuple[str, str], database: Database, domain: SendingDomain, taken: TakenDown
) -> None:
    other = SendingDomain(
        id=0, account_id=domain.account_id, name="other.example.com", state=DomainState.ACTIVE, created_at=NOW
    )
    await database.write(domains.add, other)
    known, unknown, strange = [
        await client.post(f"/v3/{name}/messages", data=WHOLE, auth=auth)
        for name in ("other.example.com", "unknown.example.com", "no domain")
    ]

    assert [one.status_code for one in (known, unknown, strange)] == [404, 404, 404]
    hint = " (this API key sends for news.example.com only)"
    assert known.json() == {"message": f"Domain not found: other.example.com{hint}"}
    assert unknown.json() == {"message": f"Domain not found: unknown.example.com{hint}"}
    assert taken.submitted == []


async def test_an_account_key_sends_for_every_domain_of_its_account_and_is_advised_against(
    client: httpx2.AsyncClient, keys: ApiKeys, database: Database, domain: SendingDomain, taken: TakenDown
) -> None:
    stranger = await database.write(accounts.add, "stranger", NOW)
    theirs = SendingDomain(
        id=0, account_id=stranger.id, name="theirs.example.com", state=DomainState.ACTIVE, created_at=NOW
    )
    await database.write(domains.add, theirs)
    auth = ("api", str((await keys.add_for_account(SYSTEM, domain.account_id)).text))

    own = await client.post(PATH, data=WHOLE, auth=auth)
    foreign = await client.post("/v3/theirs.example.com/messages", data=WHOLE, auth=auth)

    assert (own.status_code, foreign.status_code) == (200, 404)
    assert foreign.json() == {"message": "Domain not found: theirs.example.com"}
    assert taken.submitted[0].option_notes == (
        "sent with an API key of the whole account; one of the domain can do less harm",
    )


async def test_a_key_is_held_to_its_networks_and_its_account(
    client: httpx2.AsyncClient, keys: ApiKeys, domain: SendingDomain, database: Database
) -> None:
    elsewhere = ("api", str((await keys.add_for_domain(SYSTEM, domain.name, networks="198.51.100.0/24")).text))
    suspended = ("api", str((await keys.add_for_domain(SYSTEM, domain.name)).text))
    first = await client.post(PATH, data=WHOLE, auth=elsewhere)
    await database.write(accounts.set_suspended, domain.account_id, 5)
    second = await client.post(PATH, data=WHOLE, auth=suspended)

    assert (first.status_code, first.json()) == (403, {"message": f"This API key may not be used from {CLIENT}."})
    assert (second.status_code, second.json()) == (403, {"message": "The account of this API key is suspended."})


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("submission_requires_tls", True, "news.example.com takes mail over encrypted connections only: call https."),
        ("submission_networks", "198.51.100.0/24", f"news.example.com takes no mail from {CLIENT}."),
    ],
)
async def test_the_limits_of_a_domain_hold_for_account_keys_too(
    *,
    setting: str,
    value: Any,
    sentence: str,
    client: httpx2.AsyncClient,
    keys: ApiKeys,
    database: Database,
    domain: SendingDomain,
) -> None:
    settings = msgspec.structs.replace(domain.settings, **{setting: value})
    await database.write(domains.change, Vault(bytes(32)), domain, msgspec.structs.replace(domain, settings=settings))
    auth = ("api", str((await keys.add_for_account(SYSTEM, domain.account_id)).text))

    reply = await client.post(PATH, data=WHOLE, auth=auth)

    assert (reply.status_code, reply.json()) == (403, {"message": sentence})


async def test_what_is_wrong_with_a_call_is_recorded(
    client: httpx2.AsyncClient, auth: tuple[str, str], taken: TakenDown
) -> None:
    reply = await client.post(PATH, data={"to": "b@x.example"}, auth=auth)

    assert reply.status_code == 400
    assert [(one.rule, one.text) for one in taken.refused] == [("call_malformed", reply.json()["message"])]
    assert taken.submitted == []


@pytest.mark.parametrize(
    ("headers", "content", "status", "sentence"),
    [
        ({"Content-Type": "application/json"}, b"{}", 400, "Invalid request content type. Expecting 'multipart/form-data' but got 'application/json'"),
        ({}, b"a=b", 400, "Invalid request content type. Expecting 'multipart/form-data' but got ''"),
        ({"Content-Type": "multipart/form-data"}, b"", 400, "malformed multipart/form-data request: it names no boundary in its Content-Type"),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"--b\r\n", 400, "unable to parse request: it has a part without an empty line behind its header"),
        ({"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}, b"\x1f\x8b", 415, "The request is compressed (gzip); send it as it is."),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"a&" * 1_000_000, 400, "unable to parse request: it has more than 4000 fields"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"", 400, "from parameter is missing; to parameter is missing; Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified"),
    ],
)  # fmt: skip
async def test_what_is_no_form_is_refused(
    *,
    headers: dict[str, str],
    content: bytes,
    status: int,
    sentence: str,
    client: httpx2.AsyncClient,
    auth: tuple[str, str],
) -> None:
    reply = await client.post(PATH, headers=headers, content=content, auth=auth)

    assert (reply.status_code, reply.json()) == (status, {"message": sentence})


async def test_deep_json_is_refused(client: httpx2.AsyncClient, auth: tuple[str, str]) -> None:
    deep = '{"b@x.example": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}"
    reply = await client.post(PATH, data=WHOLE | {"recipient-variables": deep}, auth=auth)

    assert reply.status_code == 400
    assert "nested too deeply" in reply.json()["message"]


async def test_other_paths_and_methods_are_refused_in_json(client: httpx2.AsyncClient, auth: tuple[str, str]) -> None:
    missing, fetched = await client.get("/v3/none", auth=auth), await client.get(PATH, auth=auth)

    assert (missing.status_code, missing.json()) == (404, {"message": "Not Found"})
    assert (fetched.status_code, fetched.json()) == (405, {"message": "Method Not Allowed"})


async def test_a_lost_database_asks_for_another_try(
    client: httpx2.AsyncClient, auth: tuple[str, str], taken: TakenDown
) -> None:
    def answer(_: object) -> Receipt:
        raise StorageUnavailable("gone")

    taken.answer = answer
    reply = await client.post(PATH, data=WHOLE, auth=auth)

    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")
    assert reply.json() == {
        "message": "The database cannot be used at the moment. The call may or may not have been stored:"
        " try again soon, with the same idempotency key where it has one."
    }


async def test_what_nobody_foresaw_is_an_error_in_json(
    client: httpx2.AsyncClient, auth: tuple[str, str], taken: TakenDown
) -> None:
    def answer(_: object) -> Receipt:
        raise RuntimeError("oh")

    taken.answer = answer
    reply = await client.post(PATH, data=WHOLE, auth=auth)

    assert (reply.status_code, reply.json()) == (500, {"message": "Internal Server Error"})


@pytest.mark.parametrize("rule", [*RULES, *QUOTA_RULES])
def test_every_refusal_of_a_message_has_a_status(rule: str) -> None:
    status = (RULES | QUOTA_RULES)[rule][0]
    refusal = rejected(Rejected(rule, status, "Because."), "news.example.com", NOW)

    assert "Because." in refusal.text
    assert 400 <= refusal.status < 500
    assert (refusal.status == 429) is status.startswith("4")
    assert (refusal.retry_after_s is not None) is status.startswith("4")


def test_a_full_quota_says_when_it_begins_anew() -> None:
    refusal = rejected(Rejected("daily_quota", "4.7.1", "Full."), "news.example.com", NOW)

    assert refusal.text == (
        "Domain news.example.com is not allowed to send: recipient limit exceeded, "
        "try again after Fri, 29 May 2026 00:00:00 +0000. Full."
    )
    assert refusal.retry_after_s == 12_800


async def test_a_large_file_is_read_from_disk_and_leaves_nothing(
    client: httpx2.AsyncClient, auth: tuple[str, str], taken: TakenDown, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    octets = bytes(range(256)) * 20_000
    reply = await client.post(PATH, data=WHOLE, files={"attachment": ("a.bin", octets)}, auth=auth)

    assert reply.status_code == 200
    assert len(taken.submitted[0].content) > len(octets) * 4 // 3
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("place", ["/dev/full", "/nowhere/file"])
async def test_a_large_call_that_the_disk_does_not_take_asks_for_another_try(
    client: httpx2.AsyncClient,
    auth: tuple[str, str],
    taken: TakenDown,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    # One finds no room for what is written, the other none for a file.
    spool = partial(Path(place).open, "w+b")
    monkeypatch.setattr("postroad.httpd.api.uploads.tempfile.TemporaryFile", lambda **_: spool())
    file = {"attachment": ("a.bin", b"x" * 3_000_000)}
    reply = await client.post(PATH, data=WHOLE, files=file, auth=auth)

    assert (reply.status_code, reply.headers["retry-after"], taken.submitted) == (503, "10", [])
    assert reply.json() == {"message": "The request cannot be kept at the moment; nothing was stored: try again soon."}
    monkeypatch.undo()
    assert (await client.post(PATH, data=WHOLE, files=file, auth=auth)).status_code == 200


async def test_files_of_more_than_a_message_may_have_are_refused(
    client: httpx2.AsyncClient, auth: tuple[str, str]
) -> None:
    reply = await client.post(PATH, data=WHOLE, files={"attachment": ("a.bin", b"x" * 26_214_401)}, auth=auth)

    assert reply.status_code == 413
    assert reply.json() == {"message": "the files have 26214401 octets; a message has at most 26214400"}


async def test_bodies_have_their_bounds(
    check: ApiKeyCheck, auth: tuple[str, str], domain: SendingDomain, tmp_path: Path
) -> None:
    limits = msgspec.structs.replace(LIMITS, largest=4_000_000, on_disk=2_000_000)
    app = api_app(api_services(check, limits=limits, folder=tmp_path))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="http://api.example.net", auth=auth
    ) as client:
        announced = await client.post(PATH, data=WHOLE | {"html": "x" * 4_000_000})

        async def endless() -> AsyncIterator[bytes]:
            yield b"text="
            while True:
                yield b"x" * 65_536

        form = {"Content-Type": "application/x-www-form-urlencoded"}
        unannounced = await client.post(PATH, content=endless(), headers=form)
        spooled = await client.post(PATH, data=WHOLE | {"html": "x" * 3_000_000})
        after = await client.post(PATH, data=WHOLE | {"html": "x" * 1_500_000})

    assert (announced.status_code, announced.headers["connection"]) == (413, "close")
    assert announced.json() == {"message": "request size exceeds 3.8MiB limit"}
    # Its spool was full before its end was in sight.
    assert unannounced.status_code == 503
    assert (spooled.status_code, spooled.headers["retry-after"]) == (503, "10")
    assert spooled.json() == {"message": "Too much is being sent at the moment; try again soon."}
    assert after.status_code == 200
    assert json.loads(after.text)["message"] == "Queued. Thank you."
