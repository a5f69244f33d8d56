import asyncio
import threading
from typing import Any

import argon2
import pytest

from postroad.accounts import password_hashing
from postroad.accounts.password_hashing import BusyError, NewPasswords, PasswordHasher, Turn, hash_password
from postroad.model.credential import Secret


@pytest.fixture(scope="module")
def stored() -> str:
    return hash_password(Secret("Right-password"))


async def _matches(hasher: PasswordHasher, stored: str, password: str = "x", client: str = "a", **lane: Any) -> bool:
    async with hasher.turn(client, is_preferred=lane.get("is_preferred", True)) as turn:
        return await turn.matches(stored, Secret(password))


def test_stored_form_is_argon2id_at_the_cost_of_the_design(stored: str) -> None:
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(("password", "expected"), [("Right-password", True), ("right-password", False), ("", False)])
@pytest.mark.parametrize("is_preferred", [True, False])
async def test_only_the_right_password_matches(stored: str, password: str, expected: bool, is_preferred: bool) -> None:
    hasher = PasswordHasher(threads=1, queue=1, strangers_per_s=1000)

    assert await _matches(hasher, stored, password, is_preferred=is_preferred) is expected
    hasher.close()


async def test_damaged_stored_form_matches_nothing() -> None:
    hasher = PasswordHasher(threads=1, queue=1, strangers_per_s=1000)

    assert await _matches(hasher, "not a hash") is False
    hasher.close()


async def test_more_than_the_queue_holds_is_busy_and_room_comes_back(
    stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher = PasswordHasher(threads=1, queue=1, strangers_per_s=1000)
    gate = threading.Event()
    monkeypatch.setattr(Turn, "_matches", lambda *_: gate.wait(5))
    waiting = [asyncio.ensure_future(_matches(hasher, stored)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(BusyError):
        await _matches(hasher, stored)
    gate.set()

    assert await asyncio.gather(*waiting) == [True, True]
    assert await _matches(hasher, stored) is True
    hasher.close()


async def test_full_queue_of_strangers_leaves_known_clients_theirs(
    stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher = PasswordHasher(threads=1, queue=4, strangers_per_s=1000)
    gate = threading.Event()
    strangers = [asyncio.ensure_future(_matches(hasher, stored, client=str(n), is_preferred=False)) for n in range(5)]
    monkeypatch.setattr(Turn, "_matches", lambda *_: gate.wait(5))
    await asyncio.sleep(0)

    with pytest.raises(BusyError):
        await _matches(hasher, stored, client="one more", is_preferred=False)
    monkeypatch.undo()
    assert await _matches(hasher, stored, "Right-password", is_preferred=True) is True

    gate.set()
    assert len(await asyncio.gather(*strangers)) == 5
    hasher.close()


async def test_one_stranger_takes_a_fifth_of_the_places_at_most(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = PasswordHasher(threads=1, queue=9, strangers_per_s=1000)
    gate = threading.Event()
    monkeypatch.setattr(Turn, "_matches", lambda *_: gate.wait(5))
    waiting = [asyncio.ensure_future(_matches(hasher, stored, is_preferred=False)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(BusyError):
        await _matches(hasher, stored, is_preferred=False)
    waiting.append(asyncio.ensure_future(_matches(hasher, stored, client="b", is_preferred=False)))
    gate.set()

    assert await asyncio.gather(*waiting) == [True, True, True]
    hasher.close()


async def test_strangers_wait_for_their_turn_for_a_while_only(stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_hashing, "_STRANGERS_WAIT_S", 0.01)
    hasher = PasswordHasher(threads=1, queue=9, strangers_per_s=1000)
    gate = threading.Event()
    monkeypatch.setattr(Turn, "_matches", lambda *_: gate.wait(5))
    hashing = asyncio.ensure_future(_matches(hasher, stored, is_preferred=False))
    await asyncio.sleep(0)

    with pytest.raises(BusyError):
        await _matches(hasher, stored, client="b", is_preferred=False)
    gate.set()

    assert await hashing is True
    assert hasher.has_room("b", is_preferred=False)
    hasher.close()


async def test_strangers_rush_after_a_quiet_time_and_then_go_at_their_pace(
    stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Turn, "_matches", lambda *_: True)
    hasher = PasswordHasher(threads=1, queue=4, strangers_per_s=50)
    loop = asyncio.get_running_loop()

    began_at = loop.time()
    for number in range(15):
        assert await _matches(hasher, stored, client=str(number), is_preferred=False)
    strangers_took = loop.time() - began_at
    for number in range(100):
        assert await _matches(hasher, stored, client=str(number), is_preferred=True)

    # Five were saved up; the others come at 50 a second.
    assert strangers_took >= 10 / 50 * 0.9
    hasher.close()


async def test_new_passwords_come_at_their_pace_and_nobody_has_all_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_hashing, "_NEW_PER_S", 50.0)
    new, loop = NewPasswords(queue=10), asyncio.get_running_loop()
    began_at = loop.time()
    many = [asyncio.ensure_future(new.hashed(Secret(f"Right-{number}"), chosen_by="one")) for number in range(5)]
    other = asyncio.ensure_future(new.hashed(Secret("Right-password"), chosen_by="other"))
    results = await asyncio.gather(*many, return_exceptions=True)

    # A fifth of the places.
    assert [isinstance(one, BusyError) for one in results] == [False, False, True, True, True]
    assert argon2.PasswordHasher().verify(await other, "Right-password")
    for _ in range(17):
        await new.hashed(Secret("Right-password"), chosen_by="one")
    # Ten were saved up.
    assert loop.time() - began_at >= 10 / 50 * 0.9
    new.close()


def test_stored_forms_of_one_password_differ() -> None:
    assert hash_password(Secret("Same-password")) != hash_password(Secret("Same-password"))
