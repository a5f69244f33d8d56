"""SendGrid's API as its callers meet it: keys, statuses, and what is too much."""

import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.dialects.sendgrid.errors import rejected
from postroad.httpd.api.app import api_app
from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain
from postroad.model.ids import text_of
from postroad.model.options import Options
from postroad.model.send_batch import BatchStatus, SendBatch
from postroad.model.submission import Rejected
from postroad.model.unsubscribe_group import MailGroup
from postroad.policy.admission import RULES
from postroad.policy.quota import RULES as QUOTA_RULES
from postroad.storage import domains
from postroad.storage.database import Database
from postroad.suppressions.groups import Groups

from .services import LIMITS, NOW, Receipt, TakenDown, api_services

PATH = "/v3/mail/send"
WHOLE: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "b@x.example"}]}],
    "from": {"email": "a@news.example.com"},
    "subject": "Hi",
    "content": [{"type": "text/plain", "value": "Hello."}],
}
LIMIT = 1024 * 1024


@pytest.fixture
def taken() -> TakenDown:
    return TakenDown()


@pytest.fixture
async def client(check: ApiKeyCheck, taken: TakenDown, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    limits = msgspec.structs.replace(LIMITS, largest=LIMIT)
    app = api_app(api_services(check, taken, folder=tmp_path, limits=limits))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app, client=("192.0.2.9", 50000), raise_app_exceptions=False),
        base_url="http://api.example.net",
    ) as made:
        yield made


@pytest.fixture
async def auth(keys: ApiKeys, domain: SendingDomain) -> dict[str, str]:
    return {"Authorization": f"Bearer {(await keys.add_for_domain(SYSTEM, domain.name)).text}"}


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
async def test_a_call_is_answered_with_an_id_alone(
    path: str, client: httpx2.AsyncClient, auth: dict[str, str], taken: TakenDown, domain: SendingDomain
) -> None:
    taken.answer = lambda _: Receipt(7, "<7@news.example.com>")
    reply = await client.post(path, json=WHOLE, headers=auth)
    assert (reply.status_code, reply.content, reply.headers["x-message-id"]) == (202, b"", text_of(7))
    [submission] = taken.submitted
    assert (submission.principal.domain_id, submission.client.channel) == (domain.id, "sendgrid")
    assert submission.envelope.reverse_path == "a@news.example.com"


async def test_what_is_checked_only_is_not_kept(
    client: httpx2.AsyncClient, auth: dict[str, str], taken: TakenDown
) -> None:
    sandboxed = WHOLE | {"mail_settings": {"sandbox_mode": {"enable": True}}}
    reply = await client.post(PATH, json=sandboxed, headers=auth)
    assert (reply.status_code, reply.content, taken.submitted) == (200, b"", [])


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "authorization required"),
        ("Bearer", "authorization required"),
        ("Bearer SG.none", "The provided authorization grant is invalid, expired, or revoked"),
    ],
)
async def test_who_is_not_proven_is_told_so(header: str, message: str, client: httpx2.AsyncClient) -> None:
    reply = await client.post(PATH, json=WHOLE, headers={"Authorization": header})
    assert reply.status_code == 401
    assert reply.json() == {"errors": [{"message": message, "field": None, "help": None}]}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", PATH, 405), ("POST", "/v3/mail/none", 404), ("POST", "/v3/user/none", 404)]
)
async def test_other_paths_and_methods_are_refused_in_the_same_shape(
    method: str, path: str, status: int, client: httpx2.AsyncClient, auth: dict[str, str]
) -> None:
    reply = await client.request(method, path, headers=auth)
    assert reply.status_code == status
    assert set(reply.json()["errors"][0]) == {"message", "field", "help"}


async def test_a_call_of_another_type_is_refused(client: httpx2.AsyncClient, auth: dict[str, str]) -> None:
    reply = await client.post(PATH, content=b"x", headers=auth | {"Content-Type": "text/plain"})
    assert reply.status_code == 415


async def test_refused_calls_are_told_of(client: httpx2.AsyncClient, auth: dict[str, str], taken: TakenDown) -> None:
    reply = await client.post(PATH, json=WHOLE | {"subject": 1}, headers=auth)
    assert reply.status_code == 400
    [told] = taken.refused
    assert (told.rule, told.text) == (
        "call_malformed",
        "subject: The subject parameter must be a string, not a number.",
    )


async def test_each_refused_message_is_named_by_its_personalization(
    client: httpx2.AsyncClient, auth: dict[str, str], taken: TakenDown
) -> None:
    rule = "header_from_not_aligned"
    taken.answer = lambda submission: (
        Rejected(rule, RULES[rule][0], "No.") if submission.options.deliver_at else Receipt(1, "<1@x>")  # type: ignore[union-attr]
    )
    later = {"to": [{"email": "c@x.example"}], "send_at": 1_790_000_000}
    reply = await client.post(
        PATH, json=WHOLE | {"personalizations": [*WHOLE["personalizations"], later]}, headers=auth
    )
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (403, "personalizations.1.from")


@pytest.mark.parametrize(("given_by", "place"), [("send_at", "send_at"), ("X-OV-Expires", "headers.X-OV-Expires")])
async def test_an_option_that_is_refused_is_named_by_its_field(
    client: httpx2.AsyncClient, auth: dict[str, str], taken: TakenDown, given_by: str, place: str
) -> None:
    rule = "option_malformed"
    taken.answer = lambda _: Rejected(rule, RULES[rule][0], f"{given_by} is more than 30 days ahead.")
    reply = await client.post(PATH, json=WHOLE, headers=auth)
    told = {"message": f"{given_by} is more than 30 days ahead.", "field": place, "help": None}
    assert (reply.status_code, reply.json()["errors"]) == (400, [told])


