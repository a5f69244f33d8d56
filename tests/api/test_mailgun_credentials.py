"""Mailgun's calls that manage SMTP users and API keys."""

from typing import Any

import argon2
import httpx2
import pytest

from postroad.accounts.api_keys import ApiKeys
from postroad.accounts.smtp_users import SmtpUsers
from postroad.model.actor import SYSTEM
from postroad.model.credential import Secret
from postroad.model.domain import DomainState, SendingDomain
from postroad.storage import domains, smtp_users
from postroad.storage.database import Database

from .services import NOW

PATH = "/v3/domains/news.example.com/credentials"
PASSWORD = "Secret!word"


async def test_smtp_users_are_added_listed_changed_and_removed(client: httpx2.AsyncClient, database: Database) -> None:
    for login in ("bob", "Alice@news.example.com", "c+d"):
        made = await client.post(PATH, data={"login": login, "password": PASSWORD})
        assert (made.status_code, made.json()) == (200, {"message": "Created 1 credentials pair(s)"})
    listed = (await client.get(PATH)).json()
    assert listed["total_count"] == 3
    names = ["alice@news.example.com", "bob@news.example.com", "c+d@news.example.com"]
    assert [one["login"] for one in listed["items"]] == names
    assert set(listed["items"][0]) == {"login", "mailbox", "created_at", "size_bytes"}
    paged = (await client.get(f"{PATH}?limit=1&skip=1")).json()
    assert ([one["login"] for one in paged["items"]], paged["total_count"]) == (names[1:2], 3)

    changed = await client.put(f"{PATH}/bob", data={"password": "Another!word"})
    assert (changed.status_code, changed.json()) == (200, {"message": "Password changed"})
    user = await database.read(smtp_users.by_username, names[1])
    assert user is not None
    assert argon2.PasswordHasher().verify(user.password_hash, "Another!word")
    gone = await client.delete(f"{PATH}/c%2Bd%40news.example.com")
    assert gone.json() == {"message": "Credentials have been deleted", "spec": "c+d@news.example.com"}
    everyone = await client.delete(PATH)
    assert everyone.json() == {"message": "All domain credentials have been deleted", "count": 2}
    assert (await client.get(PATH)).json() == {"items": [], "total_count": 0}


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"password": PASSWORD}, "login parameter is missing"),
        ({"login": "bob"}, "password parameter is missing"),
        (
            {"login": "bob", "password": "abc12"},
            "The password needs at least 8 characters (it has 5), a capital letter and a special character.",
        ),
        ({"login": "taken", "password": PASSWORD}, "There is an SMTP user taken@news.example.com already."),
        (
            {"login": "x@foreign.example", "password": PASSWORD},
            "x@foreign.example cannot be used here: choose a name at a domain of your own.",
        ),
    ],
)
async def test_a_user_that_cannot_be_is_refused(
    form: dict[str, str], sentence: str, client: httpx2.AsyncClient, foreign: SendingDomain
) -> None:
    await client.post(PATH, data={"login": "taken", "password": PASSWORD})
    reply = await client.post(PATH, data=form)
    assert (reply.status_code, reply.json()) == (400, {"message": sentence})
    assert (await client.get(PATH)).json()["total_count"] == 1
    if "password" not in sentence.lower():
        return
    weak = await client.put(f"{PATH}/taken", data={"password": form.get("password", "")})
    assert (weak.status_code, weak.json()) == (400, {"message": sentence})


async def test_users_of_other_domains_do_not_exist(
    client: httpx2.AsyncClient, domain: SendingDomain, foreign: SendingDomain, database: Database
) -> None:
    more = SendingDomain(
        id=0, account_id=domain.account_id, name="more.example.com", state=DomainState.ACTIVE, created_at=NOW
    )
    await database.write(domains.add, more)
    users = SmtpUsers(database, lambda: NOW)
    for name in ("a@foreign.example", "a@more.example.com"):
        await users.add(SYSTEM, name, password=Secret(PASSWORD))
    for login in ("a@foreign.example", "a@more.example.com", "nobody", "a b"):
        for method, form in (("PUT", {"password": PASSWORD}), ("DELETE", None)):
            reply = await client.request(method, f"{PATH}/{login}", data=form)
            assert reply.status_code == 404, (login, reply.text)
    assert len(await users.all(SYSTEM)) == 2


