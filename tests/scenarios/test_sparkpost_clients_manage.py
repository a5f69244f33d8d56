"""Clients that were written for SparkPost manage an account as they are: only host and key are ours."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sparkpost import SparkPost
from sparkpost.exceptions import SparkPostAPIException

from tests.peers.node import run_node
from tests.peers.ports import LOOPBACK
from tests.peers.tls_front import tls_front
from tests.scenarios.product import DOMAIN
from tests.scenarios.world import World, destination

pytestmark = pytest.mark.peer("nsd")

ADDED = "sp-managed.example.org"
SENDER = f"hello@{DOMAIN}"


@pytest.fixture(scope="module")
def key(world: World) -> str:
    return str(world.product.run_json("api-key", "add", "--account", "default")["key"])


async def test_the_python_library_manages_suppressions_and_templates(
    world: World, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_front(world.product.http_port, tmp_path) as (port, bundle):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        await asyncio.to_thread(_by_python, SparkPost(key, f"{LOOPBACK}:{port}"))


def _by_python(client: SparkPost) -> None:
    suppressed = client.suppression_list
    several = [{"email": f"{name}@list.example", "non_transactional": True} for name in ("py-a", "py-b")]
    assert suppressed.create(several)["message"] == "Suppression List successfully updated"
    suppressed.update({"email": "py-c@list.example", "transactional": True, "description": "by hand"})
    listed = suppressed.list(types="transactional,non_transactional", limit=10_000)
    assert {one["recipient"] for one in listed} >= {"py-a@list.example", "py-b@list.example", "py-c@list.example"}
    assert {one["description"] for one in suppressed.get("py-c@list.example")} == {"by hand"}
    assert suppressed.delete("py-c@list.example") is True
    with pytest.raises(SparkPostAPIException, match="Recipient could not be found") as told:
        suppressed.get("py-c@list.example")
    assert told.value.status == 404
    templates = client.templates
    assert templates.create(id="sp-py", name="Hello", from_email=SENDER, subject="Hi", text="Hi {{name}}") == {
        "id": "sp-py"
    }
    templates.update("sp-py", text="Bye {{name}}", published=False)
    assert templates.get("sp-py", draft=False)["content"]["text"] == "Hi {{name}}"
    assert templates.preview("sp-py", {"name": "Zoë"}, draft=True)["text"] == "Bye Zoë"
    assert "sp-py" in [one["id"] for one in templates.list()]
    templates.delete("sp-py")
    with pytest.raises(SparkPostAPIException):
        templates.get("sp-py")


async def by_node(world: World, key: str, *calls: list[Any]) -> list[Any]:
    facts = {"url": f"http://{LOOPBACK}:{world.product.http_port}", "key": key, "calls": calls}
    found: list[Any] = await asyncio.to_thread(run_node, "sparkpost_manages.mjs", facts)
    return found


async def test_the_node_library_manages_an_account(world: World, key: str) -> None:
    hook = {
        "name": "Shop",
        "target": "https://hooks.example.org/sp",
        "events": ["delivery", "bounce"],
        "auth_type": "basic",
        "auth_credentials": {"username": "me", "password": "secret"},
    }
    entry = {"recipient": "node@list.example", "type": "non_transactional"}
    made, domain, domains, verified, upserted, searched, hooked, words, samples, refused = await by_node(
        world,
        key,
        ["sendingDomains", "create", {"domain": ADDED}],
        ["sendingDomains", "get", ADDED],
        ["sendingDomains", "list"],
        ["sendingDomains", "verify", ADDED, {"dkim_verify": True}],
        ["suppressionList", "upsert", entry],
        ["suppressionList", "list", {"types": "non_transactional", "cursor": "initial", "per_page": 10_000}],
        ["webhooks", "create", hook | {"domain": DOMAIN}],
        ["webhooks", "getDocumentation"],
        ["webhooks", "getSamples", {"events": "bounce"}],
        ["templates", "get", "sp-none", {}],
    )
    assert made["results"]["dkim"] == domain["results"]["dkim"]
    assert {ADDED, DOMAIN} <= {one["domain"] for one in domains["results"]}
    assert verified["results"]["dns"]["dkim_record"].startswith("v=DKIM1; ")
    assert upserted["results"]["message"] == "Suppression List successfully updated"
    assert "node@list.example" in {one["recipient"] for one in searched["results"]}
    assert "message_event" in words["results"]
    assert next(iter(samples["results"][0]["msys"].values()))["type"] == "bounce"
    assert (refused["error"]["status"], refused["error"]["errors"][0]["code"]) == (404, "1600")
    number = hooked["results"]["id"]
    updated, shown, removed, gone, taken_away, template, published, dropped = await by_node(
        world,
        key,
        ["webhooks", "update", number, {"name": "Other", "active": False}],
        ["webhooks", "get", number],
        ["webhooks", "delete", number],
        ["webhooks", "get", number],
        ["sendingDomains", "delete", ADDED],
        ["templates", "create", {"id": "sp-node", "content": {"from": SENDER, "html": "<p>{{name}}</p>"}}],
        ["templates", "preview", "sp-node", {"substitution_data": {"name": "Zoë"}, "draft": False}],
        ["templates", "delete", "sp-node"],
    )
    assert updated["results"]["name"] == "Other"
    assert (shown["results"]["active"], shown["results"]["events"]) == (False, ["delivery", "bounce", "out_of_band"])
    assert "error" not in (removed or {})
    assert "error" not in (taken_away or {})
    assert gone["error"]["status"] == 404
    assert template["results"] == {"id": "sp-node"}
    assert published["results"]["html"] == "<p>Zoë</p>"
    assert "error" not in dropped


async def test_the_node_library_finds_the_events_of_a_transmission(world: World, key: str) -> None:
    to = f"a@{destination(64)}"
    call = {"recipients": [{"address": to}], "content": {"from": SENDER, "subject": "Hi", "text": "Hi"}}
    async with world.receiver(64):
        [sent] = await by_node(world, key, ["transmissions", "send", call | {"campaign_id": "sp-found"}])
        number = sent["results"]["id"]
        async with asyncio.timeout(20):
            while True:
                query = {"transmissions": number, "events": ["injection", "delivery"], "campaigns": ["sp-found"]}
                [found] = await by_node(world, key, ["events", "searchMessage", query])
                if len(found["results"]) == 2:
                    break
                await asyncio.sleep(0.2)
    assert [one["type"] for one in found["results"]] == ["delivery", "injection"]
    assert {(one["rcpt_to"], one["transmission_id"]) for one in found["results"]} == {(to, number)}
