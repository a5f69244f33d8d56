"""People, their rights, sessions, tokens, invitations and the audit log, on both engines."""

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any

import msgspec
import pytest

from postroad.model.account import Account
from postroad.model.actor import ActorKind
from postroad.model.audit import AuditEntry
from postroad.model.user import Invitation, Membership, Role, User, WebSession
from postroad.storage import (
    accounts,
    audit,
    invitations,
    memberships,
    one_time_tokens,
    people,
    second_factors,
    secrets,
    users,
    web_sessions,
)
from postroad.storage.database import Database
from postroad.storage.errors import Conflict, MasterKeyMismatch
from postroad.storage.one_time_tokens import OneTimeToken
from postroad.storage.users import TotpSecret
from tests.storage.samples import DAY, MINUTE, NOW, column

VAULT = secrets.Vault(bytes(32))
HASH = b"h" * 32


def _person(account: Account | None, email: str = "ada@acme.example") -> User:
    return User(
        id=0,
        account_id=None if account is None else account.id,
        email=email,
        name="Ada ✓",
        is_operator=account is None,
        networks=("192.0.2.0/24", "2001:db8::/32"),
        created_at=NOW,
    )


async def _account(database: Database, name: str = "acme") -> Account:
    return await database.write(accounts.add, name, NOW)


async def _added(database: Database, account: Account | None, email: str, role: Role = Role.ADMIN) -> User:
    return await database.write(people.add, _person(account, email), role)


def _session(user: User, **facts: object) -> WebSession:
    values: dict[str, object] = {
        "id": 0,
        "user_id": user.id,
        "account_id": user.account_id,
        "method": "password",
        "client_address": "192.0.2.7",
        "user_agent": "Firefox",
        "created_at": NOW,
        "last_seen_at": NOW,
        "expires_at": NOW + DAY,
    }
    return WebSession(**values | facts)  # type: ignore[arg-type]


def _token(user: User | None = None, purpose: str = "set_password", expires_at: int = NOW + MINUTE) -> OneTimeToken:
    return OneTimeToken(
        purpose=purpose,
        user_id=None if user is None else user.id,
        data={"method": "password", "n": 1},
        created_at=NOW,
        expires_at=expires_at,
    )


def _revoked(right: Membership) -> AuditEntry:
    return msgspec.structs.replace(_entry(0, right.account_id), action="external_user.revoked", target="ada")


async def test_a_person_is_stored_whole_and_found_by_id_and_address(database: Database) -> None:
    account = await _account(database)
    added = await database.write(users.add, _person(account))

    assert added == msgspec.structs.replace(_person(account), id=added.id)
    assert await database.read(users.get, added.id) == added
    assert await database.read(users.by_email, "ada@acme.example") == added
    assert await database.read(users.by_email, "nobody@acme.example") is None
    with pytest.raises(Conflict, match=r"ada@acme\.example"):
        await database.write(users.add, _person(account))


async def test_a_person_is_changed_piece_by_piece(database: Database) -> None:
    user = await _added(database, await _account(database), "ada@acme.example")
    await database.write(users.set_name, user.id, "Ada Lovelace")
    await database.write(users.set_password, user.id, "hash")
    await database.write(users.set_networks, user.id, ("198.51.100.0/24",))
    await database.write(users.set_disabled, user.id, NOW + 1)
    await database.write(users.set_signed_in, user.id, NOW + 2)

    assert await database.read(users.get, user.id) == msgspec.structs.replace(
        user,
        name="Ada Lovelace",
        password_hash="hash",
        networks=("198.51.100.0/24",),
        disabled_at=NOW + 1,
        last_signed_in_at=NOW + 2,
    )


async def test_people_are_listed_by_the_accounts_they_act_in(database: Database) -> None:
    ours, theirs = await _account(database), await _account(database, "beta")
    ada = await _added(database, ours, "ada@acme.example")
    eve = await _added(database, theirs, "eve@beta.example")
    operator = await _added(database, None, "op@example.net")
    await database.write(memberships.add, Membership(user_id=eve.id, account_id=ours.id, role=Role.USER, created_at=1))

    assert await database.read(users.list_all) == [ada, eve, operator]
    assert await database.read(users.list_all, ours.id) == [ada, eve]
    assert await database.read(users.list_operators) == [operator]
    assert [one.user_id for one in await database.read(memberships.of_account, ours.id)] == [ada.id, eve.id]
    with pytest.raises(Conflict):
        await database.write(
            memberships.add, Membership(user_id=eve.id, account_id=ours.id, role=Role.ADMIN, created_at=1)
        )


