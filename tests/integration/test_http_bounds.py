"""What the HTTP doors refuse of a request's head before any application sees it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime

import pytest
from starlette.types import Receive, Scope, Send

from postroad.httpd import protocol
from postroad.httpd.clients import Clients
from postroad.httpd.protocol import LONGEST_TARGET, MOST_HEAD
from postroad.httpd.server import HttpServer
from postroad.net.listen import Endpoint, bind

END = b" HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    body = str(len(scope["raw_path"]) + len(scope["query_string"])).encode()
    if scope["path"] == "/slow":
        await asyncio.sleep(0.6)
    while scope["path"] == "/body" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    ((listening,),) = bind(Endpoint("127.0.0.1", 0))
    server = HttpServer(app, [listening])
    await server.start()
    yield listening.getsockname()[1]
    await server.stop()


async def answer(port: int, *pieces: bytes) -> bytes:
    """Return what comes back until the server closes, for a request in pieces; nothing where the end overtook it."""
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
        found = b""
        with contextlib.suppress(ConnectionError):
            found = await reader.read()
        writer.close()
        return found


async def connected(port: int, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection from one of this machine's addresses that is let in, or turned away, by now."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    await asyncio.sleep(0.02)
    return reader, writer


async def status_of(port: int, address: str) -> int:
    """Return the status of an answer to a new connection."""
    reader, writer = await connected(port, address)
    writer.write(b"GET /" + END[:-2] + b"Connection: close\r\n\r\n")
    head = await reader.read()
    writer.close()
    return int(head.split()[1])


@pytest.mark.parametrize("path", [b"/templates/1/preview?data=", b"/api/postroad/v1/key?", b"/c/"])
async def test_an_address_that_is_too_long_is_refused_at_once(port: int, path: bytes) -> None:
    whole = await answer(port, b"GET " + path + b"a" * LONGEST_TARGET + END)
    endless = await answer(port, b"GET " + path, *[b"a" * 4096] * 5)

    assert whole.startswith(b"HTTP/1.1 414 ")
    assert b"\r\nconnection: close\r\n" in whole
    assert endless.startswith(b"HTTP/1.1 414 ")


async def test_an_address_of_what_browsers_and_programs_send_is_answered(port: int) -> None:
    target = b"/?" + b"a" * (LONGEST_TARGET - 2)
    reply = await answer(port, b"GET " + target[:9_000], target[9_000:] + END[:-2] + b"Connection: close\r\n\r\n")

    assert reply.startswith(b"HTTP/1.1 200 ")
    assert reply.endswith(b"\r\n\r\n%d" % (LONGEST_TARGET - 1))


async def test_a_head_without_an_end_is_refused(port: int) -> None:
    reply = await answer(port, b"GET / HTTP/1.1\r\nX: ", *[b"a" * 8192] * (MOST_HEAD // 8192 + 1))

    assert reply.startswith(b"HTTP/1.1 431 ")


async def test_who_does_not_end_a_head_is_told_and_who_says_nothing_is_left(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_WITHIN_S", 0.2)

    assert (await answer(port, b"GET / HTTP/1.1\r\nX: ")).startswith(b"HTTP/1.1 408 ")
    assert await answer(port) == b""


async def test_a_slow_answer_is_not_cut_off_by_the_head_behind_it(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_WITHIN_S", 0.2)
    reply = await answer(port, b"GET /slow" + END + b"GET / HTTP/1.1\r\nX: ")

    assert reply.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in reply


async def test_a_connection_is_used_again_and_again(port: int) -> None:
    request = b"GET /" + END
    reply = await answer(port, request, request * 2, b"GET /" + END[:-2] + b"Connection: close\r\n\r\n")

    assert reply.count(b"HTTP/1.1 200 ") == 4


async def test_a_server_without_a_request_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postroad.httpd.server._DATE_S", 60.0)
    ((listening,),) = bind(Endpoint("127.0.0.1", 0))
    server = HttpServer(app, [listening])
    await server.start()
    await asyncio.sleep(0.05)

    async with asyncio.timeout(5):
        await server.stop()


async def test_an_answer_has_the_date_of_its_second_or_the_one_before(port: int) -> None:
    # RFC 9110 §6.6.1: an answer says when it was made.
    await asyncio.sleep(2.1)
    asked = time.time()
    reply = await answer(port, b"GET /" + END[:-2] + b"Connection: close\r\n\r\n")

    dates = [line for line in reply.split(b"\r\n") if line.startswith(b"date: ")]
    assert len(dates) == 1
    assert asked - 2.5 < parsedate_to_datetime(dates[0][6:].decode()).timestamp() <= time.time()


@pytest.mark.parametrize(("proxies", "status"), [((), 429), (("127.0.0.1",), 200)])
async def test_one_address_has_only_so_many_connections_over_all_doors(proxies: tuple[str, ...], status: int) -> None:
    listening = [bind(Endpoint("127.0.0.1", 0))[0][0] for _ in range(2)]
    clients = Clients(proxies, max_connections_per_address=2)
    servers = [HttpServer(app, [one], clients=clients) for one in listening]
    for server in servers:
        await server.start()
    ports = [one.getsockname()[1] for one in listening]

    async with asyncio.timeout(20):
        idle = [await connected(port, "127.0.0.1") for port in ports]
        third, other = await status_of(ports[0], "127.0.0.1"), await status_of(ports[0], "127.0.0.2")
        idle[0][1].close()
        while (later := await status_of(ports[1], "127.0.0.1")) != 200:
            assert later == 429
        idle[1][1].close()
        for server in servers:
            await server.stop()

    assert third == status
    assert other == 200


async def test_trailers_are_passed_over_and_bounded(port: int) -> None:
    head = b"POST /body HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    few = await answer(port, head, b"Checksum: 1\r\n\r\n")
    many = await answer(port, head, *[b"a:b\r\n" * 1_640] * 8)
    endless = await answer(port, head, b"a:", *[b"b" * 8_200] * 8)

    assert few.startswith(b"HTTP/1.1 200 ")
    # Both end before the time is over. Whoever goes on sending may lose what it is told.
    assert {many[:12], endless[:12]} <= {b"HTTP/1.1 400", b""}


async def test_requests_behind_one_another_are_answered_up_to_a_number(port: int) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1_000
    some = await answer(port, (request + b"\r\n\r\n") * 90 + request + b"\r\nConnection: close\r\n\r\n")
    flood = await answer(port, (b"GET /slow" + END) * 5_000)

    assert some.count(b"HTTP/1.1 200 ") == 91
    assert flood[:12] in {b"HTTP/1.1 400", b""}


@pytest.mark.parametrize(
    ("body", "pause_s", "status"),
    [
        ([b"a"], 0.0, b"408"),  # nothing more comes
        ([b"a"] * 40, 0.05, b"408"),  # each time a little
        ([b"a" * 100] * 10, 0.05, b"200"),
    ],
)
async def test_a_body_that_does_not_go_on_is_given_up(
    port: int, monkeypatch: pytest.MonkeyPatch, body: list[bytes], pause_s: float, status: bytes
) -> None:
    monkeypatch.setattr(protocol, "LOOK_S", 0.1)
    monkeypatch.setattr(protocol, "BODY_QUIET_S", 0.5)
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /body HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for piece in body:
                writer.write(piece)
                await asyncio.sleep(pause_s)
        reply = b""
        with contextlib.suppress(ConnectionError):
            reply = await reader.read()
        writer.close()

    assert reply[:12] == b"HTTP/1.1 " + status or (status == b"408" and not reply)


async def test_a_client_that_does_not_read_its_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "LOOK_S", 0.1)
    monkeypatch.setattr(protocol, "UNREAD_S", 0.5)
    sent = 0

    async def endless(_scope: Scope, _receive: Receive, send: Send) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            sent += 1
            await asyncio.sleep(0)

    ((listening,),) = bind(Endpoint("127.0.0.1", 0))
    clients = Clients()
    server = HttpServer(endless, [listening], clients=clients)
    await server.start()
    _, writer = await asyncio.open_connection("127.0.0.1", listening.getsockname()[1], limit=1_000)
    writer.write(b"GET /" + END)
    async with asyncio.timeout(10):
        while not sent or clients.open:
            await asyncio.sleep(0.05)
    writer.close()
    await server.stop()


@pytest.mark.parametrize(("fault", "is_logged"), [(ConnectionAbortedError, False), (KeyError, True)])
async def test_an_answer_that_is_broken_off_on_purpose_is_no_fault_in_the_log(
    fault: type[Exception], caplog: pytest.LogCaptureFixture, *, is_logged: bool
) -> None:
    async def broken_off(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a part", "more_body": True})
        raise fault("it ends here")

    ((listening,),) = bind(Endpoint("127.0.0.1", 0))
    server = HttpServer(broken_off, [listening])
    await server.start()
    told = await answer(listening.getsockname()[1], b"GET /" + END)
    await server.stop()

    assert b"a part" in told
    assert not told.endswith(b"0\r\n\r\n")
    assert ("Exception in ASGI application" in caplog.text) is is_logged


async def telling(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with what was asked."""
    body, has_more = b"", True
    while has_more:
        part = await receive()
        body, has_more = body + part.get("body", b""), part.get("more_body", False)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.1)
    told = b"<%b %b %d>" % (scope["method"].encode(), scope["raw_path"], len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(told))]})
    await send({"type": "http.response.body", "body": told})


HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAA\r\nUpgrade: %b\r\n"


@pytest.mark.parametrize("offered", [b"h2c", b"websocket", b"x, y"])
@pytest.mark.parametrize("cut", [None, 30, -len(HIDDEN), -10])
async def test_the_body_behind_an_offer_of_another_protocol_is_no_request(offered: bytes, cut: int | None) -> None:
    ((listening,),) = bind(Endpoint("127.0.0.1", 0))
    server = HttpServer(telling, [listening])
    await server.start()
    # RFC 9110 §7.8: as Java's client and curl offer HTTP/2.
    length = b"Content-Length: %d\r\n" % len(HIDDEN)
    chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
    head = b"POST /a HTTP/1.1\r\nHost: localhost\r\n" + OFFER % offered
    whole = head + length + b"\r\n" + HIDDEN
    pieces = [whole] if cut is None else [whole[:cut], whole[cut:]]
    told = await answer(
        listening.getsockname()[1],
        *pieces,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk,
        b"GET /b HTTP/1.1\r\nHost: localhost\r\n" + OFFER % offered + b"\r\n",
        b"GET /c HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    await server.stop()

    found = [part.partition(b">")[0] for part in told.split(b"<")[1:]]
    assert found == [b"POST /a %d" % len(HIDDEN), b"POST /a %d" % len(HIDDEN), b"GET /b 0", b"GET /c 0"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (b"GET /slow" + END, b"<GET /slow 0>"),
        (b"POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", b"<POST /slow 3>"),
        (b"GET /a" + END + b"GET /slow" + END, b"<GET /slow 0>"),
        (b"POST /slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nab", b""),
        (b"GET /slow HTTP/1.1\r\n", b""),
        (b"", b""),
    ],
)
async def test_who_says_nothing_more_is_answered_where_the_request_is_whole(asked: bytes, found: bytes) -> None:
    ((listening,),) = bind(Endpoint("127.0.0.1", 0))
    server = HttpServer(telling, [listening])
    await server.start()
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.getsockname()[1])
        writer.write(asked)
        writer.write_eof()
        told = await reader.read()
        writer.close()
    await server.stop()

    assert told.endswith(found)
    assert bool(told) is bool(found)


async def test_nothing_is_tunnelled(port: int) -> None:
    told = await answer(port, b"CONNECT localhost:25 HTTP/1.1\r\nHost: localhost\r\n\r\n" + HIDDEN)

    assert told.startswith(b"HTTP/1.1 400 ")
    assert told.count(b"HTTP/1.1") == 1
