"""SendGrid's unsubscribe groups as their callers meet them."""

from typing import Any

import httpx2
import pytest

from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain
from postroad.model.refused import RefusedError
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.storage import audit, suppressions, unsubscribe_groups
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable
from postroad.suppressions import groups as service
from postroad.suppressions.groups import Groups

from .sendgrid_callers import client, foreign, other, sending
from .services import NOW

__all__ = ["client", "foreign", "other", "sending"]

GROUPS = "/v3/asm/groups"
LEFT = "/v3/asm/suppressions"


async def made(client: httpx2.AsyncClient, name: str, **more: Any) -> dict[str, Any]:
    reply = await client.post(GROUPS, json={"name": name, "description": f"About {name}"}, params=more)
    assert reply.status_code == 201, reply.text
    document: dict[str, Any] = reply.json()
    return document


async def test_a_group_is_made_told_changed_and_removed(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain
) -> None:
    reply = await client.post(GROUPS, json={"name": "Weekly news", "description": "By mail", "is_default": True})
    assert reply.status_code == 201, reply.text
    group = reply.json()
    assert group == {"id": group["id"], "name": "Weekly news", "description": "By mail", "is_default": True}
    path = f"{GROUPS}/{group['id']}"
    counted = group | {"last_email_sent_at": None, "unsubscribes": 0}
    assert (await client.get(path)).json() == counted
    assert (await client.get(GROUPS)).json() == [counted]
    changed = await client.patch(path, json={"name": "Daily news"})
    assert (changed.status_code, changed.json()) == (201, counted | {"name": "Daily news"})
    second = (await client.post(GROUPS, json={"name": "Offers", "is_default": True})).json()
    assert [one["is_default"] for one in (await client.get(GROUPS)).json()] == [False, True]
    assert [one["id"] for one in (await client.get(GROUPS, params={"id": second["id"]})).json()] == [second["id"]]
    assert (await client.delete(path)).status_code == 204
    assert [(await client.request(one, path, json={})).status_code for one in ("GET", "PATCH", "DELETE")] == [404] * 3
    entries = await database.read(audit.search, audit.AuditSelector(account_id=domain.account_id, action="group"), 9)
    assert [one.action for one in entries] == ["group.removed", "group.added", "group.changed", "group.added"]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (None, "name"),
        ([], None),
        ({"name": " "}, "name"),
        ({"name": 1}, "name"),
        ({"name": "x" * 31}, "name"),
        ({"name": "a\u0007b"}, "name"),
        ({"name": "WEEKLY"}, "name"),
        ({"name": "x", "description": "y" * 101}, "description"),
        ({"name": "x", "description": 1}, "description"),
        ({"name": "x", "is_default": 1}, "is_default"),
    ],
)
async def test_what_is_no_group_is_refused(document: Any, field: str | None, client: httpx2.AsyncClient) -> None:
    first = await made(client, "weekly")
    second = await made(client, "daily")
    before = (await client.get(GROUPS)).json()
    for method, path in (("POST", GROUPS), ("PATCH", f"{GROUPS}/{second['id']}")):
        if method == "PATCH" and document is None:
            continue  # nothing is said, and nothing changes
        reply = await client.request(method, path, json=document)
        assert (reply.status_code, reply.json()["errors"][0]["field"]) == (400, field), method
    assert (await client.get(GROUPS)).json() == before
    assert (await client.patch(f"{GROUPS}/{first['id']}", json={"name": "Weekly"})).json()["name"] == "Weekly"


