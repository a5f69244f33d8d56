"""Checking an address by the calls of Mailgun, SendGrid and SparkPost: words, statuses, and whose mail is looked at."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import msgspec
import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.dns.answer import Answer, AnswerStatus, Mx, RecordType
from postroad.dns.settings import DnsSettings
from postroad.httpd.api.app import api_app
from postroad.model.actor import SYSTEM
from postroad.model.domain import DomainState, SendingDomain
from postroad.model.suppression import Suppression, SuppressionKind
from postroad.storage import accounts, domains, suppressions
from postroad.storage.database import Database
from postroad.suppressions.address_checks import AddressChecks
from postroad.suppressions.settings import AddressCheckSettings

from .services import NOW, api_services

MAILGUN, SENDGRID, SPARKPOST = "/v4/address/validate", "/v3/validations/email", "/api/v1/recipient-validation/single"
CLIENT = "192.0.2.9"
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "address-validation.md"
TTL: dict[str, Any] = {"ttl_s": 300, "expires_at": NOW + 300_000}


def found(*records: str | Mx) -> Answer:
    return Answer(status=AnswerStatus.FOUND, records=records, **TTL)


class Zone:
    """Answers what a test says it does; ``stop`` lets no answer through."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, RecordType], Answer] = {
            ("good.example", RecordType.MX): found(Mx(10, "mx.good.example")),
            ("gmeil.com", RecordType.MX): found(Mx(10, "mx.good.example")),
            ("0-mail.com", RecordType.MX): found(Mx(10, "mx.good.example")),
            ("null.example", RecordType.MX): found(Mx(0, "")),
            ("inner.example", RecordType.MX): found(Mx(10, "mx.inner.example")),
            ("bare.example", RecordType.A): found("1.1.1.2"),
            ("mx.good.example", RecordType.A): found("1.1.1.1"),
            ("mx.inner.example", RecordType.A): found("10.0.0.1"),
            ("gone.example", RecordType.MX): Answer(status=AnswerStatus.NO_SUCH_DOMAIN, **TTL),
            ("broken.example", RecordType.MX): Answer(status=AnswerStatus.TEMPORARY, detail="SERVFAIL"),
        }
        self.opened = asyncio.Event()
        self.opened.set()
        self.asked: list[str] = []

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        self.asked.append(name)
        await self.opened.wait()
        return self.records.get((name, record_type), Answer(status=AnswerStatus.NO_DATA, **TTL))


@pytest.fixture
def zone() -> Zone:
    return Zone()


