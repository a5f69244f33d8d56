"""Obtaining a certificate over a real database, with an authority in this process that does what a test says."""

import asyncio
import datetime as dt
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from prometheus_client import CollectorRegistry

from postroad.certificates import obtaining
from postroad.certificates.authority import Challenge
from postroad.certificates.errors import OrderError
from postroad.certificates.ordering import Ordering
from postroad.certificates.showing import ShownCertificate
from postroad.model.certificate import ObtainedCertificate
from postroad.net.self_signed import ensure_self_signed
from postroad.net.settings import AcmeSettings
from postroad.net.tls import ServerCertificate, verifying_context
from postroad.storage import certificates
from postroad.storage.database import Database
from postroad.storage.engine import open_database
from postroad.storage.secrets import Vault
from postroad.telemetry.metrics import Meter
from tests.unit.net.test_tls import handshake

NAME = "mail.example.test"
NOW = 1_790_000_000_000
MINUTE = 60_000
SETTINGS = AcmeSettings(directory="https://authority.example/directory", agree_terms=True)
VAULT = Vault(bytes(32))
CA = trustme.CA()


class FakeAuthority:
    """Takes the place of the dialogue: issues for the key it was given, or refuses, when ``gate`` opens."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, ...]] = []
        self.account_keys: set[bytes] = set()
        self.refusal = ""
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()
        self.challenges = (Challenge("token-of-the-authority", "token-of-the-authority.thumbprint"),)

    def begin(self, _settings: AcmeSettings, account_key: bytes, names: Sequence[str], private_key: bytes) -> Any:
        self.orders.append(tuple(names))
        self.account_keys.add(account_key)
        return FakeOrder(self, tuple(names), private_key)

    def issue(self, names: Sequence[str], private_key: bytes) -> str:
        self.began.set()
        assert self.gate.wait(20)
        if self.refusal:
            raise OrderError(self.refusal)
        return issued_for(private_key, names)


class FakeOrder:
    """One order of it."""

    def __init__(self, authority: FakeAuthority, names: tuple[str, ...], private_key: bytes) -> None:
        self.challenges = authority.challenges
        self._authority, self._names, self._private_key = authority, names, private_key

    def finish(self) -> str:
        return self._authority.issue(self._names, self._private_key)


def issued_for(private_key: bytes, names: Sequence[str]) -> str:
    """Return a certificate of the test's authority for somebody's own key."""
    issuer_key = serialization.load_pem_private_key(CA.private_key_pem.bytes(), None)
    issuer = x509.load_pem_x509_certificate(CA.cert_pem.bytes())
    key: Any = serialization.load_pem_private_key(private_key, None)
    begins = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + dt.timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=True)
        .sign(issuer_key, hashes.SHA256())  # type: ignore[arg-type]
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated_file, tmp_path)
    opened = await open_database("", data_dir=tmp_path, clock=lambda: NOW)
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


MakeWorker = Callable[..., Ordering]


@pytest.fixture
def worker(database: Database, clock: Clock) -> MakeWorker:
    async def nothing() -> None:
        pass

    def make(*names: str) -> Ordering:
        return Ordering(database, VAULT, SETTINGS, names=names or (NAME,), clock=clock, when_issued=nothing)

    return make


async def state(database: Database) -> ObtainedCertificate:
    found = await database.read(certificates.get)
    assert found is not None
    return found


async def test_of_many_workers_one_asks_and_all_show_what_was_issued(
    database: Database, authority: FakeAuthority, worker: MakeWorker, tmp_path: Path
) -> None:
    looked = await asyncio.gather(*(worker().look() for _ in range(4)))

    assert sorted(looked) == [False, False, False, True]
    assert authority.orders == [(NAME,)]
    CA.cert_pem.write_to_path(tmp_path / "ca.pem")
    for number in range(2):
        registry = CollectorRegistry()
        own = ServerCertificate(*ensure_self_signed(tmp_path / str(number), NAME, NOW))
        shown = ShownCertificate(own, database, VAULT, is_obtained=True, meter=Meter(registry))
        assert await shown.refresh()
        assert not await shown.refresh()
        expires_at = (await state(database)).expires_at
        assert expires_at is not None
        assert registry.get_sample_value("postroad_certificate_expires_seconds") == expires_at / 1000
        assert handshake(own.context, verifying_context(tmp_path / "ca.pem"), NAME)


async def test_the_proof_is_there_while_the_authority_looks_and_gone_after(
    database: Database, authority: FakeAuthority, worker: MakeWorker
) -> None:
    authority.gate.clear()
    looking = asyncio.create_task(worker().look())
    await asyncio.to_thread(authority.began.wait, 20)

    token = authority.challenges[0].token
    assert await database.read(certificates.authorization, token) == f"{token}.thumbprint"
    authority.gate.set()
    assert await looking
    assert await database.read(certificates.authorization, token) is None


async def test_a_failure_is_noted_and_the_next_attempt_waits_its_time(
    database: Database, authority: FakeAuthority, worker: MakeWorker, clock: Clock
) -> None:
    authority.refusal = f"{NAME}: nothing answers"
    assert not await worker().look()
    noted = await state(database)
    assert (noted.last_error, noted.attempts, noted.next_attempt_at) == (
        f"{NAME}: nothing answers",
        1,
        NOW + 5 * MINUTE,
    )

    clock.now += 5 * MINUTE - 1
    assert not await worker().look()
    clock.now += 1
    assert not await worker().look()
    assert len(authority.orders) == 2
    assert (await state(database)).next_attempt_at == clock.now + 10 * MINUTE

    authority.refusal = ""
    clock.now += 10 * MINUTE
    assert await worker().look()
    assert ((await state(database)).last_error, (await state(database)).attempts) == ("", 0)
    assert len(authority.account_keys) == 1


async def test_a_name_that_was_added_is_asked_for_at_once(
    database: Database, authority: FakeAuthority, worker: MakeWorker
) -> None:
    assert await worker().look()
    assert not await worker().look()

    assert await worker(NAME, "console.example.test").look()
    assert authority.orders[-1] == (NAME, "console.example.test")
    # A name that is not wanted any more is no reason to ask.
    assert not await worker().look()


async def test_a_worker_that_stops_while_it_asks_leaves_the_turn_to_the_next(
    database: Database, authority: FakeAuthority, worker: MakeWorker
) -> None:
    authority.gate.clear()
    looking = asyncio.create_task(worker().look())
    await asyncio.to_thread(authority.began.wait, 20)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    authority.gate.set()

    assert ((await state(database)).attempts, (await state(database)).next_attempt_at) == (0, NOW)
    assert await worker().look()


async def test_what_is_no_certificate_is_not_taken_for_one(
    database: Database, authority: FakeAuthority, worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authority, "issue", lambda *_: "-----BEGIN NOTHING-----")

    assert not await worker().look()
    assert "no certificate" in (await state(database)).last_error


async def test_a_certificate_for_another_key_is_not_taken(
    database: Database, authority: FakeAuthority, worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = CA.issue_cert(NAME).cert_chain_pems[0].bytes().decode()
    monkeypatch.setattr(authority, "issue", lambda *_: other)

    assert not await worker().look()
    assert "does not fit the key" in (await state(database)).last_error


async def test_a_certificate_that_cannot_be_decrypted_leaves_the_old_one_shown(
    database: Database, authority: FakeAuthority, worker: MakeWorker, tmp_path: Path
) -> None:
    await worker().look()
    own = ServerCertificate(*ensure_self_signed(tmp_path / "own", NAME, NOW))

    assert not await ShownCertificate(
        own, database, Vault(b"x" * 32), is_obtained=True, meter=Meter(CollectorRegistry())
    ).refresh()
