"""Clients that were written for Mailgun manage an account as they are: only host and key are ours."""

import asyncio
import json
import warnings
from typing import Any

import pytest
from mailgun.client import Client

from tests.peers.node import run_node
from tests.peers.ports import LOOPBACK
from tests.scenarios.product import DOMAIN
from tests.scenarios.world import World

pytestmark = pytest.mark.peer("nsd")

OWN = "managed.example.org"
PASSWORD = "Secret!word"
HOOKS = "https://hooks.example.org"


@pytest.fixture(scope="module")
def key(world: World) -> str:
    return str(world.product.run_json("api-key", "add", "--account", "default")["key"])


def url_of(world: World) -> str:
    return f"http://{LOOPBACK}:{world.product.http_port}"


class Steps:
    """Calls of the SDK, each of which must be answered well, and what they were answered with."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __call__(self, endpoint: str, method: str, **given: Any) -> Any:
        response = getattr(getattr(self.client, endpoint), method)(**given)
        assert response.status_code == 200, (endpoint, method, response.text)
        return response.json()


async def test_the_python_sdk_manages_an_account(world: World, key: str) -> None:
    await asyncio.to_thread(_by_python, world, key)


def _by_python(world: World, key: str) -> None:
    with warnings.catch_warnings():
        # It warns of every key in clear text, also on loopback.
        warnings.simplefilter("ignore")
        with Client(auth=("api", key), api_url=url_of(world)) as client:
            assert client.ping()
            step = Steps(client)
            _domains(step)
            _credentials(step)
            _webhooks(step)
            _routes(step)
            _keys(step)
            _suppressions(step)
            _templates(step)
            _stats(step)
            assert step("domains", "delete", domain=OWN) == {"message": "Domain has been deleted"}
            gone = client.domains.get(domain=OWN)
            assert (gone.status_code, gone.json()) == (404, {"message": f"Domain not found: {OWN}"})


def _domains(step: Steps) -> None:
    made = step("domains", "create", data={"name": OWN, "spam_action": "disabled", "wildcard": False})
    assert made["domain"]["name"] == OWN
    assert {one["record_type"] for one in made["sending_dns_records"]} >= {"TXT"}
    assert OWN in [one["name"] for one in step("domainlist", "get", filters={"limit": 100})["items"]]
    assert step("domains", "get", domain=OWN)["domain"] == made["domain"]
    step("domains", "put", domain=OWN, data={"name": OWN, "spam_action": "disabled"})
    assert step("domains", "put", domain=OWN, verify=True)["message"] == "Domain DNS records have been updated"
    step("domains_connection", "put", domain=OWN, data={"require_tls": "true", "skip_verification": "false"})
    connection = step("domains_connection", "get", domain=OWN)["connection"]
    assert connection == {"require_tls": True, "skip_verification": False}
    step("domains_tracking_open", "put", domain=OWN, data={"active": "yes", "skip_verification": "false"})
    step("domains_tracking_click", "put", domain=OWN, data={"active": "yes"})
    step("domains_tracking_unsubscribe", "put", domain=OWN, data={"active": "yes"})
    tracking = step("domains_tracking", "get", domain=OWN)["tracking"]
    assert [tracking[what]["active"] for what in ("open", "click", "unsubscribe")] == [True, True, True]
    step("domains_dkimauthority", "put", domain=OWN, data={"self": "true"})
    step("domains_dkimselector", "put", domain=OWN, data={"dkim_selector": "postroad1"})
    step("domains_webprefix", "put", domain=OWN, data={"web_prefix": "python"})
    [signing] = step("dkim_keys", "get", filters={"signing_domain": OWN, "page": "", "limit": "0"})["items"]
    assert (signing["signing_domain"], signing["selector"]) == (OWN, "postroad1")
    assert step("domains_keys", "get", domain=OWN)["items"] == [signing]


def _credentials(step: Steps) -> None:
    step("domains_credentials", "create", domain=OWN, data={"login": f"alice_bob@{OWN}", "password": PASSWORD})
    [user] = step("domains_credentials", "get", domain=OWN)["items"]
    assert user["login"] == f"alice_bob@{OWN}"
    changed = step("domains_credentials", "put", domain=OWN, login="alice_bob", data={"password": f"{PASSWORD}2"})
    assert changed == {"message": "Password changed"}
    gone = step("domains_credentials", "delete", domain=OWN, login=user["login"])
    assert gone["spec"] == user["login"]


def _webhooks(step: Steps) -> None:
    step("domains_webhooks", "create", domain=OWN, data={"id": "clicked", "url": [f"{HOOKS}/a"]})
    step(
        "domains_webhooks",
        "put",
        domain=OWN,
        webhook_name="clicked",
        data=[("url", f"{HOOKS}/a"), ("url", f"{HOOKS}/b")],
    )
    shown = step("domains_webhooks", "get", domain=OWN, webhook_name="clicked")
    assert shown["webhook"]["urls"] == [f"{HOOKS}/a", f"{HOOKS}/b"]
    step("domains_webhooks", "create", domain=OWN, data={"url": f"{HOOKS}/c", "event_types": ["opened", "delivered"]})
    step("domains_webhooks", "put", domain=OWN, data={"url": f"{HOOKS}/c", "event_types": ["permanent_fail"]})
    assert set(step("domains_webhooks", "get", domain=OWN)["webhooks"]) == {"clicked", "permanent_fail"}
    step("domains_webhooks", "delete", domain=OWN, filters={"url": f"{HOOKS}/c"})
    step("domains_webhooks", "delete", domain=OWN, webhook_name="clicked")
    assert step("domains_webhooks", "get", domain=OWN) == {"webhooks": {}}


def _routes(step: Steps) -> None:
    wanted = {
        "priority": 2,
        "description": "Sample route",
        "expression": f"match_recipient('.*@{OWN}')",
        "action": ["forward('me@elsewhere.example')", "stop()"],
    }
    route = step("routes", "create", data=wanted)["route"]
    assert step("routes", "get", filters={"skip": 0, "limit": 10})["items"] == [route]
    assert step("routes_match", "get", filters={"address": f"who@{OWN}"})["route"] == route
    changed = step("routes", "put", route_id=route["id"], data=wanted | {"priority": 3})
    assert (changed["message"], changed["priority"]) == ("Route has been updated", 3)
    assert step("routes", "delete", route_id=route["id"])["id"] == route["id"]


def _keys(step: Steps) -> None:
    wanted = {"role": "sending", "kind": "domain", "domain_name": OWN, "description": "a new key"}
    made = step("keys", "create", data=wanted, headers={"Content-Type": "multipart/form-data"})
    [found] = step("keys", "get", filters={"domain_name": OWN, "kind": "domain"})["items"]
    assert found == {name: value for name, value in made["key"].items() if name != "secret"}
    step("keys", "delete", key_id=found["id"])


def _suppressions(step: Steps) -> None:
    json_type = {"Content-Type": "application/json"}
    step("bounces", "create", domain=OWN, data={"address": "a@dest.example", "code": "550", "error": "gone"})
    many = [{"address": "b@dest.example"}, {"address": "c@dest.example"}]
    added = step("bounces", "create", domain=OWN, data=json.dumps(many), headers=json_type)
    assert added == {"message": "2 addresses have been added to the bounces table"}
    page = step("bounces", "get", domain=OWN, filters={"limit": 2})
    assert [one["address"] for one in page["items"]] == ["a@dest.example", "b@dest.example"]
    assert step("bounces", "get", domain=OWN, bounce_address="a@dest.example")["code"] == "550"
    step("bounces", "delete", domain=OWN, bounce_address="a@dest.example")
    step("bounces", "delete", domain=OWN)
    step("unsubscribes", "create", domain=OWN, data={"address": "u@dest.example", "tag": "*"})
    assert step("unsubscribes", "get", domain=OWN, unsubscribe_address="u@dest.example")["tags"] == ["*"]
    step("complaints", "create", domain=OWN, data={"address": "k@dest.example", "tag": "x"})
    step("complaints", "delete", domain=OWN, complaint_address="k@dest.example")
    step("whitelists", "create", domain=OWN, data={"address": "w@dest.example", "tag": "x"})
    assert step("whitelists", "get", domain=OWN, whitelist_address="w@dest.example")["type"] == "address"
    step("whitelists", "delete", domain=OWN, whitelist_address="w@dest.example")


def _templates(step: Steps) -> None:
    made = step("templates", "create", domain=OWN, data={"name": "greet", "description": "d", "template": "{{name}}"})
    assert made["template"]["version"]["tag"] == "initial"
    versions = {"domain": OWN, "template_name": "greet", "versions": True}
    step("templates", "create", **versions, data={"tag": "v1", "template": "{{name}} 1", "active": "yes"})
    step("templates", "put", **versions, tag="v1", data={"template": "{{name}} 2", "comment": "mended"})
    shown = step("templates", "get", **versions, tag="v1")["template"]["version"]
    assert (shown["template"], shown["active"]) == ("{{name}} 2", True)
    step("templates", "put", **versions, tag="v1", copy=True, new_tag="v2", data={"comment": "copied"})
    step("templates", "delete", **versions, tag="v2")
    step("templates", "put", domain=OWN, template_name="greet", data={"description": "new"})
    assert step("templates", "get", domain=OWN, filters={"limit": 1})["items"][0]["description"] == "new"
    step("templates", "delete", domain=OWN, template_name="greet")
    step("templates", "delete", domain=OWN)


def _stats(step: Steps) -> None:
    total = step("stats_total", "get", domain=OWN, filters={"event": ["accepted", "failed"], "duration": "1m"})
    assert total["stats"][-1]["accepted"]["total"] == 0
    assert step("tags", "get", domain=OWN)["items"] == []


async def test_a_domain_key_is_enough_for_the_check_that_bloomreach_makes(world: World) -> None:
    domain_key = str(world.product.run_json("api-key", "add", "--domain", DOMAIN)["key"])

    def call() -> tuple[int, str, bool]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Client(auth=("api", domain_key), api_url=url_of(world)) as client:
                response = client.domains.get(domain=DOMAIN)
                return response.status_code, response.json()["domain"]["name"], client.ping()

    assert await asyncio.to_thread(call) == (200, DOMAIN, False)


@pytest.mark.peer("npm:mailgun.js", "npm:form-data")
async def test_mailgun_js_manages_an_account(world: World, key: str) -> None:
    own = "js.example.org"
    route = {
        "priority": 1,
        "description": "all",
        "expression": f'match_recipient(".*@{own}")',
        "action": ['forward("me@elsewhere.example")', "stop()"],
    }
    calls: list[list[Any]] = [
        ["domains.create", {"name": own, "wildcard": False, "smtp_password": PASSWORD}],
        ["domains.get", own, {"with_dns": True}],
        ["domains.list", {"search": "js.ex"}],
        ["domains.update", own, {"spam_action": "disabled", "wildcard": False, "web_prefix": "t"}],
        ["domains.verify", own],
        ["domains.updateConnection", own, {"require_tls": True, "skip_verification": True}],
        ["domains.getConnection", own],
        ["domains.domainTracking.updateTracking", own, "open", {"active": True, "place_at_the_top": False}],
        ["domains.domainTracking.updateTracking", own, "click", {"active": "htmlonly"}],
        ["domains.domainTracking.getTracking", own],
        ["domains.domainKeys.list", own],
        ["domains.domainKeys.listAll", {"signingDomain": own}],
        ["domains.domainKeys.updateDKIMSelector", own, {"dkimSelector": "postroad1"}],
        ["domains.domainKeys.updateDKIMAuthority", own, {"self": True}],
        ["domains.domainCredentials.create", own, {"login": "bob", "password": PASSWORD}],
        ["domains.domainCredentials.create", own, {"login": "eve", "password": "weak"}],
        ["domains.domainCredentials.update", own, f"bob@{own}", {"password": f"{PASSWORD}2"}],
        ["domains.domainCredentials.list", own, {"limit": 10, "skip": 0}],
        ["domains.domainCredentials.destroy", own, "bob"],
        ["domains.domainCredentials.destroyAll", own],
        ["webhooks.create", own, "unsubscribe", f"{HOOKS}/a"],
        ["webhooks.update", own, "unsubscribe", [f"{HOOKS}/a", f"{HOOKS}/b"]],
        ["webhooks.get", own, "unsubscribed"],
        ["webhooks.create", own, "unsubscribed", f"{HOOKS}/a", True],
        ["webhooks.list", own],
        ["webhooks.destroy", own, "unsubscribed"],
        ["routes.create", route],
        ["routes.update", {"$": [26, "id"]}, route | {"description": "none"}],
        ["routes.matchAddress", f"who@{own}"],
        ["routes.list", {"limit": 5}],
        ["routes.destroy", {"$": [26, "id"]}],
        ["apiKeys.create", {"role": "sending", "kind": "domain", "domain_name": own}],
        ["apiKeys.list", {"domain_name": own}],
        ["apiKeys.destroy", {"$": [31, "id"]}],
        ["suppressions.create", own, "bounces", {"address": "a@dest.example", "error": "gone"}],
        ["suppressions.create", own, "bounces", [{"address": "b@dest.example"}, {"address": "c@dest.example"}]],
        ["suppressions.list", own, "bounces", {"limit": 2}],
        ["suppressions.get", own, "bounces", "a@dest.example"],
        ["suppressions.destroy", own, "bounces", "a@dest.example"],
        ["suppressions.get", own, "bounces", "a@dest.example"],
        ["suppressions.create", own, "unsubscribes", {"address": "u@dest.example", "tag": "news"}],
        ["suppressions.list", own, "unsubscribes", {}],
        ["suppressions.create", own, "whitelists", {"domain": "dest.example"}],
        ["suppressions.list", own, "whitelists", {}],
        ["domains.domainTemplates.create", own, {"name": "hi", "description": "d", "template": "{{a}}", "tag": "t"}],
        ["domains.domainTemplates.createVersion", own, "hi", {"tag": "u", "template": "{{b}}", "active": "yes"}],
        ["domains.domainTemplates.getVersion", own, "hi", "u"],
        ["domains.domainTemplates.listVersions", own, "hi", {"limit": 5}],
        ["domains.domainTemplates.list", own, {"limit": 5}],
        ["domains.domainTemplates.destroyVersion", own, "hi", "t"],
        ["domains.domainTemplates.destroy", own, "hi"],
        ["stats.getDomain", own, {"event": ["accepted", "opened"], "duration": "2d"}],
        ["domains.domainTags.list", own, {"limit": 5}],
        ["domains.destroy", own],
        ["domains.get", own],
    ]
    facts = {"url": url_of(world), "key": key, "calls": calls}
    outcomes = await asyncio.to_thread(run_node, "mailgun_managing.mjs", facts)
    answers = {f"{number} {call[0]}": answer for number, (call, answer) in enumerate(zip(calls, outcomes, strict=True))}
    errors = {name: one.get("error") for name, one in answers.items() if isinstance(one, dict)}
    # A bounce has an error, too, which is a text.
    failed = {name: error for name, error in errors.items() if isinstance(error, dict)}
    assert {name: error.get("status") for name, error in failed.items()} == {
        "15 domains.domainCredentials.create": 400,
        "39 suppressions.get": 404,
        "54 domains.get": 404,
    }, failed
    assert failed["15 domains.domainCredentials.create"]["details"].startswith(
        "The password needs at least 8 characters"
    )
    assert (outcomes[0]["name"], outcomes[0]["created_at"][-1]) == (own, "Z")
    assert outcomes[1]["sending_dns_records"][0]["name"] == f"postroad1._domainkey.{own}"
    assert [one["name"] for one in outcomes[2]] == [own]
    assert outcomes[3]["web_prefix"] == "t"
    assert outcomes[6]["skip_verification"] is True
    assert (outcomes[9]["open"]["active"], outcomes[9]["click"]["active"]) == (True, "htmlonly")
    assert outcomes[10]["items"] == outcomes[11]["items"]
    assert outcomes[11]["pages"]["next"]["url"].startswith("http")
    assert [one["login"] for one in outcomes[17]["items"]] == [f"bob@{own}", f"postmaster@{own}"]
    assert (outcomes[18]["spec"], outcomes[19]["count"]) == (f"bob@{own}", 1)
    assert outcomes[22]["urls"] == [f"{HOOKS}/a", f"{HOOKS}/b"]
    assert set(outcomes[23]) == {"code", "message"}
    assert outcomes[24]["unsubscribed"]["urls"] == [f"{HOOKS}/a", f"{HOOKS}/b"]
    assert outcomes[27]["description"] == "none"
    assert outcomes[28] == outcomes[29][0]
    assert outcomes[31]["secret"].startswith("prd_")
    assert outcomes[32]["totalCount"] == 1
    assert [one["address"] for one in outcomes[36]["items"]] == ["a@dest.example", "b@dest.example"]
    assert (outcomes[37]["address"], outcomes[38]["status"]) == ("a@dest.example", 200)
    assert outcomes[41]["items"][0]["tags"] == ["news"]
    assert [one["value"] for one in outcomes[43]["items"]] == ["dest.example"]
    assert outcomes[46]["version"]["template"] == "{{b}}"
    assert [one["tag"] for one in outcomes[47]["template"]["versions"]] == ["u", "t"]
    assert [one["name"] for one in outcomes[48]["items"]] == ["hi"]
    assert outcomes[51]["stats"][0]["accepted"]["total"] == 0
    assert outcomes[52]["items"] == []
