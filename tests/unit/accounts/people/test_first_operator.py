import pytest

from postroad.accounts.people.first_operator import FirstOperator
from postroad.accounts.people.links import Links
from postroad.model.account import Account
from postroad.model.refused import RefusedError
from postroad.storage import users
from postroad.storage.errors import Conflict
from tests.unit.accounts.console_world import PASSWORD, ConsoleWorld
from tests.unit.accounts.people_rows import HERE, person

HOUR = 3_600_000


async def test_an_operator_is_made_once_and_comes_in_by_a_link(world: ConsoleWorld) -> None:
    link = await world.first_operator.password_link()
    assert link is not None
    assert link.expires_at - world.clock() == 24 * HOUR
    again = await world.first_operator.password_link()
    assert again is not None

    assert await world.changes.person_of_link(link.url.rpartition("/")[2]) is None
    user = await world.changes.set_by_link(again.url.rpartition("/")[2], PASSWORD, HERE)

    assert user.email == "operator@localhost"
    assert (await world.signs_in(user)).actor(HERE).is_operator
    assert await world.first_operator.password_link() is None
    assert [one.email for one in await world.database.read(users.list_operators)] == ["operator@localhost"]
    (entry,) = await world.entries("user.added")
    assert (entry.actor_name, entry.target) == ("postroad", "operator@localhost")


async def test_an_address_that_is_somebodys_is_told_of(world: ConsoleWorld, account: Account) -> None:
    await person(world.database, "operator@localhost", account)

    with pytest.raises(Conflict):
        await world.first_operator.ensure()


async def test_an_address_that_is_none_is_refused(world: ConsoleWorld) -> None:
    wrong = FirstOperator(world.database, world.clock, Links("http://localhost"), email="operator")

    with pytest.raises(RefusedError, match="is not an email address"):
        await wrong.ensure()