async def test_gzip_is_unpacked_within_the_bound(client: httpx2.AsyncClient, auth: dict[str, str]) -> None:
    headers = auth | {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    reply = await client.post(PATH, content=gzip.compress(json.dumps(WHOLE).encode()), headers=headers)
    assert reply.status_code == 202
    bomb = gzip.compress(b" " * (LIMIT * 4))
    reply = await client.post(PATH, content=bomb, headers=headers)
    assert (reply.status_code, reply.json()["errors"][0]["message"]) == (413, "request size exceeds 1.0MiB limit")
    reply = await client.post(PATH, content=bomb, headers=headers | {"Content-Encoding": "br"})
    assert reply.status_code == 415


async def test_a_million_values_are_refused(client: httpx2.AsyncClient, auth: dict[str, str]) -> None:
    reply = await client.post(PATH, content=b"[" + b"[]," * 300_000, headers=auth)
    assert (reply.status_code, reply.json()["errors"][0]["message"]) == (
        413,
        "The request has more than 500,000 values.",
    )


async def test_a_batch_belongs_to_its_domain(client: httpx2.AsyncClient, auth: dict[str, str], keys: ApiKeys) -> None:
    made = await client.post("/v3/mail/batch", headers=auth)
    assert made.status_code == 201
    batch_id = made.json()["batch_id"]
    sends = f"/v3/user/scheduled_sends/{batch_id}"
    assert (await client.get(sends, headers=auth)).json() == []
    assert (await client.patch(sends, json={"status": "cancel"}, headers=auth)).status_code == 404
    wrong = await client.post("/v3/user/scheduled_sends", json={"batch_id": batch_id, "status": "x"}, headers=auth)
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "status")
    pause = {"batch_id": batch_id, "status": "pause"}
    assert (await client.post("/v3/user/scheduled_sends", json=pause, headers=auth)).status_code == 201
    assert (await client.post("/v3/user/scheduled_sends", json=pause, headers=auth)).status_code == 400
    assert (await client.patch(sends, json={"status": "cancel"}, headers=auth)).status_code == 204
    assert (await client.get(sends, headers=auth)).json() == [{"batch_id": batch_id, "status": "cancel"}]
    assert (await client.delete(sends, headers=auth)).status_code == 204
    assert (await client.get("/v3/user/scheduled_sends", headers=auth)).json() == []
    assert (await client.get("/v3/mail/batch/none", headers=auth)).status_code == 400


@pytest.mark.parametrize("rule", [*RULES, *QUOTA_RULES])
def test_every_rule_has_a_status(rule: str) -> None:
    enhanced = (RULES | QUOTA_RULES)[rule][0]
    refusal = rejected([(Rejected(rule, enhanced, "Why."), None)], NOW)
    expected = {429} if enhanced.startswith("4") else {400, 403, 413}
    assert refusal.status in expected
    assert (refusal.retry_after_s is not None) == (refusal.status == 429)


@pytest.mark.parametrize(("before", "meanwhile"), [(None, "pause"), ("pause", None), (None, "cancel")])
async def test_what_is_asked_of_a_batch_while_a_call_is_stored_holds_for_it_too(
    before: str | None, meanwhile: str | None, check: ApiKeyCheck, auth: dict[str, str], tmp_path: Path
) -> None:
    services = api_services(check, folder=tmp_path)
    carried: list[object] = []

    class Watched:
        """The batches, whose status changes while a call is on its way."""

        def __init__(self) -> None:
            self.asked = 0

        async def get(self, domain_id: int, batch_id: str) -> SendBatch:
            self.asked += 1
            status = before if self.asked == 1 else meanwhile
            return SendBatch(
                id=batch_id,
                account_id=1,
                domain_id=domain_id,
                status=None if status is None else BatchStatus(status),
                created_at=1,
            )

        async def carry_out(self, _actor: object, _batch: object, status: object) -> None:
            carried.append(status)

    app = api_app(msgspec.structs.replace(services, batches=Watched()))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x.example") as client:
        reply = await client.post(PATH, json=WHOLE | {"batch_id": "b-1"}, headers=auth)
    assert reply.status_code == 202
    assert carried == [None if meanwhile is None else BatchStatus(meanwhile)]


async def test_mail_is_of_a_group_of_its_domain(
    client: httpx2.AsyncClient, auth: dict[str, str], taken: TakenDown, database: Database, domain: SendingDomain
) -> None:
    groups = Groups(database, lambda: NOW)
    other = await database.write(domains.add, msgspec.structs.replace(domain, id=0, name="shop.example.com"))
    mine, theirs = await groups.add(SYSTEM, domain, "Weekly"), await groups.add(SYSTEM, other, "Weekly")

    async def answer_to(group_id: int) -> tuple[int, str | None]:
        reply = await client.post(PATH, json=WHOLE | {"asm": {"group_id": group_id}}, headers=auth)
        return reply.status_code, None if reply.status_code == 202 else reply.json()["errors"][0]["field"]

    assert await answer_to(mine.id) == (202, None)
    asked = [one.options for one in taken.submitted]
    assert [one.group for one in asked if isinstance(one, Options)] == [MailGroup(mine.id, "Weekly")]
    assert taken.submitted[0].option_sources["group"] == "asm.group_id"
    for wrong in (theirs.id, theirs.id + 1, 2**80, -1):
        assert await answer_to(wrong) == (400, "asm.group_id")
    assert len(taken.submitted) == 1
    assert [one.rule for one in taken.refused] == ["call_malformed"] * 4
