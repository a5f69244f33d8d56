"""Sending domains from their registration to a change of keys, with a real name server and a real database."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from postroad.dns.resolver import Resolver, from_settings
from postroad.dns.settings import DnsSettings
from postroad.domains.directory import DomainDirectory
from postroad.domains.registration import Registration
from postroad.domains.settings import DomainsSettings, installation_names
from postroad.domains.verification import Verification
from postroad.model.account import Account
from postroad.model.actor import SYSTEM
from postroad.model.client_access import ClientAccess
from postroad.model.domain import DomainSettings, DomainState, KeyState, SendingDomain
from postroad.model.refused import RefusedError
from postroad.net.clock import now_ms
from postroad.policy.alignment import OrganisationalDomains
from postroad.policy.record_comparison import RecordVerdict, VerdictStatus
from postroad.policy.records import (
    ExpectedRecord,
    InstallationNames,
    RecordPurpose,
    as_zone_line,
    dkim_zone_records,
    expected_records,
)
from postroad.storage import accounts, domains
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.secrets import Vault
from tests.peers.nameserver import Authority, Recursor, scripted

pytestmark = pytest.mark.peer("nsd")

NAME = "news.example.com"
HOUR = 3_600_000
DAY = 24 * HOUR
OWN = DomainsSettings(inbound_host="in.mail.example.net", spf=("ip4:192.0.2.1",))
ORGANISATIONAL = OrganisationalDomains()


class Installation:
    """The domains service over a database and a name server, with a clock to turn."""

    def __init__(self, database: Database, resolver: Resolver, settings: DomainsSettings) -> None:
        self.now = now_ms()
        self.database = database
        self.vault = Vault(bytes(32))
        self.registration = Registration(database, self.vault, settings, ORGANISATIONAL, lambda: self.now)
        self.names = installation_names(settings)
        self.verification = Verification(
            database,
            self.vault,
            resolver,
            settings=settings,
            names=self.names,
            organisational_domain_of=ORGANISATIONAL,
            clock=lambda: self.now,
        )

    async def account(self, name: str = "customer") -> Account:
        return await self.database.write(accounts.add, name, self.now)

    async def added(self, name: str = NAME, settings: DomainSettings | None = None) -> SendingDomain:
        return await self.registration.add(SYSTEM, (await self.account()).id, name, settings)

    async def verify(self, later_ms: int = 0) -> dict[str, RecordVerdict]:
        """Check the domain and return the verdicts by the records' purposes, and selectors beyond the first."""
        self.now += later_ms
        domain = await self.registration.find(SYSTEM, NAME)
        verdicts = await self.verification.verify(SYSTEM, domain.id)
        named: dict[str, RecordVerdict] = {}
        for verdict in verdicts:
            purpose = verdict.expected.purpose.value
            named[f"{purpose} {verdict.expected.selector}" if purpose in named else purpose] = verdict
        return named

    async def state(self) -> DomainState:
        return (await self.registration.find(SYSTEM, NAME)).state

    async def records(self) -> tuple[ExpectedRecord, ...]:
        return await self.verification.expected(await self.registration.find(SYSTEM, NAME))

    async def key_states(self) -> dict[str, KeyState]:
        keys = await self.registration.keys_of(await self.registration.find(SYSTEM, NAME))
        return {key.selector: key.state for key in keys}

    def directory(self) -> DomainDirectory:
        return DomainDirectory(self.database, self.vault, ORGANISATIONAL)


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority({"example.com": "", "dkim.example.net": ""}) as server:
        yield server


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated_file, tmp_path)
    database = await open_database("", data_dir=tmp_path, clock=now_ms)
    yield database
    await database.close()


@pytest.fixture
async def resolver(authority: Authority) -> AsyncIterator[Resolver]:
    resolver = from_settings(DnsSettings(resolvers=(authority.resolver,)), now_ms)
    yield resolver
    await resolver.aclose()


@pytest.fixture
def installation(database: Database, resolver: Resolver) -> Installation:
    return Installation(database, resolver, OWN)


def publish(authority: Authority, *lines: str, zone: str = "example.com") -> None:
    authority.replace(zone, "\n".join(lines))


def lines_of(records: tuple[ExpectedRecord, ...], *, without: str = "") -> list[str]:
    return [as_zone_line(record) for record in records if record.purpose.value != without]


