"""Mailgun's calls that manage sending domains, their settings and DKIM keys."""

import argon2
import httpx2
import msgspec
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.dns.answer import Answer, AnswerStatus, RecordType
from postroad.httpd.api.app import api_app
from postroad.httpd.api.mailgun import domains as mailgun_domains
from postroad.model.actor import SYSTEM
from postroad.model.credential import CredentialKind, SmtpUser
from postroad.model.domain import DomainState, KeyState, SendingDomain
from postroad.storage import audit, dkim_keys, domains, smtp_users
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database

from .conftest import calling_from
from .services import NOW, VAULT, api_services

OWN = "/v3/domains/news.example.com"


async def test_domains_are_listed_in_pages_and_found(
    client: httpx2.AsyncClient, domain: SendingDomain, foreign: SendingDomain, database: Database
) -> None:
    for name, state in (("a.example.com", DomainState.UNVERIFIED), ("z.example.com", DomainState.DISABLED)):
        one = SendingDomain(id=0, account_id=domain.account_id, name=name, state=state, created_at=NOW)
        await database.write(domains.add, one)

    async def names(query: str) -> tuple[list[str], int]:
        reply = await client.get(f"/v4/domains{query}")
        assert reply.status_code == 200, reply.text
        return [one["name"] for one in reply.json()["items"]], reply.json()["total_count"]

    everything = ["a.example.com", "news.example.com", "z.example.com"]
    assert await names("") == (everything, 3)
    assert await names("?limit=1&skip=1") == (everything[1:2], 3)
    assert await names("?sort=name:desc") == (everything[::-1], 3)
    assert await names("?state=active") == (everything[1:2], 1)
    assert await names("?state=unverified") == (everything[:1], 1)
    assert await names("?state=disabled&limit=5") == (everything[2:], 1)
    assert await names("?search=EWS.") == (everything[1:2], 1)
    assert await names("?search=%25") == ([], 0)
    assert await names("?authority=a.example.com") == (everything[:1], 1)
    assert await names("?authority=foreign.example") == ([], 0)
    [item] = (await client.get("/v3/domains?limit=1&skip=1")).json()["items"]
    assert item == {
        "id": str(domain.id),
        "name": "news.example.com",
        "state": "active",
        "type": "custom",
        "created_at": "Thu, 28 May 2026 20:26:40 GMT",
        "is_disabled": False,
        "smtp_login": "postmaster@news.example.com",
        "spam_action": "disabled",
        "wildcard": False,
        "web_scheme": "https",
        "web_prefix": "",
        "require_tls": False,
        "skip_verification": False,
        "use_automatic_sender_security": False,
        "receiving_dns_records": None,
        "sending_dns_records": None,
    }


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limit=1001", "limit must be a whole number from 0 to 1000"),
        ("limit=many", "limit must be a whole number from 0 to 1000"),
        ("skip=-1", "skip must be a whole number from 0 to 2147483647"),
        ("state=asleep", "state must be one of active, unverified, disabled"),
        ("sort=age", "sort must be one of name:asc, name:desc"),
    ],
)
async def test_a_list_that_is_not_understood_is_refused(query: str, sentence: str, client: httpx2.AsyncClient) -> None:
    reply = await client.get(f"/v4/domains?{query}")
    assert (reply.status_code, reply.json()) == (400, {"message": sentence})


async def test_a_domain_is_added_verified_and_removed(client: httpx2.AsyncClient, database: Database) -> None:
    made = await client.post(
        "/v4/domains", data={"name": "New.example.org", "smtp_password": "Secret!word", "web_prefix": "l"}
    )
    assert made.status_code == 200, made.text
    assert made.json()["message"] == "Domain has been created"
    told = made.json()["domain"]
    assert (told["name"], told["state"], told["web_prefix"]) == ("new.example.org", "unverified", "l")
    user = await database.read(smtp_users.by_username, "postmaster@new.example.org")
    assert user is not None
    dkim = made.json()["sending_dns_records"][0]
    assert dkim["record_type"] == "TXT"
    assert dkim["name"] == "postroad1._domainkey.new.example.org"
    assert (dkim["valid"], dkim["cached"], dkim["is_active"]) == ("unknown", [], False)

    again = await client.post("/v3/domains", data={"name": "new.example.org"})
    assert (again.status_code, again.json()["message"]) == (
        400,
        "new.example.org is a domain of this account already.",
    )
    checked = await client.put("/v3/domains/new.example.org/verify")
    assert (checked.status_code, checked.json()["message"]) == (200, "Domain DNS records have been updated")
    assert checked.json()["domain"]["state"] == "unverified"
    soon = await client.put("/v4/domains/new.example.org/verify")
    assert (soon.status_code, soon.headers["retry-after"]) == (429, "10")

    bound = await client.delete("/v3/domains/new.example.org")
    assert bound.json() == {"message": "new.example.org cannot be removed yet: it still has 1 SMTP user."}
    emptied = await client.delete("/v3/domains/new.example.org/credentials")
    assert emptied.json() == {"message": "All domain credentials have been deleted", "count": 1}
    gone = await client.delete("/v3/domains/new.example.org")
    assert (gone.status_code, gone.json()) == (200, {"message": "Domain has been deleted"})
    assert (await client.get("/v3/domains/new.example.org")).status_code == 404


