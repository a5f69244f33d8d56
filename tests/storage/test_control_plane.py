"""Accounts, domains, keys, users, routes, workers, limits and captures, on both engines."""

import asyncio

import msgspec
import pytest
import sqlalchemy

from postroad.model.account import Account
from postroad.model.credential import CredentialKind, SmtpUser, Use
from postroad.model.domain import DkimKey, DomainSettings, DomainState, KeyAlgorithm, KeyState, SendingDomain
from postroad.model.route import Login, TlsRule
from postroad.storage import (
    accounts,
    captures,
    dkim_keys,
    domains,
    revision,
    routes,
    secrets,
    site_limits,
    smtp_users,
    workers,
)
from postroad.storage.captures import Capture
from postroad.storage.database import Database
from postroad.storage.errors import Conflict, MasterKeyMismatch, StorageError
from postroad.storage.routes import StoredRoute
from postroad.storage.site_limits import SiteLimit
from postroad.storage.smtp_users import BoundUser
from tests.storage.samples import MINUTE, NOW, accepted, claim, column

VAULT = secrets.Vault(bytes(32))


async def _domain(database: Database, name: str = "news.example.com") -> SendingDomain:
    account = await database.write(accounts.add, f"owner of {name}", NOW)
    domain = SendingDomain(
        id=0,
        account_id=account.id,
        name=name,
        state=DomainState.UNVERIFIED,
        settings=DomainSettings(ed25519=True),
        created_at=NOW,
    )
    return await database.write(domains.add, domain)


def _user(domain: SendingDomain, username: str = "app@news.example.com") -> SmtpUser:
    return SmtpUser(
        id=0,
        account_id=domain.account_id,
        domain_id=domain.id,
        username=username,
        kind=CredentialKind.ADDRESS,
        networks=("192.0.2.0/24", "2001:db8::/32"),
        created_at=NOW,
    )


def _key(domain: SendingDomain, selector: str = "pr1", state: KeyState = KeyState.PUBLISHED) -> DkimKey:
    return DkimKey(
        id=0,
        domain_id=domain.id,
        selector=selector,
        algorithm=KeyAlgorithm.RSA,
        state=state,
        private_key=b"private half",
        public_key="MIIB",
        created_at=NOW,
    )


async def test_an_account_is_found_by_id_and_name(database: Database) -> None:
    added = await database.write(accounts.add, "acme", NOW)

    assert added == await database.read(accounts.get, added.id)
    assert added == await database.read(accounts.by_name, "acme")
    assert await database.read(accounts.list_all) == [Account(id=added.id, name="acme", created_at=NOW)]
    assert await database.read(accounts.get, added.id + 1) is None


async def test_a_taken_name_is_a_conflict_and_the_others_of_its_batch_are_stored(database: Database) -> None:
    names = ["a", "b", "a", "c"]
    results = await asyncio.gather(*(database.write(accounts.add, name, NOW) for name in names), return_exceptions=True)

    assert [type(result) for result in (results[1], results[3])] == [Account, Account]
    # Each engine may take the equal names in either order: one of them wins.
    assert {type(result) for result in (results[0], results[2])} == {Account, Conflict}
    assert sorted(account.name for account in await database.read(accounts.list_all)) == ["a", "b", "c"]


async def test_suspending_is_seen_and_undone(database: Database) -> None:
    account = await database.write(accounts.add, "acme", NOW)
    await database.write(accounts.set_suspended, account.id, NOW + 1)
    suspended = await database.read(accounts.get, account.id)
    await database.write(accounts.set_suspended, account.id, None)

    assert suspended == msgspec.structs.replace(account, suspended_at=NOW + 1)
    assert account == await database.read(accounts.get, account.id)


async def test_a_domain_keeps_its_settings_and_changes(database: Database) -> None:
    domain = await _domain(database)
    changed = msgspec.structs.replace(
        domain, state=DomainState.ACTIVE, verified_at=NOW, settings=DomainSettings(keep_content_days=3)
    )

    assert domain.settings.ed25519
    assert await database.write(domains.change, VAULT, domain, changed)
    assert changed == await database.read(domains.by_name, "news.example.com")
    assert await database.read(domains.list_in_state, DomainState.ACTIVE) == [changed]
    assert not await database.write(domains.change, VAULT, msgspec.structs.replace(changed, id=999), changed)


async def test_a_domain_belongs_to_one_account(database: Database) -> None:
    await _domain(database)
    other = await database.write(accounts.add, "other", NOW)
    theirs = SendingDomain(
        id=0, account_id=other.id, name="news.example.com", state=DomainState.VETTING, created_at=NOW
    )

    with pytest.raises(Conflict, match=r"news\.example\.com"):
        await database.write(domains.add, theirs)


