"""Whoever is signed in gives its password once more before it changes how it proves who it is."""

import msgspec
import pytest

from postroad.accounts.people.own_password import RECENTLY_MS
from postroad.accounts.people.sign_in import Refused
from postroad.model.account import Account
from postroad.model.credential import Secret
from postroad.model.refused import RefusedError
from postroad.model.user import User
from tests.unit.accounts.console_world import PASSWORD, ConsoleWorld
from tests.unit.accounts.people_rows import HERE, person

ELSEWHERE = "203.0.113.9"


@pytest.fixture
async def ada(world: ConsoleWorld, account: Account) -> User:
    user = await person(world.database, "ada@acme.example", account)
    await world.give_password(user)
    return user


async def test_the_password_proves_and_another_one_does_not(world: ConsoleWorld, ada: User) -> None:
    signed_in = await world.signs_in(ada)

    assert (await world.own_password.prove(signed_in, PASSWORD, HERE)).signed_in is signed_in
    with pytest.raises(RefusedError, match="not your password") as refused:
        await world.own_password.prove(signed_in, Secret(""), HERE, field="current")
    assert refused.value.field == "current"


async def test_a_stolen_session_cannot_guess_for_long(world: ConsoleWorld, ada: User) -> None:
    signed_in = await world.signs_in(ada)
    for _ in range(8):
        with pytest.raises(RefusedError, match="not your password"):
            await world.own_password.prove(signed_in, Secret("a guess"), ELSEWHERE)

    with pytest.raises(RefusedError, match="Too many wrong attempts"):
        await world.own_password.prove(signed_in, PASSWORD, ELSEWHERE)
    refused = await world.tries(ada.email, address=ELSEWHERE)
    assert isinstance(refused, Refused)
    assert refused.reason == "locked"


async def test_who_has_no_password_is_proven_for_a_while_after_signing_in(world: ConsoleWorld, ada: User) -> None:
    signed_in = await world.signs_in(ada)
    signed_in = msgspec.structs.replace(signed_in, user=msgspec.structs.replace(ada, password_hash=""))

    world.clock.advance(RECENTLY_MS)
    assert (await world.own_password.prove(signed_in, Secret(""), HERE)).signed_in is signed_in
    world.clock.advance(1)
    with pytest.raises(RefusedError, match="Sign out and in again"):
        await world.own_password.prove(signed_in, Secret(""), HERE)