class Zone:
    """A resolver that finds the TXT records that were published."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        text = self.texts.get(name) if record_type is RecordType.TXT else None
        return (
            Answer(status=AnswerStatus.NO_DATA) if text is None else Answer(status=AnswerStatus.FOUND, records=(text,))
        )


async def test_a_domain_becomes_active_when_its_records_are_seen(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, zone = api_services(check), Zone()
    monkeypatch.setattr(services.management.verification, "_lookup", zone)
    monkeypatch.setattr(mailgun_domains, "_CHECK_PAUSE_S", 0)
    transport = httpx2.ASGITransport(app=api_app(services), client=("192.0.2.9", 50000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://api.example.net") as client:
        client.auth = ("api", str((await keys.add_for_account(SYSTEM, domain.account_id)).text))
        made = (await client.post("/v4/domains", data={"name": "new.example.org"})).json()
        [signing] = [one for one in made["sending_dns_records"] if one["name"].startswith("postroad1._domainkey.")]
        for value, word, state in (("v=DKIM1; p=AAAA", "invalid", "unverified"), (signing["value"], "valid", "active")):
            zone.texts[signing["name"]] = value
            checked = (await client.put("/v4/domains/new.example.org/verify")).json()
            told = {one["name"]: one["valid"] for one in checked["sending_dns_records"]}
            assert (told.pop(signing["name"]), checked["domain"]["state"]) == (word, state)
            assert set(told.values()) == {"unknown"}
        later = (await client.get("/v3/domains/new.example.org")).json()
        assert {one["name"]: one["valid"] for one in later["sending_dns_records"]}[signing["name"]] == "valid"
        assert later["domain"]["state"] == "active"


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, "name parameter is missing"),
        (
            {"name": "x.example.org", "smtp_password": "short"},
            "smtp_password: The password needs at least 8 characters (it has 5), a capital letter and a special character.",
        ),
        (
            {"name": "x.example.org", "wildcard": "true"},
            "wildcard cannot be true: mail from names below a domain needs a sending domain of its own; it may be no or false",
        ),
        (
            {"name": "x.example.org", "ips": "192.0.2.1"},
            "ips cannot be 192.0.2.1: the operator chooses which addresses mail leaves from; leave it out",
        ),
        ({"name": "x.example.org", "web_prefix": "not a host"}, None),
        ({"name": "foreign.example"}, "foreign.example is held by another account of this installation."),
    ],
)
async def test_a_domain_that_cannot_be_as_asked_is_not_added(
    form: dict[str, str], sentence: str | None, client: httpx2.AsyncClient, foreign: SendingDomain, database: Database
) -> None:
    reply = await client.post("/v4/domains", data=form)
    assert reply.status_code == 400
    assert sentence is None or reply.json()["message"] == sentence
    assert await database.read(domains.by_name, "x.example.org") is None


async def test_settings_of_a_domain_are_changed(
    client: httpx2.AsyncClient, domain: SendingDomain, database: Database
) -> None:
    changed = await client.put(
        "/v4/domains/news.example.com",
        data={"spam_action": "disabled", "web_scheme": "https", "web_prefix": "t", "require_tls": "true"},
    )
    assert (changed.status_code, changed.json()["message"]) == (200, "Domain has been updated")
    assert (changed.json()["domain"]["require_tls"], changed.json()["domain"]["web_prefix"]) == (True, "t")
    refused = await client.put(OWN, data={"spam_action": "tag", "require_tls": "no"})
    assert refused.json() == {
        "message": "spam_action cannot be tag: mail that a domain receives is not filtered; it may be disabled"
    }
    stored = await database.read(domains.by_name, domain.name)
    assert stored is not None
    assert (stored.settings.require_tls.value, stored.settings.tracking_host) == ("yes", "t.news.example.com")
    [entry] = await database.read(audit.search, AuditSelector(action="domain.changed"), 10)
    assert entry.actor_name.startswith("pra_")


async def test_the_password_of_postmaster_is_set_or_nothing_is_changed(
    client: httpx2.AsyncClient, domain: SendingDomain, foreign: SendingDomain, database: Database
) -> None:
    name = "postmaster@news.example.com"
    for password in ("Secret!word", "Another!word"):
        changed = await client.put(OWN, data={"smtp_password": password})
        assert changed.status_code == 200, changed.text
        user = await database.read(smtp_users.by_username, name)
        assert user is not None
        assert argon2.PasswordHasher().verify(user.password_hash, password)
    assert user is not None
    await database.write(smtp_users.remove, user.id)
    theirs = msgspec.structs.replace(user, id=0, account_id=foreign.account_id, domain_id=foreign.id)
    await database.write(smtp_users.add, theirs)
    before = (await client.get(OWN)).json()["domain"]
    taken = await client.put(OWN, data={"smtp_password": "Secret!word", "require_tls": "yes"})
    sentence = f"{name} cannot be used here: choose a name at a domain of your own."
    assert (taken.status_code, taken.json()) == (400, {"message": sentence})
    assert (await client.get(OWN)).json()["domain"] == before


async def test_a_domain_whose_postmaster_is_somebody_elses_is_not_added(
    client: httpx2.AsyncClient, foreign: SendingDomain, database: Database
) -> None:
    theirs = SmtpUser(
        id=0,
        account_id=foreign.account_id,
        domain_id=foreign.id,
        username="postmaster@x.example.org",
        kind=CredentialKind.PASSWORD,
        password_hash="x",
        created_at=NOW,
    )
    await database.write(smtp_users.add, theirs)
    refused = await client.post("/v4/domains", data={"name": "x.example.org", "smtp_password": "Secret!word"})
    assert refused.status_code == 400
    assert refused.json()["message"].startswith("postmaster@x.example.org cannot be used here")
    assert await database.read(domains.by_name, "x.example.org") is None


async def test_what_connections_must_be_is_changed(client: httpx2.AsyncClient) -> None:
    put = await client.put(f"{OWN}/connection", data={"require_tls": "true", "skip_verification": "True"})
    assert put.json() == {
        "message": "Domain connection settings have been updated, may take 10 minutes to fully propagate",
        "require_tls": True,
        "skip_verification": True,
    }
    await client.put(f"{OWN}/connection", data={"skip_verification": "no"})
    got = (await client.get(f"{OWN}/connection")).json()
    assert got["connection"] == {"require_tls": True, "skip_verification": False}
    assert got["require_tls"] is True
    wrong = await client.put(f"{OWN}/connection", data={"require_tls": "perhaps"})
    assert wrong.status_code == 400
    assert wrong.json()["message"].startswith("require_tls must be yes or no")


async def test_tracking_is_changed(client: httpx2.AsyncClient) -> None:
    assert (await client.get(f"{OWN}/tracking")).json() == {
        "tracking": {
            "click": {"active": False},
            "open": {"active": False, "place_at_the_top": False},
            "unsubscribe": {"active": False, "html_footer": "", "text_footer": ""},
        }
    }
    for what, form, active in (
        ("click", {"active": "htmlonly"}, "htmlonly"),
        ("click", {"active": "yes"}, True),
        ("open", {"active": "True", "place_at_the_top": "no"}, True),
        ("unsubscribe", {"active": "yes", "html_footer": ""}, True),
        ("click", {"active": "no"}, False),
    ):
        put = await client.put(f"{OWN}/tracking/{what}", data=form)
        assert put.status_code == 200, put.text
        assert put.json()["message"] == "Domain tracking settings have been updated"
        assert put.json()[what]["active"] == active
    tracking = (await client.get(f"{OWN}/tracking")).json()["tracking"]
    assert [tracking[what]["active"] for what in ("click", "open", "unsubscribe")] == [False, True, True]


@pytest.mark.parametrize(
    ("path", "form", "status", "beginning"),
    [
        ("tracking/open", {}, 400, "active parameter is missing"),
        ("tracking/open", {"active": "yes", "place_at_the_top": "yes"}, 400, "place_at_the_top cannot be yes"),
        ("tracking/unsubscribe", {"active": "yes", "text_footer": "bye"}, 400, "text_footer must be empty"),
        ("tracking/reading", {"active": "yes"}, 404, "There is nothing to track by the name reading"),
        ("dkim_authority", {"self": "false"}, 400, "self must be true"),
        ("dkim_selector", {"dkim_selector": "k1"}, 400, "dkim_selector cannot be k1"),
        ("web_prefix", {}, 400, "web_prefix parameter is missing"),
        ("web_prefix", {"web_prefix": "a b"}, 400, "a b.news.example.com is"),
    ],
)
async def test_settings_that_cannot_be_kept_are_refused(
    path: str, form: dict[str, str], status: int, beginning: str, client: httpx2.AsyncClient
) -> None:
    before = (await client.get(OWN)).json()
    reply = await client.put(f"{OWN}/{path}", data=form)
    assert (reply.status_code, reply.json()["message"][: len(beginning)]) == (status, beginning)
    assert (await client.get(OWN)).json() == before


async def test_dkim_keys_are_listed_and_replaced(client: httpx2.AsyncClient, foreign: SendingDomain) -> None:
    await client.post("/v4/domains", data={"name": "signs.example.org"})
    [key] = (await client.get("/v4/domains/signs.example.org/keys")).json()["items"]
    assert (key["signing_domain"], key["selector"]) == ("signs.example.org", "postroad1")
    assert key["dns_record"]["name"] == "postroad1._domainkey.signs.example.org"
    assert key["dns_record"]["value"].startswith("v=DKIM1; k=rsa; p=")
    everything = (await client.get("/v1/dkim/keys?page=&limit=")).json()
    assert everything["items"] == [key]
    assert set(everything["paging"]) == {"first", "previous", "next", "last"}
    assert (await client.get(everything["paging"]["next"])).json()["items"] == []
    assert (await client.get("/v1/dkim/keys?signing_domain=signs.example.org&selector=postroad2")).json()["items"] == []
    assert (await client.get("/v1/dkim/keys?signing_domain=foreign.example")).json()["items"] == []

    waits = await client.put("/v4/domains/signs.example.org/keys/postroad1/activate")
    assert waits.status_code == 400
    form = {"signing_domain": "signs.example.org", "selector": "smtp"}
    wrong = await client.post("/v1/dkim/keys", data=form)
    assert wrong.json()["message"] == "selector cannot be smtp: free ones of signs.example.org are postroad2"
    waiting = await client.post("/v1/dkim/keys", data=form | {"selector": "postroad2"})
    assert waiting.status_code == 400
    assert "still waits to be seen in DNS" in waiting.json()["message"]
    for more, beginning in (({"pem": "x"}, "pem cannot be taken"), ({"bits": "1024"}, "bits must be 2048")):
        refused = await client.post("/v1/dkim/keys", data=form | more)
        assert (refused.status_code, refused.json()["message"][: len(beginning)]) == (400, beginning)
    stays = await client.delete("/v1/dkim/keys?signing_domain=signs.example.org&selector=postroad1")
    assert (stays.status_code, stays.json()["message"][:43]) == (400, "postroad1 of signs.example.org cannot be de")
    missing = await client.delete("/v1/dkim/keys?signing_domain=signs.example.org&selector=none")
    assert missing.status_code == 404
    same = await client.put("/v3/domains/signs.example.org/dkim_selector?dkim_selector=postroad1")
    assert same.json() == {"message": "Domain DKIM selector updated"}
    own = await client.put("/v3/domains/signs.example.org/dkim_authority?self=true")
    assert own.json()["changed"] is False


async def test_a_key_that_signs_is_replaced(client: httpx2.AsyncClient, database: Database) -> None:
    domain_id = int((await client.post("/v4/domains", data={"name": "signs.example.org"})).json()["domain"]["id"])
    [first] = await database.read(dkim_keys.of_domain, VAULT, domain_id)
    await database.write(dkim_keys.replace, msgspec.structs.replace(first, state=KeyState.ACTIVE))
    keys = "/v4/domains/signs.example.org/keys"
    signs = await client.put(f"{keys}/postroad1/activate")
    assert signs.json() == {
        "message": "domain key activated",
        "authority": "signs.example.org",
        "selector": "postroad1",
        "active": True,
    }
    form = {"signing_domain": "signs.example.org", "selector": "postroad2", "bits": "2048"}
    for wrong in ("postroad1", "postroad2e"):
        refused = await client.post("/v1/dkim/keys", data=form | {"selector": wrong})
        sentence = f"selector cannot be {wrong}: free ones of signs.example.org are postroad2"
        assert (refused.status_code, refused.json()) == (400, {"message": sentence})
    made = await client.post("/v1/dkim/keys", data=form)
    assert made.status_code == 200, made.text
    assert (made.json()["selector"], made.json()["dns_record"]["is_active"]) == ("postroad2", False)
    assert (await client.get(keys)).json()["items"][1] == made.json()
    waits = await client.put(f"{keys}/postroad2/deactivate")
    assert (waits.json()["message"], waits.json()["active"]) == ("domain key deactivated", False)
    assert (await client.put(f"{keys}/postroad1/deactivate")).status_code == 400
    assert (await client.put(f"{keys}/none/activate")).status_code == 404
    for missing in ({"selector": "postroad1"}, {"signing_domain": "signs.example.org"}):
        assert (await client.post("/v1/dkim/keys", data=missing)).status_code == 400
    assert (await client.post("/v1/dkim/keys", data=form | {"signing_domain": "x.example"})).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v3/domains/{}"),
        ("PUT", "/v4/domains/{}"),
        ("DELETE", "/v3/domains/{}"),
        ("PUT", "/v3/domains/{}/verify"),
        ("GET", "/v3/domains/{}/connection"),
        ("PUT", "/v3/domains/{}/connection"),
        ("GET", "/v3/domains/{}/tracking"),
        ("PUT", "/v3/domains/{}/tracking/open"),
        ("GET", "/v4/domains/{}/keys"),
        ("GET", "/v3/domains/{}/credentials"),
        ("POST", "/v3/domains/{}/credentials"),
        ("DELETE", "/v3/domains/{}/credentials"),
    ],
)
async def test_what_others_have_does_not_exist(
    method: str, path: str, client: httpx2.AsyncClient, foreign: SendingDomain
) -> None:
    form = {"login": "a", "password": "Secret!word", "active": "yes"} if method != "GET" else None
    for name in ("foreign.example", "nowhere.example", "no domain"):
        reply = await client.request(method, path.format(name), data=form)
        assert (reply.status_code, reply.json()) == (404, {"message": f"Domain not found: {name}"})


async def test_a_domain_key_sees_its_own_domain_and_manages_nothing(
    check: ApiKeyCheck, keys: ApiKeys, domain: SendingDomain, foreign: SendingDomain, database: Database
) -> None:
    more = msgspec.structs.replace(domain, id=0, name="more.example.com")
    await database.write(domains.add, more)
    async with calling_from(check, "192.0.2.9") as client:
        client.auth = ("api", str((await keys.add_for_domain(SYSTEM, domain.name)).text))
        for path in (OWN, "/v4/domains/News.Example.com/"):
            reply = await client.get(path)
            assert (reply.status_code, reply.json()["domain"]["name"]) == (200, "news.example.com")
        for method, path in (
            ("GET", "/v3/domains"),
            ("GET", "/v3/domains/foreign.example"),
            ("GET", "/v3/domains/more.example.com"),
            ("GET", "/v4/domains/xnews.example.com"),
            ("GET", "/v3/domains/nowhere.example"),
            ("GET", "/v3/domains/a b"),
            ("PUT", OWN),
            ("PUT", f"{OWN}/verify"),
            ("GET", f"{OWN}/tracking"),
            ("GET", f"{OWN}/credentials"),
            ("GET", f"{OWN}/webhooks"),
            ("POST", f"{OWN}/webhooks"),
            ("GET", "/v4/domains/news.example.com/keys"),
            ("GET", "/v3/routes"),
            ("POST", "/v3/routes"),
            ("GET", "/v1/keys"),
            ("POST", "/v1/keys"),
            ("GET", "/v1/dkim/keys"),
        ):
            reply = await client.request(method, path)
            assert reply.status_code == 403, (method, path)
            assert reply.json()["message"].startswith("This API key sends for news.example.com and does nothing else")
