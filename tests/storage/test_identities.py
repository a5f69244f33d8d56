"""Who people are elsewhere, and their passkeys."""

import asyncio

import msgspec
import pytest

from postroad.model.identity import Identity, Passkey
from postroad.model.user import User
from postroad.storage import identities, passkeys, users
from postroad.storage.database import Database
from postroad.storage.errors import Conflict
from tests.storage.samples import NOW

ISSUER = "https://login.example.com"


async def person(database: Database, email: str) -> User:
    return await database.write(users.add, User(id=0, account_id=None, email=email, created_at=NOW))


def identity(user: User, subject: str, issuer: str = ISSUER) -> Identity:
    return Identity(issuer=issuer, subject=subject, user_id=user.id, created_at=NOW)


def passkey(user: User, credential_id: bytes = b"\0one", **facts: int) -> Passkey:
    made = Passkey(
        id=0,
        user_id=user.id,
        credential_id=credential_id,
        public_key=b"\xa5",
        sign_count=0,
        name="Laptop",
        created_at=NOW,
    )
    return msgspec.structs.replace(made, **facts)


async def test_a_subject_is_one_person_and_a_person_one_subject_of_a_provider(database: Database) -> None:
    ada, bob = await person(database, "ada@acme.example"), await person(database, "bob@acme.example")
    await database.write(identities.bind, identity(ada, "1"))

    with pytest.raises(Conflict):
        await database.write(identities.bind, identity(bob, "1"))
    with pytest.raises(Conflict):
        await database.write(identities.bind, identity(ada, "2"))
    await database.write(identities.bind, identity(ada, "1", "https://other.example.com"))

    assert await database.read(identities.person_of, ISSUER, "1") == ada
    assert await database.read(identities.person_of, ISSUER, "2") is None
    assert [one.issuer for one in await database.read(identities.of_user, ada.id)] == [
        ISSUER,
        "https://other.example.com",
    ]


async def test_a_person_can_be_bound_anew_once_it_is_forgotten(database: Database) -> None:
    ada = await person(database, "ada@acme.example")
    await database.write(identities.bind, identity(ada, "1"))

    assert await database.write(identities.remove_of_user, ada.id) == 1
    await database.write(identities.bind, identity(ada, "2"))
    assert await database.read(identities.person_of, ISSUER, "1") is None


async def test_a_device_is_one_passkey(database: Database) -> None:
    ada, bob = await person(database, "ada@acme.example"), await person(database, "bob@acme.example")
    added = await database.write(passkeys.add, passkey(ada))

    with pytest.raises(Conflict):
        await database.write(passkeys.add, passkey(bob))
    assert await database.read(passkeys.by_credential, b"\0one") == added
    assert await database.read(passkeys.by_credential, b"\0two") is None
    assert await database.read(passkeys.of_user, ada.id) == [added]
    assert await database.read(passkeys.of_user, bob.id) == []


async def test_of_two_uses_at_once_that_saw_the_same_count_one_counts(database: Database) -> None:
    ada = await person(database, "ada@acme.example")
    added = await database.write(passkeys.add, passkey(ada, sign_count=6))

    noted = await asyncio.gather(*[database.write(passkeys.use, added, 7, NOW + 5) for _ in range(2)])

    assert sorted(noted) == [False, True]
    [stored] = await database.read(passkeys.of_user, ada.id)
    assert (stored.sign_count, stored.last_used_at) == (7, NOW + 5)


async def test_only_an_own_passkey_is_removed(database: Database) -> None:
    ada, bob = await person(database, "ada@acme.example"), await person(database, "bob@acme.example")
    added = await database.write(passkeys.add, passkey(ada))

    assert not await database.write(passkeys.remove, bob.id, added.id)
    assert await database.write(passkeys.remove, ada.id, added.id)
    assert not await database.write(passkeys.remove, ada.id, added.id)


async def test_they_go_with_their_person(database: Database) -> None:
    ada = await person(database, "ada@acme.example")
    await database.write(identities.bind, identity(ada, "1"))
    await database.write(passkeys.add, passkey(ada))

    await database.write(users.remove, ada.id)

    assert await database.read(identities.person_of, ISSUER, "1") is None
    assert await database.read(passkeys.by_credential, b"\0one") is None