def statuses(verdicts: dict[str, RecordVerdict]) -> dict[str, str]:
    return {name: verdict.status.value for name, verdict in verdicts.items()}


async def test_records_are_judged_one_by_one_until_the_domain_is_active(
    installation: Installation, authority: Authority
) -> None:
    await installation.added()
    key, mx, spf, dmarc, organisational = lines_of(await installation.records())
    nothing = await installation.verify()

    publish(authority, key.replace("p=MIIB", "p=AIIB"), mx)
    half = await installation.verify()
    state = await installation.state()
    publish(authority, key, mx, spf.replace("192.0.2.1", "192.0.2.99"))
    nearly = await installation.verify()
    publish(authority, key, mx, spf)
    right = await installation.verify()
    publish(authority, key, mx, spf, dmarc, organisational)
    all_of_it = await installation.verify()

    purposes = ["dkim", "return-path-mx", "return-path-spf", "dmarc", "organisational-dkim"]
    assert statuses(nothing) == dict.fromkeys(purposes, "missing")
    assert list(statuses(half).values()) == ["different", "ok", "missing", "missing", "missing"]
    assert state is DomainState.UNVERIFIED
    assert list(statuses(nearly).values()) == ["ok", "ok", "different", "missing", "missing"]
    assert nearly["return-path-spf"].found == "v=spf1 ip4:192.0.2.99 -all"
    assert list(statuses(right).values()) == ["ok", "ok", "ok", "missing", "missing"]
    assert await installation.state() is DomainState.ACTIVE
    assert set(statuses(all_of_it).values()) == {"ok"}


async def test_a_dmarc_record_of_the_organisational_domain_will_do(
    installation: Installation, authority: Authority
) -> None:
    await installation.added()
    publish(authority, '_dmarc TXT "v=DMARC1; p=reject"')

    verdict = (await installation.verify())["dmarc"]

    assert (verdict.status, verdict.found) == (VerdictStatus.OK, "v=DMARC1; p=reject")


async def test_keys_sign_from_when_they_are_seen_and_for_the_organisational_domain_when_that_is_published(
    installation: Installation, authority: Authority
) -> None:
    domain = await installation.added(settings=DomainSettings(ed25519=True))
    directory = installation.directory()
    before = await directory.signing_keys(domain.id)
    records = await installation.records()
    publish(authority, *lines_of(records, without="organisational-dkim"))
    await installation.verify()
    await directory.refresh()
    plain = await directory.signing_keys(domain.id)
    publish(authority, *lines_of(records))
    await installation.verify()
    await directory.refresh()
    double = await directory.signing_keys(domain.id)

    assert before == ()
    assert [(key.domain, key.selector) for key in plain] == [(NAME, "postroad1"), (NAME, "postroad1e")]
    assert [(key.domain, key.selector) for key in double] == [
        (NAME, "postroad1"),
        ("example.com", "postroad1-news"),
        (NAME, "postroad1e"),
        ("example.com", "postroad1e-news"),
    ]
    assert await directory.signing_keys(domain.id) is double


async def test_the_old_key_signs_until_the_new_one_is_seen(installation: Installation, authority: Authority) -> None:
    domain = await installation.added()
    publish(authority, *lines_of(await installation.records()))
    await installation.verify()

    await installation.registration.rotate_dkim(SYSTEM, NAME)
    with pytest.raises(RefusedError, match="still waits to be seen in DNS at the selector postroad2"):
        await installation.registration.rotate_dkim(SYSTEM, NAME)
    waiting = await installation.verify()
    unseen = await installation.key_states()
    publish(authority, *lines_of(await installation.records()))
    await installation.verify()
    keys = await installation.directory().signing_keys(domain.id)

    assert waiting["dkim postroad2"].status is VerdictStatus.MISSING
    assert unseen == {"postroad1": KeyState.ACTIVE, "postroad2": KeyState.PUBLISHED}
    assert await installation.key_states() == {"postroad1": KeyState.RETIRED, "postroad2": KeyState.ACTIVE}
    assert [key.selector for key in keys] == ["postroad2", "postroad2-news"]
    assert await installation.state() is DomainState.ACTIVE


