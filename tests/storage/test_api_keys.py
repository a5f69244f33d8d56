"""API keys and signing keys, on both engines."""

import asyncio
from collections.abc import Callable

import msgspec
import pytest
import sqlalchemy

from postroad.model.actor import SYSTEM
from postroad.model.audit import AuditEntry, entry_of
from postroad.model.credential import ApiKey, Secret, SigningKeys
from postroad.model.domain import DomainState, SendingDomain
from postroad.storage import accounts, api_keys, audit, domains, revision, signing_keys
from postroad.storage.api_keys import Use
from postroad.storage.database import Database
from postroad.storage.errors import Conflict, MasterKeyMismatch
from postroad.storage.secrets import Vault
from tests.storage.samples import NOW

VAULT = Vault(bytes(32))
DIGEST = b"\0\xff" * 16


async def domain_of(database: Database, name: str = "news.example.com") -> SendingDomain:
    account = await database.write(accounts.add, f"owner of {name}", NOW)
    wanted = SendingDomain(id=0, account_id=account.id, name=name, state=DomainState.UNVERIFIED, created_at=NOW)
    return await database.write(domains.add, wanted)


def key_of(domain: SendingDomain, prefix: str = "prd_abcdef") -> ApiKey:
    networks = ("192.0.2.0/24", "2001:db8::/32")
    return ApiKey(
        id=0,
        account_id=domain.account_id,
        domain_id=domain.id,
        prefix=prefix,
        note="Zürich\0",
        networks=networks,
        created_at=NOW,
    )


async def test_a_key_is_found_by_what_it_begins_with(database: Database) -> None:
    domain = await domain_of(database)
    before = await database.read(revision.current)
    added = await database.write(api_keys.add, key_of(domain), DIGEST)
    stored = await database.read(api_keys.by_prefix, "prd_abcdef")

    assert stored is not None
    assert (stored.key, stored.secret_hash) == (added, DIGEST)
    assert added == msgspec.structs.replace(key_of(domain), id=added.id, note="Zürich\N{REPLACEMENT CHARACTER}")
    assert await database.read(api_keys.get, added.id) == added
    assert await database.read(api_keys.by_prefix, "prd_abcdeg") is None
    assert await database.read(revision.current) > before
    assert "xff" not in repr(stored)


async def test_a_prefix_belongs_to_one_key(database: Database) -> None:
    domain = await domain_of(database)
    await database.write(api_keys.add, key_of(domain), DIGEST)

    with pytest.raises(Conflict):
        await database.write(api_keys.add, key_of(domain), b"other")


async def test_keys_are_listed_by_account_and_domain(database: Database) -> None:
    one, other = await domain_of(database), await domain_of(database, "shop.example.org")
    first = await database.write(api_keys.add, key_of(one), DIGEST)
    second = await database.write(api_keys.add, key_of(other, "prd_second"), DIGEST)
    managing = msgspec.structs.replace(key_of(one, "pra_manage"), domain_id=None)
    third = await database.write(api_keys.add, managing, DIGEST)

    assert await database.read(api_keys.list_all) == [first, second, third]
    assert await database.read(api_keys.list_all, one.account_id) == [first, third]
    assert await database.read(api_keys.list_all, None, other.id) == [second]
    assert await database.read(api_keys.list_all, one.account_id, other.id) == []


def entry_of_change(before: ApiKey, after: ApiKey) -> AuditEntry:
    values = {"before": {"note": before.note}, "after": {"note": after.note}}
    return entry_of(SYSTEM, "api_key.changed", before.prefix, at=NOW, account_id=before.account_id, **values)


async def test_a_change_or_removal_moves_the_revision_and_is_refused_for_a_key_that_is_gone(
    database: Database,
) -> None:
    domain = await domain_of(database)
    added = await database.write(api_keys.add, key_of(domain), DIGEST)
    changed = msgspec.structs.replace(added, note="other", networks=())
    revisions = [await database.read(revision.current)]
    for _ in range(2):
        assert await database.write(api_keys.change, added.id, lambda _: changed, entry_of_change) == changed
    revisions.append(await database.read(revision.current))
    assert revisions[1] == revisions[0] + 1
    assert await database.read(api_keys.get, added.id) == changed
    [entry] = await database.read(audit.search, audit.AuditSelector(), 10)
    assert (entry.before, entry.after) == ({"note": added.note}, {"note": "other"})

    await database.write(api_keys.remove, added.id)
    revisions.append(await database.read(revision.current))
    assert await database.read(api_keys.get, added.id) is None
    assert revisions == sorted(set(revisions))
    with pytest.raises(Conflict):
        await database.write(api_keys.change, added.id, lambda _: changed, entry_of_change)
    with pytest.raises(Conflict):
        await database.write(api_keys.remove, added.id)