async def test_a_person_goes_with_all_that_belongs_to_it(database: Database) -> None:
    account = await _account(database)
    ada, bob = await _added(database, account, "ada@acme.example"), await _added(database, account, "bob@acme.example")
    await database.write(web_sessions.add, _session(ada), HASH)
    await database.write(one_time_tokens.add, HASH, _token(ada))

    await database.write(people.remove, ada, _revoked)

    assert await database.read(users.list_all) == [bob]
    assert await database.read(column, "SELECT COUNT(*) FROM web_sessions") == [0]
    assert await database.read(column, "SELECT COUNT(*) FROM one_time_tokens") == [0]
    again = await _added(database, account, "ada@acme.example")
    assert again.id > bob.id


async def test_two_admins_cannot_remove_one_another_at_once(database: Database) -> None:
    account = await _account(database)
    ada, bob = await _added(database, account, "ada@acme.example"), await _added(database, account, "bob@acme.example")

    results = await asyncio.gather(
        database.write(people.leave, ada.id, account.id),
        database.write(people.set_role, bob.id, account.id, Role.USER),
        return_exceptions=True,
    )

    assert sorted(type(one).__name__ for one in results) == ["Conflict", "NoneType"]
    left = await database.read(memberships.of_account, account.id)
    assert [one.role for one in left].count(Role.ADMIN) == 1


@pytest.mark.parametrize("is_external", [False, True])
async def test_of_many_who_remove_a_person_at_once_one_does_and_is_recorded(
    database: Database, *, is_external: bool
) -> None:
    account, other = await _account(database), await _account(database, "beta")
    ada, _bob = [await _added(database, account, f"{name}@acme.example") for name in ("ada", "bob")]
    right = Membership(user_id=ada.id, account_id=other.id, role=Role.USER, created_at=1)
    await database.write(memberships.add, right)
    change = partial(people.leave, user_id=ada.id, account_id=other.id) if is_external else None
    change = change or partial(people.remove, user=ada, revoked=_revoked)

    results = await asyncio.gather(
        *(database.write(audit.recorded, _entry(1), change) for _ in range(3)), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in results) == ["Conflict", "Conflict", "NoneType"]
    entries = await database.read(audit.search, audit.AuditSelector(), 10)
    actions = [(one.action, one.account_id) for one in entries]
    theirs = [] if is_external else [("external_user.revoked", other.id)]
    assert actions == [("smtp_user.changed", 1), *theirs]


async def test_whoever_is_no_member_any_more_gets_no_other_role_and_no_entry(database: Database) -> None:
    account = await _account(database)
    ada, bob = [await _added(database, account, f"{name}@acme.example") for name in ("ada", "bob")]
    await database.write(people.leave, bob.id, account.id)

    with pytest.raises(Conflict):
        await database.write(audit.recorded, _entry(1), people.set_role, bob.id, account.id, Role.ADMIN)

    assert await database.read(audit.search, audit.AuditSelector(), 10) == []
    assert [one.user_id for one in await database.read(memberships.of_account, account.id)] == [ada.id]


async def test_two_operators_cannot_remove_one_another_at_once(database: Database) -> None:
    one, other = [await _added(database, None, f"op{number}@example.net") for number in range(2)]

    results = await asyncio.gather(
        database.write(people.remove, one, _revoked),
        database.write(people.disable, other, NOW),
        return_exceptions=True,
    )

    assert sorted(type(result).__name__ for result in results) == ["Conflict", "NoneType"]


async def test_a_second_factor_is_unreadable_in_the_database(database: Database) -> None:
    user = await _added(database, await _account(database), "ada@acme.example")
    await database.write(users.set_totp, VAULT, user.id, TotpSecret("JBSWY3DP", 5), ["a", "b"])

    found = await database.read(users.get, user.id)
    assert found is not None
    assert (found.has_totp, found.recovery_codes_left) == (True, 2)
    assert await database.read(users.totp_of, VAULT, user.id) == TotpSecret("JBSWY3DP", 5)
    (sealed,) = await database.read(column, "SELECT totp_secret FROM users")
    assert b"JBSWY3DP" not in bytes(sealed)
    with pytest.raises(MasterKeyMismatch):
        await database.read(users.totp_of, secrets.Vault(b"x" * 32), user.id)
    await database.write(users.clear_totp, user.id)
    assert await database.read(users.totp_of, VAULT, user.id) is None


