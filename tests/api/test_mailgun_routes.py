"""Mailgun's calls that manage inbound routes."""

from typing import Any

import httpx2
import pytest

from postroad.feedback.inbound_routes import InboundRoutes
from postroad.model.actor import SYSTEM
from postroad.model.domain import DomainState, SendingDomain
from postroad.policy.inbound_routing import routing_of
from postroad.storage import audit, domains, inbound_routes
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database

from .services import NOW

PATH = "/v3/routes"
SUPPORT = {
    "priority": 5,
    "description": "Support",
    "expression": r"match_recipient('support\+(.*)@news.example.com') and match_header(\"subject\", 'ask')".replace(
        '\\"', '"'
    ),
    "action": ['forward("help@desk.example")', "forward('log@desk.example')", "stop()"],
}


async def test_a_route_is_added_changed_matched_and_removed(
    client: httpx2.AsyncClient, domain: SendingDomain, database: Database
) -> None:
    made = await client.post(PATH, data=SUPPORT)
    assert made.status_code == 200, made.text
    route = made.json()["route"]
    assert made.json()["message"] == "Route has been created"
    assert route == {
        "id": route["id"],
        "priority": 5,
        "description": "Support",
        "expression": SUPPORT["expression"],
        "actions": ['forward("help@desk.example")', 'forward("log@desk.example")', "stop()"],
        "created_at": route["created_at"],
        "domain": "news.example.com",
    }
    assert route["created_at"].endswith(" GMT")
    assert (await client.get(f"{PATH}/{route['id']}")).json() == {"route": route}
    assert (await client.get(PATH)).json() == {"items": [route], "total_count": 1}
    matched = await client.get(f"{PATH}/match", params={"address": "Support+x@news.example.com"})
    assert matched.json() == {"route": route}
    for address in ("other@news.example.com", "techsupport+x@news.example.com", "support+x@elsewhere.example", "x"):
        missing = await client.get(f"{PATH}/match", params={"address": address})
        assert (missing.status_code, missing.json()) == (404, {"message": "Route not found"})

    stored = await database.read(inbound_routes.of_domain, domain.id)
    taken = routing_of(stored, "a@b.example", "support+7@news.example.com", "ask me")
    assert taken.forward_to == ("help@desk.example", "log@desk.example")
    assert not routing_of(stored, "a@b.example", "support+7@news.example.com", "to ask").is_taken

    put = await client.put(f"{PATH}/{route['id']}", data={"action": "forward('new@desk.example')", "priority": "-1"})
    assert put.json() == {
        "message": "Route has been updated",
        **route,
        "priority": -1,
        "actions": ['forward("new@desk.example")'],
    }
    assert len(await database.read(inbound_routes.of_domain, domain.id)) == 1
    gone = await client.delete(f"{PATH}/{route['id']}")
    assert gone.json() == {"message": "Route has been deleted", "id": route["id"]}
    for method in ("GET", "PUT", "DELETE"):
        missing = await client.request(method, f"{PATH}/{route['id']}")
        assert (missing.status_code, missing.json()) == (404, {"message": "Route not found"})
    acts = [one.action for one in await database.read(audit.search, AuditSelector(action="inbound_route"), 9)]
    assert acts == ["inbound_route.removed", "inbound_route.changed", "inbound_route.added"]


async def test_priorities_decide_the_order_within_a_domain(
    client: httpx2.AsyncClient, domain: SendingDomain, database: Database
) -> None:
    def route(name: str, priority: int) -> dict[str, Any]:
        expression = f"match_recipient('{name}@news.example.com')"
        return {"priority": priority, "expression": expression, "action": ["forward('a@b.example')", "stop()"]}

    ids = {}
    for name, priority in (("c", 3), ("a", 1), ("d", 3), ("b", 2)):
        ids[name] = (await client.post(PATH, data=route(name, priority))).json()["route"]["id"]
    listed = (await client.get(PATH)).json()["items"]
    assert [one["id"] for one in listed] == [ids[name] for name in "abcd"]
    assert [one["id"] for one in (await client.get(f"{PATH}?skip=1&limit=2")).json()["items"]] == [ids["b"], ids["c"]]
    await client.put(f"{PATH}/{ids['c']}", data={"description": "stays where it is"})
    await client.put(f"{PATH}/{ids['a']}", data={"priority": 9})
    listed = (await client.get(PATH)).json()["items"]
    assert [one["id"] for one in listed] == [ids[name] for name in "bcda"]
    stored = await database.read(inbound_routes.of_domain, domain.id)
    assert [one.position for one in stored] == list(range(1, 9))
    assert [one.group for one in stored[::2]] == [int(ids[name]) for name in "bcda"]


async def test_routes_of_the_console_are_shown_in_mailguns_words(
    client: httpx2.AsyncClient, domain: SendingDomain, database: Database
) -> None:
    routes = InboundRoutes(database, lambda: NOW)
    await routes.add(SYSTEM, domain.name, mail_from='"x"@a', mail_to=r"^b\.", subject="c", forward_to="d@e.example")
    await routes.add(SYSTEM, domain.name)
    first, second = (await client.get(PATH)).json()["items"]
    said = r'match_recipient("^b\.") and match_header("subject", "c") and match_sender("\"x\"@a")'
    assert (first["expression"], first["actions"]) == (said, ['forward("d@e.example")'])
    assert (second["expression"], second["actions"]) == ("catch_all()", ["stop()"])
    again = await client.put(f"{PATH}/{first['id']}", data={"expression": said, "description": "mine"})
    assert again.status_code == 200, again.text
    assert (await client.get(f"{PATH}/{first['id']}")).json()["route"] == first | {"description": "mine"}
    [one, _] = await database.read(inbound_routes.of_domain, domain.id)
    assert (one.mail_from, one.mail_to, one.subject) == ('^(?:"x"@a)', r"^b\.", "^(?:c)")


