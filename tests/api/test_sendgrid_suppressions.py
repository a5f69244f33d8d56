"""SendGrid's lists of suppressions as its callers meet them."""

from typing import Any

import httpx2
import pytest

from postroad.model.domain import SendingDomain
from postroad.model.suppression import Suppression, SuppressionKind, Way
from postroad.storage import audit, suppressions
from postroad.storage.database import Database

from .sendgrid_callers import client, foreign, other, sending
from .services import NOW

__all__ = ["client", "foreign", "other", "sending"]

SECOND = NOW // 1000
BOUNCES = "/v3/suppression/bounces"
GLOBAL = "/v3/asm/suppressions/global"


async def put(database: Database, domain: SendingDomain, address: str, **more: Any) -> None:
    fields: dict[str, Any] = {"kind": SuppressionKind.BOUNCE, "way": Way.DELIVERY, "created_at": NOW} | more
    entry = Suppression(account_id=domain.account_id, domain_id=domain.id, address=address, **fields)
    await database.write(suppressions.add, [entry])


async def listed(client: httpx2.AsyncClient, name: str = "bounces", **query: Any) -> list[str]:
    reply = await client.get(f"/v3/suppression/{name}", params=query)
    assert reply.status_code == 200, reply.text
    return [one["email"] for one in reply.json()]


async def cleared(client: httpx2.AsyncClient, document: Any, path: str = BOUNCES, **query: Any) -> httpx2.Response:
    return await client.request("DELETE", path, json=document, params=query)


async def test_lists_are_arrays_in_the_words_of_sendgrid(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain, other: SendingDomain, foreign: SendingDomain
) -> None:
    await put(database, domain, "a@x.example", reason="550 5.1.1 no such user")
    await put(database, other, "b@x.example", reason="gone")
    await put(database, foreign, "c@x.example")
    await put(database, domain, "s@x.example", kind=SuppressionKind.COMPLAINT)
    await put(database, domain, "u@x.example", kind=SuppressionKind.UNSUBSCRIBE)
    await put(database, domain, "t@x.example", kind=SuppressionKind.UNSUBSCRIBE, tag="weekly")
    await put(database, domain, "k@x.example", kind=SuppressionKind.BLOCK, reason="asked to")
    await put(database, domain, "@blocked.example", kind=SuppressionKind.BLOCK)
    assert (await client.get(BOUNCES)).json() == [
        {"created": SECOND, "email": "a@x.example", "reason": "550 5.1.1 no such user", "status": "5.1.1"},
        {"created": SECOND, "email": "b@x.example", "reason": "gone", "status": ""},
    ]
    told = {name: (await client.get(f"/v3/suppression/{name}")).json() for name in ("spam_reports", "unsubscribes")}
    assert told == {
        "spam_reports": [{"created": SECOND, "email": "s@x.example", "ip": ""}],
        "unsubscribes": [{"created": SECOND, "email": "u@x.example"}],
    }
    assert await listed(client, "blocks") == ["k@x.example"]
    assert await listed(client, "invalid_emails") == []


async def test_a_list_is_narrowed(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain, other: SendingDomain
) -> None:
    for number in range(4):
        await put(database, domain, f"{number}@x.example", created_at=NOW + number * 1000 + 999)
    await put(database, other, "o@x.example")
    assert await listed(client, start_time=SECOND + 1, end_time=SECOND + 2) == ["1@x.example", "2@x.example"]
    assert await listed(client, limit=2, offset=1) == ["1@x.example", "2@x.example"]
    assert await listed(client, domain="shop.example.com") == ["o@x.example"]
    reply = await client.get(BOUNCES, headers={"on-behalf-of": "shop.example.com"})
    assert [one["email"] for one in reply.json()] == ["o@x.example"]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({"limit": "0"}, 400, "limit"),
        ({"limit": "10001"}, 400, "limit"),
        ({"limit": "٣"}, 400, "limit"),
        ({"offset": "-1"}, 400, "offset"),
        ({"start_time": "today"}, 400, "start_time"),
        ({"end_time": "9" * 16}, 400, "end_time"),
        ({"domain": "rival.example"}, 404, "domain"),
        ({"domain": "none.example"}, 404, "domain"),
        ({"domain": "no domain"}, 400, "domain"),
    ],
)
async def test_wrong_queries_are_told(
    query: dict[str, str], status: int, field: str, client: httpx2.AsyncClient, foreign: SendingDomain
) -> None:
    reply = await client.get(BOUNCES, params=query)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (status, field)


async def test_two_domains_are_not_chosen_at_once(client: httpx2.AsyncClient, domain: SendingDomain) -> None:
    reply = await client.get(BOUNCES, params={"domain": domain.name}, headers={"on-behalf-of": "shop.example.com"})
    assert reply.status_code == 400


