"""SendGrid's own clients manage an account, as they are: only host and key are ours."""

import asyncio
import base64
import http.client
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from postroad.model.ids import from_text
from tests.peers.node import run_node
from tests.peers.ports import LOOPBACK
from tests.scenarios.product import DOMAIN
from tests.scenarios.world import World, destination

pytestmark = pytest.mark.peer("nsd")

_KEYS: dict[int, str] = {}
SETTINGS = "/v3/user/webhooks/event/settings"


def url_of(world: World) -> str:
    return f"http://{LOOPBACK}:{world.product.http_port}"


def account_key(world: World) -> str:
    """Return an API key of the account, made once for each node."""
    if id(world) not in _KEYS:
        _KEYS[id(world)] = world.product.run_json("api-key", "add", "--account", "default")["key"]
    return _KEYS[id(world)]


def body_of(answer: Any) -> Any:
    return json.loads(answer.body)


@pytest.mark.peer("npm:@sendgrid/client")
async def test_the_libraries_manage_suppressions_and_webhooks(world: World) -> None:
    key = await asyncio.to_thread(account_key, world)
    await asyncio.to_thread(_by_python, SendGridAPIClient(key, host=url_of(world)).client)
    await _by_node(world, key)


def _by_python(client: Any) -> None:
    addresses = ["ann@managed.example", "bob@managed.example"]
    everything = client.asm.suppressions._("global")
    added = everything.post(request_body={"recipient_emails": addresses})
    assert (added.status_code, body_of(added)) == (201, {"recipient_emails": addresses})
    assert body_of(everything._("ANN@managed.example").get()) == {"recipient_email": addresses[0]}
    found = body_of(client.suppression.unsubscribes.get(query_params={"limit": 500, "domain": DOMAIN}))
    assert [one["email"] for one in found if "managed" in one["email"]] == addresses
    assert all(isinstance(one["created"], int) for one in found)
    gone = client.suppression.unsubscribes.delete(request_body={"emails": addresses[:1]})
    assert (gone.status_code, gone.body) == (204, b"")
    assert everything._(addresses[1]).delete().status_code == 204
    assert body_of(everything._(addresses[1]).get()) == {}
    with pytest.raises(HTTPError) as raised:
        client.suppression.bounces._("ann@managed.example").delete()
    assert (raised.value.status_code, raised.value.to_dict["errors"][0]["message"]) == (404, "resource not found")

    settings = client.user.webhooks.event.settings
    wanted = {"enabled": False, "url": "https://hooks.example.com/python", "bounce": True, "spam_report": True}
    made = body_of(settings.post(request_body=wanted, query_params={"domain": DOMAIN}))
    assert {name: made[name] for name in wanted} == wanted
    load_der_public_key(base64.b64decode(made["public_key"]))
    one = settings._(made["id"])
    assert body_of(one.patch(request_body={"bounce": False}))["bounce"] is False
    assert one.delete().status_code == 204
    with pytest.raises(HTTPError) as raised:
        one.get()
    assert raised.value.status_code == 404


async def test_the_python_library_manages_keys_domains_templates_and_statistics(world: World) -> None:
    key = await asyncio.to_thread(account_key, world)
    await asyncio.to_thread(_account_by_python, SendGridAPIClient(key, host=url_of(world)).client)