async def test_a_route_without_a_domain_is_of_the_only_one(
    client: httpx2.AsyncClient, domain: SendingDomain, database: Database
) -> None:
    everything = {"expression": "catch_all()", "action": "forward('a@b.example')"}
    made = await client.post(PATH, data=everything)
    assert made.json()["route"]["domain"] == domain.name
    more = SendingDomain(
        id=0, account_id=domain.account_id, name="more.example.com", state=DomainState.ACTIVE, created_at=NOW
    )
    await database.write(domains.add, more)
    refused = await client.post(PATH, data=everything)
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("expression names no domain")
    named = await client.post(PATH, data=everything | {"domain": "more.example.com"})
    assert named.json()["route"]["domain"] == "more.example.com"
    moved = await client.put(
        f"{PATH}/{named.json()['route']['id']}",
        data={"expression": r"match_recipient(\".*@news\.example\.com$\")".replace('\\"', '"')},
    )
    assert moved.json()["domain"] == "news.example.com"
    assert await database.read(inbound_routes.domains_with_routes) == ["news.example.com"]


@pytest.mark.parametrize(
    ("change", "beginning"),
    [
        ({"expression": ""}, "expression parameter is missing"),
        ({"action": []}, "action parameter is missing"),
        ({"expression": "match_recipient(.*)"}, "expression is not understood at 'match_recipient(.*)'"),
        ({"expression": "catch_all() or catch_all()"}, "expression is not understood at 'or catch_all()': only and"),
        ({"expression": "catch_all() and"}, "expression is not understood at ''"),
        ({"expression": "match_everything('x')"}, "expression says match_everything with 1 texts"),
        ({"expression": "match_recipient('a') and match_recipient('b')"}, "expression says match_recipient twice"),
        ({"expression": "match_header('from', 'x')"}, "expression looks at the header from: only subject"),
        ({"expression": "match_recipient('')"}, "expression has an empty pattern for match_recipient"),
        (
            {"expression": "match_recipient('(a@news.example.com')"},
            "expression has a pattern for match_recipient that is not understood",
        ),
        (
            {"expression": "match_recipient('a)|(b')"},
            "expression has a pattern for match_recipient that is not understood",
        ),
        (
            {"expression": "match_recipient('.*@a.example|.*@b.example')"},
            "expression is for a.example and b.example: a",
        ),
        ({"expression": "x" * 2001}, "expression has 2001 characters"),
        (
            {"expression": "match_recipient('.*@foreign.example')"},
            "expression is for foreign.example, which is no sending",
        ),
        ({"domain": "foreign.example"}, "expression is for foreign.example, which is no sending"),
        (
            {"action": "forward('https://a.example/x')"},
            "action forward() takes an address, not the URL https://a.example/x",
        ),
        ({"action": "store(notify='x')"}, "action store() cannot be carried out"),
        ({"action": "store()"}, "action store() cannot be carried out"),
        ({"action": ["stop()", "forward('a@b.example')"]}, "action forward('a@b.example') stands behind stop()"),
        ({"action": "forward('nobody')"}, "forward_to: "),
        ({"action": "forward('me@news.example.com')"}, "forward_to: me@news.example.com is at news.example.com itself"),
        ({"action": [f"forward('a{n}@b.example')" for n in range(11)]}, "action may be given 10 times at most"),
        ({"priority": "first"}, "priority must be a whole number"),
        ({"description": "x" * 501}, "description has 501 characters"),
        ({"description": "a\0b"}, "description holds a NUL"),
        ({"expression": "match_recipient('a\0b@news.example.com')"}, "expression holds a NUL"),
    ],
)
async def test_what_a_route_cannot_be_is_said(
    change: dict[str, Any], beginning: str, client: httpx2.AsyncClient, foreign: SendingDomain
) -> None:
    reply = await client.post(PATH, data=SUPPORT | change)
    assert (reply.status_code, reply.json()["message"][: len(beginning)]) == (400, beginning)
    assert (await client.get(PATH)).json()["total_count"] == 0


async def test_a_domain_has_its_most_routes_and_others_routes_do_not_exist(
    client: httpx2.AsyncClient, foreign: SendingDomain, database: Database
) -> None:
    routes = InboundRoutes(database, lambda: NOW)
    theirs = await routes.add(SYSTEM, foreign.name)
    for method in ("GET", "PUT", "DELETE"):
        form = {"description": "mine"} if method == "PUT" else None
        assert (await client.request(method, f"{PATH}/{theirs.id}", data=form)).status_code == 404
    assert (await client.get(f"{PATH}/match?address=x@foreign.example")).status_code == 404
    assert (await client.get(f"{PATH}/nonsense")).status_code == 404
    for _ in range(48):
        await routes.add(SYSTEM, "news.example.com")
    full = await client.post(PATH, data=SUPPORT)
    assert (full.status_code, full.json()["message"][:38]) == (400, "news.example.com would have more than ")
    assert (await client.get(PATH)).json()["total_count"] == 48