async def test_one_address_is_looked_up_and_removed(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain, foreign: SendingDomain
) -> None:
    await put(database, domain, "a@x.example")
    await put(database, foreign, "a@x.example")
    found = await client.get(f"{BOUNCES}/A@X.example")
    assert [one["email"] for one in found.json()] == ["a@x.example"]
    assert (await client.get(f"{BOUNCES}/b@x.example")).json() == []
    assert (await client.get(f"{BOUNCES}/none")).json() == []
    gone = [(await client.delete(f"{BOUNCES}/a@x.example")).status_code for _ in range(2)]
    assert gone == [204, 404]
    assert await database.read(suppressions.about, foreign.id, "a@x.example")
    selector = audit.AuditSelector(account_id=domain.account_id, action="suppression")
    entries = await database.read(audit.search, selector, 10)
    assert [(one.action, one.target) for one in entries] == [("suppression.removed", "a@x.example of news.example.com")]


async def test_many_are_removed_or_all(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain, other: SendingDomain, foreign: SendingDomain
) -> None:
    for name in "abcd":
        await put(database, domain, f"{name}@x.example")
    await put(database, other, "a@x.example")
    await put(database, foreign, "z@x.example")
    await put(database, domain, "a@x.example", kind=SuppressionKind.COMPLAINT)
    reply = await cleared(client, {"emails": ["A@x.example", "unknown@x.example"]}, domain=domain.name)
    assert (reply.status_code, reply.content) == (204, b"")
    assert await listed(client) == ["b@x.example", "c@x.example", "d@x.example", "a@x.example"]
    assert (await cleared(client, {"delete_all": True})).status_code == 204
    assert await listed(client) == []
    assert await listed(client, "spam_reports") == ["a@x.example"]
    assert await database.read(suppressions.about, foreign.id, "z@x.example")


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"delete_all": False},
        {"delete_all": "yes"},
        {"delete_all": True, "emails": ["a@x.example"]},
        {"emails": []},
        {"emails": "a@x.example"},
        {"emails": ["a@x.example", 1]},
        {"emails": ["a@x.example", "no address"]},
        {"emails": ["a@x.example"] * 1001},
    ],
)
async def test_what_is_to_be_removed_must_be_said(
    document: Any, client: httpx2.AsyncClient, database: Database, domain: SendingDomain
) -> None:
    await put(database, domain, "a@x.example")
    reply = await cleared(client, document)
    assert reply.status_code == 400
    assert set(reply.json()["errors"][0]) == {"message", "field", "help"}
    assert await listed(client) == ["a@x.example"]


async def test_an_address_is_unsubscribed_from_all_domains_or_one(
    client: httpx2.AsyncClient, domain: SendingDomain, other: SendingDomain
) -> None:
    both = {"recipient_emails": ["a@x.example", "b@x.example"]}
    reply = await client.post(GLOBAL, json=both)
    assert (reply.status_code, reply.json()) == (201, both)
    again = await client.post(GLOBAL, json=both)
    assert (again.status_code, again.json()) == (201, both)
    await client.post(GLOBAL, json={"recipient_emails": ["c@x.example"]}, params={"domain": other.name})
    assert await listed(client, "unsubscribes") == [
        *("a@x.example", "b@x.example"),
        *("a@x.example", "b@x.example", "c@x.example"),
    ]
    assert (await client.get(f"{GLOBAL}/A@x.example")).json() == {"recipient_email": "a@x.example"}
    assert (await client.delete(f"{GLOBAL}/a@x.example")).status_code == 204
    assert (await client.get(f"{GLOBAL}/a@x.example")).json() == {}
    wrong = await client.post(GLOBAL, json={"recipient_emails": ["d@x.example", "no address"]})
    assert wrong.status_code == 400
    assert await listed(client, "unsubscribes", domain=domain.name) == ["b@x.example"]


async def test_keys_that_send_manage_nothing(
    client: httpx2.AsyncClient, sending: dict[str, str], database: Database, domain: SendingDomain
) -> None:
    await put(database, domain, "a@x.example")
    for method, path in (
        ("GET", BOUNCES), ("DELETE", BOUNCES), ("GET", f"{BOUNCES}/a@x.example"), ("DELETE", f"{BOUNCES}/a@x.example"),
        ("POST", GLOBAL), ("GET", f"{GLOBAL}/a@x.example"), ("DELETE", f"{GLOBAL}/a@x.example"),
    ):  # fmt: skip
        reply = await client.request(method, path, headers=sending)
        assert (reply.status_code, "needs an API key of the account" in reply.text) == (403, True), path
    assert await listed(client) == ["a@x.example"]