async def test_a_domain_of_no_account_is_refused(database: Database) -> None:
    orphan = SendingDomain(id=0, account_id=77, name="x.example", state=DomainState.VETTING, created_at=NOW)

    with pytest.raises(Conflict):
        await database.write(domains.add, orphan)


async def test_a_domain_is_removed_once_no_user_is_bound_to_it(database: Database) -> None:
    domain = await _domain(database)
    await database.write(dkim_keys.add, VAULT, _key(domain))
    user = await database.write(smtp_users.add, _user(domain))

    with pytest.raises(Conflict, match="SMTP users"):
        await database.write(domains.remove, domain.id)
    await database.write(smtp_users.remove, user.id)
    await database.write(domains.remove, domain.id)

    assert await database.read(domains.list_all) == []
    assert await database.read(dkim_keys.of_domain, VAULT, domain.id) == []


async def test_private_keys_are_unreadable_in_the_database(database: Database) -> None:
    domain = await _domain(database)
    key = await database.write(dkim_keys.add, VAULT, _key(domain))

    (sealed,) = await database.read(column, "SELECT private_key FROM dkim_keys")

    assert b"private" not in bytes(sealed)
    assert await database.read(dkim_keys.of_domain, VAULT, domain.id) == [key]
    assert key.private_key == b"private half"
    with pytest.raises(MasterKeyMismatch):
        await database.read(dkim_keys.of_domain, secrets.Vault(b"x" * 32), domain.id)


async def test_a_secret_cannot_be_moved_to_another_row(database: Database) -> None:
    first, second = await _domain(database, "a.example"), await _domain(database, "b.example")
    await database.write(dkim_keys.add, VAULT, _key(first))
    await database.write(dkim_keys.add, VAULT, _key(second))

    def swap(connection: sqlalchemy.Connection) -> None:
        connection.execute(
            sqlalchemy.text(
                "UPDATE dkim_keys SET private_key = (SELECT k.private_key FROM dkim_keys AS k"
                f" WHERE k.domain_id = {first.id}) WHERE domain_id = {second.id}"
            )
        )

    await database.write(swap)

    with pytest.raises(MasterKeyMismatch):
        await database.read(dkim_keys.of_domain, VAULT, second.id)


async def test_a_selector_is_free_again_when_its_key_is_retired(database: Database) -> None:
    domain = await _domain(database)
    key = await database.write(dkim_keys.add, VAULT, _key(domain))
    with pytest.raises(Conflict, match="pr1"):
        await database.write(dkim_keys.add, VAULT, _key(domain))

    await database.write(dkim_keys.replace, msgspec.structs.replace(key, state=KeyState.RETIRED))
    again = await database.write(dkim_keys.add, VAULT, _key(domain))

    keys = await database.read(dkim_keys.of_domain, VAULT, domain.id)
    assert [(key.id, KeyState.RETIRED), (again.id, KeyState.PUBLISHED)] == [(k.id, k.state) for k in keys]
    records = await database.read(dkim_keys.published_records)
    assert records == {("pr1", "news.example.com"): "v=DKIM1; k=rsa; p=MIIB"}


async def test_an_smtp_user_is_stored_whole_and_found_by_name_and_kind(database: Database) -> None:
    domain = await _domain(database)
    user = await database.write(smtp_users.add, _user(domain))

    assert user == msgspec.structs.replace(_user(domain), id=user.id)
    assert user == await database.read(smtp_users.by_username, "app@news.example.com")
    assert await database.read(smtp_users.list_of_kind, CredentialKind.ADDRESS) == [user]
    assert await database.read(smtp_users.list_of_kind, CredentialKind.PASSWORD) == []
    assert await database.read(smtp_users.list_all, domain_id=domain.id + 1) == []
    assert await database.read(smtp_users.list_all, account_id=domain.account_id) == [user]
    assert await database.read(smtp_users.list_all, account_id=domain.account_id + 1) == []
    with pytest.raises(Conflict, match=r"app@news\.example\.com"):
        await database.write(smtp_users.add, _user(domain))


