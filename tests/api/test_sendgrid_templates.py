"""SendGrid's templates as their callers meet them."""

from typing import Any

import httpx2
import pytest

from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain
from postroad.model.refused import RefusedError
from postroad.model.template import TemplateSource
from postroad.storage import templates as stored
from postroad.storage.database import Database
from postroad.templating.templates import Templates

from .sendgrid_callers import client, foreign, other, sending
from .services import NOW

__all__ = ["client", "foreign", "other", "sending"]

ALL = "/v3/templates"


async def test_a_template_gets_versions_of_which_one_is_active(client: httpx2.AsyncClient) -> None:
    made = await client.post(ALL, json={"name": "Order receipt", "generation": "dynamic"})
    assert (made.status_code, made.json()["id"], made.json()["versions"]) == (201, "d-order-receipt", [])
    assert made.json()["generation"] == "dynamic"
    path = f"{ALL}/d-order-receipt"
    wanted = {"name": "first", "html_content": "<p>{{n}}</p>", "subject": "For {{n}}"}
    first = (await client.post(f"{path}/versions", json=wanted)).json()
    assert {name: first[name] for name in wanted} == wanted
    assert (first["active"], first["template_id"], first["generate_plain_content"]) == (1, "d-order-receipt", True)
    second = (await client.post(f"{path}/versions", json={"plain_content": "Hi", "active": 0})).json()
    assert second["active"] == 0
    listed = (await client.get(path)).json()["versions"]
    assert [(one["id"], one["active"]) for one in listed] == [(second["id"], 0), (first["id"], 1)]
    active = await client.post(f"{path}/versions/{second['id']}/activate")
    assert (active.status_code, active.json()["active"]) == (200, 1)
    assert (await client.get(f"{path}/versions/{first['id']}")).json()["active"] == 0
    assert (await client.get(f"{path}/versions/99")).status_code == 404
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("path", "document", "field"),
    [
        ("", None, "name"),
        ("", {"name": " / "}, "name"),
        ("", {"name": 1}, "name"),
        ("", {"name": "x", "generation": "new"}, "generation"),
        ("", {"name": "x" * 200}, "name"),
        ("/welcome/versions", {}, "html"),
        ("/welcome/versions", {"html_content": "{{#if}}"}, "html"),
        ("/welcome/versions", {"html_content": "x", "active": 2}, "active"),
        ("/welcome/versions", {"html_content": 1}, "html_content"),
    ],
)
async def test_what_is_no_template_is_refused(path: str, document: Any, field: str, client: httpx2.AsyncClient) -> None:
    await client.post(ALL, json={"name": "welcome"})
    reply = await client.post(f"{ALL}{path}", json=document)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (400, field)
    assert (await client.get(f"{ALL}/welcome")).json()["versions"] == []


async def test_templates_of_others_are_none(
    client: httpx2.AsyncClient, sending: dict[str, str], database: Database, foreign: SendingDomain
) -> None:
    await Templates(database, lambda: NOW).add(SYSTEM, foreign.name, "welcome", TemplateSource(html="x"))
    one = f"{ALL}/welcome"
    version = f"{one}/versions/1"
    calls = [("GET", one), ("DELETE", one), ("PATCH", one), ("POST", f"{one}/versions"), ("GET", version)]
    for method, path in (*calls, ("PATCH", version), ("DELETE", version), ("POST", f"{version}/activate")):
        assert (await client.request(method, path, json={"html_content": "y", "name": "y"})).status_code == 404
        assert (await client.request(method, path, headers=sending)).status_code == 403


async def test_which_domain_is_said_where_there_are_several(
    client: httpx2.AsyncClient, domain: SendingDomain, other: SendingDomain
) -> None:
    assert (await client.post(ALL, json={"name": "welcome"})).json()["errors"][0]["field"] == "domain"
    for one in (domain, other):
        reply = await client.post(ALL, json={"name": "welcome"}, headers={"on-behalf-of": one.name})
        assert reply.status_code == 201
    assert (await client.get(f"{ALL}/welcome")).json()["errors"][0]["field"] == "domain"
    assert (await client.get(f"{ALL}/welcome", params={"domain": other.name})).status_code == 200


async def test_templates_are_listed_some_at_a_time(
    client: httpx2.AsyncClient, database: Database, foreign: SendingDomain
) -> None:
    await Templates(database, lambda: NOW).add(SYSTEM, foreign.name, "d-theirs", TemplateSource(html="x"))
    for name in ("old", "d-a", "d-b", "d-c"):
        await client.post(ALL, json={"name": name, "generation": "dynamic" if name.startswith("d-") else "legacy"})
    assert [one["id"] for one in (await client.get(ALL)).json()["templates"]] == ["old"]
    first = (await client.get(ALL, params={"generations": "dynamic", "page_size": 2})).json()
    assert ([one["id"] for one in first["result"]], first["_metadata"]["count"]) == (["d-a", "d-b"], 3)
    second = (await client.get(first["_metadata"]["next"])).json()
    assert ([one["id"] for one in second["result"]], "next" in second["_metadata"]) == (["d-c"], False)
    for query in ({"generations": "new"}, {"page_size": "0"}, {"page_size": "201"}, {"page_token": "x"}):
        assert (await client.get(ALL, params=query)).status_code == 400


async def test_no_mail_is_made_of_a_template_without_a_version(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain
) -> None:
    await client.post(ALL, json={"name": "welcome"})
    templates = Templates(database, lambda: NOW)
    found = await templates.find(SYSTEM, domain.name, "welcome")
    source = (await templates.version(SYSTEM, found.id)).source
    with pytest.raises(RefusedError, match="no-version-yet"):
        await templates.preview(SYSTEM, found.id, source, {})


