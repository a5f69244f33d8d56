"""Answers that go on for long: few at a time for each person and worker, ended as soon as the worker stops."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterable, Iterator, Mapping

from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

MOST = 50
MOST_OF_PERSON = 4
_TOO_MANY = "Too many of these are open at the moment: close another window that shows live events or downloads them."


class _FullError(Exception):
    """There is no room for one more."""


class Streams:
    """Those of one worker."""

    def __init__(self, most: int = MOST, most_of_person: int = MOST_OF_PERSON) -> None:
        self._most = most
        self._most_of_person = most_of_person
        self._of_persons: Counter[int] = Counter()
        self._closing = asyncio.Event()

    def __len__(self) -> int:
        """Return how many are open."""
        return self._of_persons.total()

    def close(self) -> None:
        """Have all of them end at once."""
        self._closing.set()

    async def pause(self, seconds: float) -> bool:
        """Wait, and return whether to go on after it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)
        return not self._closing.is_set()

    @contextlib.contextmanager
    def room_for(self, person_id: int) -> Iterator[None]:
        """Take a place for as long as an answer takes; raises where there is none."""
        if len(self) >= self._most or self._of_persons[person_id] >= self._most_of_person:
            raise _FullError
        self._of_persons[person_id] += 1
        try:
            yield
        finally:
            self._of_persons[person_id] -= 1
            # A person who is gone leaves nothing behind.
            self._of_persons += Counter()


class Streamed(StreamingResponse):
    """An answer that is sent as it comes; 429 where a person, or all together, have too many."""

    def __init__(
        self,
        streams: Streams,
        person_id: int,
        content: AsyncIterable[str],
        *,
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._streams = streams
        self._person_id = person_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it (ASGI)."""
        try:
            with self._streams.room_for(self._person_id):
                await super().__call__(scope, receive, send)
        except _FullError:
            await PlainTextResponse(_TOO_MANY, status_code=429)(scope, receive, send)
