"""Argon2id in a few threads behind a bounded queue, so that a flood of log-ins cannot take the machine."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from postroad.model.credential import Secret


class BusyError(Exception):
    """Too many passwords wait to be hashed; a later try may do."""


def hash_password(password: Secret) -> str:
    """Return the stored form of a password: algorithm, cost, salt and digest."""
    return _argon2().hash(password)


class PasswordHasher:
    """Compares passwords with their stored forms off the event loop."""

    def __init__(self, threads: int, queue: int) -> None:
        self._argon2 = _argon2()
        self._threads = ThreadPoolExecutor(threads, "password-hasher")
        self._room = threads + queue

    async def matches(self, stored: str, password: Secret) -> bool:
        """Whether a password is the one whose stored form is given.

        Raises:
            BusyError: too many wait already.
        """
        if self._room == 0:
            raise BusyError
        self._room -= 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._matches, stored, password)
        finally:
            self._room += 1

    def close(self) -> None:
        """End the threads; what they work on is finished first."""
        self._threads.shutdown(cancel_futures=True)

    def _matches(self, stored: str, password: Secret) -> bool:
        try:
            return self._argon2.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def _argon2() -> argon2.PasswordHasher:
    # OWASP's smallest recommended cost: 19 MiB, two passes, one lane; about 20 ms. The library's default takes ten
    # times that, which a server that hashes for every new client cannot spend.
    return argon2.PasswordHasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)