async def test_a_time_step_is_used_once_and_never_goes_back(database: Database) -> None:
    user = await _added(database, await _account(database), "ada@acme.example")
    await database.write(users.set_totp, VAULT, user.id, TotpSecret("JBSWY3DP", 5), [])

    taken = [await database.write(users.take_totp_step, user.id, step) for step in (5, 4, 6, 6, 5, 7)]
    at_once = await asyncio.gather(*(database.write(users.take_totp_step, user.id, 9) for _ in range(4)))

    assert taken == [False, False, True, False, False, True]
    assert sorted(at_once) == [False, False, False, True]


async def test_a_recovery_code_is_used_once(database: Database) -> None:
    user = await _added(database, await _account(database), "ada@acme.example")
    await database.write(users.set_recovery_codes, user.id, ["a", "b", "c"])

    at_once = await asyncio.gather(*(database.write(users.take_recovery_code, user.id, "b") for _ in range(4)))

    assert sorted(at_once) == [False, False, False, True]
    assert not await database.write(users.take_recovery_code, user.id, "d")
    assert not await database.write(users.take_recovery_code, user.id + 1, "a")
    assert await database.write(users.take_recovery_code, user.id, "a")
    found = await database.read(users.get, user.id)
    assert found is not None
    assert found.recovery_codes_left == 1


async def test_an_enrolment_is_used_once_and_ends_other_sessions(database: Database) -> None:
    user = await _added(database, await _account(database), "ada@acme.example")
    mine = await database.write(web_sessions.add, _session(user), b"1" * 32)
    await database.write(web_sessions.add, _session(user), b"2" * 32)
    await database.write(one_time_tokens.add, HASH, _token(user, "enrolment"))

    async def turn_on() -> None:
        await database.write(
            second_factors.turn_on,
            VAULT,
            HASH,
            "enrolment",
            user.id,
            TotpSecret("JBSWY3DP", 5),
            ["a"],
            but_session=mine.id,
            now=NOW,
        )

    await turn_on()

    with pytest.raises(Conflict):
        await turn_on()
    assert await database.read(web_sessions.of_user, user.id, now=NOW, seen_since=0) == [mine]


async def test_a_token_is_taken_once_for_its_purpose_and_in_time(database: Database) -> None:
    user = await _added(database, await _account(database), "ada@acme.example")
    await database.write(one_time_tokens.add, HASH, _token(user))

    assert await database.write(one_time_tokens.take, HASH, "sign_in", NOW) is None
    assert await database.write(one_time_tokens.take, HASH, "set_password", NOW + MINUTE) is None
    assert await database.write(one_time_tokens.take, b"x" * 32, "set_password", NOW) is None
    assert await database.read(one_time_tokens.look, HASH, "set_password", NOW) == _token(user)
    at_once = await asyncio.gather(*(database.write(one_time_tokens.take, HASH, "set_password", NOW) for _ in range(4)))
    assert [one for one in at_once if one is not None] == [_token(user)]
    assert await database.read(one_time_tokens.look, HASH, "set_password", NOW) is None


async def test_of_many_who_store_a_used_token_at_once_one_is_the_first(database: Database) -> None:
    user = await _added(database, await _account(database), "ada@acme.example")

    at_once = await asyncio.gather(*(database.write(one_time_tokens.add_once, HASH, _token(user)) for _ in range(4)))

    assert sorted(at_once) == [False] * 3 + [True]
    assert await database.read(one_time_tokens.look, HASH, "set_password", NOW) == _token(user)


async def test_a_replaced_token_is_void_and_other_peoples_stay(database: Database) -> None:
    account = await _account(database)
    ada, bob = await _added(database, account, "ada@acme.example"), await _added(database, account, "bob@acme.example")
    for token_hash, user, purpose in (
        (b"1", ada, "set_password"),
        (b"2", ada, "sign_in"),
        (b"3", bob, "set_password"),
        (b"4", ada, "set_password"),
    ):
        await database.write(one_time_tokens.replace, token_hash, _token(user, purpose))

    assert await database.read(one_time_tokens.look, b"1", "set_password", NOW) is None
    for token_hash, purpose in ((b"2", "sign_in"), (b"3", "set_password"), (b"4", "set_password")):
        assert await database.read(one_time_tokens.look, token_hash, purpose, NOW) is not None
    assert await database.read(one_time_tokens.of_user, ada.id, "set_password") == [_token(ada)]
    assert await database.read(one_time_tokens.of_user, bob.id, "sign_in") == []


