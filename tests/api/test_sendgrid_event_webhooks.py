"""Settings of SendGrid's event webhook as its callers meet them."""

import base64
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.storage import webhooks
from postroad.storage.database import Database
from postroad.webhooks.webhooks import Webhooks

from .sendgrid_callers import client, foreign, other, sending
from .services import NOW, VAULT

__all__ = ["client", "foreign", "other", "sending"]

ALL = "/v3/user/webhooks/event/settings"
URL = "https://hooks.example.com/events"


async def added(client: httpx2.AsyncClient, **more: Any) -> dict[str, Any]:
    reply = await client.post(ALL, json={"url": URL, "delivered": True, "spam_report": True, "enabled": True} | more)
    assert reply.status_code == 201, reply.text
    told: dict[str, Any] = reply.json()
    return told


async def test_a_webhook_is_added_shown_changed_and_removed(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain
) -> None:
    told = await added(client, friendly_name="CRM", group_resubscribe=True, oauth_client_id="")
    switched = {name for name, value in told.items() if value is True}
    assert switched == {"enabled", "delivered", "spam_report"}
    assert (told["url"], told["friendly_name"]) == (URL, "CRM")
    load_der_public_key(base64.b64decode(told["public_key"]))
    path = f"{ALL}/{told['id']}"
    assert (await client.get(path)).json() == told
    assert (await client.get(f"{ALL}/all")).json()["webhooks"] == [told]
    changed = (await client.patch(path, json={"enabled": False, "open": True, "delivered": False})).json()
    assert {name for name, value in changed.items() if value is True} == {"spam_report", "open"}
    [stored] = await database.read(webhooks.of_domain, domain.id)
    assert (stored.paused_at is not None, stored.format) == (True, CallbackFormat.SENDGRID)
    assert set(stored.event_types) == {EventType.COMPLAINED, EventType.OPENED}
    assert (await client.patch(path, json={"enabled": True})).json()["enabled"] is True
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_who_knows_of_one_webhook_only_sets_it(client: httpx2.AsyncClient) -> None:
    none = (await client.get(ALL)).json()
    assert (none["enabled"], none["url"]) == (False, "")
    first = await client.patch(ALL, json={"enabled": True, "url": URL, "bounce": True, "dropped": True})
    assert first.status_code == 200, first.text
    second = await client.patch(ALL, json={"url": f"{URL}/2"})
    assert (second.json()["id"], second.json()["url"], second.json()["bounce"]) == (
        first.json()["id"],
        f"{URL}/2",
        True,
    )
    assert (await client.get(ALL)).json() == second.json()


async def test_the_key_is_told_for_one_and_for_all(client: httpx2.AsyncClient) -> None:
    told = await added(client)
    signed = (await client.get(f"{ALL}/signed/{told['id']}")).json()
    assert signed == {"id": told["id"], "public_key": told["public_key"]}
    assert (await client.get(f"{ALL}/signed")).json()["public_key"] == told["public_key"]
    on = await client.patch(f"{ALL}/signed/{told['id']}", json={"enabled": True})
    assert on.json() == signed
    off = await client.patch(f"{ALL}/signed/{told['id']}", json={"enabled": False})
    assert (off.status_code, off.json()["errors"][0]["field"]) == (400, "enabled")


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (None, None),
        ([], None),
        ({"delivered": True}, "url"),
        ({"url": URL}, "processed"),
        ({"url": URL, "delivered": "yes"}, "delivered"),
        ({"url": 1, "delivered": True}, "url"),
        ({"url": "ftp://x.example", "delivered": True}, "url"),
        ({"url": URL, "delivered": True, "oauth_client_id": "me"}, "oauth_client_id"),
        ({"url": URL, "delivered": True, "friendly_name": "x" * 501}, "note"),
    ],
)
async def test_what_is_no_webhook_is_not_added(document: Any, field: str | None, client: httpx2.AsyncClient) -> None:
    reply = await client.post(ALL, json=document)
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (400, field)
    assert (await client.get(f"{ALL}/all")).json()["webhooks"] == []


async def test_which_domain_is_said_where_there_are_several(
    client: httpx2.AsyncClient, database: Database, other: SendingDomain, foreign: SendingDomain
) -> None:
    wanted = {"url": URL, "delivered": True}
    assert (await client.post(ALL, json=wanted)).json()["errors"][0]["field"] == "domain"
    reply = await client.post(ALL, json=wanted, headers={"On-Behalf-Of": other.name})
    assert reply.status_code == 201
    assert [one.url for one in await database.read(webhooks.of_domain, other.id)] == [URL]
    assert (await client.post(ALL, json=wanted, params={"domain": foreign.name})).status_code == 404


async def test_webhooks_of_others_and_of_other_formats_are_none(
    client: httpx2.AsyncClient, database: Database, domain: SendingDomain, foreign: SendingDomain
) -> None:
    made = Webhooks(database, VAULT, lambda: NOW, allow_private_addresses=False)
    theirs = await made.add(SYSTEM, foreign, URL, format=CallbackFormat.SENDGRID)
    standard = await made.add(SYSTEM, domain, URL, format=CallbackFormat.STANDARD)
    for webhook_id in (theirs.id, standard.id, "none", "9" * 30):
        for method, path in (("GET", ALL), ("PATCH", ALL), ("DELETE", ALL), ("GET", f"{ALL}/signed")):
            document = {"delivered": True} if method == "PATCH" else None
            reply = await client.request(method, f"{path}/{webhook_id}", json=document)
            assert reply.status_code == 404, (method, webhook_id)
    assert (await client.get(f"{ALL}/all")).json()["webhooks"] == []


async def test_samples_go_to_webhooks_that_are_there(client: httpx2.AsyncClient) -> None:
    path = "/v3/user/webhooks/event/test"
    assert (await client.post(path, json={"url": URL})).status_code == 404
    told = await added(client)
    for document in ({"id": told["id"]}, {"url": URL}, None):
        reply = await client.post(path, json=document)
        # Nobody is called in these tests: the error of the call is told.
        assert (reply.status_code, "nobody is called" in reply.text) == (400, True)
    assert (await client.post(path, json={"url": "https://elsewhere.example"})).status_code == 404


async def test_keys_that_send_manage_no_webhooks(client: httpx2.AsyncClient, sending: dict[str, str]) -> None:
    for method, path in (("GET", ALL), ("POST", ALL), ("PATCH", ALL), ("GET", f"{ALL}/all"), ("GET", f"{ALL}/signed")):
        assert (await client.request(method, path, headers=sending)).status_code == 403


async def test_leaving_a_group_is_switched_with_unsubscribing(client: httpx2.AsyncClient) -> None:
    told = await added(client, group_unsubscribe=True)
    assert (told["unsubscribe"], told["group_unsubscribe"]) == (True, True)
    path = f"{ALL}/{told['id']}"
    kept = (await client.patch(path, json={"group_unsubscribe": False})).json()
    assert (kept["unsubscribe"], kept["group_unsubscribe"]) == (True, True)
    off = (await client.patch(path, json={"unsubscribe": False, "group_unsubscribe": False})).json()
    assert (off["unsubscribe"], off["group_unsubscribe"]) == (False, False)
