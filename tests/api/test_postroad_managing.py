"""Domains, lists, templates, webhooks, SMTP users and keys by our own API: what the console can do, and who may not."""

import asyncio
import re
from typing import Any

import msgspec
import pytest

from postroad.accounts.api_keys import ApiKeys
from postroad.accounts.smtp_user_changes import SmtpUserChange
from postroad.accounts.smtp_users import SmtpUsers
from postroad.dialects.postroad.operations import OPERATIONS
from postroad.dns.answer import Answer, AnswerStatus, RecordType
from postroad.domains.registration import Registration
from postroad.model.actor import SYSTEM
from postroad.model.credential import CredentialKind
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.webhook import Webhook
from postroad.storage import audit, domains
from postroad.storage.database import Database
from postroad.webhooks.webhooks import Webhooks

from . import services
from .own_api import Caller

BASE = "/api/postroad/v1"
LONG = "x" * 501


async def actions(database: Database) -> list[str]:
    found = await database.read(audit.search, audit.AuditSelector(), 100)
    return [one.action for one in reversed(found)]


async def located(own: Caller, path: str, body: Any) -> tuple[str, Any]:
    """Add something, and return its path, under which it must be found, and the answer."""
    reply = await own("POST", path, body)
    assert reply.status_code == 201, reply.text
    where = reply.headers["location"]
    assert where.startswith(f"{BASE}{path}")
    return where, reply.json()


# -- domains ------------------------------------------------------------------------------------------------------------


async def test_a_domain_is_added_looked_at_and_removed(own: Caller) -> None:
    where, added = await located(
        own, "/domains", {"name": "Two.Example.com.", "settings": {"tracks_opens": True, "ed25519": True}}
    )
    assert where == f"{BASE}/domains/two.example.com"
    assert (added["name"], added["state"], added["is_paused"]) == ("two.example.com", "unverified", False)
    assert added["settings"]["tracks_opens"] is True
    assert {one["algorithm"] for one in added["dkim_keys"]} == {"rsa", "ed25519"}
    assert {one["status"] for one in added["records"]} == {None}

    assert await own.ok("GET", "/domains/two.example.com") == added
    shown = await own.ok("GET", "/domains/TWO.example.com", dns="true")
    assert {one["status"] for one in shown["records"]} == {"missing"}
    assert shown["checked_at"] is None

    verified = await own.ok("POST", "/domains/two.example.com/verify")
    assert verified["checked_at"] is not None
    assert {one["found"] for one in verified["records"]} == {""}
    assert await own.refused(429, "POST", "/domains/two.example.com/verify") == []

    listed = await own.ok("GET", "/domains")
    assert [one["name"] for one in listed["domains"]] == ["news.example.com", "two.example.com"]
    first = await own.ok("GET", "/domains", limit=1)
    second = await own.ok("GET", "/domains", limit=1, cursor=first["next"])
    assert [one["name"] for one in second["domains"]] == ["two.example.com"]
    assert second["next"] is None
    for query in ({"name": "TWO"}, {"state": "unverified"}):
        assert [one["name"] for one in (await own.ok("GET", "/domains", **query))["domains"]] == ["two.example.com"]

    await own.ok("DELETE", "/domains/two.example.com")
    await own.refused(404, "GET", "/domains/two.example.com")