async def test_a_link_sets_a_password_once_and_ends_sessions(database: Database) -> None:
    user = await _added(database, await _account(database), "ada@acme.example")
    await database.write(web_sessions.add, _session(user), HASH)
    await database.write(one_time_tokens.add, HASH, _token(user))

    await database.write(people.set_password_by_link, HASH, "set_password", "new hash", NOW)

    with pytest.raises(Conflict):
        await database.write(people.set_password_by_link, HASH, "set_password", "newer hash", NOW)
    found = await database.read(users.get, user.id)
    assert found is not None
    assert found.password_hash == "new hash"
    assert await database.read(web_sessions.of_user, user.id, now=NOW, seen_since=0) == []


async def test_a_session_is_found_with_everything_that_decides(database: Database) -> None:
    ours, theirs = await _account(database), await _account(database, "beta")
    user = await _added(database, ours, "ada@acme.example", Role.USER)
    operator = await _added(database, None, "op@example.net")
    session = await database.write(web_sessions.add, _session(user), HASH)
    await database.write(web_sessions.add, _session(operator), b"o" * 32)

    found = await database.read(web_sessions.find, HASH, now=NOW, seen_since=NOW - 1)
    assert found is not None
    assert found.session == session
    assert found.user.last_signed_in_at == NOW
    assert [one.role for one in found.memberships] == [Role.USER]
    assert found.accounts == [ours]
    theirs_too = await database.read(web_sessions.find, b"o" * 32, now=NOW, seen_since=NOW - 1)
    assert theirs_too is not None
    assert theirs_too.accounts == [ours, theirs]
    for token_hash, now, seen_since in ((b"x" * 32, NOW, 0), (HASH, NOW + DAY, 0), (HASH, NOW, NOW)):
        assert await database.read(web_sessions.find, token_hash, now=now, seen_since=seen_since) is None


async def test_sessions_are_touched_moved_and_ended(database: Database) -> None:
    account = await _account(database)
    user, other = await _added(database, account, "a@acme.example"), await _added(database, account, "b@acme.example")
    first, second, third = [
        await database.write(web_sessions.add, _session(user), bytes([number]) * 32) for number in range(3)
    ]
    await database.write(web_sessions.touch, second.id, NOW + 5)
    await database.write(web_sessions.set_account, second.id, None)

    listed = await database.read(web_sessions.of_user, user.id, now=NOW, seen_since=0)
    assert (listed[0].id, listed[0].last_seen_at, listed[0].account_id) == (second.id, NOW + 5, None)
    assert not await database.write(web_sessions.remove, other.id, first.id)
    assert await database.write(web_sessions.remove, user.id, first.id)
    assert await database.write(web_sessions.remove_all_of, user.id, but=third.id) == 1
    assert await database.write(web_sessions.remove_all_of, user.id) == 1


async def test_an_invitation_replaces_the_earlier_one_and_is_taken_once(database: Database) -> None:
    account = await _account(database)

    def invitation(role: Role) -> Invitation:
        return Invitation(
            id=0,
            account_id=account.id,
            email="new@acme.example",
            role=role,
            invited_by="ada@acme.example",
            created_at=NOW,
            expires_at=NOW + DAY,
        )

    await database.write(invitations.add, invitation(Role.USER), b"1")
    made = await database.write(invitations.add, invitation(Role.ADMIN), b"2")
    assert await database.read(invitations.by_token, b"1", NOW) is not None
    await database.write(invitations.replace_earlier, made)

    assert made == msgspec.structs.replace(invitation(Role.ADMIN), id=made.id)
    assert await database.read(invitations.of_account, account.id, NOW) == [made]
    assert await database.read(invitations.by_token, b"1", NOW) is None
    assert await database.read(invitations.by_token, b"2", NOW + DAY) is None
    assert await database.read(invitations.by_token, b"2", NOW) == made
    results = await asyncio.gather(
        *(
            database.write(
                people.accept_as_new, made.id, _person(account, f"new{n}@acme.example"), made.role, invited_by=""
            )
            for n in range(3)
        ),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in results) == ["Conflict", "Conflict", "User"]
    assert await database.read(invitations.get, made.id) is None


async def test_an_invitation_whose_address_is_taken_stays_open(database: Database) -> None:
    account = await _account(database)
    await _added(database, account, "ada@acme.example")
    wanted = Invitation(
        id=0,
        account_id=account.id,
        email="ada@acme.example",
        role=Role.USER,
        invited_by="",
        created_at=NOW,
        expires_at=NOW + 1,
    )
    made = await database.write(invitations.add, wanted, b"1")

    with pytest.raises(Conflict):
        await database.write(people.accept_as_new, made.id, _person(account), made.role, invited_by="")

    assert await database.read(invitations.get, made.id) == made