@asynccontextmanager
async def calling(
    check: ApiKeyCheck, zone: Zone, *, allow_private_addresses: bool = False, **settings: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    checks = AddressChecks(
        check._database,
        zone,
        lambda: NOW,
        settings=AddressCheckSettings(**settings),
        dns=DnsSettings(),
        allow_private_addresses=allow_private_addresses,
    )
    services = api_services(check)
    management = msgspec.structs.replace(services.management, address_checks=checks)
    transport = httpx2.ASGITransport(
        app=api_app(msgspec.structs.replace(services, management=management)),
        client=(CLIENT, 50000),
        raise_app_exceptions=False,
    )
    async with httpx2.AsyncClient(transport=transport, base_url="http://api.example.net") as made:
        yield made
    await checks.aclose()


@pytest.fixture
async def client(check: ApiKeyCheck, zone: Zone) -> AsyncIterator[httpx2.AsyncClient]:
    async with calling(check, zone) as made:
        yield made


@pytest.fixture
async def auth(keys: ApiKeys, domain: SendingDomain) -> dict[str, str]:
    return {"Authorization": f"Bearer {(await keys.add_for_domain(SYSTEM, domain.name)).text}"}


@pytest.fixture
async def account_auth(keys: ApiKeys, domain: SendingDomain) -> dict[str, str]:
    return {"Authorization": f"Bearer {(await keys.add_for_account(SYSTEM, domain.account_id)).text}"}


async def by_mailgun(client: httpx2.AsyncClient, auth: Mapping[str, str], address: str) -> dict[str, Any]:
    reply = await client.get(MAILGUN, params={"address": address}, headers=auth)
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


async def by_sendgrid(client: httpx2.AsyncClient, auth: Mapping[str, str], address: str) -> dict[str, Any]:
    reply = await client.post(SENDGRID, json={"email": address}, headers=auth)
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()["result"]
    return told


async def by_sparkpost(client: httpx2.AsyncClient, auth: Mapping[str, str], address: str) -> dict[str, Any]:
    reply = await client.get(f"{SPARKPOST}/{quote(address, safe='')}", headers=auth)
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()["results"]
    return told


async def bounced(database: Database, domain: SendingDomain, address: str) -> None:
    entry = Suppression(
        account_id=domain.account_id,
        domain_id=domain.id,
        kind=SuppressionKind.BOUNCE,
        address=address,
        created_at=NOW,
    )
    await database.write(suppressions.add, [entry])


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ann@good.example", ("deliverable", "low", [])),
        ("ann@bare.example", ("deliverable", "low", [])),
        ("sales@good.example", ("deliverable", "medium", ["mailbox_is_role_address"])),
        ("ann@gmeil.com", ("deliverable", "medium", [])),
        ("ann@0-mail.com", ("do_not_send", "high", ["mailbox_is_disposable_address"])),
        ("ann@gone.example", ("undeliverable", "high", ["no_mx"])),
        ("ann@null.example", ("undeliverable", "high", ["no_mx"])),
        ("ann@inner.example", ("undeliverable", "high", ["no_mx"])),
        ("ann@nowhere.example", ("undeliverable", "high", ["no_mx"])),
        ("ann@broken.example", ("unknown", "unknown", ["no_data"])),
        ("ann", ("undeliverable", "high", ["failed custom grammar check"])),
        ("bob@good.example", ("undeliverable", "high", ["mailbox_does_not_exist"])),
    ],
)
async def test_mailgun_is_told_in_its_words(
    *,
    client: httpx2.AsyncClient,
    auth: dict[str, str],
    database: Database,
    domain: SendingDomain,
    address: str,
    expected: tuple[str, str, list[str]],
) -> None:
    await bounced(database, domain, "bob@good.example")

    told = await by_mailgun(client, auth, address)

    assert (told["result"], told["risk"], told["reason"]) == expected
    assert told["address"] == address
    assert told["is_role_address"] == (address == "sales@good.example")
    assert told["is_disposable_address"] == address.endswith("0-mail.com")
    assert told.get("did_you_mean") == ("ann@gmail.com" if "gmeil" in address else None)


async def test_mailgun_is_told_what_the_guide_shows(
    client: httpx2.AsyncClient, auth: dict[str, str], zone: Zone
) -> None:
    zone.records["gmial.com", RecordType.MX] = found(Mx(10, "mx.good.example"))
    shown = GUIDE.read_text("utf-8").partition("```json\n")[2].partition("```")[0]

    assert await by_mailgun(client, auth, "ann@gmial.com") == json.loads(shown)


async def test_mailgun_takes_the_address_in_query_and_form(client: httpx2.AsyncClient, auth: dict[str, str]) -> None:
    expected = await by_mailgun(client, auth, "ann+x@good.example")
    for sent in (
        {"data": {"address": "ann+x@good.example"}},
        {"files": {"address": (None, "ann+x@good.example")}},
        {"params": {"address": "ann+x@good.example", "provider_lookup": "false"}},
    ):
        reply = await client.post(f"{MAILGUN}/", headers=auth, **sent)
        assert (reply.status_code, reply.json()) == (200, expected), sent


@pytest.mark.parametrize(
    ("given", "words"),
    [({}, "address parameter is required"), ({"address": " "}, "required"), ({"address": "a" * 513}, "512 characters")],
)
async def test_mailgun_refuses_what_is_no_question(
    client: httpx2.AsyncClient, auth: dict[str, str], zone: Zone, given: dict[str, str], words: str
) -> None:
    for reply in (
        await client.get(MAILGUN, params=given, headers=auth),
        await client.post(MAILGUN, data=given, headers=auth),
    ):
        assert reply.status_code == 400
        assert words in reply.json()["message"]
    assert zone.asked == []


