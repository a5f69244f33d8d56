"""The bodies of calls while they come in: small ones in memory, larger ones in files, all of them within bounds.

What comes slowly costs disk and no memory. A body is taken into memory as a whole only once all of it is there, and only
so many octets of bodies at a time; the next ones wait for their turn.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from postroad.delivery.content_budget import ContentBudget
from postroad.protocol.inflate import InflateError, Inflater

log = structlog.get_logger()

SPOOLED_ABOVE = 1024 * 1024
_WRITTEN_AT_ONCE = 256 * 1024
_HELD_PER_OCTET = 5
"""What reading a call and making a message of it takes, by the octets of the call: itself, its files, and the message as it is
put together, as it is stored, and in the parts that it is stored in."""
_QUIET_S = 60.0
"""How long a client may send nothing."""
_WHOLE_S = 1800.0
"""How long a whole body may take."""
_TURN_S = 30.0
"""How long a body waits for its turn in memory."""
_RETRY_S = 10
_NOT_KEPT = "The request cannot be kept at the moment; nothing was stored: try again soon."

_MOST_VALUES = 500_000
_LONG = 64 * 1024
_LINGER_S = 5.0
"""How long what still comes of a refused body is read and dropped."""

Watch = Callable[[bytes], None]
"""Looks at each chunk as it comes, unpacked, and raises what ends the call."""


class ValueCounter:
    """Watches bodies of JSON: each of its values takes many times its octets once it is read."""

    def __init__(self) -> None:
        self._values = 0

    def feed(self, chunk: bytes) -> None:
        """Count what may be values, those within texts too; raises UploadRefusedError where they are too many."""
        self._values += chunk.count(b",") + chunk.count(b"[") + chunk.count(b"{")
        if self._values > _MOST_VALUES:
            raise UploadRefusedError(413, f"The request has more than {_MOST_VALUES:,} values.")


class UploadRefusedError(Exception):
    """A body that is not taken: with which status, and when another try may help."""

    def __init__(self, status: int, sentence: str, retry_after_s: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after_s = retry_after_s


class UploadLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much of bodies one worker takes."""

    largest: int
    in_memory: int
    on_disk: int


class Uploads:
    """Receives the bodies of one worker's calls."""

    def __init__(self, limits: UploadLimits, folder: Path) -> None:
        self._limits = limits
        self._folder = folder
        self._coming = _Room(limits.in_memory // 2)
        self._spooled = _Room(limits.on_disk)
        self._whole = ContentBudget(limits.in_memory - limits.in_memory // 2)

    @asynccontextmanager
    async def body(self, request: Request, watch: Watch) -> AsyncIterator[bytes]:
        """Give the whole body of a call for the length of the block; raises UploadRefusedError and what ``watch`` raises.

        What is compressed with gzip is unpacked as it comes, within the same bounds.
        """
        inflater = _inflater_for(request)
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self._limits.largest:
            raise self._too_large()
        upload = _Upload(self._coming, self._spooled, self._folder)
        taken = 0
        try:
            await self._receive(request, upload, watch, inflater)
            taken = await self._turn(upload.octets)
            yield await upload.whole()
        finally:
            upload.close()
            if taken:
                self._whole.give_back(taken)

    async def _receive(self, request: Request, upload: "_Upload", watch: Watch, inflater: Inflater | None) -> None:
        loop = asyncio.get_running_loop()
        latest = loop.time() + _WHOLE_S
        try:
            async with asyncio.timeout(_QUIET_S) as quiet:
                async for chunk in request.stream():
                    for piece in (chunk,) if inflater is None else inflater.feed(chunk):
                        if upload.octets + len(piece) > self._limits.largest:
                            raise self._too_large()
                        watch(piece)
                        await upload.add(piece)
                    quiet.reschedule(min(loop.time() + _QUIET_S, latest))
            if inflater is not None:
                inflater.finish()
        except InflateError as error:
            raise UploadRefusedError(400, f"The request {error}.") from None
        except TimeoutError:
            raise UploadRefusedError(408, "The rest of the request did not come in time.") from None
        except ClientDisconnect:
            raise UploadRefusedError(400, "The request broke off.") from None

    async def _turn(self, octets: int) -> int:
        try:
            async with asyncio.timeout(_TURN_S):
                return await self._whole.take(octets * _HELD_PER_OCTET)
        except TimeoutError:
            raise _full() from None

    def _too_large(self) -> UploadRefusedError:
        return UploadRefusedError(413, f"request size exceeds {self._limits.largest / 1_048_576:.1f}MiB limit")


def _inflater_for(request: Request) -> Inflater | None:
    # RFC 9110 §8.4.1.3: x-gzip is the same.
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding in {"", "identity"}:
        return None
    if coding in {"gzip", "x-gzip"}:
        return Inflater()
    raise UploadRefusedError(415, f"The request is compressed ({coding[:40]}); send it as it is, or with gzip.")


class LastAnswer(Response):
    """An answer to a call whose body may still be coming, after which the connection ends.

    Was it closed at once, the client would be told that its connection was reset, and would never read why
    (RFC 9112 §9.6).
    """

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.body, answer.status_code, {**answer.headers, "Connection": "close"})

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and drop what still comes for a while (ASGI)."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                is_more = True
                while is_more:
                    is_more = (await receive()).get("more_body", False)
                    # What is there already comes without waiting, and others must have their turn.
                    await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})