async def test_an_smtp_user_is_read_together_with_what_it_is_bound_to(database: Database) -> None:
    await _domain(database, "other.example.com")
    domain = await _domain(database)
    user = await database.write(smtp_users.add, _user(domain))
    bound = BoundUser(user=user, domain_name=domain.name, domain_settings=domain.settings, is_suspended=False)

    assert await database.read(smtp_users.bound_by_username, user.username) == bound
    assert await database.read(smtp_users.bound_by_username, "nobody@news.example.com") is None
    assert await database.read(smtp_users.bound_of_kind, user.kind) == [bound]
    assert await database.read(smtp_users.bound_of_kind, CredentialKind.PASSWORD) == []
    assert await database.read(smtp_users.bound_many, {user.id, user.id + 1}) == [bound]
    await database.write(accounts.set_suspended, domain.account_id, NOW)
    assert await database.read(smtp_users.bound_many, {user.id}) == [msgspec.structs.replace(bound, is_suspended=True)]


async def test_an_smtp_user_is_changed_piece_by_piece(database: Database) -> None:
    domain = await _domain(database)
    user = await database.write(smtp_users.add, _user(domain))
    await database.write(smtp_users.set_password, user.id, "hash")
    await database.write(smtp_users.set_disabled, user.id, NOW)
    chosen = msgspec.structs.replace(
        user,
        note="another",
        networks=("2001:db8::/64",),
        requires_tls=True,
        hourly_limit=5,
        daily_limit=50,
        allowed_from=("@news.example.com",),
    )
    await database.write(smtp_users.change, chosen, ("note", "networks", "requires_tls"))
    # Made from what was there before, as by somebody who pressed Save at the same moment.
    late = msgspec.structs.replace(chosen, note="app")
    await database.write(smtp_users.change, late, ("hourly_limit", "daily_limit", "allowed_from"))
    await database.write(smtp_users.touch, {user.id: Use(NOW + 5, "192.0.2.1", over_tls=True)})

    expected = msgspec.structs.replace(
        chosen,
        password_hash="hash",
        disabled_at=NOW,
        last_used_at=NOW + 5,
        last_used_address="192.0.2.1",
        last_used_tls=True,
    )
    assert expected == await database.read(smtp_users.get, user.id)


async def test_an_smtp_user_that_is_gone_is_not_changed(database: Database) -> None:
    domain = await _domain(database)
    user = await database.write(smtp_users.add, _user(domain))
    await database.write(smtp_users.remove, user.id)
    before = await database.read(revision.current)

    for change, *arguments in (
        (smtp_users.change, user, ("note",)),
        (smtp_users.set_password, user.id, "hash"),
        (smtp_users.set_disabled, user.id, NOW),
        (smtp_users.remove, user.id),
    ):
        with pytest.raises(Conflict):
            await database.write(change, *arguments)
    assert await database.read(revision.current) == before


async def test_an_id_is_never_given_twice(database: Database) -> None:
    domain = await _domain(database)
    user = await database.write(smtp_users.add, _user(domain))
    await database.write(smtp_users.remove, user.id)

    again = await database.write(smtp_users.add, _user(domain))

    assert again.id > user.id


async def test_every_change_moves_the_revision_and_a_use_does_not(database: Database) -> None:
    before = await database.read(revision.current)
    domain = await _domain(database)
    user = await database.write(smtp_users.add, _user(domain))
    after = await database.read(revision.current)
    await database.write(smtp_users.touch, {user.id: Use(NOW, "192.0.2.1", over_tls=False)})

    assert after == before + 3
    assert after == await database.read(revision.current)


async def test_a_route_keeps_its_password_encrypted(database: Database) -> None:
    route = StoredRoute(
        destination="*",
        host="smtp.example.org",
        port=587,
        tls_rule=TlsRule.VERIFY,
        login=Login("relay", "hunter2"),
        created_at=NOW,
    )
    added = await database.write(routes.add, VAULT, route)

    assert await database.read(routes.list_all, VAULT) == [msgspec.structs.replace(route, id=added.id)]
    assert b"hunter2" not in bytes((await database.read(column, "SELECT password FROM routes"))[0])
    with pytest.raises(Conflict):
        await database.write(routes.add, VAULT, route)
    assert await database.write(routes.remove, "*")
    assert not await database.write(routes.remove, "*")


async def test_worker_numbers_and_incarnations_differ(database: Database) -> None:
    async def lease() -> workers.WorkerLease:
        return await database.write(workers.lease, node="n", pid=1, pools=["default"], roles=["smtp"], now=NOW)

    leases = await asyncio.gather(*(lease() for _ in range(20)))

    assert len({one.number for one in leases}) == 20
    assert len({one.incarnation for one in leases}) == 20
    alive = await database.read(workers.live, NOW)
    assert {(one.number, one.pools, one.roles) for one in alive} == {
        (one.number, ("default",), ("smtp",)) for one in leases
    }