async def test_the_first_selector_comes_round_again_at_the_second_rotation(
    installation: Installation, authority: Authority
) -> None:
    await installation.added()
    for _ in range(2):
        publish(authority, *lines_of(await installation.records()))
        await installation.verify()
        await installation.registration.rotate_dkim(SYSTEM, NAME)
    keys = await installation.registration.keys_of(await installation.registration.find(SYSTEM, NAME))

    assert [(key.selector, key.state) for key in keys] == [
        ("postroad1", KeyState.RETIRED),
        ("postroad2", KeyState.ACTIVE),
        ("postroad1", KeyState.PUBLISHED),
    ]


async def test_with_a_zone_of_the_operator_a_rotation_asks_nothing_of_the_domains_owner(
    database: Database, resolver: Resolver, authority: Authority
) -> None:
    settings = DomainsSettings(dkim_zone="dkim.example.net")
    installation = Installation(database, resolver, settings)
    domain = await installation.added()
    publish(authority, *lines_of(await installation.records()))
    aliases_only = await installation.verify()

    async def serve_keys() -> None:
        keys = tuple(await installation.registration.keys_of(domain))
        zone = dkim_zone_records(NAME, keys, "dkim.example.net")
        publish(authority, *(as_zone_line(record) for record in zone), zone="dkim.example.net")

    await serve_keys()
    with Recursor(authority) as recursor:
        across_zones = from_settings(DnsSettings(resolvers=(recursor.resolver,)), now_ms)
        installation = Installation(database, across_zones, settings)
        await installation.verify()
        first = (await installation.state(), await installation.key_states())
        await installation.registration.rotate_dkim(SYSTEM, NAME)
        await serve_keys()
        await across_zones.aclose()
    with Recursor(authority) as recursor:
        across_zones = from_settings(DnsSettings(resolvers=(recursor.resolver,)), now_ms)
        installation = Installation(database, across_zones, settings)
        await installation.verify()
        await across_zones.aclose()

    assert aliases_only["dkim"].status is VerdictStatus.MISSING
    assert "does not serve the key" in aliases_only["dkim"].hint
    assert aliases_only["dkim postroad2"].status is VerdictStatus.OK
    assert first == (DomainState.ACTIVE, {"postroad1": KeyState.ACTIVE})
    assert await installation.key_states() == {"postroad1": KeyState.RETIRED, "postroad2": KeyState.ACTIVE}


async def test_an_active_domain_whose_records_vanish_is_warned_and_then_stopped(
    installation: Installation, authority: Authority
) -> None:
    await installation.added()
    publish(authority, *lines_of(await installation.records()))
    await installation.verify()

    publish(authority)
    with capture_logs() as warned:
        await installation.verify(later_ms=DAY)
    during = await installation.state()
    with capture_logs() as stopped:
        await installation.verify(later_ms=3 * DAY)

    assert during is DomainState.ACTIVE
    assert await installation.state() is DomainState.UNVERIFIED
    [warning] = [entry for entry in warned if entry["log_level"] == "warning"]
    assert (warning["event"], warning["stops_at"]) == ("domain_records_failing", installation.now)
    assert "rp.news.example.com" in warning["records"]
    assert [entry["event"] for entry in stopped] == ["domain_state_changed", "domain_stopped"]


async def test_a_dns_outage_stops_no_domain(
    database: Database, installation: Installation, authority: Authority
) -> None:
    await installation.added()
    publish(authority, *lines_of(await installation.records()))
    await installation.verify()

    async with scripted(lambda _query, _protocol: None) as silent:
        settings = DnsSettings(resolvers=(silent.resolver,), attempt_timeout_ms=50, lifetime_ms=100)
        unreachable = from_settings(settings, now_ms)
        cut_off = Installation(database, unreachable, OWN)
        verdicts = await cut_off.verify(later_ms=30 * DAY)
        await unreachable.aclose()

    assert set(statuses(verdicts).values()) == {"unknown"}
    domain = await installation.registration.find(SYSTEM, NAME)
    assert (domain.state, domain.failing_since) == (DomainState.ACTIVE, None)


