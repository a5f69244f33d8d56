"""A flood of sign-ins does not take the machine: strangers' passwords are hashed at their pace."""

import asyncio

from postroad.accounts.people.person_passwords import PersonPasswords
from postroad.model.credential import Secret


async def test_strangers_go_at_their_pace_and_the_known_do_not_wait_for_it() -> None:
    passwords, loop = PersonPasswords(queue=1, strangers_per_s=1), asyncio.get_running_loop()
    stored = await passwords.hashed(Secret("Right-password-17"), "ann@example.com")

    began_at = loop.time()
    for number in range(3):
        assert not await passwords.matches(stored, Secret("wrong"), f"192.0.2.{number}", is_known=False)
    # Two were saved up.
    assert loop.time() - began_at >= 0.9

    flood = asyncio.ensure_future(passwords.matches(stored, Secret("wrong"), "192.0.2.9", is_known=False))
    assert await passwords.matches(stored, Secret("Right-password-17"), "198.51.100.1", is_known=True)
    assert not flood.done()
    assert not await flood
    passwords.close()