async def test_a_number_just_freed_rests(database: Database) -> None:
    def lease_and_remove(connection: sqlalchemy.Connection) -> int:
        given = workers.lease(connection, node="n", pid=1, pools=[], roles=[], now=NOW)
        workers.remove(connection, given.incarnation)
        return given.number

    numbers = [await database.write(lease_and_remove) for _ in range(5)]

    assert len(set(numbers)) == 5


async def test_when_all_numbers_are_taken_a_worker_is_refused(database: Database) -> None:
    def lease_all(connection: sqlalchemy.Connection) -> set[int]:
        return {workers.lease(connection, node="n", pid=1, pools=[], roles=[], now=NOW).number for _ in range(256)}

    assert await database.write(lease_all) == set(range(256))
    with pytest.raises(StorageError, match="256 worker numbers"):
        await database.write(workers.lease, node="n", pid=1, pools=[], roles=[], now=NOW)


async def test_a_silent_worker_is_given_up_with_what_it_held(database: Database) -> None:
    silent = await database.write(workers.lease, node="a", pid=1, pools=[], roles=[], now=NOW)
    living = await database.write(workers.lease, node="b", pid=2, pools=[], roles=[], now=NOW)
    await database.accept(accepted())
    await database.accept(accepted())
    (lost,) = await database.claim(claim(owner=silent.incarnation, limit=1))
    await database.claim(claim(owner=living.incarnation, limit=1))
    assert await database.write(workers.heartbeat, living.incarnation, NOW + MINUTE)

    assert await database.write(workers.expire, NOW + MINUTE) == (silent.incarnation,)

    assert not await database.write(workers.heartbeat, silent.incarnation, NOW + MINUTE)
    assert [one.incarnation for one in await database.read(workers.live, NOW)] == [living.incarnation]
    assert [delivery.id for delivery in await database.claim(claim(owner=9))] == [lost.id]
    await database.write(workers.touch)


async def test_what_was_learnt_of_a_site_last_stays(database: Database) -> None:
    def limit(window: int, at: int) -> SiteLimit:
        return SiteLimit(source="mta1", site="mx.example.net", window=window, paused_until=at + 5, updated_at=at)

    for learnt in (limit(5, NOW), limit(2, NOW + 20), limit(9, NOW + 10)):
        await database.write(site_limits.store, learnt)

    assert await database.read(site_limits.get, "mta1", "mx.example.net") == limit(2, NOW + 20)
    assert await database.read(site_limits.changed_since, NOW + 20) == [limit(2, NOW + 20)]
    assert await database.read(site_limits.changed_since, NOW + 21) == []
    assert await database.write(site_limits.delete_before, NOW + 25) == 0
    assert await database.write(site_limits.delete_before, NOW + 26) == 1


async def test_the_newest_captures_are_kept_and_paged(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captures, "KEPT", 3)

    def capture(number: int) -> Capture:
        return Capture(
            received_at=NOW + number,
            reverse_path="a@news.example.com",
            recipients=("b@example.net", "c@example.net"),
            header_from="a@news.example.com",
            subject=f"number {number} \0",
            content=b"content %d" % number,
        )

    ids = [await database.write(captures.add, capture(number)) for number in range(5)]

    newest = await database.read(captures.newest, 2)
    older = await database.read(captures.newest, 2, newest[-1].id)
    assert [kept.id for kept in [*newest, *older]] == ids[:1:-1]
    found = await database.read(captures.get, ids[4])
    assert found is not None
    assert (found.content, found.recipients) == (b"content 4", ("b@example.net", "c@example.net"))
    assert await database.read(captures.get, ids[0]) is None


async def test_a_database_belongs_to_one_master_key(database: Database) -> None:
    bound = await database.write(secrets.bind_key, VAULT, installation_id="first", now=NOW)
    again = await database.write(secrets.bind_key, VAULT, installation_id="second", now=NOW)

    assert (bound, again) == ("first", "first")
    with pytest.raises(MasterKeyMismatch, match="belongs to master key"):
        await database.write(secrets.bind_key, secrets.Vault(b"x" * 32), installation_id="third", now=NOW)


async def test_an_installation_secret_is_made_once(database: Database) -> None:
    first = await database.write(secrets.ensure_secret, VAULT, "return-path", b"one")
    second = await database.write(secrets.ensure_secret, VAULT, "return-path", b"two")

    assert (first, second) == (b"one", b"one")
    (sealed,) = await database.read(column, "SELECT value FROM installation_secrets")
    assert b"one" not in bytes(sealed)