async def test_active_domains_are_checked_daily_and_hourly_while_a_key_waits(
    installation: Installation, authority: Authority
) -> None:
    await installation.added()
    unverified = await installation.verification.check_due()
    publish(authority, *lines_of(await installation.records()))
    await installation.verify()

    async def checked_after(later_ms: int) -> int:
        installation.now += later_ms
        return await installation.verification.check_due()

    ordinary = [await checked_after(DAY - 1), await checked_after(1), await checked_after(1)]
    await installation.registration.rotate_dkim(SYSTEM, NAME)
    waiting = [await checked_after(HOUR - 2), await checked_after(1)]

    assert unverified == 0
    assert ordinary == [0, 1, 0]
    assert waiting == [0, 1]


async def test_a_check_that_an_operators_decision_overtook_changes_nothing(
    installation: Installation, authority: Authority
) -> None:
    before = await installation.added()
    publish(authority, *lines_of(await installation.records()))
    await installation.registration.reject(SYSTEM, NAME)

    # What a check writes that had read the domain before the decision.
    verified = msgspec.structs.replace(before, state=DomainState.ACTIVE)
    applied = await installation.database.write(domains.change, installation.vault, before, verified)

    assert not applied
    assert await installation.state() is DomainState.REJECTED


async def test_with_manual_vetting_the_operator_decides_first(
    database: Database, resolver: Resolver, authority: Authority
) -> None:
    installation = Installation(database, resolver, DomainsSettings(vetting="manual"))
    await installation.added()
    publish(authority, *lines_of(await installation.records()))

    await installation.verify()
    vetting = await installation.state()
    await installation.registration.approve(SYSTEM, NAME)
    await installation.verify()
    active = await installation.state()
    await installation.registration.disable(SYSTEM, NAME)
    await installation.verify()
    disabled = await installation.state()
    released = await installation.registration.enable(SYSTEM, NAME)

    assert [vetting, active, disabled, released.state] == [
        DomainState.VETTING,
        DomainState.ACTIVE,
        DomainState.DISABLED,
        DomainState.UNVERIFIED,
    ]
    with pytest.raises(RefusedError, match="is unverified: this cannot be done now"):
        await installation.registration.approve(SYSTEM, NAME)


async def test_without_verification_a_domain_sends_and_signs_at_once_and_rotates_at_once(
    database: Database, resolver: Resolver
) -> None:
    installation = Installation(database, resolver, DomainsSettings(verification="off"))
    domain = await installation.added()
    first = await installation.directory().signing_keys(domain.id)
    await installation.registration.rotate_dkim(SYSTEM, NAME)
    second = await installation.directory().signing_keys(domain.id)

    assert domain.state is DomainState.ACTIVE
    assert [[key.selector for key in keys] for keys in (first, second)] == [["postroad1"], ["postroad2"]]
    assert await installation.verification.check_due() == 0