async def test_what_of_a_domain_is_published_is_told(own: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(_self: object, name: str, record_type: RecordType) -> Answer:
        if record_type is RecordType.TXT and name.startswith("_dmarc"):
            return Answer(status=AnswerStatus.FOUND, records=("v=DMARC1; p=none",))
        return Answer(status=AnswerStatus.NO_DATA)

    monkeypatch.setattr(services.NoRecords, "resolve", resolve)
    shown = await own.ok("GET", "/domains/news.example.com", dns="true")
    [dmarc] = [one for one in shown["records"] if one["purpose"] == "dmarc"]
    assert (dmarc["status"], dmarc["found"]) == ("ok", "v=DMARC1; p=none")


async def test_a_domain_is_changed(own: Caller, database: Database) -> None:
    path = "/domains/news.example.com"
    changed = await own.ok("PATCH", path, {"settings": {"hourly_quota": 100, "require_tls": "encrypt"}})
    assert (changed["settings"]["hourly_quota"], changed["settings"]["require_tls"]) == (100, "encrypt")
    changed = await own.ok("PATCH", path, {"settings": {"tracks_clicks": True}})
    assert (changed["settings"]["hourly_quota"], changed["settings"]["tracks_clicks"]) == (100, True)
    paused = await own.ok("PATCH", path, {"is_paused": True, "pause_reason": "a look at it"})
    assert (paused["is_paused"], paused["pause_reason"]) == (True, "a look at it")
    assert (await own.ok("PATCH", path, {"is_paused": False}))["is_paused"] is False
    assert (await own.ok("PATCH", path, {"is_disabled": True}))["state"] == "disabled"
    assert (await own.ok("PATCH", path, {"is_disabled": False}))["state"] == "unverified"
    assert await own.ok("PATCH", path, {}) == await own.ok("GET", path, dns="false")


async def test_a_change_of_a_domain_that_cannot_be_is_not_half_made(
    own: Caller, database: Database, domain: SendingDomain
) -> None:
    path = "/domains/news.example.com"
    whole = {"settings": {"hourly_quota": 7}, "is_paused": True}
    assert await own.refused(422, "PATCH", path, whole | {"pause_reason": "a\u200bb"}) == ["pause_reason"]
    assert await own.refused(422, "PATCH", path, {"pause_reason": "why"}) == ["pause_reason"]
    vetting = msgspec.structs.replace(domain, state=DomainState.VETTING)
    await database.write(domains.change, services.VAULT, domain, vetting)
    assert await own.refused(409, "PATCH", path, whole | {"is_disabled": True}) == []
    shown = await own.ok("GET", path)
    assert (shown["settings"]["hourly_quota"], shown["is_paused"]) == (domain.settings.hourly_quota, False)
    await own.ok("PATCH", path, {"is_paused": True, "pause_reason": "one"})
    await own.ok("PATCH", path, {"is_paused": True, "pause_reason": "one"})
    assert await own.refused(409, "PATCH", path, {"is_paused": True, "pause_reason": "two"}) == []
    rejected = msgspec.structs.replace(vetting, state=DomainState.REJECTED)
    await database.write(domains.change, services.VAULT, vetting, rejected)
    assert await own.refused(409, "PATCH", path, {"is_disabled": False}) == []


async def test_settings_that_were_changed_meanwhile_are_not_lost(own: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    path, change = "/domains/news.example.com", Registration.change_settings

    async def meanwhile(*arguments: Any, **named: Any) -> SendingDomain:
        monkeypatch.setattr(Registration, "change_settings", change)
        await own.ok("PATCH", path, {"settings": {"tracks_clicks": True}})
        return await change(*arguments, **named)

    monkeypatch.setattr(Registration, "change_settings", meanwhile)
    assert await own.refused(409, "PATCH", path, {"settings": {"hourly_quota": 7}}) == []
    assert (await own.ok("GET", path))["settings"]["tracks_clicks"] is True


async def test_keys_of_a_domain_are_made_anew(own: Caller) -> None:
    path = "/domains/news.example.com"
    made = await own.ok("POST", f"{path}/rotate-dkim")
    assert [(one["algorithm"], one["state"]) for one in made["dkim_keys"]] == [("rsa", "published")]
    assert made["dkim_keys"][0]["public_key"] in "".join(one["value"] for one in made["records"])
    # It must be seen before there can be another one.
    assert await own.refused(409, "POST", f"{path}/rotate-dkim") == []


async def test_a_domain_that_cannot_be_so_is_refused(own: Caller, foreign: SendingDomain) -> None:
    assert await own.refused(409, "POST", "/domains", {"name": "news.example.com"}) == []
    for body, field in (
        ({}, "name"),
        ({"name": 7}, "name"),
        ({"name": "no name"}, "name"),
        ({"name": "x.example", "state": "active"}, "state"),
        ({"name": "x.example", "settings": {"bounce_mial": True}}, "settings.bounce_mial"),
        ({"name": "x.example", "settings": {"hourly_quota": -1}}, "settings.hourly_quota"),
        ({"name": "x.example", "settings": {"submission_networks": "here"}}, "settings.submission_networks"),
        ({"name": foreign.name}, "name"),
    ):
        assert await own.refused(422, "POST", "/domains", body) == [field], body
    assert len((await own.ok("GET", "/domains"))["domains"]) == 1
    changes: tuple[tuple[dict[str, Any], str], ...] = (
        ({"settings": {"bounce_mial": True}}, "settings.bounce_mial"),
        ({"settings": {"bounce_mail": "yes", "hourly_quota": -1}}, "settings.bounce_mail"),
        ({"settings": {"submission_networks": "here"}}, "settings.submission_networks"),
        ({"is_paused": None}, "is_paused"),
        ({"pause_reason": LONG}, "pause_reason"),
    )
    for body, field in changes:
        assert (await own.refused(422, "PATCH", "/domains/news.example.com", body))[0] == field, body
    for path in ("/domains/no..name", "/domains/x.example", f"/domains/{foreign.name}"):
        await own.refused(404, "GET", path)
    await own.ok("POST", "/smtp-users", {"username": "app@news.example.com"})
    assert await own.refused(409, "DELETE", "/domains/news.example.com") == []


# -- suppressions -------------------------------------------------------------------------------------------------------


async def test_addresses_are_suppressed_found_and_let_go(own: Caller) -> None:
    entry = {"address": "Ada@X.example", "reason": "by phone", "created_at": "2026-05-01T10:00:00+02:00"}
    where, added = await located(
        own, "/suppressions", {"domain": "news.example.com", "kind": "block", "entries": [entry]}
    )
    [told] = added["suppressions"]
    assert (told["address"], told["reason"], told["created_at"], told["way"]) == (
        "ada@x.example",
        "by phone",
        "2026-05-01T08:00:00Z",
        "hand",
    )
    assert await own.ok("GET", where) == told
    assert (await own.ok("GET", "/suppressions"))["suppressions"] == [told]
    await own.ok("DELETE", where)
    await own.refused(404, "GET", where)
    await own.refused(404, "DELETE", where)
    await own.refused(404, "GET", "/suppressions/nothing")


async def test_a_thousand_addresses_are_suppressed_at_once(own: Caller, database: Database) -> None:
    many = [{"address": f"u{number:04}@x.example"} for number in range(1_000)]
    body = {"domain": "news.example.com", "kind": "unsubscribe", "entries": many}
    reply = await own("POST", "/suppressions", body)
    assert reply.headers["location"] == f"{BASE}/suppressions?domain=news.example.com&kind=unsubscribe"
    assert (len(reply.json()["suppressions"]), reply.json()["known"]) == (1_000, 0)
    again = await own.ok("POST", "/suppressions", body | {"entries": [*many[:2], {"address": "new@x.example"}]})
    assert ([one["address"] for one in again["suppressions"]], again["known"]) == (["new@x.example"], 2)
    assert await own.refused(422, "POST", "/suppressions", body | {"entries": [*many, many[0]]}) == ["entries"]
    assert await own.refused(422, "POST", "/suppressions", body | {"entries": []}) == ["entries"]

    cursor, told = None, []
    for _ in range(3):
        page = await own.ok(
            "GET",
            "/suppressions",
            kind="unsubscribe",
            address="u000",
            limit=4,
            **({"cursor": cursor} if cursor else {}),
        )
        cursor = page["next"]
        told += [one["address"] for one in page["suppressions"]]
    assert cursor is None
    assert told == [f"u000{number}@x.example" for number in range(10)]
    assert (await own.ok("GET", "/suppressions", kind="block"))["suppressions"] == []


async def test_all_entries_that_cannot_be_so_are_named_and_none_is_added(own: Caller, foreign: SendingDomain) -> None:
    body: dict[str, Any] = {"domain": "news.example.com", "kind": "bounce"}
    entries = [
        {"address": "ada@x.example"},
        {"address": "nobody"},
        {"address": "bo@x.example", "tag": "spring"},
        {"address": "c@x.example", "reason": LONG},
        {"address": "d@x.example", "created_at": "2030-01-01T00:00:00Z"},
    ]
    unsubscribed = body | {"kind": "unsubscribe", "entries": [{"address": "e@x.example", "tag": "a\0b"}]}
    assert await own.refused(422, "POST", "/suppressions", unsubscribed) == ["entries.0.tag"]
    refused = await own.refused(422, "POST", "/suppressions", body | {"entries": entries})
    assert refused == ["entries.1.address", "entries.2.tag", "entries.3.reason", "entries.4.created_at"]
    assert (await own.ok("GET", "/suppressions"))["suppressions"] == []
    for change, field in (
        ({"kind": "hate"}, "kind"),
        ({"entries": [{"adress": "x"}]}, "entries.0.adress"),
        ({"entries": [{"address": "a@x.example", "tag": 7}]}, "entries.0.tag"),
        ({"entires": []}, "entires"),
    ):
        assert field in await own.refused(422, "POST", "/suppressions", body | {"entries": entries[:1]} | change)
    await own.refused(404, "POST", "/suppressions", body | {"entries": entries[:1], "domain": foreign.name})
    await own.refused(404, "GET", "/suppressions", domain=foreign.name)


async def test_what_lists_say_of_an_address_is_removed(own: Caller) -> None:
    for kind in ("bounce", "unsubscribe", "block"):
        entries = [{"address": "ada@x.example"}, {"address": "bo@x.example"}]
        await own.ok("POST", "/suppressions", {"domain": "news.example.com", "kind": kind, "entries": entries})
    asked = {"domain": "news.example.com", "address": "ADA@x.example"}
    await own.ok("DELETE", "/suppressions", **asked, kind="bounce")
    await own.refused(404, "DELETE", "/suppressions", **asked, kind="bounce")
    await own.ok("DELETE", "/suppressions", **asked)
    await own.refused(404, "DELETE", "/suppressions", **asked)
    assert {one["address"] for one in (await own.ok("GET", "/suppressions"))["suppressions"]} == {"bo@x.example"}
    for kind in ("block", "allow"):
        entries = [{"address": "@x.example"}, {"address": "bo@x.example"}]
        await own.ok("POST", "/suppressions", {"domain": "news.example.com", "kind": kind, "entries": entries})
    asked["address"] = "bo@x.example"
    await own.ok("DELETE", "/suppressions", **asked)
    await own.refused(404, "DELETE", "/suppressions", **asked)
    left = (await own.ok("GET", "/suppressions"))["suppressions"]
    assert [(one["kind"], one["address"]) for one in left] == [("allow", "@x.example"), ("block", "@x.example")]
    # Nothing is removed by half a question.
    assert await own.refused(400, "DELETE", "/suppressions", domain="news.example.com") == ["address"]
    assert sorted(await own.refused(400, "DELETE", "/suppressions")) == ["address", "domain"]
    for half in ("@@", "x.example", "bo"):
        assert await own.refused(400, "DELETE", "/suppressions", **(asked | {"address": half})) == ["address"]


async def test_an_entry_of_another_account_does_not_exist(
    own: Caller, stranger: Any, keys: Any, foreign: SendingDomain
) -> None:
    other = Caller(stranger, str((await keys.add_for_account(SYSTEM, foreign.account_id)).text))
    where, _ = await located(
        other, "/suppressions", {"domain": foreign.name, "kind": "block", "entries": [{"address": "a@x.example"}]}
    )
    await own.refused(404, "GET", where)
    await own.refused(404, "DELETE", where)
    assert (await own.ok("GET", "/suppressions"))["suppressions"] == []
    await other.ok("GET", where)


# -- templates ----------------------------------------------------------------------------------------------------------


async def test_a_template_lives_through_its_versions(own: Caller) -> None:
    where, added = await located(
        own,
        "/templates",
        {"domain": "news.example.com", "name": "welcome", "html": "<p>{{name}}</p>", "subject": "Hi", "tag": "one"},
    )
    assert (added["name"], added["active_version"], [one["tag"] for one in added["versions"]]) == (
        "welcome",
        1,
        ["one"],
    )
    assert await own.ok("GET", where) == added
    second, told = await located(own, f"/templates/{added['id']}/versions", {"text": "Hello {{name}}", "note": "short"})
    assert (told["number"], told["is_active"], told["text"], told["note"]) == (2, False, "Hello {{name}}", "short")
    assert await own.ok("GET", second) == told
    changed = await own.ok("PATCH", where, {"description": "The first letter", "active_version": 2})
    assert (changed["description"], changed["active_version"]) == ("The first letter", 2)
    assert [(one["number"], one["is_active"]) for one in changed["versions"]] == [(2, True), (1, False)]

    rendered = await own.ok("POST", f"{where}/versions/one/render", {"variables": {"name": "Ada"}})
    assert (rendered["html"], rendered["subject"], rendered["missing"]) == ("<p>Ada</p>", "Hi", [])
    assert (await own.ok("POST", f"{where}/versions/1/render", {}))["missing"] == ["name"]

    replaced = await own.ok("PUT", f"{where}/versions/one", {"html": "<b>{{name}}</b>"})
    assert (replaced["number"], replaced["tag"], replaced["is_active"]) == (3, "one", False)
    first = await own.ok("GET", f"{where}/versions", limit=2)
    rest = await own.ok("GET", f"{where}/versions", limit=2, cursor=first["next"])
    assert [one["number"] for page in (first, rest) for one in page["versions"]] == [3, 2, 1]
    assert await own.refused(409, "DELETE", f"{where}/versions/2") == []
    await own.ok("DELETE", f"{where}/versions/1")
    await own.refused(404, "GET", f"{where}/versions/1")
    assert [one["name"] for one in (await own.ok("GET", "/templates", name="WELCOME"))["templates"]] == ["welcome"]
    assert (await own.ok("GET", "/templates", name="other"))["templates"] == []
    await own.ok("DELETE", where)
    for path in (where, f"{where}/versions", "/templates/17000", "/templates/welcome"):
        await own.refused(404, "GET", path)


async def test_a_template_that_cannot_be_so_is_refused(own: Caller, foreign: SendingDomain) -> None:
    whole = {"domain": "news.example.com", "name": "welcome", "html": "<p>{{name}}</p>"}
    where, _ = await located(own, "/templates", whole)
    for change, field in (
        ({}, "name"),
        ({"name": "no/name"}, "name"),
        ({"name": "b", "html": ""}, "html"),
        ({"name": "b", "html": "{{#if}}"}, "html"),
        ({"name": "b", "subject": "{{"}, "subject"),
        ({"name": "b", "tag": "no tag!"}, "tag"),
        ({"name": "b", "note": LONG}, "note"),
        ({"name": "b", "markup": ""}, "markup"),
    ):
        assert await own.refused(422, "POST", "/templates", whole | change) == [field], change
    for body, field in (({"active_version": 9}, "active_version"), ({"name": "c"}, "name")):
        assert await own.refused(422, "PATCH", where, body | {"description": "kept out"}) == [field]
    assert (await own.ok("GET", where))["description"] == ""
    assert await own.refused(422, "PUT", f"{where}/versions/1", {"html": "{{"}) == ["html"]
    assert await own.refused(422, "POST", f"{where}/versions", {"html": "{{"}) == ["html"]
    assert await own.refused(422, "POST", f"{where}/versions/1/render", {"variables": []}) == ["variables"]
    await own.refused(404, "POST", "/templates", whole | {"domain": foreign.name})


# -- webhooks -----------------------------------------------------------------------------------------------------------


async def test_a_webhook_is_added_changed_tried_and_removed(own: Caller) -> None:
    where, added = await located(
        own,
        "/webhooks",
        {
            "domain": "news.example.com",
            "url": "https://user:secret@hooks.example.com/mail",
            "event_types": ["bounced"],
            "token": "t0ken",
            "note": "shop",
        },
    )
    assert (added["url"], added["format"], added["event_types"]) == (
        "https://user@hooks.example.com/mail",
        "standard",
        ["bounced"],
    )
    assert (added["has_password"], added["has_token"], added["is_paused"]) == (True, True, False)
    assert (await own.ok("GET", "/webhooks", domain="news.example.com"))["webhooks"] == [added]
    changed = await own.ok("PATCH", where, {"event_types": ["bounced", "opened"], "is_paused": True})
    assert (changed["event_types"], changed["is_paused"], changed["note"]) == (["bounced", "opened"], True, "shop")
    assert (changed["has_password"], changed["has_token"]) == (True, True)
    assert (await own.ok("PATCH", where, {"is_paused": False}))["is_paused"] is False
    assert (await own.ok("PATCH", where, {"token": ""}))["has_token"] is False
    tried = await own.ok("POST", f"{where}/test", {"event_types": ["bounced"]})
    assert tried["calls"] == [
        {
            "event_type": "bounced",
            "is_taken": False,
            "status": None,
            "error": "nobody is called in these tests",
            "duration_ms": 0,
        }
    ]
    assert await own.refused(422, "POST", f"{where}/test", {"event_types": ["clicked"]}) == ["event_types"]
    await own.ok("DELETE", where)
    for path in (where, "/webhooks/0", "/webhooks/x"):
        await own.refused(404, "GET", path)


async def test_what_of_a_webhook_was_changed_meanwhile_is_not_lost(
    own: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"domain": "news.example.com", "url": "https://hooks.example.com/mail"}
    (where, _), edit = await located(own, "/webhooks", body), Webhooks.edit

    async def meanwhile(*arguments: Any) -> Webhook:
        monkeypatch.setattr(Webhooks, "edit", edit)
        await own.ok("PATCH", where, {"note": "another shop"})
        return await edit(*arguments)

    monkeypatch.setattr(Webhooks, "edit", meanwhile)
    assert await own.refused(409, "PATCH", where, {"event_types": ["bounced"]}) == []
    assert (await own.ok("GET", where))["note"] == "another shop"


async def test_a_format_that_lacks_the_types_of_a_webhook_is_the_field_that_is_named(own: Caller) -> None:
    body = {"domain": "news.example.com", "url": "https://hooks.example.com/mail", "event_types": ["held"]}
    where, _ = await located(own, "/webhooks", body)
    assert await own.refused(422, "PATCH", where, {"format": "bloomreach"}) == ["format"]
    both = {"format": "bloomreach", "event_types": ["held"]}
    assert await own.refused(422, "PATCH", where, both) == ["event_types"]


async def test_a_webhook_that_cannot_be_so_is_refused(own: Caller, foreign: SendingDomain) -> None:
    whole = {"domain": "news.example.com", "url": "https://hooks.example.com/mail"}
    for change, field in (
        ({"url": "ftp://hooks.example.com"}, "url"),
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"format": "xml"}, "format"),
        ({"event_types": ["lost"]}, "event_types.0"),
        ({"format": "bloomreach", "event_types": ["held"]}, "event_types"),
        ({"token": "é"}, "token"),
        ({"active": True}, "active"),
    ):
        assert await own.refused(422, "POST", "/webhooks", whole | change) == [field], change
    assert (await own.ok("GET", "/webhooks"))["webhooks"] == []
    await own.refused(404, "POST", "/webhooks", whole | {"domain": foreign.name})


