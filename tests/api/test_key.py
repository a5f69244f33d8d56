"""A program proves itself by its key, and is told what is wrong with it."""

import argon2
import pytest
from prometheus_client import CollectorRegistry

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.accounts.smtp_users import SmtpUsers
from postroad.model.actor import SYSTEM
from postroad.model.credential import Secret
from postroad.model.domain import SendingDomain
from postroad.storage import accounts
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable

from .conftest import NOW, calling_from

PATH = "/api/postroad/v1/key"
CLIENT = "192.0.2.9"


async def test_a_domain_key_learns_what_it_is(check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain) -> None:
    added = await keys.add_for_domain(SYSTEM, domain.name, note="shop", networks="192.0.2.0/24")
    async with calling_from(check, CLIENT) as client:
        reply = await client.get(PATH, headers={"Authorization": f"Bearer {added.text!s}"})

    assert reply.status_code == 200
    assert reply.json() == {
        "prefix": added.key.prefix,
        "kind": "domain",
        "account": "acme",
        "domain": domain.name,
        "note": "shop",
        "networks": ["192.0.2.0/24"],
        "created_at": "2026-05-28T20:26:40Z",
        "client_address": CLIENT,
    }
    assert reply.headers["cache-control"] == "no-store"
    assert added.text not in reply.text


async def test_an_account_key_learns_that_it_has_no_domain(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain
) -> None:
    added = await keys.add_for_account(SYSTEM, domain.account_id)
    async with calling_from(check, "2001:db8::9") as client:
        reply = await client.get(PATH, headers={"Authorization": str(added.text)})

    assert (reply.json()["kind"], reply.json()["domain"]) == ("account", None)
    assert reply.json()["client_address"] == "2001:db8::9"


async def test_each_shape_of_the_header_is_taken(check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain) -> None:
    text = str((await keys.add_for_domain(SYSTEM, domain.name)).text)
    async with calling_from(check, CLIENT) as client:
        statuses = [
            (await client.get(PATH, headers={"Authorization": f"Bearer {text}"})).status_code,
            (await client.get(PATH, headers={"Authorization": text})).status_code,
            (await client.get(PATH, auth=("api", text))).status_code,
            (await client.get(PATH, auth=("anybody", text))).status_code,
        ]

    assert statuses == [200, 200, 200, 200]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Digest abc")],
        [("Authorization", "Bearer prd_nothing")],
        [("Authorization", "prd_nothing")],
        [("Authorization", "Basic YXBpOnByZF9ub3RoaW5n")],
        [("Authorization", "Bearer KEY"), ("Authorization", "Bearer KEY")],
        [("X-Api-Key", "KEY")],
    ],
)
async def test_without_a_key_that_is_known_nothing_is_said(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, headers: list[tuple[str, str]]
) -> None:
    text = str((await keys.add_for_domain(SYSTEM, domain.name)).text)
    sent = [(name, value.replace("KEY", text)) for name, value in headers]
    async with calling_from(check, CLIENT) as client:
        reply = await client.get(PATH, headers=sent)

    assert reply.status_code == 401
    assert list(reply.json()) == ["title", "status", "detail"]
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["www-authenticate"].startswith('Bearer realm="Postroad"')
    assert 'Basic realm="Postroad"' in reply.headers["www-authenticate"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/postroad/v1/messages",
        "/v3/news.example.com/messages",
        "/v3/mail/send",
        "/api/v1/transmissions",
    ],
)
async def test_what_an_smtp_user_logs_in_with_opens_no_api(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, database: Database, path: str
) -> None:
    name, password = f"app@{domain.name}", "Quiet-harbour-41"
    added = await SmtpUsers(database, lambda: NOW).add(SYSTEM, name, password=Secret(password))
    assert argon2.PasswordHasher().verify(added.user.password_hash, password)
    key = str((await keys.add_for_domain(SYSTEM, domain.name)).text)
    await check.refresh()

    async with calling_from(check, CLIENT) as client:
        for pair in ((name, password), ("api", password), (password, ""), (name, "")):
            assert (await client.post(path, auth=pair)).status_code == 401, pair
        assert (await client.post(path, headers={"Authorization": f"Bearer {password}"})).status_code == 401
        # A key is taken under that name, and what is missing then is a message.
        assert (await client.post(path, headers={"Authorization": f"Bearer {key}"})).status_code in {400, 415, 422}


async def test_a_key_in_the_url_is_not_taken(check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain) -> None:
    text = str((await keys.add_for_domain(SYSTEM, domain.name)).text)
    async with calling_from(check, CLIENT) as client:
        assert (await client.get(PATH, params={"key": text, "access_token": text})).status_code == 401


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("192.0.2.9", 200),
        ("::ffff:192.0.2.9", 200),
        ("2001:db8:7::1", 200),
        ("198.51.100.1", 403),
        ("2001:db8:8::1", 403),
    ],
)
async def test_a_key_with_networks_is_taken_from_them_alone(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, address: str, status: int
) -> None:
    added = await keys.add_for_domain(SYSTEM, domain.name, networks="192.0.2.0/24\n2001:db8:7::/48")
    async with calling_from(check, address) as client:
        reply = await client.get(PATH, headers={"Authorization": f"Bearer {added.text!s}"})

    assert reply.status_code == status
    if status == 403:
        assert reply.json()["detail"] == f"This API key may not be used from {address}."


async def test_a_header_of_the_client_does_not_say_where_it_is(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain
) -> None:
    added = await keys.add_for_domain(SYSTEM, domain.name, networks="192.0.2.0/24")
    headers = {"X-Forwarded-For": "192.0.2.9", "Forwarded": "for=192.0.2.9", "Authorization": str(added.text)}
    async with calling_from(check, "198.51.100.1") as client:
        assert (await client.get(PATH, headers=headers)).status_code == 403


async def test_a_suspended_account_is_told_so(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, database: Database, registry: CollectorRegistry
) -> None:
    added = await keys.add_for_domain(SYSTEM, domain.name)
    await database.write(accounts.set_suspended, domain.account_id, 5)
    async with calling_from(check, CLIENT) as client:
        reply = await client.get(PATH, headers={"Authorization": str(added.text)})

    assert (reply.status_code, reply.json()["detail"]) == (403, "The account of this API key is suspended.")
    assert registry.get_sample_value("postroad_api_keys_total", {"result": "suspended"}) == 1


async def test_other_paths_and_methods_are_refused_in_json(check: ApiKeyCheck) -> None:
    async with calling_from(check, CLIENT) as client:
        missing, posted = await client.get("/api/none"), await client.post(PATH)

    assert (missing.status_code, missing.json()["detail"]) == (404, "Not Found")
    assert (posted.status_code, posted.json()["detail"]) == (405, "Method Not Allowed")


async def test_a_lost_database_asks_for_another_try(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = await keys.add_for_domain(SYSTEM, domain.name)

    async def read(*_arguments: object) -> None:
        raise StorageUnavailable("gone")

    monkeypatch.setattr(database, "read", read)
    async with calling_from(check, CLIENT) as client:
        reply = await client.get(PATH, headers={"Authorization": str(added.text)})

    assert reply.status_code == 503
    assert reply.headers["retry-after"] == "5"
    assert "database" in reply.json()["detail"]
