"""Certificates of tracking hosts over a real database: asked for one by one, backed off, shown, from files too."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec
import pytest
import trustme

from postroad.accounts.accounts import Accounts
from postroad.certificates import obtaining
from postroad.certificates.host_files import read_folder
from postroad.certificates.host_ordering import HostOrdering
from postroad.certificates.host_showing import ShownHosts
from postroad.dns.answer import Answer, AnswerStatus, RecordType
from postroad.model.actor import SYSTEM
from postroad.model.certificate import HostCertificate
from postroad.model.domain import DomainSettings, DomainState, SendingDomain
from postroad.net.self_signed import ensure_self_signed
from postroad.net.tls import ServerCertificate, verifying_context
from postroad.storage import certificates, domains
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from tests.integration.test_obtaining_a_certificate import CA, MINUTE, NOW, SETTINGS, VAULT, Clock, FakeAuthority
from tests.unit.net.test_tls import handshake

OURS = "click.node.test"
ONE, TWO = "t.one.test", "t.two.test"


class Names:
    """Answers as a zone of addresses and aliases; nothing is known of ``None``."""

    def __init__(self, **zone: str | None) -> None:
        self.zone: dict[str, str | None] = {OURS: "192.0.2.1", ONE: OURS, TWO: "192.0.2.1", **zone}

    async def resolve(self, name: str, record_type: RecordType) -> Answer:
        value = self.zone.get(name, "")
        if value is None:
            return Answer(status=AnswerStatus.TEMPORARY, detail="no resolver answers.")
        canonical, address = (value, self.zone[value]) if value in self.zone else (name, value)
        if record_type is not RecordType.A or not address:
            return Answer(status=AnswerStatus.NO_DATA, canonical_name=canonical)
        return Answer(status=AnswerStatus.FOUND, records=(address,), canonical_name=canonical)


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated_file, tmp_path)
    opened = await open_database("", data_dir=tmp_path, clock=lambda: NOW)
    await Accounts(opened, lambda: NOW).add(SYSTEM, "acme")
    yield opened
    await opened.close()


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> FakeAuthority:
    fake = FakeAuthority()
    monkeypatch.setattr(obtaining, "_begin", fake.begin)
    return fake


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def track_over(database: Database, *hosts: str) -> list[SendingDomain]:
    account = (await Accounts(database, lambda: NOW).all(SYSTEM))[0]
    made = []
    for host in hosts:
        added = SendingDomain(
            id=0,
            account_id=account.id,
            name=host.partition(".")[2],
            state=DomainState.ACTIVE,
            settings=DomainSettings(tracking_host=host),
            created_at=NOW,
        )
        made.append(await database.write(domains.add, added))
    return made


def ordering(database: Database, clock: Clock, names: Names | None = None, *, covered: str = "") -> HostOrdering:
    return HostOrdering(
        database,
        VAULT,
        names or Names(),
        SETTINGS,
        own_names=(OURS,),
        is_covered=lambda host: host == covered,
        clock=clock,
    )


async def state(database: Database) -> Mapping[str, HostCertificate]:
    return await database.read(certificates.of_hosts)


async def test_each_host_gets_one_of_its_own_from_one_worker_and_every_worker_shows_them(
    database: Database, authority: FakeAuthority, clock: Clock, tmp_path: Path
) -> None:
    await track_over(database, ONE, TWO)
    own = ServerCertificate(*ensure_self_signed(tmp_path / "own", OURS, NOW))
    shown = ShownHosts(own, database, VAULT, clock, folder="", is_obtained=True)
    await shown.refresh()

    issued = await asyncio.gather(*(ordering(database, clock).look() for _ in range(3)))

    assert sum(issued) == 2
    assert sorted(authority.orders) == [(ONE,), (TWO,)]
    assert await ordering(database, clock).look() == 0
    await shown.refresh()
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    for host in (ONE, TWO.upper()):
        assert handshake(own.context, verifying_context(tmp_path / "ca.pem"), host)
    # Other workers may not show it yet: links wait for them.
    assert not shown.covers(ONE)
    clock.now += 15_000
    assert shown.covers(ONE)
    assert not shown.covers("t.three.test")
    # The installation's own row is another one.
    assert await database.read(certificates.get) is None


async def test_a_host_is_no_longer_covered_when_its_certificate_is_over(
    database: Database, authority: FakeAuthority, clock: Clock, tmp_path: Path
) -> None:
    await track_over(database, ONE)
    await ordering(database, clock).look()
    own = ServerCertificate(*ensure_self_signed(tmp_path / "own", OURS, NOW))
    shown = ShownHosts(own, database, VAULT, clock, folder="", is_obtained=True)
    await shown.refresh()
    assert shown.covers(ONE)

    clock.now = ((await state(database))[ONE].expires_at or 0) + 1
    assert not shown.covers(ONE)
    assert authority.orders == [(ONE,)]


@pytest.mark.parametrize(
    ("leads_to", "why"),
    [
        ("", f"{ONE} leads nowhere: publish its record."),
        ("192.0.2.9", f"{ONE} leads to 192.0.2.9, and not to {OURS} (192.0.2.1)."),
        (None, f"{ONE} was not looked up: no resolver answers."),
    ],
)
async def test_of_a_host_that_does_not_lead_here_the_authority_does_not_hear(
    database: Database, authority: FakeAuthority, clock: Clock, leads_to: str | None, why: str
) -> None:
    await track_over(database, ONE)

    assert await ordering(database, clock, Names(**{ONE: leads_to})).look() == 0

    seen = (await state(database))[ONE]
    assert (seen.last_error, seen.is_astray, seen.next_attempt_at) == (why, True, NOW + 5 * MINUTE)
    assert authority.orders == []
    assert await ordering(database, clock).look() == 0
    clock.now += 5 * MINUTE
    assert await ordering(database, clock).look() == 1


async def test_a_refusal_is_kept_with_its_host_backs_off_and_disturbs_no_other(
    database: Database, authority: FakeAuthority, clock: Clock
) -> None:
    await track_over(database, ONE)
    authority.refusal = f"{ONE}: no such account"
    assert await ordering(database, clock).look() == 0
    clock.now += 5 * MINUTE
    assert await ordering(database, clock).look() == 0
    seen = (await state(database))[ONE]
    assert (seen.last_error, seen.attempts, seen.next_attempt_at) == (
        f"{ONE}: no such account", 2, clock.now + 10 * MINUTE,
    )  # fmt: skip
    assert not seen.is_astray

    authority.refusal = ""
    await track_over(database, TWO)
    assert await ordering(database, clock).look() == 1
    assert authority.orders[-1] == (TWO,)


async def test_a_certificate_is_renewed_in_time(database: Database, authority: FakeAuthority, clock: Clock) -> None:
    await track_over(database, ONE)
    await ordering(database, clock).look()
    clock.now = (await state(database))[ONE].next_attempt_at

    assert await ordering(database, clock).look() == 1
    assert authority.orders == [(ONE,), (ONE,)]


async def test_what_is_covered_or_given_up_is_not_asked_for_and_ends_in_time(
    database: Database, authority: FakeAuthority, clock: Clock
) -> None:
    [domain] = await track_over(database, ONE)
    assert await ordering(database, clock, covered=ONE).look() == 0
    assert await state(database) == {}
    await ordering(database, clock).look()

    given_up = msgspec.structs.replace(domain, settings=DomainSettings())
    assert await database.write(domains.change, VAULT, domain, given_up, ())
    await ordering(database, clock).look()
    assert list(await state(database)) == [ONE]
    clock.now = ((await state(database))[ONE].expires_at or 0) + 1
    await ordering(database, clock).look()
    assert await state(database) == {}
    assert authority.orders == [(ONE,)]


async def test_files_hold_hosts_of_their_own_are_taken_up_anew_and_a_broken_one_leaves_the_others(
    database: Database, clock: Clock, tmp_path: Path
) -> None:
    folder, root = tmp_path / "hosts", trustme.CA()
    folder.mkdir()
    root.cert_pem.write_to_path(tmp_path / "root.pem")
    root.issue_cert(ONE).private_key_and_cert_chain_pem.write_to_path(folder / "one.pem")
    apart = root.issue_cert("*.two.test")
    apart.cert_chain_pems[0].write_to_path(folder / "two.pem")
    apart.private_key_pem.write_to_path(folder / "two.key")
    own = ServerCertificate(*ensure_self_signed(tmp_path / "own", OURS, NOW))
    shown = ShownHosts(own, database, VAULT, clock, folder=str(folder), is_obtained=False)
    await shown.refresh()
    context = verifying_context(tmp_path / "root.pem")

    assert shown.covers(ONE)
    assert shown.covers(TWO)
    first = handshake(own.context, context, ONE).getpeercert(binary_form=True)
    assert handshake(own.context, context, TWO)
    (folder / "three.pem").write_text("nothing")
    root.issue_cert(ONE).private_key_and_cert_chain_pem.write_to_path(folder / "one.pem")
    await shown.refresh()

    assert handshake(own.context, context, ONE).getpeercert(binary_form=True) != first
    [complaint] = read_folder(folder).complaints
    assert complaint.startswith(f"{folder / 'three.pem'} holds no certificate with its key that can be used: ")
    assert "/proc/" not in complaint
    assert "is no folder" in read_folder(tmp_path / "nowhere").complaints[0]
    assert not shown.covers(OURS)


def test_a_key_that_is_not_the_certificates_is_refused(tmp_path: Path) -> None:
    one, other = CA.issue_cert(ONE), CA.issue_cert(TWO)
    one.cert_chain_pems[0].write_to_path(tmp_path / "one.pem")
    other.private_key_pem.write_to_path(tmp_path / "one.key")

    assert read_folder(tmp_path).by_name == {}
    assert "KEY_VALUES_MISMATCH" in read_folder(tmp_path).complaints[0]
