"""Mailgun's calls that manage webhooks."""

from typing import Any

import httpx2
import pytest

from postroad.dialects.mailgun.webhooks import IDS
from postroad.model.credential import Secret
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.event import EventType
from postroad.model.options import CallbackFormat
from postroad.model.webhook import Login, Webhook
from postroad.storage import accounts, audit, domains, webhooks
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database

from .services import NOW, VAULT

PATH = "/v3/domains/news.example.com/webhooks"
V4 = "/v4/domains/news.example.com/webhooks"
A, B, C, D = (f"https://{name}.example.org/hook" for name in "abcd")


async def stored(database: Database, domain: SendingDomain) -> dict[tuple[str, str], set[str]]:
    found = await database.read(webhooks.of_domain, domain.id)
    return {(one.url, one.format.value): {kind.value for kind in one.event_types} for one in found}


def post(url: str | list[str], identifier: str = "opened", **more: Any) -> dict[str, Any]:
    return {"id": identifier, "url": url, **more}


async def test_webhooks_are_added_shown_changed_and_removed(
    client: httpx2.AsyncClient, domain: SendingDomain, database: Database
) -> None:
    assert (await client.get(PATH)).json() == {"webhooks": {}}
    made = await client.post(PATH, data=post([A, B]))
    assert (made.status_code, made.json()) == (
        200,
        {"message": "Webhook has been created", "webhook": {"urls": [A, B], "formats": ["mailgun", "mailgun"]}},
    )
    await client.post(PATH, data=post(A, "permanent_fail"))
    await client.post(PATH, data=post(A, "unsubscribe"))
    assert await stored(database, domain) == {
        (A, "mailgun"): {"opened", "bounced", "suppressed", "unsubscribed"},
        (B, "mailgun"): {"opened"},
    }
    listed = (await client.get(PATH)).json()["webhooks"]
    assert {name: one["urls"] for name, one in listed.items()} == {
        "opened": [A, B],
        "unsubscribed": [A],
        "permanent_fail": [A],
    }
    assert (await client.get(f"{PATH}/unsubscribe")).json()["webhook"]["urls"] == [A]

    put = await client.put(f"{PATH}/opened", data={"url": [B, C]})
    assert put.json() == {
        "message": "Webhook has been updated",
        "webhook": {"urls": [B, C], "formats": ["mailgun", "mailgun"]},
    }
    assert await stored(database, domain) == {
        (A, "mailgun"): {"bounced", "suppressed", "unsubscribed"},
        (B, "mailgun"): {"opened"},
        (C, "mailgun"): {"opened"},
    }
    gone = await client.delete(f"{PATH}/opened")
    assert gone.json()["message"] == "Webhook has been deleted"
    assert gone.json()["webhook"]["urls"] == [B, C]
    assert set(await stored(database, domain)) == {(A, "mailgun")}
    for method in ("GET", "DELETE", "PUT"):
        missing = await client.request(method, f"{PATH}/opened", data={"url": A} if method == "PUT" else None)
        assert (missing.status_code, missing.json()) == (404, {"message": "Webhook not found"})
    acts = [one.action for one in await database.read(audit.search, AuditSelector(account_id=domain.account_id), 20)]
    assert {"webhook.added", "webhook.edited", "webhook.removed"} <= set(acts)


async def test_each_address_may_have_a_format_of_its_own(
    client: httpx2.AsyncClient, domain: SendingDomain, database: Database
) -> None:
    await client.post(PATH, data=post(A, "delivered", format="sendgrid"))
    assert await stored(database, domain) == {(A, "sendgrid"): {"delivered"}}
    # What says no format leaves that of an address as it is.
    await client.post(PATH, data=post(A, "clicked"))
    await client.put(f"{PATH}/delivered", data={"url": [A, B]})
    assert await stored(database, domain) == {
        (A, "sendgrid"): {"delivered", "clicked"},
        (B, "mailgun"): {"delivered"},
    }
    await client.put(f"{PATH}/delivered", data={"url": A, "format": "bloomreach"})
    assert await stored(database, domain) == {(A, "sendgrid"): {"clicked"}, (A, "bloomreach"): {"delivered"}}
    wrong = await client.post(PATH, data=post(B, format="xml"))
    assert (wrong.status_code, wrong.json()["message"][:22]) == (400, "format must be one of ")


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, "id parameter is missing"),
        ({"id": "opened"}, "url parameter is missing"),
        (
            post(A, "seen"),
            "there is no webhook id seen: ids are accepted, delivered, opened, clicked, unsubscribed, complained, permanent_fail, temporary_fail",
        ),
        (post([A, B, C, D]), "url may be given 3 times at most, not 4"),
        (post("ftp://x.example"), "The address must be an http or https one, such as https://example.com/events."),
        (
            post([B, "http://127.0.0.1/"]),
            "127.0.0.1 is not an address of the public Internet; `webhooks.allow_private_addresses` would allow it.",
        ),
        (post(A, "delivered"), "Webhook already exists: https://a.example.org/hook"),
        (post([A, B, C], "delivered"), None),
    ],
)
async def test_a_webhook_that_cannot_be_is_refused_and_nothing_changes(
    form: dict[str, Any], sentence: str | None, client: httpx2.AsyncClient, domain: SendingDomain, database: Database
) -> None:
    await client.post(PATH, data=post([A, D], "delivered"))
    before = await stored(database, domain)
    reply = await client.post(PATH, data=form)
    assert reply.status_code == 400, reply.text
    assert reply.json()["message"] == (
        sentence or "Delivered events are posted to 3 addresses already, and no more are allowed."
    )
    assert await stored(database, domain) == before


