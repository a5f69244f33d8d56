"""Argon2id in a few threads behind bounded queues, so that a flood of log-ins cannot take the machine.

There are two lanes, each with threads and a queue of its own: one for clients that log-ins succeeded from before, one
for strangers. Guessing strangers so wait for one another only, and in a flood no more of them are hashed in a second than
leaves the machine to the others. (Making their threads less important to the operating system would not do: such a thread
is put aside while it holds the interpreter, and everybody waits for it.)
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from postroad.model.credential import Secret

_STRANGERS_WAIT_S = 10.0
"""After so long a stranger is told to come again: whoever waits holds a session."""
_PART_OF_ONE_CLIENT = 5
"""One stranger may have a fifth of the strangers' places, so that others find one too."""
_NEW_PER_S = 5.0
"""New passwords that a worker hashes in a second, in the long run: a tenth of a core. A quiet time saves up for a rush."""


class BusyError(Exception):
    """Too many passwords wait to be hashed; a later try may do."""


def hash_password(password: Secret) -> str:
    """Return the stored form of a password: algorithm, cost, salt and digest."""
    return _argon2().hash(password)


class Turn:
    """The right to hash now."""

    def __init__(self, threads: ThreadPoolExecutor, argon: argon2.PasswordHasher) -> None:
        self._threads = threads
        self._argon2 = argon

    async def matches(self, stored: str, password: Secret) -> bool:
        """Whether a password is the one whose stored form is given."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._matches, stored, password)

    async def hashed(self, password: Secret) -> str:
        """Return the stored form of a new password."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._argon2.hash, password)

    def _matches(self, stored: str, password: Secret) -> bool:
        try:
            return self._argon2.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


class _Allowance:
    """How many may go on in a second, in the long run; a quiet time saves up for a rush."""

    def __init__(self, per_s: float, most: int) -> None:
        self._per_s = per_s
        self._most = float(most)
        self._saved = float(most)
        self._counted_at = 0.0

    def take(self, now: float) -> float:
        """Take one and return 0, or return the seconds until there is one."""
        self._saved = min(self._most, self._saved + (now - self._counted_at) * self._per_s)
        self._counted_at = now
        if self._saved < 1:
            return (1 - self._saved) / self._per_s
        self._saved -= 1
        return 0.0


class _Lane:
    """Threads with a bounded queue in front of them: first come, first served.

    Whoever waits holds a future that is told to go on, or that it has taken too long. Nobody is cancelled for that: a
    cancellation that crosses with the turn would end what has just begun.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        queue: int,
        *,
        per_client: int,
        wait_s: float | None = None,
        allowance: _Allowance | None = None,
    ) -> None:
        self._threads = ThreadPoolExecutor(threads, name)
        self._turn = Turn(self._threads, _argon2())
        self._idle = threads
        self._room = threads + queue
        self._per_client = per_client
        self._wait_s = wait_s
        self._allowance = allowance
        self._places: Counter[str] = Counter()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._until_allowed: asyncio.TimerHandle | None = None

    def has_room(self, client: str) -> bool:
        return self._room > 0 and self._places[client] < self._per_client

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[Turn]:
        if not self.has_room(client):
            raise BusyError
        self._room -= 1
        self._places[client] += 1
        try:
            await self._wait()
            try:
                yield self._turn
            finally:
                self._idle += 1
                self._go_on()
        finally:
            self._room += 1
            self._places[client] -= 1
            if not self._places[client]:
                del self._places[client]

    async def _wait(self) -> None:
        """Wait for a free thread, and for the allowance where there is one; the thread is the caller's then."""
        loop = asyncio.get_running_loop()
        place: asyncio.Future[None] = loop.create_future()
        self._waiting.append(place)
        too_late = None if self._wait_s is None else loop.call_later(self._wait_s, _turn_away, place)
        self._go_on()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._idle += 1
                self._go_on()
            raise
        finally:
            if too_late is not None:
                too_late.cancel()

    def _go_on(self) -> None:
        """Give free threads to those who wait, as far as the allowance goes."""
        while self._waiting and self._idle:
            if self._waiting[0].done():
                self._waiting.popleft()
                continue
            loop = asyncio.get_running_loop()
            seconds = 0.0 if self._allowance is None else self._allowance.take(loop.time())
            if seconds:
                if self._until_allowed is None:
                    self._until_allowed = loop.call_later(seconds, self._is_allowed)
                return
            self._idle -= 1
            self._waiting.popleft().set_result(None)

    def _is_allowed(self) -> None:
        self._until_allowed = None
        self._go_on()

    def close(self) -> None:
        if self._until_allowed is not None:
            self._until_allowed.cancel()
        self._threads.shutdown(cancel_futures=True)


class PasswordHasher:
    """Compares passwords with their stored forms off the event loop, when it is their turn."""

    def __init__(self, threads: int, queue: int, strangers_per_s: float) -> None:
        room = threads + queue
        self._known = _Lane("password-hasher", threads, queue, per_client=room)
        self._strangers = _Lane(
            "strangers-password-hasher",
            threads,
            queue,
            per_client=max(1, room // _PART_OF_ONE_CLIENT),
            wait_s=_STRANGERS_WAIT_S,
            allowance=_Allowance(strangers_per_s, most=room),
        )

    @asynccontextmanager
    async def turn(self, client: str, *, is_preferred: bool) -> AsyncIterator[Turn]:
        """Wait for the turn to hash.

        Raises:
            BusyError: too many wait already, of this client's kind or of its own, or it takes too long.
        """
        async with self._lane(is_preferred).turn(client) as turn:
            yield turn

    def has_room(self, client: str, *, is_preferred: bool) -> bool:
        """Whether a client may wait for its turn now; cheaper to ask than to be refused."""
        return self._lane(is_preferred).has_room(client)

    async def matches(self, stored: str, password: Secret, *, client: str = "", is_preferred: bool = True) -> bool:
        """Whether a password is the one whose stored form is given, compared when it is the client's turn.

        Raises:
            BusyError: too many wait already, or it takes too long.
        """
        async with self.turn(client, is_preferred=is_preferred) as turn:
            return await turn.matches(stored, password)

    def close(self) -> None:
        """End the threads; what they work on is finished first."""
        self._known.close()
        self._strangers.close()

    def _lane(self, is_preferred: bool) -> _Lane:
        return self._known if is_preferred else self._strangers


class NewPasswords:
    """Hashes passwords that are chosen, one at a time and few in a second: who may choose many could take the machine."""

    def __init__(self, queue: int) -> None:
        self._lane = _Lane(
            "new-password-hasher",
            1,
            queue,
            per_client=max(1, queue // _PART_OF_ONE_CLIENT),
            allowance=_Allowance(_NEW_PER_S, most=queue),
        )

    async def hashed(self, password: Secret, *, chosen_by: str) -> str:
        """Return the stored form of a password, once it is its turn; ``chosen_by`` shares the places fairly.

        Raises:
            BusyError: too many wait already, of whoever chose it or together.
        """
        async with self._lane.turn(chosen_by) as turn:
            return await turn.hashed(password)

    def close(self) -> None:
        """End the thread; what it works on is finished first."""
        self._lane.close()


def _turn_away(place: asyncio.Future[None]) -> None:
    if not place.done():
        place.set_exception(BusyError())


def _argon2() -> argon2.PasswordHasher:
    # OWASP's smallest recommended cost: 19 MiB, two passes, one lane; about 20 ms. The library's default takes ten
    # times that, which a server that hashes for every new client cannot spend.
    return argon2.PasswordHasher(memory_cost=19 * 1024, time_cost=2, parallelism=1)