def without_the_rest(answer: Response, request: Request) -> Response:
    """Return an answer to a call that is refused, made the last one where much of its body may still be coming."""
    announced = request.headers.get("content-length", "")
    may_still_come = "transfer-encoding" in request.headers or (announced.isdecimal() and int(announced) > _LONG)
    return LastAnswer(answer) if may_still_come else answer


def _full() -> UploadRefusedError:
    return UploadRefusedError(503, "Too much is being sent at the moment; try again soon.", _RETRY_S)


@contextlib.contextmanager
def _on_disk() -> Iterator[None]:
    """Refuse a body that the disk does not take; raises UploadRefusedError."""
    try:
        yield
    except OSError as error:
        log.warning("upload_not_kept", error=str(error))
        raise UploadRefusedError(503, _NOT_KEPT, _RETRY_S) from error


class _Room:
    """Octets that may be held at once."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    def take(self, octets: int) -> None:
        if octets > self._free:
            raise _full()
        self._free -= octets

    def give_back(self, octets: int) -> None:
        self._free += octets


class _Upload:
    """One body: what came last in memory, and what is more than that in a file without a name."""

    def __init__(self, memory: _Room, disk: _Room, folder: Path) -> None:
        self.octets = 0
        self._memory = memory
        self._disk = disk
        self._folder = folder
        self._chunks: list[bytes] = []
        self._held = 0
        self._file: IO[bytes] | None = None
        self._written = 0

    async def add(self, chunk: bytes) -> None:
        """Take the next octets."""
        self._memory.take(len(chunk))
        self._held += len(chunk)
        self.octets += len(chunk)
        self._chunks.append(chunk)
        if self._held >= (SPOOLED_ABOVE if self._file is None else _WRITTEN_AT_ONCE):
            await self._write()

    async def whole(self) -> bytes:
        """Return all of it."""
        if self._file is None:
            return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        await self._write()
        file = self._file
        with _on_disk():
            return await asyncio.to_thread(lambda: (file.seek(0), file.read())[1])

    def close(self) -> None:
        """Let go of it."""
        self._memory.give_back(self._held)
        self._disk.give_back(self._written)
        self._chunks, self._held, self._written = [], 0, 0
        if self._file is not None:
            with contextlib.suppress(OSError):
                # What found no room is tried once more, and the file is closed all the same.
                self._file.close()
            self._file = None

    async def _write(self) -> None:
        chunks, octets = self._chunks, self._held
        self._disk.take(octets)
        self._written += octets
        with _on_disk():
            await asyncio.to_thread(self._append, chunks)
        self._chunks, self._held = [], 0
        self._memory.give_back(octets)

    def _append(self, chunks: list[bytes]) -> None:
        if self._file is None:
            # Its name is gone at once, so that a crash leaves nothing behind.
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with the upload
        self._file.writelines(chunks)
        self._file.flush()