async def test_who_leaves_a_group_is_on_no_other_list(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain
) -> None:
    weekly, daily = await made(client, "weekly"), await made(client, "daily")
    path = f"{GROUPS}/{weekly['id']}/suppressions"
    addresses = ["Ann@x.example", "bob@x.example"]
    for _ in range(2):  # whoever is there already is named all the same
        reply = await client.post(path, json={"recipient_emails": addresses})
        assert (reply.status_code, reply.json()) == (201, {"recipient_emails": addresses})
    await client.post(f"{GROUPS}/{daily['id']}/suppressions", json={"recipient_emails": addresses[:1]})
    assert (await client.get(path)).json() == ["ann@x.example", "bob@x.example"]
    assert (await client.get(path, params={"limit": 1, "offset": 1})).json() == ["bob@x.example"]
    found = await client.post(f"{path}/search", json={"recipient_emails": ["ANN@x.example", "eve@x.example"]})
    assert (found.status_code, found.json()) == (200, ["ANN@x.example"])
    told = (await client.get(LEFT)).json()
    assert [(one["email"], one["group_id"], one["group_name"]) for one in told] == [
        ("ann@x.example", weekly["id"], "weekly"),
        ("bob@x.example", weekly["id"], "weekly"),
        ("ann@x.example", daily["id"], "daily"),
    ]
    assert {one["created_at"] // 100_000_000 for one in told}
    of_bob = (await client.get(f"{LEFT}/bob@x.example")).json()["suppressions"]
    assert [(one["name"], one["suppressed"]) for one in of_bob] == [("weekly", True), ("daily", False)]
    assert [one["unsubscribes"] for one in (await client.get(GROUPS)).json()] == [2, 1]
    assert {one["suppressed"] for one in (await client.get(f"{LEFT}/none")).json()["suppressions"]} == {False}
    assert (await client.get("/v3/suppression/unsubscribes")).json() == []
    assert (await client.get("/v3/asm/suppressions/global/ann@x.example")).json() == {}

    assert [(await client.delete(f"{path}/ANN@x.example")).status_code for _ in range(2)] == [204, 404]
    assert (await client.get(path)).json() == ["bob@x.example"]
    assert (await client.delete(f"{GROUPS}/{weekly['id']}")).status_code == 204
    said = await database.read(suppressions.about, domain.id, "bob@x.example")
    assert said == []
    assert [one.tag for one in await database.read(suppressions.about, domain.id, "ann@x.example")] == [
        f"group:{daily['id']}"
    ]


async def test_wrong_calls_about_who_left_change_nothing(client: httpx2.AsyncClient) -> None:
    path = f"{GROUPS}/{(await made(client, 'weekly'))['id']}/suppressions"
    bodies: list[Any] = [None, {}, {"recipient_emails": "a@x.example"}, {"recipient_emails": ["no address"]}]
    for method, one in (("POST", path), ("POST", f"{path}/search")):
        for body in bodies:
            assert (await client.request(method, one, json=body)).status_code == 400, (one, body)
    assert (await client.delete(f"{path}/none")).status_code == 400
    assert (await client.get(path)).json() == []
    for query in ({"limit": "0"}, {"offset": "x"}):
        assert (await client.get(path, params=query)).status_code == 400
    assert (await client.get(GROUPS, params={"id": "x"})).status_code == 400


async def test_groups_of_others_are_none(
    client: httpx2.AsyncClient, sending: dict[str, str], database: Database, foreign: SendingDomain
) -> None:
    theirs = await Groups(database, lambda: NOW).add(SYSTEM, foreign, "weekly")
    entry = Suppression(
        account_id=foreign.account_id,
        domain_id=foreign.id,
        kind=SuppressionKind.UNSUBSCRIBE,
        address="ann@x.example",
        tag=theirs.tag,
        created_at=NOW,
    )
    await database.write(suppressions.add, [entry])
    one = f"{GROUPS}/{theirs.id}"
    document = {"name": "x", "recipient_emails": ["ann@x.example"]}
    calls = [(method, one) for method in ("GET", "PATCH", "DELETE")]
    calls += [(method, f"{one}/suppressions") for method in ("GET", "POST")]
    calls += [("POST", f"{one}/suppressions/search"), ("DELETE", f"{one}/suppressions/ann@x.example")]
    for method, path in calls:
        assert (await client.request(method, path, json=document)).status_code == 404, path
        assert (await client.request(method, path, json=document, headers=sending)).status_code == 403, path
    for path in (GROUPS, LEFT, f"{LEFT}/ann@x.example"):
        assert (await client.get(path)).json() in ([], {"suppressions": []})
        assert (await client.get(path, headers=sending)).status_code == 403
        assert (await client.get(path, params={"domain": foreign.name})).status_code == 404
    assert await database.read(suppressions.about, foreign.id, "ann@x.example") == [entry]


async def test_which_domain_a_group_is_of(
    client: httpx2.AsyncClient, domain: SendingDomain, other: SendingDomain
) -> None:
    assert (await client.post(GROUPS, json={"name": "x"})).json()["errors"][0]["field"] == "domain"
    here, there = await made(client, "x", domain=domain.name), await made(client, "x", domain=other.name)
    assert [one["id"] for one in (await client.get(GROUPS)).json()] == [here["id"], there["id"]]
    assert [one["id"] for one in (await client.get(GROUPS, params={"domain": other.name})).json()] == [there["id"]]


async def test_a_domain_has_so_many_groups(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST", 2)
    await made(client, "a")
    await made(client, "b")
    reply = await client.post(GROUPS, json={"name": "c"})
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (400, "domain")


async def test_of_groups_that_are_added_at_once_no_more_than_so_many_are_taken(
    database: Database, domain: SendingDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST", 1)
    groups = Groups(database, lambda: NOW)
    await groups.add(SYSTEM, domain, "a")
    # As the other call's group is not there yet when this one looks.
    monkeypatch.setattr(unsubscribe_groups, "of_domains", lambda *_: [])
    with pytest.raises(RefusedError, match="remove one first"):
        await groups.add(SYSTEM, domain, "b")


async def test_a_group_whose_list_is_not_forgotten_wholly_can_be_removed_again(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{GROUPS}/{(await made(client, 'weekly'))['id']}"
    await client.post(f"{path}/suppressions", json={"recipient_emails": ["ann@x.example"]})

    def fails(*_: Any) -> int:
        raise StorageUnavailable("no database")

    with monkeypatch.context() as away:
        away.setattr(unsubscribe_groups, "forget_some", fails)
        assert (await client.delete(path)).status_code >= 500
    assert (await client.delete(path)).status_code == 204
    assert await database.read(suppressions.about, domain.id, "ann@x.example") == []
