"""Challenges that strangers ask for: nothing is stored before one has proven somebody, and each does so once."""

import asyncio

import pytest
from sqlalchemy import Connection, func, select

from postroad.accounts.people.challenges import Challenges
from postroad.storage import one_time_tokens
from postroad.storage.database import Database
from postroad.storage.schema import control_plane
from tests.unit.accounts.conftest import ManualClock

MINUTE = 60_000


@pytest.fixture
def challenges(database: Database, clock: ManualClock) -> Challenges:
    return Challenges(database, clock, b"a key")


def _rows(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(control_plane.one_time_tokens)).scalar_one()


async def test_making_and_looking_at_challenges_stores_nothing(challenges: Challenges, database: Database) -> None:
    made = {challenges.new("use", MINUTE) for _ in range(100)}

    assert len(made) == 100
    assert all([await challenges.look(one, "use") for one in made])
    assert await database.read(_rows) == 0


async def test_of_many_who_use_a_challenge_at_once_one_does_and_then_it_holds_no_more(
    challenges: Challenges, database: Database, clock: ManualClock
) -> None:
    text = challenges.new("use", MINUTE)
    found = await challenges.look(text, "use")
    assert found is not None

    used = await asyncio.gather(*(challenges.use(found) for _ in range(10)))

    assert sorted(used) == [False] * 9 + [True]
    assert await challenges.look(text, "use") is None
    assert await database.write(one_time_tokens.delete_before, clock() + MINUTE + 1, 10) == 1


async def test_a_challenge_holds_in_time_for_its_purpose_and_with_what_it_is_bound_to(
    challenges: Challenges, database: Database, clock: ManualClock
) -> None:
    text = challenges.new("use", MINUTE, bound_to="a browser")

    assert await challenges.look(text, "use", bound_to="a browser") is not None
    assert await Challenges(database, clock, b"a key").look(text, "use", bound_to="a browser") is not None
    assert await Challenges(database, clock, b"another").look(text, "use", bound_to="a browser") is None
    assert await challenges.look(text, "use") is None
    assert await challenges.look(text, "use", bound_to="another") is None
    assert await challenges.look(text, "make", bound_to="a browser") is None
    clock.advance(MINUTE)
    assert await challenges.look(text, "use", bound_to="a browser") is None


async def test_a_challenge_that_is_written_otherwise_or_made_up_is_none(challenges: Challenges) -> None:
    text = challenges.new("use", MINUTE)
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    # The last letter of 56 octets stands for four bits and two that are ignored.
    respelt = [text[:-1] + one for one in last if one != text[-1]]
    for other in (*respelt, f"{text}=", f"{text}*", f"*{text}", text[:-4], "", "\ud800", "\0", "A" * 75):
        assert await challenges.look(other, "use") is None, other
