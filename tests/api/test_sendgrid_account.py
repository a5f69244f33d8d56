"""What SendGrid's callers manage of an account beside its lists: API keys, sending domains and categories."""

from typing import Any

import httpx2
import pytest

from postroad.accounts.api_keys import ApiKeys
from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain
from postroad.model.event import Event, EventType
from postroad.storage import audit, counters
from postroad.storage.database import Database

from .sendgrid_callers import client, foreign, other, sending
from .services import NOW

__all__ = ["client", "foreign", "other", "sending"]

KEYS = "/v3/api_keys"
DOMAINS = "/v3/whitelabel/domains"


async def sent(database: Database, domain: SendingDomain, number: int, *tags: str) -> None:
    """Count a message with tags."""
    event = Event(
        id=number << 20,
        type=EventType.ACCEPTED,
        at=NOW,
        account_id=domain.account_id,
        domain_id=domain.id,
        message_id=number << 20,
        data={"tags": list(tags)},
    )
    await database.append_events([event])
    await database.write(counters.fold, 100)


async def test_categories_are_those_of_all_domains_by_name(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain, other: SendingDomain, foreign: SendingDomain
) -> None:
    await sent(database, domain, 1, "News", "receipts")
    await sent(database, other, 2, "news", "summer")
    await sent(database, foreign, 3, "theirs")
    listed = "/v3/categories"
    assert (await client.get(listed)).json() == [{"category": one} for one in ("news", "receipts", "summer")]
    assert (await client.get(listed, params={"limit": 1, "offset": 1})).json() == [{"category": "receipts"}]
    assert (await client.get(listed, params={"category": "SU"})).json() == [{"category": "summer"}]
    assert (await client.get(listed, params={"domain": other.name})).json() == [
        {"category": "news"},
        {"category": "summer"},
    ]
    for query in ({"limit": "0"}, {"limit": "501"}, {"offset": "-1"}):
        reply = await client.get(listed, params=query)
        assert (reply.status_code, reply.json()["errors"][0]["field"]) == (400, next(iter(query)))


async def test_scopes_are_those_of_the_key_that_calls(client: httpx2.AsyncClient, sending: dict[str, str]) -> None:
    mine = (await client.get("/v3/scopes")).json()["scopes"]
    theirs = (await client.get("/v3/scopes", headers=sending)).json()["scopes"]
    assert ("templates.create" in mine, "mail.send" in mine) == (True, False)
    assert ("templates.create" in theirs, "mail.send" in theirs) == (False, True)


async def test_a_key_that_sends_is_made_told_renamed_and_removed(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain
) -> None:
    made = await client.post(KEYS, json={"name": "shop", "scopes": ["mail.send"]})
    assert made.status_code == 201, made.text
    document = made.json()
    text = document.pop("api_key")
    own = {"Authorization": f"Bearer {text}"}
    assert (await client.get("/v3/scopes", headers=own)).json()["scopes"] == document["scopes"]
    one = f"{KEYS}/{document['api_key_id']}"
    shown = (await client.get(one)).json()
    assert shown.pop("result") == [document] == [shown]
    named = {"api_key_id": document["api_key_id"], "name": "till"}
    assert (await client.patch(one, json={"name": "till"})).json() == named
    assert named in (await client.get(KEYS)).json()["result"]
    assert (await client.put(one, json={"name": "pos", "scopes": ["mail.send"]})).json()["name"] == "pos"
    refused = await client.put(one, json={"name": "x", "scopes": (await client.get("/v3/scopes")).json()["scopes"]})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "scopes")
    assert (await client.get(one)).json()["name"] == "pos"
    assert (await client.delete(one)).status_code == 204
    assert (await client.get(one)).status_code == 404
    selector = audit.AuditSelector(account_id=domain.account_id, action="api_key")
    actions = [one.action for one in await database.read(audit.search, selector, 3)]
    assert actions == ["api_key.removed", "api_key.changed", "api_key.changed"]


async def test_a_key_of_the_account_makes_none_that_reaches_further(
    client: httpx2.AsyncClient, keys: ApiKeys, domain: SendingDomain
) -> None:
    bound = await keys.add_for_account(SYSTEM, domain.account_id, networks="127.0.0.0/8")
    own = {"Authorization": f"Bearer {bound.text}"}
    made = await client.post(KEYS, json={"name": "k"}, headers=own)
    assert made.status_code == 201, made.text
    assert (await keys.get(SYSTEM, int(made.json()["api_key_id"]))).networks == ("127.0.0.0/8",)