async def test_switching_ed25519_on_makes_its_key(installation: Installation) -> None:
    await installation.added()

    await installation.registration.change_settings(SYSTEM, NAME, DomainSettings(ed25519=True))
    await installation.registration.change_settings(SYSTEM, NAME, DomainSettings(ed25519=True, bounce_mail=False))

    assert await installation.key_states() == {"postroad1": KeyState.PUBLISHED, "postroad1e": KeyState.PUBLISHED}
    assert not (await installation.registration.find(SYSTEM, NAME)).settings.bounce_mail


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("co.uk", "is a public suffix"),
        ("com", "is a public suffix"),
        ("[192.0.2.1]", "is an address"),
        ("127.0.0.1", "^127.0.0.1 ends in a number, as addresses do"),
        ("１９２。0.2.1", "^192.0.2.1 ends in a number"),
        ("mail.example.123.", "ends in a number"),
        ("::1", "is not a domain name"),
        ("not a name", "is not a domain name"),
        ("a..example.com", "is not a domain name"),
    ],
)
async def test_what_nobody_can_own_is_no_sending_domain(installation: Installation, name: str, sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        await installation.added(name)


async def test_a_name_is_kept_as_a_labels(installation: Installation) -> None:
    domain = await installation.added("Nachrichten.Bücher.example.")

    assert domain.name == "nachrichten.xn--bcher-kva.example"


async def test_a_name_that_was_verified_is_its_accounts_for_good(
    installation: Installation, authority: Authority
) -> None:
    first = await installation.added()
    other = await installation.account("other")
    publish(authority, *lines_of(await installation.records()))
    await installation.verify()
    await installation.registration.disable(SYSTEM, NAME)
    installation.now += 365 * DAY

    with pytest.raises(RefusedError, match="is held by another account"):
        await installation.registration.add(SYSTEM, other.id, NAME)
    with pytest.raises(RefusedError, match="is a domain of this account already"):
        await installation.registration.add(SYSTEM, first.account_id, NAME)


async def test_a_claim_that_is_never_verified_lapses_after_a_week(installation: Installation) -> None:
    first = await installation.added()
    [old_key] = await installation.registration.keys_of(first)
    other = await installation.account("other")
    installation.now += 7 * DAY - 1
    with pytest.raises(RefusedError, match="is held by another account"):
        await installation.registration.add(SYSTEM, other.id, NAME)
    installation.now += 1

    second = await installation.registration.add(SYSTEM, other.id, NAME)
    [new_key] = await installation.registration.keys_of(second)

    assert second.account_id == other.id
    assert new_key.public_key != old_key.public_key
    assert await installation.registration.find(SYSTEM, NAME) == second


async def test_the_directory_forgets_what_has_changed_and_only_then(installation: Installation) -> None:
    domain = await installation.added()
    directory = installation.directory()
    await directory.refresh()

    loaded = await directory.get(domain.id)
    unchanged = await directory.refresh()
    kept = await directory.get(domain.id)
    await installation.registration.disable(SYSTEM, NAME)
    changed = await directory.refresh()
    fresh = await directory.get(domain.id)

    assert loaded == domain
    assert (unchanged, changed) == (False, True)
    assert kept is loaded
    assert fresh is not None
    assert fresh.state is DomainState.DISABLED
    assert await directory.get(-1) is None
    assert await directory.signing_keys(-1) == ()


async def test_stored_private_keys_are_encrypted(installation: Installation, tmp_path: Path) -> None:
    domain = await installation.added()
    [key] = await installation.registration.keys_of(domain)
    await installation.database.close()

    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file() and os.access(path, os.R_OK))
    assert key.public_key.encode() in stored
    assert key.private_key[100:200] not in stored


def test_expected_records_need_no_names_of_the_installation() -> None:
    domain = SendingDomain(id=1, account_id=1, name=NAME, state=DomainState.UNVERIFIED, created_at=0)

    records = expected_records(domain, (), installation_names(DomainsSettings()), "example.com")

    assert [record.purpose.value for record in records] == ["dmarc"]


async def test_records_for_mail_clients_are_compared_and_never_stop_a_domain(
    database: Database, resolver: Resolver, authority: Authority
) -> None:
    installation = Installation(database, resolver, DomainsSettings())
    clients = ClientAccess(
        submission_host="mail.example.net", starttls_port=587, tls_port=465, setup_host="console.example.net"
    )
    installation.verification = Verification(
        database,
        installation.vault,
        resolver,
        settings=DomainsSettings(),
        names=InstallationNames(clients=clients),
        organisational_domain_of=ORGANISATIONAL,
        clock=lambda: installation.now,
    )
    await installation.added()
    lines = [
        as_zone_line(one) for one in await installation.records() if one.form in {"SRV", "CNAME"} or one.is_required
    ]
    publish(authority, *(line for line in lines if "_submission._tcp" not in line))

    domain = await installation.registration.find(SYSTEM, NAME)
    verdicts = await installation.verification.verify(SYSTEM, domain.id)

    found = {one.expected.name: one.status for one in verdicts if one.expected.purpose is RecordPurpose.MAIL_CLIENTS}
    assert found == {
        f"_submissions._tcp.{NAME}": VerdictStatus.OK,
        f"_submission._tcp.{NAME}": VerdictStatus.MISSING,
        f"_autodiscover._tcp.{NAME}": VerdictStatus.OK,
        f"autoconfig.{NAME}": VerdictStatus.OK,
    }
    assert await installation.state() is DomainState.ACTIVE


async def test_sessions_that_come_at_once_share_one_look_at_a_domain(
    installation: Installation, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = await installation.added()
    looks = []
    read = database.read

    async def counted(fn: Any, *args: Any) -> Any:
        looks.append(fn)
        return await read(fn, *args)

    monkeypatch.setattr(database, "read", counted)
    directory = installation.directory()
    found = await asyncio.gather(*(directory.get(domain.id) for _ in range(20)))
    assert [one is not None and one.name for one in found] == [NAME] * 20
    assert looks.count(domains.get) == 1
