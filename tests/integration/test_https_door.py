"""HTTP over TLS: with the certificate of the SMTP doors, and with HSTS where a browser heeds it."""

import asyncio
import contextlib
import http.client
import random
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import trustme
import uvloop
from starlette.types import Receive, Scope, Send

from postroad.httpd.clients import Clients
from postroad.httpd.server import http_servers
from postroad.net.listen import Endpoint, bind
from postroad.net.tls import ServerCertificate

AUTHORITY = trustme.CA()


async def app(scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


def answer(port: int, name: str, *, is_tls: bool, path: str = "/") -> tuple[bytes, str | None]:
    """Ask for a page as a client that trusts the authority, and return its body and its HSTS header."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.connect()
    if is_tls:
        connection.sock = context.wrap_socket(connection.sock, server_hostname=name)
    connection.request("GET", path, headers={"Host": name})
    reply = connection.getresponse()
    found = reply.read(), reply.headers["Strict-Transport-Security"]
    connection.close()
    return found


async def test_one_application_answers_in_the_clear_and_over_tls_with_the_certificate_of_the_moment(
    tmp_path: Path,
) -> None:
    path = tmp_path / "certificate.pem"
    AUTHORITY.issue_cert("old.example").private_key_and_cert_chain_pem.write_to_path(str(path))
    certificate = ServerCertificate(path, path)
    (plain,), (tls,) = bind(Endpoint("127.0.0.1", 0)), bind(Endpoint("127.0.0.1", 0))
    plain_port, tls_port = plain[0].getsockname()[1], tls[0].getsockname()[1]
    servers = http_servers(app, plain, tls, certificate.context, Clients())
    for server in servers:
        await server.start()
    try:
        assert await asyncio.to_thread(answer, plain_port, "old.example", is_tls=False) == (b"http", None)
        assert await asyncio.to_thread(answer, tls_port, "old.example", is_tls=True) == (b"https", "max-age=15768000")

        AUTHORITY.issue_cert("new.example", "localhost").private_key_and_cert_chain_pem.write_to_path(str(path))
        certificate.reload_if_changed()

        assert await asyncio.to_thread(answer, tls_port, "new.example", is_tls=True) == (b"https", "max-age=15768000")
        # A customer's name, whose certificate may lapse while links in mail go on.
        assert await asyncio.to_thread(answer, tls_port, "new.example", is_tls=True, path="/c/token") == (
            b"https",
            None,
        )
        # A developer's machine has more than this under the name.
        assert await asyncio.to_thread(answer, tls_port, "localhost", is_tls=True) == (b"https", None)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(answer, tls_port, "old.example", is_tls=True)
    finally:
        for server in servers:
            await server.stop()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop])
def loop_of_a_node(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return cast("Callable[[], asyncio.AbstractEventLoop]", request.param)


def test_who_does_not_shake_hands_counts_as_well(
    tmp_path: Path, loop_of_a_node: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(loop_factory=loop_of_a_node) as runner:
        runner.run(_silent_clients(tmp_path))


async def ended(*connections: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    for _, writer in connections:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _silent_clients(folder: Path) -> None:
    path = folder / "certificate.pem"
    AUTHORITY.issue_cert("a.example").private_key_and_cert_chain_pem.write_to_path(str(path))
    ((listening,),) = bind(Endpoint("127.0.0.1", 0))
    context = ServerCertificate(path, path).context
    [server] = http_servers(app, [], [listening], context, Clients(max_connections_per_address=3))
    await server.start()
    port = listening.getsockname()[1]

    async def status() -> tuple[bytes, str | None] | None:
        try:
            return await asyncio.to_thread(answer, port, "a.example", is_tls=True)
        except OSError:
            return None

    try:
        answered = await asyncio.gather(*(status() for _ in range(3)))
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        silent[1][1].write(b"\x16\x03\x01\x02\x00\x01")
        await asyncio.sleep(0.1)
        refused = await status()
        await ended(*silent[:2])
        silent[2][1].write(b"this is no TLS\r\n" * 10)
        async with asyncio.timeout(10):
            told = await silent[2][0].read()
            await ended(silent[2])
            while (later := await asyncio.gather(*(status() for _ in range(3)))) != answered:
                await asyncio.sleep(0.05)
    finally:
        await server.stop()

    assert answered == [(b"https", "max-age=15768000")] * 3
    assert refused is None
    assert later == answered
    assert b"HTTP" not in told


def test_large_bodies_go_both_ways_over_tls(
    tmp_path: Path, loop_of_a_node: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    sent = random.Random(5).randbytes(8_000_000)
    with asyncio.Runner(loop_factory=loop_of_a_node) as runner:
        came_back = runner.run(_echoed(tmp_path, sent))

    assert came_back == sent


async def _echoed(folder: Path, sent: bytes) -> bytes:
    path = folder / "certificate.pem"
    AUTHORITY.issue_cert("a.example").private_key_and_cert_chain_pem.write_to_path(str(path))
    ((listening,),) = bind(Endpoint("127.0.0.1", 0))
    [server] = http_servers(echo, [], [listening], ServerCertificate(path, path).context, Clients())
    await server.start()

    def post() -> bytes:
        context = ssl.create_default_context()
        AUTHORITY.configure_trust(context)
        connection = http.client.HTTPSConnection("a.example", context=context, timeout=30)
        raw = socket.create_connection(listening.getsockname())
        connection.sock = context.wrap_socket(raw, server_hostname="a.example")
        connection.request("POST", "/", sent)
        found = connection.getresponse().read()
        connection.close()
        return found

    try:
        return await asyncio.to_thread(post)
    finally:
        await server.stop()


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what was asked, slower than it comes."""
    body, has_more = [], True
    while has_more:
        message = await receive()
        body.append(message["body"])
        has_more = message["more_body"]
        await asyncio.sleep(0)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"".join(body)})


async def test_a_client_that_says_farewell_behind_its_request_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    AUTHORITY.issue_cert("a.example").private_key_and_cert_chain_pem.write_to_path(str(path))
    ((listening,),) = bind(Endpoint("127.0.0.1", 0))
    [server] = http_servers(app, [], [listening], ServerCertificate(path, path).context, Clients())
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="a.example")
    await server.start()
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                    break
                writer.write(outgoing.read())
                incoming.write(await reader.read(65_536))
            tls.write(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            # RFC 8446 §6.1: a farewell is about what its sender says.
            with pytest.raises(ssl.SSLWantReadError):
                tls.unwrap()
            writer.write(outgoing.read())
            writer.write_eof()
            told = await reader.read()
            writer.close()
    finally:
        await server.stop()

    incoming.write(told)
    text = b""
    with contextlib.suppress(ssl.SSLZeroReturnError):
        while part := tls.read(65_536):
            text += part
    assert text.startswith(b"HTTP/1.1 200 ")
    assert text.endswith(b"https\r\n0\r\n\r\n")
