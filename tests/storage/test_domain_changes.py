"""Changes of a sending domain together with its keys, on each engine."""

import msgspec
import pytest

from postroad.model.actor import SYSTEM, Actor, ActorKind
from postroad.model.credential import CredentialKind, SmtpUser
from postroad.model.domain import DkimKey, DomainState, KeyAlgorithm, KeyState, SendingDomain
from postroad.model.refused import MissingError, RefusedError
from postroad.storage import accounts, dkim_keys, domains, revision, smtp_users
from postroad.storage.database import Database
from postroad.storage.errors import Conflict
from postroad.storage.secrets import Vault
from tests.storage.samples import NOW

NAME = "news.example.com"
VAULT = Vault(bytes(32))


def domain(account_id: int, name: str = NAME) -> SendingDomain:
    return SendingDomain(id=0, account_id=account_id, name=name, state=DomainState.UNVERIFIED, created_at=NOW)


def key(selector: str = "postroad1", state: KeyState = KeyState.PUBLISHED) -> DkimKey:
    return DkimKey(
        id=0,
        domain_id=0,
        selector=selector,
        algorithm=KeyAlgorithm.RSA,
        state=state,
        private_key=b"private " + selector.encode(),
        public_key="public",
        created_at=NOW,
    )


async def added(database: Database, account_name: str = "customer") -> SendingDomain:
    account = await database.write(accounts.add, account_name, NOW)
    return await database.write(domains.add_with_keys, VAULT, domain(account.id), [key()])


async def keys_of(database: Database, owner: SendingDomain) -> list[DkimKey]:
    return await database.read(dkim_keys.of_domain, VAULT, owner.id)


async def test_a_domain_is_stored_with_its_keys(database: Database) -> None:
    stored = await added(database)
    [stored_key] = await keys_of(database, stored)

    assert await database.read(domains.by_name, NAME) == stored
    assert (stored_key.domain_id, stored_key.private_key) == (stored.id, b"private postroad1")
    assert stored_key.id


async def test_a_domain_is_seen_in_any_spelling_by_its_account_and_the_operators_alone(database: Database) -> None:
    stored = await added(database)
    owner = Actor(kind=ActorKind.USER, name="ann", account_id=stored.account_id)
    stranger = Actor(kind=ActorKind.USER, name="stan", account_id=stored.account_id + 1)

    assert await database.read(domains.seen, owner, f" {NAME.upper()}. ") == stored
    assert await database.read(domains.seen, SYSTEM, NAME) == stored
    with pytest.raises(MissingError, match=f"^There is no sending domain {NAME}.$") as missing:
        await database.read(domains.seen, stranger, NAME)
    assert missing.value.field == "domain"
    with pytest.raises(MissingError, match=r"^There is no sending domain none\.example: look again\.$"):
        await database.read(domains.seen, SYSTEM, "none.example", "look again")
    with pytest.raises(RefusedError, match="is not a domain name"):
        await database.read(domains.seen, SYSTEM, "no domain")


async def test_a_name_that_is_taken_leaves_nothing_of_the_second_domain(database: Database) -> None:
    first = await added(database)

    with pytest.raises(Conflict):
        await added(database, "other")

    assert await database.read(domains.list_all) == [first]


async def test_a_change_stores_the_domain_with_changed_and_new_keys(database: Database) -> None:
    before = await added(database)
    [old] = await keys_of(database, before)
    after = msgspec.structs.replace(before, state=DomainState.ACTIVE, verified_at=NOW)
    retired = msgspec.structs.replace(old, state=KeyState.RETIRED)

    stored = await database.write(domains.change, VAULT, before, after, [retired, key("postroad2")])

    assert stored
    assert await database.read(domains.get, before.id) == after
    assert [(one.selector, one.state) for one in await keys_of(database, before)] == [
        ("postroad1", KeyState.RETIRED),
        ("postroad2", KeyState.PUBLISHED),
    ]


async def test_a_change_of_a_domain_that_moved_meanwhile_stores_nothing(database: Database) -> None:
    before = await added(database)
    rejected = msgspec.structs.replace(before, state=DomainState.REJECTED)
    await database.write(domains.change, VAULT, before, rejected)

    active = msgspec.structs.replace(before, state=DomainState.ACTIVE)
    stored = await database.write(domains.change, VAULT, before, active, [key("postroad2")])

    assert not stored
    assert await database.read(domains.get, before.id) == rejected
    assert [one.selector for one in await keys_of(database, before)] == ["postroad1"]


async def test_two_changes_of_different_facts_both_stay(database: Database) -> None:
    before = await added(database)
    settings = msgspec.structs.replace(before.settings, bounce_mail=False)

    await database.write(domains.change, VAULT, before, msgspec.structs.replace(before, settings=settings))
    await database.write(domains.change, VAULT, before, msgspec.structs.replace(before, checked_at=NOW + 1))

    assert await database.read(domains.get, before.id) == msgspec.structs.replace(
        before, settings=settings, checked_at=NOW + 1
    )


async def test_a_check_that_changes_nothing_leaves_the_caches_alone(database: Database) -> None:
    before = await added(database)
    seen = await database.read(revision.current)

    await database.write(domains.change, VAULT, before, msgspec.structs.replace(before, checked_at=NOW))
    after_check = await database.read(revision.current)
    await database.write(domains.change, VAULT, before, msgspec.structs.replace(before, state=DomainState.ACTIVE))
    after_change = await database.read(revision.current)

    assert after_check == seen
    assert after_change > seen


async def test_a_lapsed_claim_gives_way_with_its_users_and_keys(database: Database) -> None:
    first = await added(database)
    user = SmtpUser(
        id=0,
        account_id=first.account_id,
        domain_id=first.id,
        username=f"app@{NAME}",
        kind=CredentialKind.PASSWORD,
        created_at=NOW,
    )
    await database.write(smtp_users.add, user)
    other = await database.write(accounts.add, "other", NOW)

    second = await database.write(domains.add_with_keys, VAULT, domain(other.id), [key()], first.id)

    assert await database.read(domains.list_all) == [second]
    assert second.account_id == other.id
    assert await database.read(smtp_users.by_username, user.username) is None
    assert await keys_of(database, first) == [] or first.id == second.id
    assert len(await keys_of(database, second)) == 1


async def test_a_claim_that_was_verified_just_now_stays(database: Database) -> None:
    first = await added(database)
    verified = msgspec.structs.replace(first, state=DomainState.ACTIVE, verified_at=NOW)
    await database.write(domains.change, VAULT, first, verified)
    other = await database.write(accounts.add, "other", NOW)

    with pytest.raises(Conflict):
        await database.write(domains.add_with_keys, VAULT, domain(other.id), [key()], first.id)

    assert await database.read(domains.list_all) == [verified]


async def test_settings_take_the_place_of_those_alone_that_were_seen(database: Database) -> None:
    before = await added(database)
    quota = msgspec.structs.replace(before, settings=msgspec.structs.replace(before.settings, hourly_quota=7))
    clicks = msgspec.structs.replace(before, settings=msgspec.structs.replace(before.settings, tracks_clicks=True))
    assert await database.write(domains.change, VAULT, before, quota)
    assert not await database.write(domains.change, VAULT, before, clicks)
    checked = msgspec.structs.replace(before, checked_at=NOW)
    assert await database.write(domains.change, VAULT, before, checked)
    stored = await database.read(domains.get, before.id)
    assert stored is not None
    assert (stored.settings, stored.checked_at) == (quota.settings, NOW)
