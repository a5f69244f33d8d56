"""Mailgun's calls that manage stored templates."""

from typing import Any

import httpx2
import pytest

from postroad.model.actor import SYSTEM
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.template import TemplateSource
from postroad.storage import accounts, domains, templates
from postroad.storage.database import Database
from postroad.templating.templates import Templates

from .services import NOW

PATH = "/v3/news.example.com/templates"
WELCOME = {"name": "Welcome", "description": "first mail", "template": "<p>Hello {{name}}</p>", "comment": "one"}


async def done(client: httpx2.AsyncClient, method: str, path: str, **given: Any) -> Any:
    answer = await client.request(method, f"{PATH}{path}", **given)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_template_is_added_shown_described_and_removed(client: httpx2.AsyncClient) -> None:
    made = await done(client, "POST", "", data=WELCOME | {"headers": '{"Subject": "Hi {{name}}"}'})
    assert made["message"] == "template has been stored"
    shown = made["template"]
    assert (shown["name"], shown["description"], shown["version"]["tag"]) == ("welcome", "first mail", "initial")
    assert (shown["version"]["active"], shown["version"]["comment"], shown["version"]["engine"]) == (
        True,
        "one",
        "handlebars",
    )

    assert "version" not in (await done(client, "GET", "/welcome"))["template"]
    active = (await done(client, "GET", "/WELCOME?active=yes"))["template"]["version"]
    assert (active["template"], active["headers"]) == (WELCOME["template"], {"Subject": "Hi {{name}}"})

    assert (await done(client, "PUT", "/welcome", data={"description": "other"}))[
        "message"
    ] == "template has been updated"
    assert (await done(client, "GET", "/welcome"))["template"]["description"] == "other"
    gone = await done(client, "DELETE", "/welcome")
    assert gone == {"template": {"name": "welcome"}, "message": "template has been deleted"}
    missing = await client.get(f"{PATH}/welcome")
    assert (missing.status_code, missing.json()) == (404, {"message": "template not found"})


async def test_versions_are_added_changed_copied_and_removed(client: httpx2.AsyncClient) -> None:
    await done(client, "POST", "", data=WELCOME)
    versions = "/welcome/versions"
    made = await done(client, "POST", versions, data={"template": "<p>Two</p>", "tag": "V2"})
    assert made["message"] == "new version of the template has been stored"
    assert (made["template"]["version"]["tag"], made["template"]["version"]["active"]) == ("v2", False)

    changed = await done(client, "PUT", f"{versions}/v2", data={"template": "<p>Three</p>", "active": "yes"})
    assert changed == {
        "message": "version has been updated",
        "template": {"name": "welcome", "version": {"tag": "v2"}},
    }
    v2 = (await done(client, "GET", f"{versions}/v2"))["template"]["version"]
    assert (v2["template"], v2["active"]) == ("<p>Three</p>", True)
    # What the tag meant before is kept under its number, for the messages that were accepted with it.
    assert (await done(client, "GET", f"{versions}/2"))["template"]["version"]["template"] == "<p>Two</p>"

    copied = await done(client, "PUT", f"{versions}/v2/copy/v3?comment=again")
    assert (copied["version"]["tag"], copied["version"]["template"]) == ("v3", "<p>Three</p>")
    listed = await done(client, "GET", versions)
    assert [one["tag"] for one in listed["template"]["versions"]] == ["v3", "v2", "2", "initial"]
    assert set(listed["paging"]) == {"first", "last", "next", "previous", "prev"}

    refused = await client.delete(f"{PATH}{versions}/v2")
    assert (refused.status_code, "is the active one" in refused.json()["message"]) == (400, True)
    gone = await done(client, "DELETE", f"{versions}/v3")
    assert gone["message"] == "version has been deleted"
    assert (await client.get(f"{PATH}{versions}/v3")).json() == {"message": "template version not found"}


