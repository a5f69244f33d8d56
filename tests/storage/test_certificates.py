"""The obtained certificate and its challenges, on each engine."""

import asyncio

import pytest

from postroad.model.certificate import HostCertificate, ObtainedCertificate
from postroad.storage import certificates
from postroad.storage.certificates import Issued
from postroad.storage.database import Database
from postroad.storage.errors import StorageError
from postroad.storage.secrets import Vault
from tests.storage.samples import NOW

DIRECTORY = "https://authority.example/directory"
VAULT = Vault(bytes(32))
ISSUED = Issued(certificate="chain\n", private_key=b"secret key", expires_at=NOW + 9000, renewal_at=NOW + 6000)


async def obtained(database: Database) -> ObtainedCertificate:
    found = await database.read(certificates.get)
    assert found is not None
    return found


async def test_of_many_workers_one_gets_the_first_claim_and_one_the_next(database: Database) -> None:
    assert await database.read(certificates.get) is None
    first = await asyncio.gather(*(database.write(certificates.claim, None, DIRECTORY, NOW + 10) for _ in range(5)))
    seen = await obtained(database)
    second = await asyncio.gather(*(database.write(certificates.claim, seen, DIRECTORY, NOW + 10) for _ in range(5)))

    assert sorted(first) == sorted(second) == [False] * 4 + [True]
    assert (await obtained(database)).attempts == 2


async def test_a_stored_certificate_ends_the_failures_and_its_key_is_encrypted(database: Database) -> None:
    await database.write(certificates.claim, None, DIRECTORY, NOW + 10)
    await database.write(certificates.note_failure, "a.example: not reached", NOW + 20)
    failing = await obtained(database)
    assert (failing.attempts, failing.last_error, failing.next_attempt_at) == (1, "a.example: not reached", NOW + 20)
    assert await database.read(certificates.with_key, VAULT) is None

    await database.write(certificates.store, VAULT, ISSUED)

    assert await obtained(database) == ObtainedCertificate(
        directory=DIRECTORY, certificate="chain\n", expires_at=NOW + 9000, next_attempt_at=NOW + 6000
    )
    assert await database.read(certificates.with_key, VAULT) == b"chain\nsecret key"
    with pytest.raises(StorageError):
        await database.read(certificates.with_key, Vault(b"x" * 32))


async def test_a_claim_that_was_not_used_is_given_back(database: Database) -> None:
    await database.write(certificates.claim, None, DIRECTORY, NOW + 10)

    await database.write(certificates.give_back, NOW)

    assert await obtained(database) == ObtainedCertificate(directory=DIRECTORY, next_attempt_at=NOW)


async def test_it_can_be_asked_for_before_its_time(database: Database) -> None:
    await database.write(certificates.claim, None, DIRECTORY, NOW + 10)
    await database.write(certificates.store, VAULT, ISSUED)

    await database.write(certificates.ask_now, NOW)

    assert (await obtained(database)).next_attempt_at == NOW


async def test_challenges_are_answered_until_they_are_withdrawn_or_a_day_old(database: Database) -> None:
    await database.write(certificates.publish, "old", "old.answer", NOW - 90_000_000)
    await database.write(certificates.publish, "one", "one.answer", NOW)
    await database.write(certificates.publish, "two", "two.answer", NOW)
    await database.write(certificates.publish, "two", "two.again", NOW)

    assert await database.read(certificates.authorization, "old") is None
    assert await database.read(certificates.authorization, "two") == "two.again"
    await database.write(certificates.withdraw, ("two",))
    assert await database.read(certificates.authorization, "two") is None
    assert await database.read(certificates.authorization, "one") == "one.answer"


def test_what_was_issued_does_not_show_its_key() -> None:
    assert "secret" not in repr(ISSUED)


async def test_hosts_have_certificates_of_their_own_each_with_a_key_of_its_own(database: Database) -> None:
    for host in ("t.a.example", "t.b.example"):
        assert await database.write(certificates.claim, None, DIRECTORY, NOW + 10, host)
    await database.write(certificates.store, VAULT, ISSUED, "t.a.example")
    await database.write(certificates.note_astray, "t.b.example leads nowhere", NOW + 20, "t.b.example")

    assert await database.read(certificates.get) is None
    assert await database.read(certificates.of_hosts) == {
        "t.a.example": HostCertificate(
            host="t.a.example", directory=DIRECTORY, expires_at=NOW + 9000, next_attempt_at=NOW + 6000
        ),
        "t.b.example": HostCertificate(
            host="t.b.example", directory=DIRECTORY, next_attempt_at=NOW + 20, last_error="t.b.example leads nowhere"
        ),
    }
    assert await database.read(certificates.with_key, VAULT, "t.a.example") == b"chain\nsecret key"
    await database.write(certificates.forget, ["t.a.example", certificates.NAME])
    assert list(await database.read(certificates.of_hosts)) == ["t.b.example"]