async def test_sendgrid_is_told_in_its_words(
    client: httpx2.AsyncClient, auth: dict[str, str], database: Database, domain: SendingDomain
) -> None:
    await bounced(database, domain, "bob@good.example")
    sent = {"email": "Ann@Good.Example", "source": "signup"}
    whole = (await client.post(SENDGRID, json=sent, headers=auth)).json()
    verdicts = {
        address: (told["verdict"], told["checks"])
        for address in ("bob@good.example", "ann@gone.example", "ann@broken.example", "info@0-mail.com")
        for told in [await by_sendgrid(client, auth, address)]
    }

    assert whole == {
        "result": {
            "email": "Ann@Good.Example",
            "verdict": "Valid",
            "score": 0.85,
            "local": "Ann",
            "host": "good.example",
            "checks": {
                "domain": {
                    "has_valid_address_syntax": True,
                    "has_mx_or_a_record": True,
                    "is_suspected_disposable_address": False,
                },
                "local_part": {"is_suspected_role_address": False},
                "additional": {"has_known_bounces": False, "has_suspected_bounces": False},
            },
            "ip_address": CLIENT,
            "source": "signup",
        }
    }
    assert [verdict for verdict, _ in verdicts.values()] == ["Invalid", "Invalid", "Risky", "Risky"]
    assert verdicts["bob@good.example"][1]["additional"]["has_known_bounces"] is True
    assert verdicts["ann@gone.example"][1]["domain"]["has_mx_or_a_record"] is False
    assert verdicts["info@0-mail.com"][1]["domain"]["is_suspected_disposable_address"] is True
    assert verdicts["info@0-mail.com"][1]["local_part"]["is_suspected_role_address"] is True


async def test_sendgrid_suggests_a_domain_and_calls_no_address_invalid(
    client: httpx2.AsyncClient, auth: dict[str, str]
) -> None:
    misspelt = await by_sendgrid(client, auth, "ann@gmeil.com")
    malformed = await by_sendgrid(client, auth, "a b@good.example")

    assert (misspelt["suggestion"], misspelt["verdict"]) == ("gmail.com", "Risky")
    assert (malformed["verdict"], malformed["score"]) == ("Invalid", 0)
    assert (malformed["local"], malformed["host"]) == ("a b", "good.example")
    assert malformed["checks"]["domain"]["has_valid_address_syntax"] is False


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (b"[]", None),
        (b"{}", "email"),
        (b'{"email": 1}', "email"),
        (b'{"email": "\\ud800@good.example"}', None),
        (b'{"email": ""}', "email"),
        (b'{"email": "a@good.example", "source": 1}', "source"),
        (b'{"email": "' + b"a" * 513 + b'"}', "email"),
    ],
)
async def test_sendgrid_refuses_what_is_no_question(
    client: httpx2.AsyncClient, auth: dict[str, str], zone: Zone, body: bytes, field: str | None
) -> None:
    reply = await client.post(SENDGRID, content=body, headers=auth | {"Content-Type": "application/json"})

    assert reply.status_code == 400
    assert [one["field"] for one in reply.json()["errors"]] == [field]
    assert zone.asked == []


async def test_sparkpost_is_told_in_its_words(
    client: httpx2.AsyncClient, auth: dict[str, str], database: Database, domain: SendingDomain
) -> None:
    await bounced(database, domain, "bob@good.example")
    known = ("ann@good.example", "bob@good.example", "ann@gone.example", "a/b@good.example", "ann")
    others = ("ann@gmeil.com", "info@good.example", "ann@broken.example", "ann@0-mail.com")
    told = {address: await by_sparkpost(client, auth, address) for address in (*known, *others)}
    assert told["ann@good.example"] == {
        "valid": True,
        "result": "valid",
        "is_role": False,
        "is_disposable": False,
        "is_free": False,
        "delivery_confidence": 85,
    }
    assert {address: (one["valid"], one["result"], one.get("reason")) for address, one in told.items()} == {
        "ann@good.example": (True, "valid", None),
        "bob@good.example": (True, "undeliverable", "Invalid Recipient"),
        "ann@gone.example": (False, "undeliverable", "Invalid Domain"),
        "a/b@good.example": (True, "valid", None),
        "ann": (False, "undeliverable", "Invalid Syntax"),
        "ann@gmeil.com": (True, "typo", None),
        "info@good.example": (True, "risky", None),
        "ann@broken.example": (True, "neutral", None),
        "ann@0-mail.com": (True, "risky", None),
    }
    assert told["ann@gmeil.com"]["did_you_mean"] == "ann@gmail.com"
    assert told["bob@good.example"]["delivery_confidence"] == 0