async def test_which_kind_a_key_is_of(
    client: httpx2.AsyncClient, keys: ApiKeys, domain: SendingDomain, other: SendingDomain
) -> None:
    whole = (await client.get("/v3/scopes")).json()["scopes"]

    async def domain_of(document: dict[str, Any], **query: str) -> int | None:
        reply = await client.post(KEYS, json={"name": "k"} | document, params=query)
        assert reply.status_code == 201, reply.text
        return (await keys.get(SYSTEM, int(reply.json()["api_key_id"]))).domain_id

    assert await domain_of({}) is None
    assert await domain_of({"scopes": [*whole, "2fa_required"]}) is None
    # Whoever acts for a domain makes no key for more than that.
    assert await domain_of({}, domain=other.name) == other.id
    assert await domain_of({"scopes": ["mail.send"]}, domain=domain.name) == domain.id
    listed = (await client.get(KEYS, params={"domain": other.name})).json()["result"]
    assert len(listed) == 1
    assert len((await client.get(KEYS, params={"limit": 2})).json()["result"]) == 2


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (None, "name"),
        ({"name": " "}, "name"),
        ({"name": 1}, "name"),
        ({"name": "x" * 101}, "name"),
        ([], None),
        ({"name": "x", "scopes": "mail.send"}, "scopes"),
        ({"name": "x", "scopes": [1]}, "scopes"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["2fa_required"]}, "scopes"),
        ({"name": "x", "scopes": ["templates.read"]}, "scopes"),
        ({"name": "x", "scopes": ["mail.send", "stats.read"]}, "scopes"),
        ({"name": "x", "scopes": ["mail.send"]}, "domain"),
    ],
)
async def test_what_is_no_key_is_refused(
    document: Any, field: str | None, client: httpx2.AsyncClient, other: SendingDomain
) -> None:
    before = (await client.get(KEYS)).json()
    reply = await client.post(KEYS, json=document)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (400, field)
    assert (await client.get(KEYS)).json() == before


async def test_keys_and_domains_of_others_are_none(
    client: httpx2.AsyncClient, keys: ApiKeys, sending: dict[str, str], foreign: SendingDomain
) -> None:
    theirs = (await keys.add_for_account(SYSTEM, foreign.account_id)).key.id
    for path in (f"{KEYS}/{theirs}", f"{KEYS}/x", f"{KEYS}/{'9' * 30}", f"{DOMAINS}/{foreign.id}", f"{DOMAINS}/x"):
        methods = ("GET", "DELETE", "PATCH", "PUT") if path.startswith(KEYS) else ("GET", "DELETE")
        for method in methods:
            assert (await client.request(method, path, json={"name": "x"})).status_code == 404, path
            assert (await client.request(method, path, json={"name": "x"}, headers=sending)).status_code == 403
    assert (await client.post(f"{DOMAINS}/{foreign.id}/validate")).status_code == 404
    assert (await keys.get(SYSTEM, theirs)).note == ""
    assert len((await client.get(KEYS)).json()["result"]) == 2
    for path in (KEYS, DOMAINS, "/v3/categories"):
        assert (await client.get(path, headers=sending)).status_code == 403


async def test_a_domain_is_added_checked_and_removed(client: httpx2.AsyncClient, domain: SendingDomain) -> None:
    made = await client.post(
        DOMAINS, json={"domain": "Mail.Example.org", "subdomain": "em", "automatic_security": True}
    )
    assert made.status_code == 201, made.text
    document = made.json()
    assert {name: document[name] for name in ("domain", "valid", "legacy")} == {
        "domain": "mail.example.org",
        "valid": False,
        "legacy": False,
    }
    record = document["dns"]["dkim1"]
    assert record["host"].endswith("._domainkey.mail.example.org")
    assert (record["type"], record["valid"], record["data"].partition(";")[0]) == ("txt", False, "v=DKIM1")
    one = f"{DOMAINS}/{document['id']}"
    assert (await client.get(one)).json() == document
    assert [each["domain"] for each in (await client.get(DOMAINS)).json()] == ["mail.example.org", domain.name]
    assert [each["id"] for each in (await client.get(DOMAINS, params={"domain": "example.org"})).json()] == [
        document["id"]
    ]
    assert [each["domain"] for each in (await client.get(DOMAINS, params={"limit": 1, "offset": 1})).json()] == [
        domain.name
    ]
    checked = (await client.post(f"{one}/validate")).json()
    assert (checked["id"], checked["valid"]) == (document["id"], False)
    assert checked["validation_results"].keys() == document["dns"].keys()
    assert checked["validation_results"]["dkim1"]["reason"]
    again = await client.post(f"{one}/validate")
    assert (again.status_code, "a moment ago" in again.json()["errors"][0]["message"]) == (429, True)
    assert (await client.delete(one)).status_code == 204
    assert (await client.get(one)).status_code == 404


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (None, "domain"),
        ({"domain": 1}, "domain"),
        ({"domain": "no domain"}, "domain"),
        ({"domain": "com"}, "domain"),
        ({"domain": "news.example.com"}, "domain"),
        ({"domain": "rival.example"}, "domain"),
        ({"domain": "x.example.org", "custom_dkim_selector": "abc"}, "custom_dkim_selector"),
    ],
)
async def test_what_is_no_domain_is_refused(
    document: Any, field: str, client: httpx2.AsyncClient, foreign: SendingDomain
) -> None:
    reply = await client.post(DOMAINS, json=document)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (400, field)
    assert len((await client.get(DOMAINS)).json()) == 1


async def test_a_domain_in_use_stays(
    client: httpx2.AsyncClient, sending: dict[str, str], domain: SendingDomain
) -> None:
    reply = await client.delete(f"{DOMAINS}/{domain.id}")
    assert (reply.status_code, "API key" in reply.json()["errors"][0]["message"]) == (400, True)
    assert (await client.get(f"{DOMAINS}/{domain.id}")).json()["valid"] is True