async def test_changes_at_the_same_moment_are_all_kept(database: Database) -> None:
    domain = await domain_of(database)
    added = await database.write(api_keys.add, key_of(domain), DIGEST)
    hosts = [f"198.51.100.{host}/32" for host in range(20)]

    def further(host: str) -> Callable[[ApiKey], ApiKey]:
        return lambda key: msgspec.structs.replace(key, networks=(*key.networks, host))

    await asyncio.gather(*(database.write(api_keys.change, added.id, further(host), entry_of_change) for host in hosts))

    found = await database.read(api_keys.get, added.id)
    assert found is not None
    assert sorted(found.networks) == sorted((*added.networks, *hosts))


async def test_last_uses_and_refusals_are_noted_apart_and_move_nothing(database: Database) -> None:
    domain = await domain_of(database)
    one = await database.write(api_keys.add, key_of(domain), DIGEST)
    two = await database.write(api_keys.add, key_of(domain, "prd_second"), DIGEST)
    before = await database.read(revision.current)
    uses = {two.id: Use(NOW + 2, "2001:db8::1"), one.id: Use(NOW + 1, "192.0.2.1")}
    await database.write(api_keys.touch, uses, {one.id: Use(NOW + 3, "203.0.113.1")})
    first, second = await database.read(api_keys.list_all)

    assert (first.last_used_at, first.last_used_address) == (NOW + 1, "192.0.2.1")
    assert (first.last_refused_at, first.last_refused_address) == (NOW + 3, "203.0.113.1")
    assert (second.last_used_at, second.last_used_address, second.last_refused_at) == (NOW + 2, "2001:db8::1", None)
    assert await database.read(revision.current) == before


async def test_a_domain_with_keys_stays(database: Database) -> None:
    domain = await domain_of(database)
    added = await database.write(api_keys.add, key_of(domain), DIGEST)

    assert await database.read(domains.bound_to, domain.id) == {"API key": 1}
    with pytest.raises(Conflict, match="API keys"):
        await database.write(domains.remove, domain.id)
    await database.write(api_keys.remove, added.id)
    assert await database.read(domains.bound_to, domain.id) == {}
    await database.write(domains.remove, domain.id)


async def test_keys_of_a_lapsed_claim_go_with_it(database: Database) -> None:
    lapsed = await domain_of(database)
    await database.write(api_keys.add, key_of(lapsed), DIGEST)
    other = await database.write(accounts.add, "other", NOW)
    wanted = msgspec.structs.replace(lapsed, id=0, account_id=other.id)
    await database.write(domains.add_with_keys, VAULT, wanted, [], lapsed.id)

    assert await database.read(api_keys.list_all) == []


async def test_signing_keys_are_made_once_and_replaced(database: Database) -> None:
    account = await database.write(accounts.add, "acme", NOW)
    assert await database.read(signing_keys.get, VAULT, account.id) is None

    first = await database.write(signing_keys.ensure, VAULT, account.id, Secret("one"), NOW)
    again = await database.write(signing_keys.ensure, VAULT, account.id, Secret("two"), NOW + 1)
    assert first == again == SigningKeys(account_id=account.id, key=Secret("one"), changed_at=NOW)

    before = await database.read(revision.current)
    later = await database.write(
        signing_keys.replace, VAULT, account.id, Secret("three"), NOW + 2, previous_until=NOW + 9
    )
    assert later == SigningKeys(
        account_id=account.id,
        key=Secret("three"),
        previous_key=Secret("one"),
        previous_until=NOW + 9,
        changed_at=NOW + 2,
    )
    assert await database.read(signing_keys.get, VAULT, account.id) == later
    assert await database.read(revision.current) > before
    last = await database.write(signing_keys.replace, VAULT, account.id, Secret("four"), NOW + 3, previous_until=None)
    assert last == SigningKeys(account_id=account.id, key=Secret("four"), changed_at=NOW + 3)


async def test_signing_keys_are_encrypted_for_their_account(database: Database) -> None:
    account = await database.write(accounts.add, "acme", NOW)
    await database.write(signing_keys.ensure, VAULT, account.id, Secret("a secret text"), NOW)

    def stored(connection: sqlalchemy.Connection) -> bytes:
        found: bytes = connection.execute(sqlalchemy.text("SELECT key FROM signing_keys")).scalar_one()
        return bytes(found)

    assert b"a secret text" not in await database.read(stored)
    with pytest.raises(MasterKeyMismatch):
        await database.read(signing_keys.get, Vault(b"\1" * 32), account.id)
