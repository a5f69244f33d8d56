"""Whoever is signed in gives its password once more before it changes how it proves who it is."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from postroad.accounts.people.own_password import RECENTLY_MS
from postroad.accounts.people.sessions import SignedIn
from postroad.accounts.people.sign_in import Refused
from postroad.model.account import Account
from postroad.model.credential import Secret
from postroad.model.refused import RefusedError
from postroad.model.user import User
from tests.unit.accounts.console_world import OTHER_PASSWORD, PASSWORD, ConsoleWorld
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
    for _ in range(5):
        with pytest.raises(RefusedError, match="not your password"):
            await world.own_password.prove(signed_in, Secret("a guess"), ELSEWHERE)

    with pytest.raises(RefusedError, match="Too many wrong attempts: your password is taken again in 15 minutes"):
        await world.own_password.prove(signed_in, PASSWORD, ELSEWHERE)
    for _ in range(3):
        await world.tries(ada.email, "a guess", address=ELSEWHERE)
    refused = await world.tries(ada.email, address=ELSEWHERE)
    assert isinstance(refused, Refused)
    assert refused.reason == "locked"


Asks = Callable[[ConsoleWorld, SignedIn, Secret], Awaitable[object]]
PLACES: dict[str, Asks] = {
    "password": lambda world, one, given: world.changes.change(one, given, OTHER_PASSWORD, HERE),
    "two-factor off": lambda world, one, given: world.second_factor.turn_off(one, given, HERE),
    "recovery codes": lambda world, one, given: world.second_factor.new_recovery_codes(one, given, HERE),
    "passkeys": lambda world, one, given: world.own_password.prove(one, given, HERE),
}


@pytest.mark.parametrize("place", PLACES)
async def test_guesses_at_home_count_together_and_then_the_right_password_is_refused_for_a_while(
    world: ConsoleWorld, ada: User, place: str
) -> None:
    app, _ = await world.has_second_factor(ada)
    signed_in = await world.signed_in(await world.code(await world.ticket(ada), world.shown_by(app)))
    outcomes = await asyncio.gather(
        *(ask(world, signed_in, Secret(f"guess {n}")) for n in range(10) for ask in PLACES.values()),
        return_exceptions=True,
    )
    assert sum("not your password" in str(one) for one in outcomes) == 5
    assert sum("Too many wrong attempts" in str(one) for one in outcomes) == 35

    with pytest.raises(RefusedError, match="Too many wrong attempts: your password is taken again in 15 minutes"):
        await PLACES[place](world, signed_in, PASSWORD)
    world.clock.advance(15 * 60_000)
    await PLACES[place](world, signed_in, PASSWORD)


async def test_a_stranger_who_guesses_at_the_sign_in_page_takes_nothing_from_who_is_signed_in(
    world: ConsoleWorld, ada: User
) -> None:
    signed_in = await world.signs_in(ada)
    for _ in range(10):
        await world.tries(ada.email, "a guess", address=ELSEWHERE)

    assert (await world.own_password.prove(signed_in, PASSWORD, HERE)).signed_in is signed_in


async def test_who_has_no_password_is_proven_for_a_while_after_signing_in(world: ConsoleWorld, ada: User) -> None:
    signed_in = await world.signs_in(ada)
    signed_in = msgspec.structs.replace(signed_in, user=msgspec.structs.replace(ada, password_hash=""))

    world.clock.advance(RECENTLY_MS)
    assert (await world.own_password.prove(signed_in, Secret(""), HERE)).signed_in is signed_in
    world.clock.advance(1)
    with pytest.raises(RefusedError, match="Sign out and in again"):
        await world.own_password.prove(signed_in, Secret(""), HERE)