def _account_by_python(client: Any) -> None:
    made = body_of(client.api_keys.post(request_body={"name": "python", "scopes": ["mail.send"]}))
    own = client.api_keys._(made["api_key_id"])
    assert body_of(own.patch(request_body={"name": "renamed"})) == {"api_key_id": made["api_key_id"], "name": "renamed"}
    assert body_of(own.get())["scopes"] == made["scopes"]
    assert {"api_key_id": made["api_key_id"], "name": "renamed"} in body_of(client.api_keys.get())["result"]
    assert own.delete().status_code == 204
    assert "templates.create" in body_of(client.scopes.get())["scopes"]

    domains = client.whitelabel.domains
    added = body_of(domains.post(request_body={"domain": "python.sending.example", "subdomain": "em"}))
    assert added["dns"]["dkim1"]["host"].endswith("._domainkey.python.sending.example")
    checked = body_of(domains._(added["id"]).validate.post())
    assert checked["validation_results"].keys() == added["dns"].keys()
    assert DOMAIN in [one["domain"] for one in body_of(domains.get(query_params={"limit": 100}))]
    assert domains._(added["id"]).delete().status_code == 204

    wanted = {"name": "Python receipt", "generation": "dynamic"}
    template = body_of(client.templates.post(request_body=wanted, query_params={"domain": DOMAIN}))
    one = client.templates._(template["id"])
    version = body_of(one.versions.post(request_body={"name": "first", "html_content": "<p>{{n}}</p>", "subject": "s"}))
    changed = body_of(one.versions._(version["id"]).patch(request_body={"subject": "t"}))
    assert (changed["id"], changed["subject"], changed["html_content"]) == (version["id"], "t", "<p>{{n}}</p>")
    assert body_of(one.versions._(version["id"]).activate.post())["active"] == 1
    assert body_of(one.patch(request_body={"name": "Receipt"}))["name"] == "Receipt"
    assert one.versions._(version["id"]).delete().status_code == 204
    assert one.delete().status_code == 204

    told = body_of(
        client.stats.get(query_params={"start_date": f"{datetime.now(UTC):%Y-%m-%d}", "aggregated_by": "day"})
    )
    assert "delivered" in told[-1]["stats"][0]["metrics"]
    assert isinstance(body_of(client.categories.get(query_params={"limit": 10})), list)


async def test_who_leaves_a_group_gets_no_more_of_it_and_all_else(world: World) -> None:
    account = await asyncio.to_thread(account_key, world)
    client = SendGridAPIClient(account, host=url_of(world)).client
    stays, left, leaves = (f"{name}@{destination(49)}" for name in ("stays", "left", "leaves"))

    def prepare() -> tuple[dict[str, Any], SendGridAPIClient]:
        document = {"name": "Weekly news", "description": "On Mondays"}
        made = body_of(client.asm.groups.post(request_body=document, query_params={"domain": DOMAIN}))
        client.asm.groups._(made["id"]).suppressions.post(request_body={"recipient_emails": [left]})
        # A key that is made by the API sends at once.
        key = body_of(client.api_keys.post(request_body={"name": "sends", "scopes": ["mail.send"]}))["api_key"]
        return made, SendGridAPIClient(key, host=url_of(world))

    group, sender = await asyncio.to_thread(prepare)
    mail = {
        "personalizations": [{"to": [{"email": one}]} for one in (stays, left, leaves)],
        "from": {"email": f"hello@{DOMAIN}"},
        "subject": "News",
        "content": [{"type": "text/plain", "value": "Leave: <%asm_group_unsubscribe_raw_url%>"}],
    }

    async def states(**more: Any) -> dict[str, str]:
        answer = await asyncio.to_thread(sender.send, mail | more)
        assert answer.status_code == 202
        story = await world.finished(from_text(answer.headers["X-Message-Id"]))
        return {one.recipient.partition("@")[0]: one.state.value for one in story.deliveries}

    of_group = {"asm": {"group_id": group["id"]}}
    async with world.receiver(49) as host:
        assert await states(**of_group) == {"stays": "delivered", "left": "suppressed", "leaves": "delivered"}
        [copy] = [one.content.decode() for one in host.messages if one.recipients == [leaves]]
        [link] = set(re.findall(r"http://t\.node\.test/u/[\w-]+", copy.replace("=\r\n", "")))
        assert f"List-Unsubscribe: <{link}>" in copy.replace("\r\n ", " ")
        assert await asyncio.to_thread(_unsubscribe, world, link) == 200
        assert await states(**of_group) == {"stays": "delivered", "left": "suppressed", "leaves": "suppressed"}
        bypassing = {"mail_settings": {"bypass_list_management": {"enable": True}}}
        for other in ({}, of_group | bypassing):
            assert set((await states(**other)).values()) == {"delivered"}
    told = body_of(await asyncio.to_thread(client.asm.groups._(group["id"]).suppressions.get))
    assert told == sorted([leaves, left])
    assert (await asyncio.to_thread(client.asm.groups._(group["id"]).delete)).status_code == 204