# -- who may hand in mail -----------------------------------------------------------------------------------------------


async def test_an_smtp_user_is_added_changed_and_removed(own: Caller) -> None:
    where, added = await located(own, "/smtp-users", {"username": "App@news.example.com", "note": "shop"})
    assert (added["username"], added["domain"], added["proof"]) == (
        "app@news.example.com",
        "news.example.com",
        "password",
    )
    assert len(added["password"]) > 15
    assert added["warning"] is None
    shown = await own.ok("GET", where)
    assert "password" not in shown
    assert (await own.ok("GET", "/smtp-users"))["smtp_users"] == [shown]
    body = {
        "networks": ["192.0.2.0/24"],
        "hourly_limit": 5,
        "allowed_from": ["@news.example.com"],
        "requires_tls": True,
        "is_disabled": True,
        "password": "Xr7-kl2.Pq9-vb4",
    }
    changed = await own.ok("PATCH", where, body)
    assert {name: changed[name] for name in body if name != "password"} == {
        name: value for name, value in body.items() if name != "password"
    }
    assert changed["note"] == "shop"
    back = await own.ok("PATCH", where, {"hourly_limit": None, "is_disabled": False})
    assert (back["hourly_limit"], back["is_disabled"]) == (None, False)
    _, given = await located(
        own,
        "/smtp-users",
        {"username": "two@elsewhere.example", "domain": "news.example.com", "password": "Xr7-kl2.Pq9-vb4"},
    )
    assert given["password"] is None
    assert "elsewhere.example" in given["warning"]
    await own.ok("DELETE", where)
    await own.refused(404, "GET", where)


