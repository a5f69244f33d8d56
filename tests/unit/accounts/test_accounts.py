import pytest

from postroad.accounts.accounts import Accounts
from postroad.model.account import Account
from postroad.model.actor import SYSTEM, Actor, ActorKind, command_actor
from postroad.model.refused import ForbiddenError, MissingError, RefusedError
from postroad.model.user import Role
from postroad.storage import audit
from postroad.storage.audit import AuditSelector
from postroad.storage.database import Database

from .conftest import ManualClock

ACTOR = command_actor("command line (root)")


@pytest.fixture
def accounts(database: Database, clock: ManualClock) -> Accounts:
    return Accounts(database, clock)


def admin_of(account: Account) -> Actor:
    return Actor(kind=ActorKind.USER, id=7, name="admin@acme.example", account_id=account.id, role=Role.ADMIN)


async def test_installation_starts_with_one_account_however_often_it_is_asked(accounts: Accounts) -> None:
    first = await accounts.ensure_default(SYSTEM)
    again = await accounts.ensure_default(SYSTEM)

    assert first == again
    assert [one.name for one in await accounts.all(SYSTEM)] == ["default"]


async def test_a_name_is_taken_once(accounts: Accounts) -> None:
    await accounts.add(ACTOR, "acme")

    with pytest.raises(RefusedError, match="There is an account acme already") as refused:
        await accounts.add(ACTOR, "acme")
    assert refused.value.field == "name"


@pytest.mark.parametrize("name", ["", "Acme", "-acme", "acme.", "a b", "a" * 65, "ümlaut"])
async def test_names_are_plain(accounts: Accounts, name: str) -> None:
    with pytest.raises(RefusedError, match="is not a name for an account"):
        await accounts.add(ACTOR, name)


async def test_without_a_name_the_default_or_only_account_is_meant(accounts: Accounts) -> None:
    only = await accounts.add(ACTOR, "acme")
    assert await accounts.find(ACTOR, None) == only

    await accounts.add(ACTOR, "beta")
    with pytest.raises(RefusedError, match="Name the account with --account"):
        await accounts.find(ACTOR, None)

    default = await accounts.add(ACTOR, "default")
    assert await accounts.find(ACTOR, None) == default
    with pytest.raises(MissingError, match="There is no account gamma"):
        await accounts.find(ACTOR, "gamma")


async def test_an_account_is_suspended_and_resumed(accounts: Accounts, clock: ManualClock) -> None:
    await accounts.add(ACTOR, "acme")

    assert (await accounts.suspend(ACTOR, "acme")).suspended_at == clock.now
    clock.advance(1000)
    assert (await accounts.suspend(ACTOR, "acme")).suspended_at == clock.now - 1000
    assert (await accounts.resume(ACTOR, "acme")).suspended_at is None


async def test_each_change_is_recorded_once_with_who_made_it(accounts: Accounts, database: Database) -> None:
    await accounts.add(ACTOR, "acme")
    await accounts.suspend(ACTOR, "acme")
    await accounts.suspend(ACTOR, "acme")
    with pytest.raises(RefusedError):
        await accounts.add(ACTOR, "acme")

    entries = await database.read(audit.search, AuditSelector(), 10)
    assert [(one.action, one.target, one.actor_name) for one in entries] == [
        ("account.suspended", "acme", "command line (root)"),
        ("account.added", "acme", "command line (root)"),
    ]


async def test_a_person_of_one_account_sees_that_one_and_changes_none(accounts: Accounts) -> None:
    own = await accounts.add(ACTOR, "acme")
    await accounts.add(ACTOR, "beta")
    person = admin_of(own)

    assert await accounts.all(person) == [own]
    with pytest.raises(MissingError, match="There is no account beta"):
        await accounts.suspend(person, "beta")
    for attempt in (accounts.suspend(person, "acme"), accounts.add(person, "gamma")):
        with pytest.raises(ForbiddenError):
            await attempt