def _unsubscribe(world: World, link: str) -> int:
    """Press the button of a mail client, as if the link's host led to the node."""
    connection = http.client.HTTPConnection(LOOPBACK, world.product.http_port, timeout=10)
    headers = {"Host": "t.node.test", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", link.removeprefix("http://t.node.test"), "List-Unsubscribe=One-Click", headers)
    status = connection.getresponse().status
    connection.close()
    return status


async def _by_node(world: World, key: str) -> None:
    address = "eve@managed.example"
    hook = {"url": "https://hooks.example.com/node", "enabled": False, "open": True}
    named = {"qs": {"domain": DOMAIN}}
    requests = [
        {"method": "POST", "url": "/v3/asm/suppressions/global", "body": {"recipient_emails": [address]}},
        {"method": "GET", "url": f"/v3/asm/suppressions/global/{address}"},
        {"method": "DELETE", "url": "/v3/suppression/unsubscribes", "body": {"emails": [address]}},
        {"method": "GET", "url": "/v3/suppression/bounces", "qs": {"limit": "none"}},
        {"method": "POST", "url": SETTINGS, "body": hook, "headers": {"on-behalf-of": DOMAIN}},
        {"method": "GET", "url": f"{SETTINGS}/all"},
        {"method": "POST", "url": "/v3/api_keys", "body": {"name": "node"}},
        {"method": "POST", "url": "/v3/api_keys", "body": {"name": "node", "scopes": ["alerts.read"]}},
        {"method": "GET", "url": "/v3/whitelabel/domains", **named},
        {"method": "POST", "url": "/v3/templates", "body": {"name": "node", "generation": "legacy"}, **named},
        {"method": "PATCH", "url": "/v3/templates/node", "body": {"name": "Node"}},
        {"method": "DELETE", "url": "/v3/templates/node"},
        {"method": "POST", "url": "/v3/asm/groups", "body": {"name": "node", "description": "By npm"}, **named},
        {"method": "GET", "url": "/v3/asm/groups", **named},
        {"method": "GET", "url": "/v3/stats", "qs": {"start_date": f"{datetime.now(UTC):%Y-%m-%d}"}},
    ]
    facts = {"url": url_of(world), "key": key, "requests": requests}
    outcomes = await asyncio.to_thread(run_node, "sendgrid.mjs", facts)
    added, shown, gone, refused, made, listed = outcomes[:6]
    assert (added["status"], shown["body"], gone["status"]) == (201, {"recipient_email": address}, 204)
    assert (refused["error"]["status"], refused["error"]["errors"][0]["field"]) == (400, "limit")
    assert made["status"] == 201, made
    assert made["body"] in listed["body"]["webhooks"]
    made, refused, listed, template, renamed, gone, group, groups, stats = outcomes[6:]
    assert (made["status"], "templates.create" in made["body"]["scopes"]) == (201, True)
    assert (refused["error"]["status"], refused["error"]["errors"][0]["field"]) == (400, "scopes")
    assert [one["domain"] for one in listed["body"]] == [DOMAIN]
    assert (template["status"], renamed["body"]["name"], gone["status"]) == (201, "Node", 204)
    assert (group["status"], group["body"]["description"]) == (201, "By npm")
    assert group["body"]["id"] in [one["id"] for one in groups["body"]]
    assert stats["status"] == 200