async def test_what_two_change_of_an_smtp_user_at_once_is_both_kept(
    own: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    (where, _), write = await located(own, "/smtp-users", {"username": "app@news.example.com"}), SmtpUsers._write

    async def meanwhile(*arguments: Any, **named: Any) -> None:
        monkeypatch.setattr(SmtpUsers, "_write", write)
        await own.ok("PATCH", where, {"note": "another shop"})
        await write(*arguments, **named)

    monkeypatch.setattr(SmtpUsers, "_write", meanwhile)
    changed = await own.ok("PATCH", where, {"hourly_limit": 7})
    assert (changed["note"], changed["hourly_limit"]) == ("another shop", 7)


async def test_new_passwords_are_taken_as_fast_as_they_can_be_stored(own: Caller) -> None:
    where, _ = await located(own, "/smtp-users", {"username": "app@news.example.com"})
    replies = await asyncio.gather(*(own("PATCH", where, {"password": f"Xr7-kl2.Pq9-{n}"}) for n in range(25)))
    refused = [one for one in replies if one.status_code != 200]
    assert 0 < len(refused) < 25
    assert {one.status_code for one in refused} == {429}
    assert {one.headers["retry-after"] for one in refused} == {"1"}
    await own.ok("PATCH", where, {"password": "Xr7-kl2.Pq9-vb4"})


async def test_a_user_that_its_networks_prove_is_given_no_password_and_stays_as_it_is(
    own: Caller, database: Database
) -> None:
    users = SmtpUsers(database, lambda: 1)
    chosen = SmtpUserChange(networks=["192.0.2.7"])
    added = await users.add(SYSTEM, "app@news.example.com", kind=CredentialKind.ADDRESS, choices=chosen)
    where = f"/smtp-users/{added.user.id}"
    body = {"note": "kept out", "is_disabled": True, "password": "Xr7-kl2.Pq9-vb4"}
    assert await own.refused(422, "PATCH", where, body) == ["password"]
    shown = await own.ok("GET", where)
    assert (shown["note"], shown["is_disabled"]) == ("", False)


async def test_an_smtp_user_that_cannot_be_so_is_refused(own: Caller, foreign: SendingDomain) -> None:
    where, _ = await located(own, "/smtp-users", {"username": "app@news.example.com"})
    for body, field in (
        ({"username": "app@news.example.com"}, "username"),
        ({"username": "app"}, "username"),
        ({"username": "b@news.example.com", "password": "short"}, "password"),
        ({"username": "b@news.example.com", "networks": ["here"]}, "networks"),
        ({"username": "b@news.example.com", "hourly_limit": 0}, "hourly_limit"),
        ({"username": "b@news.example.com", "allowed_from": ["a@other.example"]}, "allowed_from"),
        ({"username": "b@news.example.com", "kind": "address"}, "kind"),
        ({}, "username"),
    ):
        assert await own.refused(422, "POST", "/smtp-users", body) == [field], body
    assert await own.refused(422, "PATCH", where, {"note": "kept out", "password": "short"}) == ["password"]
    assert (await own.ok("GET", where))["note"] == ""
    await own.refused(404, "POST", "/smtp-users", {"username": f"a@{foreign.name}"})


async def test_a_key_of_the_account_that_is_bound_frees_no_other(
    stranger: Any, keys: ApiKeys, domain: SendingDomain
) -> None:
    own = ["192.0.2.0/24", "2001:db8::/32"]
    made = await keys.add_for_account(SYSTEM, domain.account_id, networks=" ".join(own))
    bound = Caller(stranger, str(made.text))
    where, added = await located(bound, "/api-keys", {"note": "nightly"})
    assert added["networks"] == own
    beyond = (["0.0.0.0/0", "::/0"], ["192.0.2.7", "198.51.100.7"], ["192.0.2.0/23"], ["192.0.2.7,198.51.100.7"])
    for changed in (where, f"/api-keys/{made.key.id}"):
        for networks in ([], [" "], *beyond):
            assert await bound.refused(422, "PATCH", changed, {"networks": networks}) == ["networks"], networks
        assert (await bound.ok("GET", changed))["networks"] == own
    for networks in beyond:
        assert await bound.refused(422, "POST", "/api-keys", {"networks": networks}) == ["networks"], networks
    told = (await bound("PATCH", where, {"networks": ["192.0.2.7", "198.51.100.7"]})).json()
    assert "198.51.100.7 is in none" in told["errors"][0]["detail"]

    within = ["192.0.2.7/32", "2001:db8:7::/48"]
    assert (await bound.ok("PATCH", where, {"networks": within}))["networks"] == within
    assert (await located(bound, "/api-keys", {"networks": within}))[1]["networks"] == within
    # What sends for one domain only may do so from elsewhere.
    of_domain = {"domain": domain.name, "networks": ["198.51.100.7/32"]}
    where, added = await located(bound, "/api-keys", of_domain)
    assert added["networks"] == of_domain["networks"]
    assert (await bound.ok("PATCH", where, {"networks": []}))["networks"] == []


async def test_a_key_is_added_used_changed_and_removed(own: Caller, stranger: Any, check: Any) -> None:
    where, added = await located(own, "/api-keys", {"domain": "news.example.com", "note": "shop"})
    assert added["key"].startswith(added["prefix"])
    shown = await own.ok("GET", where)
    assert "key" not in shown
    await check.refresh()
    assert (await Caller(stranger, added["key"]).ok("GET", "/key"))["domain"] == "news.example.com"
    changed = await own.ok("PATCH", where, {"note": "none", "networks": ["192.0.2.0/24"]})
    assert (changed["note"], changed["networks"]) == ("none", ["192.0.2.0/24"])
    assert [one["id"] for one in (await own.ok("GET", "/api-keys", domain="news.example.com"))["api_keys"]] == [
        added["id"]
    ]
    assert len((await own.ok("GET", "/api-keys"))["api_keys"]) == 2
    _, of_account = await located(own, "/api-keys", {})
    assert of_account["domain"] is None
    await own.ok("DELETE", where)
    await own.refused(404, "GET", where)
    for body, field in (({"networks": ["here"]}, "networks"), ({"note": LONG}, "note"), ({"text": ""}, "text")):
        assert await own.refused(422, "POST", "/api-keys", body) == [field]


async def test_an_entry_that_names_no_network_opens_nothing(own: Caller) -> None:
    key, _ = await located(own, "/api-keys", {"networks": ["192.0.2.0/24"]})
    user, _ = await located(own, "/smtp-users", {"username": "app@news.example.com", "networks": ["192.0.2.0/24"]})
    new = {"/api-keys": [{}, {"domain": "news.example.com"}], "/smtp-users": [{"username": "two@news.example.com"}]}
    for networks in ([""], [" ,;\n"], ["192.0.2.7", ""]):
        for where in (key, user):
            assert await own.refused(422, "PATCH", where, {"networks": networks}) == ["networks"], networks
            assert (await own.ok("GET", where))["networks"] == ["192.0.2.0/24"]
        for path, bodies in new.items():
            for body in bodies:
                assert await own.refused(422, "POST", path, body | {"networks": networks}) == ["networks"], networks
    told = (await own("PATCH", key, {"networks": ["192.0.2.7", ""]})).json()["errors"]
    assert told[0]["detail"].startswith("Entry 2 names no network")
    for where in (key, user):
        assert (await own.ok("PATCH", where, {"networks": []}))["networks"] == []


# -- all of them --------------------------------------------------------------------------------------------------------


async def test_every_change_names_the_key_that_made_it(own: Caller, database: Database) -> None:
    await own.ok("POST", "/domains", {"name": "two.example.com"})
    await own.ok("PATCH", "/domains/two.example.com", {"is_paused": True})
    await own.ok(
        "POST", "/suppressions", {"domain": "two.example.com", "kind": "block", "entries": [{"address": "a@x.example"}]}
    )
    assert (await actions(database))[-3:] == ["domain.added", "domain.paused", "suppression.added"]


async def test_a_key_of_a_domain_manages_nothing(own_of_domain: Caller) -> None:
    for operation in OPERATIONS:
        if operation.name in {"showMessage", "cancelMessage", "showKey"}:
            continue  # by the id that a key got for what it sent, and what the key is
        path = re.sub(r"\{domain\}", "news.example.com", operation.path)
        path = re.sub(r"\{[a-z_]+\}", "1", path)
        reply = await own_of_domain(operation.method, path, operation.sample_body)
        assert reply.status_code == 403, operation.name


async def test_a_method_that_is_not_there_is_refused_with_those_that_are(own: Caller) -> None:
    for path in dict.fromkeys(one.path for one in OPERATIONS):
        named = re.sub(r"\{[a-z_]+\}", "1", path)
        assert (await own("TRACE", named)).status_code == 405, path


async def test_a_body_that_is_none_is_refused(stranger: Any, own: Caller) -> None:
    headers = {"Authorization": f"Bearer {own._key}"}
    for content, kind, status in (
        (b"{", "application/json", 400),
        (b"", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"name=x", "application/x-www-form-urlencoded", 415),
    ):
        reply = await stranger.post(f"{BASE}/domains", content=content, headers=headers | {"Content-Type": kind})
        assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json"), content
    # A page is asked for by parameters that it has.
    assert await own.refused(400, "POST", "/domains", {"name": "x.example"}, dry_run="true") == ["dry_run"]
    assert await own.refused(400, "DELETE", "/domains/news.example.com", force="true") == ["force"]


async def test_a_conflict_is_called_one(own: Caller) -> None:
    reply = await own("POST", "/domains", {"name": "news.example.com"})
    assert reply.json()["title"] == "Conflict"
