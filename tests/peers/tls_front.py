"""A proxy that speaks TLS and passes on what it hears in clear text, as one in front of an installation does."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import trustme

from tests.peers.ports import LOOPBACK


@contextlib.asynccontextmanager
async def tls_front(port: int, folder: Path) -> AsyncIterator[tuple[int, Path]]:
    """Serve in front of a loopback port; gives the port of the proxy, and the certificate of its authority."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(LOOPBACK).configure_cert(context)
    bundle = folder / "authority.pem"
    authority.cert_pem.write_to_path(bundle)

    running: set[asyncio.Task[Any]] = set()

    async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while octets := await source.read(65536):
                sink.write(octets)
                await sink.drain()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        behind_reader, behind_writer = await asyncio.open_connection(LOOPBACK, port)
        ways = [asyncio.create_task(pass_on(*way)) for way in ((reader, behind_writer), (behind_reader, writer))]
        try:
            # Who ends its side ends both: nobody here half closes.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for one in (writer, behind_writer):
                one.close()
                with contextlib.suppress(OSError):
                    await one.wait_closed()
            running.discard(task)

    # Clients go without a word: nobody waits for their farewell.
    server = await asyncio.start_server(serve, LOOPBACK, 0, ssl=context, ssl_shutdown_timeout=0.1)
    try:
        yield server.sockets[0].getsockname()[1], bundle
    finally:
        server.close()
        if running:
            await asyncio.wait(running, timeout=5)