async def test_a_domain_key_sees_the_mail_of_its_domain_and_an_account_key_that_of_the_account(
    client: httpx2.AsyncClient,
    auth: dict[str, str],
    account_auth: dict[str, str],
    database: Database,
    domain: SendingDomain,
) -> None:
    other = await database.write(
        domains.add, SendingDomain(id=0, account_id=domain.account_id, name="b.example", state=DomainState.ACTIVE, created_at=NOW)
    )  # fmt: skip
    globex = await database.write(accounts.add, "globex", NOW)
    theirs = await database.write(
        domains.add, SendingDomain(id=0, account_id=globex.id, name="c.example", state=DomainState.ACTIVE, created_at=NOW)
    )  # fmt: skip
    for owner, name in ((domain, "own"), (other, "other"), (theirs, "theirs")):
        await bounced(database, owner, f"{name}@good.example")

    async def undeliverable(headers: dict[str, str]) -> set[str]:
        names = ("own", "other", "theirs")
        told = {name: await by_mailgun(client, headers, f"{name}@good.example") for name in names}
        return {name for name, one in told.items() if one["result"] == "undeliverable"}

    assert await undeliverable(auth) == {"own"}
    assert await undeliverable(account_auth) == {"own", "other"}


async def test_without_a_key_nothing_is_said(client: httpx2.AsyncClient, zone: Zone) -> None:
    for reply in (
        await client.get(MAILGUN, params={"address": "ann@good.example"}),
        await client.post(SENDGRID, json={"email": "ann@good.example"}),
        await client.get(f"{SPARKPOST}/ann@good.example"),
    ):
        assert reply.status_code == 401
    assert zone.asked == []


async def test_private_mail_hosts_count_where_mail_goes_to_them(
    check: ApiKeyCheck, zone: Zone, auth: dict[str, str]
) -> None:
    async with calling(check, zone, allow_private_addresses=True) as client:
        assert (await by_mailgun(client, auth, "ann@inner.example"))["result"] == "deliverable"


async def test_dns_has_so_long_and_the_next_who_ask_get_its_answer(
    check: ApiKeyCheck, zone: Zone, auth: dict[str, str]
) -> None:
    async with calling(check, zone, dns_within_ms=100) as client:
        zone.opened.clear()
        async with asyncio.timeout(5):
            first = await by_mailgun(client, auth, "ann@good.example")
        zone.opened.set()
        second = await by_mailgun(client, auth, "ann@good.example")

    assert (first["result"], second["result"]) == ("unknown", "deliverable")
    assert zone.asked.count("good.example") == 1


async def test_so_many_run_at_a_time_and_an_account_takes_half_of_the_places_at_most(
    check: ApiKeyCheck, zone: Zone, keys: ApiKeys, auth: dict[str, str], database: Database
) -> None:
    globex = await database.write(accounts.add, "globex", NOW)
    await database.write(
        domains.add, SendingDomain(id=0, account_id=globex.id, name="c.example", state=DomainState.ACTIVE, created_at=NOW)
    )  # fmt: skip
    theirs = {"Authorization": f"Bearer {(await keys.add_for_domain(SYSTEM, 'c.example')).text}"}
    await check.refresh()
    async with calling(check, zone, at_once=2) as client:
        zone.opened.clear()
        running = asyncio.create_task(by_mailgun(client, auth, "ann@good.example"))
        while not zone.asked:
            await asyncio.sleep(0.01)
        refused = [
            await client.get(MAILGUN, params={"address": "bob@good.example"}, headers=auth),
            await client.post(SENDGRID, json={"email": "bob@good.example"}, headers=auth),
            await client.get(f"{SPARKPOST}/bob@good.example", headers=auth),
        ]
        others = asyncio.create_task(by_mailgun(client, theirs, "ann@good.example"))
        await asyncio.sleep(0.1)
        zone.opened.set()
        done = [await running, await others]
        again = await by_mailgun(client, auth, "bob@good.example")

    assert [(one.status_code, one.headers["retry-after"]) for one in refused] == [(429, "1")] * 3
    assert "try again" in refused[0].json()["message"]
    assert "try again" in refused[1].json()["errors"][0]["message"]
    assert "try again" in refused[2].json()["errors"][0]["description"]
    assert [one["result"] for one in (*done, again)] == ["deliverable"] * 3