def _entry(number: int, account_id: int | None = 1) -> AuditEntry:
    return AuditEntry(
        at=NOW + number,
        account_id=account_id,
        actor_kind=ActorKind.USER,
        actor_id=7,
        actor_name="ada@acme.example",
        client_address="192.0.2.7",
        action="smtp_user.changed",
        target=f"app{number}@acme.example \ud800\0",
        before={"note": "old"},
        after={"note": "new", "networks": ["192.0.2.0/24"]},
    )


async def test_an_entry_is_kept_as_it_was_and_only_with_its_change(database: Database) -> None:
    await database.write(audit.recorded, _entry(1), accounts.add, "acme", NOW)
    with pytest.raises(Conflict):
        await database.write(audit.recorded, _entry(2), accounts.add, "acme", NOW)

    (kept,) = await database.read(audit.search, audit.AuditSelector(), 10)
    assert kept.before == {"note": "old"}
    assert kept.after == {"note": "new", "networks": ["192.0.2.0/24"]}
    assert (kept.at, kept.actor_kind, kept.actor_id) == (NOW + 1, ActorKind.USER, 7)
    assert kept.target.startswith("app1@acme.example")


async def test_what_has_expired_goes_in_slices(database: Database) -> None:
    account = await _account(database)
    user = await _added(database, account, "ada@acme.example")
    for number in range(5):
        token = bytes([number]) * 32
        await database.write(audit.record, _entry(number))
        await database.write(web_sessions.add, _session(user, expires_at=NOW + number), token)
        await database.write(one_time_tokens.add, token, _token(user, expires_at=NOW + number))
        offered = Invitation(
            id=0,
            account_id=account.id,
            email=f"{number}@acme.example",
            role=Role.USER,
            invited_by="",
            created_at=NOW,
            expires_at=NOW + number,
        )
        await database.write(invitations.add, offered, token)

    for delete_before, table in (
        (audit.delete_before, "audit_entries"),
        (web_sessions.delete_before, "web_sessions"),
        (one_time_tokens.delete_before, "one_time_tokens"),
        (invitations.delete_before, "invitations"),
    ):
        gone = [await database.write(delete_before, NOW + 3, 2) for _ in range(3)]
        assert gone == [2, 1, 0], table
        assert await database.read(column, f"SELECT COUNT(*) FROM {table}") == [2]


async def test_the_end_of_sessions_is_recorded_with_how_many(database: Database) -> None:
    account = await _account(database)
    user = await _added(database, account, "ada@acme.example")
    first, *_, last = [
        await database.write(web_sessions.add, _session(user), bytes([number]) * 32) for number in range(4)
    ]
    entry = AuditEntry(
        at=NOW,
        account_id=account.id,
        actor_kind=ActorKind.USER,
        actor_id=user.id,
        actor_name=user.email,
        client_address="192.0.2.7",
        action="session.ended",
        target=user.email,
    )

    ended = [
        await database.write(web_sessions.end, entry, user.id, only=first.id),
        await database.write(web_sessions.end, entry, user.id, only=first.id),
        await database.write(web_sessions.end, entry, user.id, but=last.id),
        await database.write(web_sessions.end, entry, user.id),
    ]

    assert ended == [1, 0, 2, 1]
    entries = await database.read(audit.search, audit.AuditSelector(action="session.ended"), 10)
    assert [one.after for one in entries] == [{"sessions": 1}, {"sessions": 2}, {"sessions": 1}]


async def test_what_was_done_is_counted_by_account_and_target_without_commands(database: Database) -> None:
    for number, kind in enumerate((ActorKind.USER, ActorKind.COMMAND, ActorKind.USER, ActorKind.SYSTEM)):
        entry = msgspec.structs.replace(
            _entry(number, 1 + number // 3), actor_kind=kind, target=f"{number // 2}@a.example"
        )
        await database.write(audit.record, entry)

    def count(**facts: Any) -> Awaitable[int]:
        return database.read(partial(audit.count, **facts), "smtp_user.changed")

    assert [
        await count(since=NOW),
        await count(since=NOW + 1),
        await count(since=NOW, account_id=1),
        await count(since=NOW, target="1@a.example"),
        await count(since=NOW, account_id=1, target="0@a.example"),
    ] == [3, 2, 2, 2, 1]
