"""Too many calls of a key, and too many wrong keys from one place, are refused for a while in each dialect's shape."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.httpd.api.app import api_app
from postroad.httpd.api.limits import CallLimits
from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain

from .services import NOW, api_services

CALLS = "This API key makes too many calls; try again later."
WRONG = "Too many wrong API keys came from this address; try again later."
Dialect = tuple[str, str, Callable[[Any], str]]
DIALECTS: list[Dialect] = [
    ("GET", "/api/postroad/v1/key", lambda said: said["detail"]),
    ("POST", "/v3/news.example.com/messages", lambda said: said["message"]),
    ("GET", "/v3/user/scheduled_sends", lambda said: said["errors"][0]["message"]),
    ("GET", "/api/v1/transmissions/none", lambda said: said["errors"][0]["description"]),
]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@asynccontextmanager
async def calling(
    check: ApiKeyCheck, limits: CallLimits, address: str = "192.0.2.9"
) -> AsyncIterator[httpx2.AsyncClient]:
    app = api_app(api_services(check, call_limits=limits))
    transport = httpx2.ASGITransport(app=app, client=(address, 50000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://api.example.net") as client:
        yield client


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_key_that_calls_too_often_waits(
    dialect: Dialect, check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain
) -> None:
    method, path, said = dialect
    clock = Clock()
    first, second = [
        {"Authorization": f"Bearer {(await keys.add_for_domain(SYSTEM, domain.name)).text}"} for _ in range(2)
    ]
    async with calling(check, CallLimits(clock, calls_per_minute=3, failures_per_minute=0)) as client:
        assert 429 not in [(await client.request(method, path, headers=first)).status_code for _ in range(3)]
        reply = await client.request(method, path, headers=first)
        assert (reply.status_code, said(reply.json()), reply.headers["retry-after"]) == (429, CALLS, "20")
        assert (await client.request(method, path, headers=second)).status_code != 429
        clock.now += 20_000
        assert (await client.request(method, path, headers=first)).status_code != 429
        assert (await client.request(method, path, headers=first)).status_code == 429


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_who_tries_wrong_keys_waits_and_costs_no_look_up(
    dialect: Dialect, check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, path, said = dialect
    known, other = [
        {"Authorization": f"Bearer {(await keys.add_for_domain(SYSTEM, domain.name)).text}"} for _ in range(2)
    ]
    wrong = {"Authorization": known["Authorization"][:-4] + "xxxx"}
    limits = CallLimits(lambda: NOW, calls_per_minute=0, failures_per_minute=2)
    async with calling(check, limits) as client, calling(check, limits, "198.51.100.1") as elsewhere:
        assert (await client.request(method, path, headers=known)).status_code != 429
        assert [(await client.request(method, path, headers=wrong)).status_code for _ in range(2)] == [401, 401]

        async def verify(*_arguments: object) -> None:
            raise AssertionError("a key was looked up")

        with monkeypatch.context() as patched:
            patched.setattr(check, "verify", verify)
            for headers in (wrong, other):
                reply = await client.request(method, path, headers=headers)
                assert (reply.status_code, said(reply.json()), reply.headers["retry-after"]) == (429, WRONG, "30")
        assert (await client.request(method, path, headers=known)).status_code not in {401, 429}
        assert (await elsewhere.request(method, path, headers=other)).status_code not in {401, 429}


def test_what_is_remembered_is_bounded() -> None:
    limits = CallLimits(lambda: NOW, calls_per_minute=1, failures_per_minute=1)
    for key_id in range(50_100):
        assert limits.take_call(key_id) is None
    assert len(limits._calls._free_at) == 50_000
    assert limits.take_call(50_099) == 60
    assert limits.take_call(0) is None


def test_zero_is_no_limit() -> None:
    limits = CallLimits(lambda: NOW, calls_per_minute=0, failures_per_minute=0)
    assert {limits.take_call(1) for _ in range(100)} == {None}
    limits.note_failure("192.0.2.9")
    assert limits.blocked_for("192.0.2.9") is None
