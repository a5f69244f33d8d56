import pytest

from postroad.accounts.accounts import Accounts
from postroad.model.refused import RefusedError
from postroad.storage.database import Database

from .conftest import ManualClock


@pytest.fixture
def accounts(database: Database, clock: ManualClock) -> Accounts:
    return Accounts(database, clock)


async def test_installation_starts_with_one_account_however_often_it_is_asked(accounts: Accounts) -> None:
    first = await accounts.ensure_default()
    again = await accounts.ensure_default()

    assert first == again
    assert [one.name for one in await accounts.all()] == ["default"]


async def test_a_name_is_taken_once(accounts: Accounts) -> None:
    await accounts.add("acme")

    with pytest.raises(RefusedError, match="There is an account acme already"):
        await accounts.add("acme")


@pytest.mark.parametrize("name", ["", "Acme", "-acme", "acme.", "a b", "a" * 65, "ümlaut"])
async def test_names_are_plain(accounts: Accounts, name: str) -> None:
    with pytest.raises(RefusedError, match="is not a name for an account"):
        await accounts.add(name)


async def test_without_a_name_the_default_or_only_account_is_meant(accounts: Accounts) -> None:
    only = await accounts.add("acme")
    assert await accounts.find(None) == only

    await accounts.add("beta")
    with pytest.raises(RefusedError, match="Name the account with --account"):
        await accounts.find(None)

    default = await accounts.add("default")
    assert await accounts.find(None) == default
    with pytest.raises(RefusedError, match="There is no account gamma"):
        await accounts.find("gamma")


async def test_an_account_is_suspended_and_resumed(accounts: Accounts, clock: ManualClock) -> None:
    await accounts.add("acme")

    assert (await accounts.suspend("acme")).suspended_at == clock.now
    assert (await accounts.resume("acme")).suspended_at is None