async def made(client: httpx2.AsyncClient, *versions: dict[str, Any]) -> list[str]:
    """Make a template with versions; returns their ids."""
    await client.post(ALL, json={"name": "welcome"})
    return [(await client.post(f"{ALL}/welcome/versions", json=one)).json()["id"] for one in versions]


async def test_a_template_is_called_otherwise_under_its_id(client: httpx2.AsyncClient) -> None:
    first = (await client.post(ALL, json={"name": "Order receipt"})).json()
    assert (first["id"], first["name"]) == ("order-receipt", "Order receipt")
    path = f"{ALL}/order-receipt"
    renamed = await client.patch(path, json={"name": "Receipt of an order"})
    assert (renamed.status_code, renamed.json()["id"], renamed.json()["name"]) == (
        200,
        "order-receipt",
        "Receipt of an order",
    )
    for document in ({}, {"name": 1}, {"name": "x" * 101}):
        reply = await client.patch(path, json=document)
        assert (reply.status_code, reply.json()["errors"][0]["field"]) == (400, "name")
    assert (await client.get(path)).json()["name"] == "Receipt of an order"


async def test_a_version_is_written_over_under_its_id(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain
) -> None:
    first, second = await made(client, {"plain_content": "One", "name": "a"}, {"plain_content": "Two"})
    path = f"{ALL}/welcome/versions/{first}"
    for text in ("Once more", "And again"):
        changed = await client.patch(path, json={"plain_content": text})
        assert changed.status_code == 200, changed.text
        told = {name: changed.json()[name] for name in ("id", "plain_content", "name", "active")}
        assert told == {"id": first, "plain_content": text, "name": "a", "active": 1}
        assert (await client.get(path)).json() == changed.json()
    listed = (await client.get(f"{ALL}/welcome")).json()["versions"]
    assert sorted(one["id"] for one in listed) == sorted([first, second])
    found = await Templates(database, lambda: NOW).find(SYSTEM, domain.name, "welcome")
    kept = await Templates(database, lambda: NOW).version(SYSTEM, found.id, int(first))
    assert (kept.source.text, kept.tag) == ("One", f"replaced-{first}")
    assert (await client.patch(path, json={"name": "b", "active": 1})).json()["name"] == "b"
    assert (await client.patch(f"{ALL}/welcome/versions/{second}", json={"active": 1})).json()["active"] == 1
    assert (await client.get(path)).json()["active"] == 0
    found = await Templates(database, lambda: NOW).find(SYSTEM, domain.name, "welcome")
    assert len((await Templates(database, lambda: NOW).shown(SYSTEM, found.id)).versions) == 6


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"html_content": "{{#if}}"}, "html"),
        ({"plain_content": ""}, "html"),
        ({"subject": 1}, "subject"),
        ({"active": 0}, "active"),
        ({"active": 2}, "active"),
    ],
)
async def test_what_is_no_version_changes_none(
    document: dict[str, Any], field: str, client: httpx2.AsyncClient
) -> None:
    [one] = await made(client, {"plain_content": "One"})
    before = (await client.get(f"{ALL}/welcome/versions/{one}")).json()
    reply = await client.patch(f"{ALL}/welcome/versions/{one}", json=document)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (400, field)
    assert (await client.get(f"{ALL}/welcome/versions/{one}")).json() == before


async def test_a_version_is_removed_and_the_active_one_last(client: httpx2.AsyncClient) -> None:
    first, second = await made(client, {"plain_content": "One"}, {"plain_content": "Two"})
    path = f"{ALL}/welcome/versions"
    refused = await client.delete(f"{path}/{first}")
    assert (refused.status_code, "activate another" in refused.json()["errors"][0]["message"]) == (400, True)
    assert (await client.delete(f"{path}/{second}")).status_code == 204
    assert (await client.delete(f"{path}/{second}")).status_code == 404
    await client.patch(f"{path}/{first}", json={"plain_content": "Once more"})
    assert (await client.delete(f"{path}/{first}")).status_code == 204
    assert (await client.get(f"{path}/{first}")).status_code == 404
    assert (await client.get(f"{ALL}/welcome")).json()["versions"] == []
    again = (await client.post(path, json={"plain_content": "Anew"})).json()
    assert again["active"] == 1


async def test_the_last_version_is_sent_with_while_it_may_not_go(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    [one] = await made(client, {"plain_content": "One"})
    emptied = []
    monkeypatch.setattr(stored, "under_way", lambda *_: 1)
    monkeypatch.setattr(Templates, "activate", lambda *_: emptied.append("activate"))
    refused = await client.delete(f"{ALL}/welcome/versions/{one}")
    assert (refused.status_code, "not delivered yet" in refused.text) == (400, True)
    assert emptied == []
    assert (await client.get(f"{ALL}/welcome/versions/{one}")).json()["active"] == 1


async def test_a_version_with_a_name_of_its_own_is_known_by_it(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain
) -> None:
    templates = Templates(database, lambda: NOW)
    await templates.add(SYSTEM, domain.name, "welcome", TemplateSource(text="x"), tag="stable")
    one = f"{ALL}/welcome/versions"
    assert [each["id"] for each in (await client.get(f"{ALL}/welcome")).json()["versions"]] == ["stable"]
    assert (await client.get(f"{one}/1")).json()["id"] == "stable"
    assert (await client.patch(f"{one}/stable", json={"plain_content": "y"})).json()["plain_content"] == "y"
    # Nobody made the template without a version before.
    assert (await client.delete(f"{one}/stable")).status_code == 204
    assert (await client.get(f"{ALL}/welcome")).json()["versions"] == []