async def test_templates_come_in_pages_and_go_together(client: httpx2.AsyncClient) -> None:
    names = [f"t{number}" for number in range(5)]
    for name in names:
        await done(client, "POST", "", data=WELCOME | {"name": name})
    page = await done(client, "GET", "?limit=2&active=yes")
    assert page["items"][0]["version"]["template"] == WELCOME["template"]
    seen = []
    while page["items"]:
        seen.append([one["name"] for one in page["items"]])
        page = (await client.get(page["paging"]["next"])).json()
    assert seen == [names[:2], names[2:4], names[4:]]
    before = (await client.get(page["paging"]["prev"])).json()
    assert [one["name"] for one in before["items"]] == names[2:4]
    last = (await client.get(page["paging"]["last"])).json()
    assert [one["name"] for one in last["items"]] == names[3:]

    assert (await done(client, "DELETE", ""))["message"] == "templates have been deleted"
    assert (await done(client, "GET", ""))["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "given", "said"),
    [
        ("POST", "", {"template": "x"}, "name parameter is missing"),
        ("POST", "", {"name": "a b", "template": "x"}, "A name has at most"),
        ("POST", "", {"name": "x"}, "template parameter is missing"),
        ("POST", "", {"name": "x", "template": "{{#if a}}"}, "Line 1"),
        ("POST", "", {"name": "x", "template": "x", "engine": "go"}, "engine must be handlebars"),
        ("POST", "", {"name": "x", "template": "x", "headers": "nothing"}, "headers must be a JSON object"),
        ("POST", "", {"name": "x", "template": "x", "headers": '{"From": "me"}'}, "not from"),
        ("POST", "", {"name": "x", "template": "x", "description": "d" * 501}, "A description has at most"),
        ("POST", "", {"name": "WELCOME", "template": "x"}, "has a template welcome already"),
        ("POST", "/welcome/versions", {"template": "x"}, "tag parameter is missing"),
        ("POST", "/welcome/versions", {"template": "x", "tag": "initial"}, "has a version initial already"),
        ("PUT", "/welcome/versions/initial", {"active": "no"}, "one version is always active"),
        ("PUT", "/welcome/versions/initial", {"active": "perhaps"}, "active"),
    ],
)
async def test_what_cannot_be_is_refused(
    client: httpx2.AsyncClient, method: str, path: str, given: dict[str, str], said: str
) -> None:
    await done(client, "POST", "", data=WELCOME)
    refused = await client.request(method, f"{PATH}{path}", data=given)
    assert refused.status_code == 400
    assert said in refused.json()["message"]
    (kept,) = (await done(client, "GET", "?active=yes"))["items"]
    assert (kept["description"], kept["version"]["template"]) == ("first mail", WELCOME["template"])


async def test_others_templates_do_not_exist(client: httpx2.AsyncClient, database: Database) -> None:
    other = await database.write(accounts.add, "globex", NOW)
    theirs = SendingDomain(id=0, account_id=other.id, name="theirs.example", state=DomainState.ACTIVE, created_at=NOW)
    await database.write(domains.add, theirs)
    await Templates(database, lambda: NOW).add(SYSTEM, "theirs.example", "secret", TemplateSource(html="x"))
    for method, path in (
        ("GET", ""),
        ("POST", ""),
        ("DELETE", ""),
        ("GET", "/secret"),
        ("PUT", "/secret"),
        ("DELETE", "/secret"),
        ("GET", "/secret/versions"),
        ("POST", "/secret/versions"),
        ("PUT", "/secret/versions/1"),
        ("DELETE", "/secret/versions/1"),
        ("PUT", "/secret/versions/1/copy/2"),
    ):
        answer = await client.request(
            method, f"/v3/theirs.example/templates{path}", data=WELCOME if method == "POST" else None
        )
        assert answer.status_code == 404, (method, path)
    assert len(await database.read(templates.list_all, other.id)) == 1


async def test_the_account_itself_has_none(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/v4/templates")).json()["items"] == []
    assert (await client.post("/v4/templates", data=WELCOME)).status_code == 400
