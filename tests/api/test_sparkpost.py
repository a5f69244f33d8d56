"""SparkPost's API as its callers meet it: keys, statuses, and what is too much."""

import base64
import gzip
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.dialects.sparkpost.submission import read_transmission
from postroad.httpd.api.app import api_app
from postroad.httpd.api.sparkpost import transmissions
from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain
from postroad.model.ids import text_of
from postroad.model.submission import Rejected

from .services import LIMITS, Receipt, TakenDown, api_services

PATH = "/api/v1/transmissions"
WHOLE: dict[str, Any] = {
    "recipients": [{"address": "b@x.example"}],
    "content": {"from": "a@news.example.com", "subject": "Hi", "text": "Hello."},
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
async def key(keys: ApiKeys, domain: SendingDomain) -> str:
    return str((await keys.add_for_domain(SYSTEM, domain.name)).text)


def faults(answer: httpx2.Response) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.json()["errors"]
    return found


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
async def test_a_transmission_is_answered_with_its_id(
    path: str, client: httpx2.AsyncClient, key: str, taken: TakenDown
) -> None:
    taken.answer = lambda _: Receipt(77, "<77@news.example.com>")
    answer = await client.post(path, json=WHOLE, headers={"Authorization": key, "X-MSYS-SUBACCOUNT": "1"})
    assert answer.status_code == 200
    assert answer.json() == {
        "results": {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": text_of(77)}
    }
    [submission] = taken.submitted
    assert (submission.client.channel, submission.envelope.reverse_path) == ("sparkpost", "a@news.example.com")


async def test_several_messages_have_the_id_of_the_first_and_one_batch(
    client: httpx2.AsyncClient, key: str, taken: TakenDown
) -> None:
    two = [{"address": {"email": f"{name}@x.example", "header_to": f"l-{name}@x.example"}} for name in "ab"]
    taken.answer = lambda one: Receipt(len(taken.submitted) + len(one.envelope.recipients), "<x@news.example.com>")
    answer = await client.post(PATH, json=WHOLE | {"recipients": two}, headers={"Authorization": key})
    assert answer.json()["results"]["total_accepted_recipients"] == 2
    first, second = (one.options for one in taken.submitted)
    assert not isinstance(first, str)
    assert first.batch_id is not None  # type: ignore[union-attr]
    assert first.batch_id == second.batch_id  # type: ignore[union-attr]


async def test_keys_are_asked_for_and_their_domain_holds(
    client: httpx2.AsyncClient, key: str, keys: ApiKeys, domain: SendingDomain, taken: TakenDown
) -> None:
    basic = base64.b64encode(f"{key}:".encode()).decode()
    for header in ("", "none", "Basic bm9uZTo="):
        answer = await client.post(PATH, json=WHOLE, headers={"Authorization": header} if header else {})
        assert (answer.status_code, answer.json()) == (401, {"errors": [{"message": "Unauthorized."}]})
    assert (await client.post(PATH, json=WHOLE, headers={"Authorization": f"Bearer {key}"})).status_code == 200
    # SparkPost's Basic has the key as the user.
    assert (await client.post(PATH, json=WHOLE, headers={"Authorization": f"Basic {basic}"})).status_code == 200
    account = {"Authorization": str((await keys.add_for_account(SYSTEM, domain.account_id)).text)}
    assert (await client.post(PATH, json=WHOLE, headers=account)).status_code == 200
    assert any("whole account" in note for note in taken.submitted[-1].option_notes)
    foreign = WHOLE | {"content": {"from": "a@other.example", "subject": "x", "text": "x"}}
    answer = await client.post(PATH, json=foreign, headers=account)
    assert (answer.status_code, faults(answer)[0]["code"]) == (400, "7001")
    answer = await client.post(PATH, json=WHOLE | {"content": {}}, headers=account)
    assert (answer.status_code, faults(answer)[0]["code"]) == (422, "1400")


async def test_recipients_that_are_none_are_told_as_many_as_wanted(client: httpx2.AsyncClient, key: str) -> None:
    call = WHOLE | {"recipients": [{"address": "b@x.example"}, "x", "y", {}]}
    for query, count in (("", 3), ("?num_rcpt_errors=2", 2), ("?num_rcpt_errors=0", 0)):
        answer = await client.post(PATH + query, json=call, headers={"Authorization": key})
        assert answer.status_code == 200
        assert faults(answer) == [{"message": "transmission created, but with validation errors", "code": "2000"}]
        results = answer.json()["results"]
        assert (results["total_rejected_recipients"], len(results["rcpt_to_errors"])) == (3, count)
    answer = await client.post(f"{PATH}?num_rcpt_errors=x", json=call, headers={"Authorization": key})
    assert (answer.status_code, faults(answer)[0]["code"]) == (400, "1300")


async def test_what_is_refused_is_noted_among_the_events(
    client: httpx2.AsyncClient, key: str, taken: TakenDown
) -> None:
    answer = await client.post(PATH, json=WHOLE | {"content": {"text": "{{x"}}, headers={"Authorization": key})
    assert answer.status_code == 422
    assert [one["code"] for one in faults(answer)] == ["1400", "3000", "1400"]
    assert [one.rule for one in taken.refused] == ["call_malformed"]
    assert not taken.submitted


@pytest.mark.parametrize(
    ("text", "is_aside"), [("Hello.", False), ("{{a}}", True), ("\\u007b{a}}", True), ("x" * 40_000, True)]
)
async def test_what_may_take_long_is_read_in_a_thread(
    text: str, is_aside: bool, client: httpx2.AsyncClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[bool] = []

    def read(*given: Any, **more: Any) -> Any:
        threads.append(threading.current_thread() is not threading.main_thread())
        return read_transmission(*given, **more)

    monkeypatch.setattr(transmissions, "read_transmission", read)
    body = json.dumps(WHOLE).replace("Hello.", text)
    answer = await client.post(PATH, content=body, headers={"Authorization": key, "Content-Type": "application/json"})
    assert (answer.status_code, threads) == (200, [is_aside])


async def test_a_refusal_of_admission_has_its_code(client: httpx2.AsyncClient, key: str, taken: TakenDown) -> None:
    taken.answer = lambda _: Rejected("hourly_quota", "4.7.1", "Too many.")
    answer = await client.post(PATH, json=WHOLE, headers={"Authorization": key})
    assert answer.status_code == 420
    assert faults(answer) == [{"message": "Exceed Sending Limit (hourly)", "description": "Too many.", "code": "2101"}]
    assert 0 < int(answer.headers["Retry-After"]) <= 3600


@pytest.mark.parametrize(
    ("body", "more", "status"),
    [
        (b"", {}, 400),
        (b"[" * 500_000, {}, 400),
        (b'{"metadata":' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}", {}, 400),
        (b"x", {"Content-Type": "text/plain"}, 415),
        (b"{}" + b" " * LIMIT, {}, 413),
        (gzip.compress(b"{}" + b" " * 50 * LIMIT, mtime=0), {"Content-Encoding": "gzip"}, 413),
        (gzip.compress(json.dumps(WHOLE).encode(), mtime=0), {"Content-Encoding": "gzip"}, 200),
        (b"{}", {"Content-Encoding": "br"}, 415),
    ],
    ids=["empty", "no end", "deep", "no JSON", "long", "bomb", "packed", "brotli"],
)
async def test_bodies_that_are_none_or_too_much(
    body: bytes, more: dict[str, str], status: int, client: httpx2.AsyncClient, key: str
) -> None:
    headers = {"Authorization": key, "Content-Type": "application/json"} | more
    answer = await client.post(PATH, content=body, headers=headers)
    assert answer.status_code == status
    assert status == 200 or faults(answer)[0]["message"]


async def test_what_is_not_there(client: httpx2.AsyncClient, key: str) -> None:
    headers = {"Authorization": key}
    for method, path, status in (
        ("GET", f"{PATH}/0000000000000", 404),
        ("DELETE", f"{PATH}/none", 404),
        ("GET", "/api/v1/none", 404),
        ("PUT", PATH, 405),
    ):
        answer = await client.request(method, path, headers=headers)
        assert answer.status_code == status, (method, path)
        assert faults(answer)