@pytest.mark.parametrize("path", [V4, PATH])
async def test_the_events_of_an_address_are_set(
    path: str, client: httpx2.AsyncClient, domain: SendingDomain, database: Database
) -> None:
    made = await client.post(path, data={"url": A, "event_types": ["opened", "clicked"]})
    assert made.status_code == 200, made.text
    assert {name: one["urls"] for name, one in made.json()["webhooks"].items()} == {"opened": [A], "clicked": [A]}
    await client.put(path, data={"url": A, "event_types": "delivered,temporary_fail"})
    assert await stored(database, domain) == {(A, "mailgun"): {"delivered", "deferred"}}
    await client.post(path, data={"url": [B, C], "event_types": "accepted"})
    missing = await client.put(path, data={"url": D, "event_types": "accepted"})
    assert missing.status_code == 404
    assert (await client.delete(f"{path}?url={B},{D}")).status_code == 404
    await client.delete(path, params={"url": f"{A},{B}"})
    assert await stored(database, domain) == {(C, "mailgun"): {"accepted"}}
    for form, sentence in (
        ({"url": A}, "event_types parameter is missing"),
        ({"event_types": "opened"}, "url parameter is missing"),
    ):
        refused = await client.put(path, data=form)
        assert (refused.status_code, refused.json()["message"]) == (400, sentence)
    for form, sentence in (
        ({"event_types": "opened"}, "url parameter is missing"),
        ({"event_types": "seen", "url": A}, f"there is no webhook id seen: ids are {', '.join(IDS)}"),
    ):
        refused = await client.post(path, data=form)
        assert (refused.status_code, refused.json()["message"]) == (400, sentence)
    assert (await client.get("/v1/webhooks")).json() == {"webhooks": []}
    assert (await client.post("/v1/webhooks", data={"url": A})).status_code == 400


async def test_a_password_in_an_address_is_kept_and_never_shown(
    client: httpx2.AsyncClient, domain: SendingDomain, database: Database
) -> None:
    await client.post(PATH, data=post("https://me:secret@a.example.org/hook"))
    shown = "https://me@a.example.org/hook"
    assert (await client.get(f"{PATH}/opened")).json()["webhook"]["urls"] == [shown]
    await client.put(f"{PATH}/opened", data={"url": [shown, B]})
    await client.post(PATH, data=post(shown, "clicked"))
    [first, _] = await database.read(webhooks.of_domain, domain.id)
    login = await database.read(webhooks.login_of, VAULT, first.id)
    assert login == Login(password=Secret("secret"))


async def test_what_mailgun_has_no_id_for_stays(
    client: httpx2.AsyncClient, domain: SendingDomain, database: Database
) -> None:
    own = Webhook(
        account_id=domain.account_id,
        domain_id=domain.id,
        url=A,
        format=CallbackFormat.MAILGUN,
        event_types=(EventType.REJECTED, EventType.OPENED),
        created_at=NOW,
        created_by="someone",
    )
    await database.write(webhooks.add, VAULT, own, Login())
    await client.put(V4, data={"url": A, "event_types": "clicked"})
    await client.delete(f"{PATH}/clicked")
    assert await stored(database, domain) == {(A, "mailgun"): {"rejected"}}
    assert (await client.get(PATH)).json() == {"webhooks": {}}


async def test_a_webhook_is_tried(client: httpx2.AsyncClient) -> None:
    await client.post(PATH, data=post(A))
    tried = await client.put(f"{PATH}/opened/test", data={"url": A})
    assert (tried.status_code, tried.json()) == (200, {"code": 0, "message": "nobody is called in these tests"})
    for identifier, url in (("opened", B), ("clicked", A), ("seen", A)):
        assert (await client.put(f"{PATH}/{identifier}/test", data={"url": url})).status_code == 404
    assert (await client.put(f"{PATH}/opened/test")).status_code == 400


async def test_webhooks_of_others_do_not_exist(client: httpx2.AsyncClient, database: Database) -> None:
    other = await database.write(accounts.add, "other", NOW)
    wanted = SendingDomain(id=0, account_id=other.id, name="foreign.example", state=DomainState.ACTIVE, created_at=NOW)
    await database.write(domains.add, wanted)
    for method, path, form in (
        ("GET", "/v3/domains/foreign.example/webhooks", None),
        ("POST", "/v3/domains/foreign.example/webhooks", post(A)),
        ("GET", "/v3/domains/foreign.example/webhooks/opened", None),
        ("PUT", "/v3/domains/foreign.example/webhooks/opened", {"url": A}),
        ("DELETE", "/v3/domains/foreign.example/webhooks/opened", None),
        ("PUT", "/v3/domains/foreign.example/webhooks/opened/test", {"url": A}),
        ("PUT", "/v4/domains/foreign.example/webhooks", {"url": A, "event_types": "opened"}),
        ("DELETE", "/v4/domains/foreign.example/webhooks?url=https://a.example", None),
    ):
        reply = await client.request(method, path, data=form)
        assert (reply.status_code, reply.json()) == (404, {"message": "Domain not found: foreign.example"}), path
