"""Bodies that are made to hurt: a running node refuses them early, holds little memory meanwhile, and serves the others."""

import asyncio
import base64
import contextlib
import gzip
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.load.usage import memory_mib

from tests.scenarios.dev import Dev, running_dev

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
MULTIPART = b"Content-Type: multipart/form-data; boundary=b\r\n"
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    folder = tmp_path_factory.mktemp("bombs") / "data"
    with running_dev(folder, {"POSTROAD_HTTP__MAX_BYTES_IN_FLIGHT": "67108864"}) as running:
        yield running


class Call:
    """One call, octet by octet."""

    def __init__(
        self, dev: Dev, headers: bytes, length: int | None = None, *, path: str | None = None, key: str | None = None
    ) -> None:
        host, _, rest = dev.facts["api"]["url"].removeprefix("http://").partition("/")
        self.address, _, port = host.partition(":")
        self.port = int(port)
        path = path or f"/{rest}"
        proof = base64.b64encode(f"api:{key or dev.facts['api']['key']}".encode())
        size = b"Transfer-Encoding: chunked\r\n" if length is None else b"Content-Length: %d\r\n" % length
        self.head = b"POST " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + proof + b"\r\n"
        self.head += headers + size + b"\r\n"
        self.is_chunked = length is None
        self.sent = 0

    async def answer(self, pieces: AsyncIterator[bytes]) -> tuple[int, dict[str, str]]:
        """Send until an answer comes; returns its status and document."""
        reader, writer = await asyncio.open_connection(self.address, self.port)
        writer.write(self.head)

        async def send() -> None:
            async for piece in pieces:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self.is_chunked else piece)
                self.sent += len(piece)
                # Where the system takes all of it at once, nothing else here would ever have its turn, the answer least.
                await asyncio.sleep(0)
                await writer.drain()
            if self.is_chunked:
                writer.write(b"0\r\n\r\n")

        sending = asyncio.create_task(send())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0])
            return int(head.split()[1]), json.loads(await reader.readexactly(length))
        finally:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await sending
            await left(writer)


async def left(writer: asyncio.StreamWriter) -> None:
    """Leave a connection at once, whatever is not sent yet."""
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def endless(piece: bytes) -> AsyncIterator[bytes]:
    while True:
        yield piece


async def once(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_an_endless_body_is_refused_at_its_bound(dev: Dev) -> None:
    before = memory_mib([dev.process.pid])
    call = Call(dev, FORM)
    status, document = await call.answer(endless(b"x" * 65_536))

    assert (status, document) == (413, {"message": "request size exceeds 52.4MiB limit"})
    assert call.sent < 80 * MIB
    assert memory_mib([dev.process.pid]) - before < 64


async def test_a_body_that_says_it_is_too_large_is_refused_unread(dev: Dev) -> None:
    status, document = await Call(dev, FORM, length=10_000_000_000).answer(once())

    assert (status, document) == (413, {"message": "request size exceeds 52.4MiB limit"})


@pytest.mark.parametrize(
    ("headers", "piece"),
    [
        (FORM, b"a=1&" * 16_000),
        (MULTIPART, b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 1_000),
    ],
)
async def test_a_million_fields_are_refused_when_the_first_thousands_have_come(
    dev: Dev, headers: bytes, piece: bytes
) -> None:
    before = memory_mib([dev.process.pid])
    call = Call(dev, headers)
    status, document = await call.answer(endless(piece))

    assert (status, document) == (400, {"message": "unable to parse request: it has more than 4000 fields"})
    # It goes on sending until it has read the answer.
    assert call.sent < 48 * MIB
    assert memory_mib([dev.process.pid]) - before < 64


@pytest.mark.parametrize(("path", "key", "status"), [("/v3/none", None, 404), (None, "prd_nothing", 401)])
async def test_who_may_not_send_is_told_and_left(dev: Dev, path: str | None, key: str | None, status: int) -> None:
    call = Call(dev, FORM, path=path, key=key)
    reader, writer = await asyncio.open_connection(call.address, call.port)
    writer.write(call.head + b"10\r\n" + b"x" * 16 + b"\r\n")

    head = await reader.readuntil(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nconnection: close\r\n" in head
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(15):
            await reader.read()
    await left(writer)


async def test_compressed_bodies_are_not_unpacked(dev: Dev) -> None:
    call = Call(dev, FORM + b"Content-Encoding: gzip\r\n")
    status, document = await call.answer(endless(b"\x1f\x8b" + bytes(65_534)))

    assert (status, document) == (415, {"message": "The request is compressed (gzip); send it as it is."})
    # It goes on sending until it has read the answer.
    assert call.sent < 48 * MIB


async def test_many_large_bodies_at_once_leave_memory_flat_and_others_served(dev: Dev) -> None:
    """Twenty of 20 MB each come slowly and together: they wait in files, and a small message passes them."""
    before = memory_mib([dev.process.pid])
    part = b'--b\r\nContent-Disposition: form-data; name="attachment"; filename="a.bin"\r\n\r\n'

    async def large() -> AsyncIterator[bytes]:
        yield part
        for _ in range(20 * 16):
            yield b"x" * 65_536
            await asyncio.sleep(0.005)
        # It never says who it is from: it is refused once it was read.
        yield b"\r\n--b--\r\n"

    calls = [asyncio.create_task(Call(dev, MULTIPART).answer(large())) for _ in range(20)]
    highest = 0.0
    slowest = 0.0
    fields = b"from=hello@demo.example&to=you@example.net&subject=x&text=x"
    while not all(one.done() for one in calls):
        began = time.monotonic()
        status, _ = await Call(dev, FORM, length=len(fields)).answer(once(fields))
        slowest = max(slowest, time.monotonic() - began)
        assert status == 200
        highest = max(highest, memory_mib([dev.process.pid]))
        await asyncio.sleep(0.2)
    statuses = {(await one)[0] for one in calls}

    assert statuses <= {400, 503}
    # Together they have 400 MB, and making messages of them would take three times as much.
    assert highest - before < 250
    assert slowest < 30


async def test_what_unpacks_to_a_thousand_times_as_much_is_refused_at_the_bound(dev: Dev) -> None:
    before = memory_mib([dev.process.pid])
    bomb = gzip.compress(bytes(512 * MIB), 1)
    call = Call(dev, b"Content-Type: application/json\r\nContent-Encoding: gzip\r\n", length=len(bomb))
    call.head = call.head.replace(b"/v3/demo.example/messages", b"/v3/mail/send")
    began = time.monotonic()
    status, document = await call.answer(once(bomb))

    errors: Any = document["errors"]
    assert (status, errors[0]["message"]) == (413, "request size exceeds 52.4MiB limit")
    assert time.monotonic() - began < 20
    assert memory_mib([dev.process.pid]) - before < 80


async def test_what_is_spooled_has_no_name_in_the_data_folder(dev: Dev) -> None:
    _, writer = await asyncio.open_connection(Call(dev, FORM).address, Call(dev, FORM).port)
    writer.write(Call(dev, FORM, length=30 * MIB).head + b"a=" + b"x" * (20 * MIB))
    await writer.drain()
    folder = Path(dev.facts["data_dir"])

    assert [path for path in folder.iterdir() if path.name.startswith("tmp")] == []
    await left(writer)