async def test_api_keys_are_made_listed_and_deleted(
    client: httpx2.AsyncClient, domain: SendingDomain, foreign: SendingDomain, keys: ApiKeys
) -> None:
    await keys.add_for_domain(SYSTEM, foreign.name)
    form = {"role": "sending", "kind": "domain", "domain_name": "news.example.com", "description": "Shop"}
    made = await client.post("/v1/keys", data=form)
    assert made.status_code == 200, made.text
    told = made.json()
    assert told["key"]["secret"] == told["secret"]
    assert told["secret"].startswith("prd_")
    assert told["key"] == told["key"] | {
        "kind": "domain",
        "role": "sending",
        "domain_name": "news.example.com",
        "description": "Shop",
        "is_disabled": False,
    }
    admin = (await client.post("/v1/keys", data={"role": "admin", "kind": "user"})).json()
    assert (admin["secret"][:4], admin["domain_name"]) == ("pra_", None)

    async def listed(query: str) -> list[str]:
        reply = (await client.get(f"/v1/keys{query}")).json()
        assert reply["total_count"] == len(reply["items"])
        assert "secret" not in str(reply)
        return [one["id"] for one in reply["items"]]

    assert (await listed(""))[:2] == [admin["id"], told["id"]]
    assert len(await listed("")) == 3
    assert await listed("?kind=domain") == [told["id"]]
    assert await listed("?domain_name=news.example.com") == [told["id"]]
    assert (await client.get("/v1/keys?domain_name=foreign.example")).status_code == 404
    gone = await client.delete(f"/v1/keys/{told['id']}")
    assert (gone.status_code, gone.json()) == (200, {"message": "key deleted"})
    assert told["id"] not in await listed("")


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ({}, "role parameter is missing"),
        ({"role": "developer"}, "role cannot be developer"),
        ({"role": "sending"}, "domain_name parameter is missing"),
        ({"role": "admin", "domain_name": "news.example.com"}, "a key with the role admin is not of one domain"),
        ({"role": "admin", "kind": "domain"}, "a key with the role admin is not of one domain"),
        ({"role": "admin", "kind": "robot"}, "kind must be one of domain, user, web"),
        ({"role": "admin", "expiration": "3600"}, "expiration cannot be kept"),
        ({"role": "admin", "description": "x" * 501}, "A note has at most 500 characters"),
    ],
)
async def test_a_key_that_cannot_be_is_refused(
    form: dict[str, Any], beginning: str, client: httpx2.AsyncClient
) -> None:
    reply = await client.post("/v1/keys", data=form)
    assert (reply.status_code, reply.json()["message"][: len(beginning)]) == (400, beginning)
    assert (await client.get("/v1/keys")).json()["total_count"] == 1


async def test_a_key_of_the_account_makes_none_that_reaches_further(
    client: httpx2.AsyncClient, keys: ApiKeys, domain: SendingDomain
) -> None:
    bound = await keys.add_for_account(SYSTEM, domain.account_id, networks="192.0.2.0/24")
    client.auth = ("api", str(bound.text))
    made = await client.post("/v1/keys", data={"role": "admin", "kind": "user"})
    assert made.status_code == 200, made.text
    assert (await keys.get(SYSTEM, int(made.json()["id"]))).networks == ("192.0.2.0/24",)


async def test_keys_of_others_do_not_exist(client: httpx2.AsyncClient, foreign: SendingDomain, keys: ApiKeys) -> None:
    theirs = (await keys.add_for_domain(SYSTEM, foreign.name)).key
    for key_id in (theirs.id, "0", "x", "9" * 30):
        assert (await client.delete(f"/v1/keys/{key_id}")).status_code == 404
    assert [one.id for one in await keys.all(SYSTEM, domain_id=foreign.id)] == [theirs.id]
    made = await client.post("/v1/keys", data={"role": "sending", "domain_name": "foreign.example"})
    assert made.status_code == 404
