import asyncio
import threading

import pytest

from postroad.accounts.password_hashing import BusyError, PasswordHasher, hash_password
from postroad.model.credential import Secret


@pytest.fixture(scope="module")
def stored() -> str:
    return hash_password(Secret("Right-password"))


def test_stored_form_is_argon2id_at_the_cost_of_the_design(stored: str) -> None:
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize(("password", "expected"), [("Right-password", True), ("right-password", False), ("", False)])
async def test_only_the_right_password_matches(stored: str, password: str, expected: bool) -> None:
    hasher = PasswordHasher(threads=1, queue=1)

    assert await hasher.matches(stored, Secret(password)) is expected
    hasher.close()


async def test_damaged_stored_form_matches_nothing() -> None:
    hasher = PasswordHasher(threads=1, queue=1)

    assert await hasher.matches("not a hash", Secret("x")) is False
    hasher.close()


async def test_more_than_the_queue_holds_is_busy_and_room_comes_back(
    stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher = PasswordHasher(threads=1, queue=1)
    gate = threading.Event()
    monkeypatch.setattr(hasher, "_matches", lambda *_: gate.wait(5))
    waiting = [asyncio.ensure_future(hasher.matches(stored, Secret("x"))) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(BusyError):
        await hasher.matches(stored, Secret("x"))
    gate.set()

    assert await asyncio.gather(*waiting) == [True, True]
    assert await hasher.matches(stored, Secret("x")) is True
    hasher.close()


def test_stored_forms_of_one_password_differ() -> None:
    assert hash_password(Secret("Same-password")) != hash_password(Secret("Same-password"))
