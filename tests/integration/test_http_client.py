"""Outbound HTTP against real servers on the loopback: what is reached, what is not, and where it ends."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from postroad.net.http_client import HttpClient, HttpError
from tests.peers.ports import free_port

Serve = Callable[..., Awaitable[int]]


class Names(AbstractResolver):
    """Resolves every name to one address."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        self.asked.append(host)
        return [
            ResolveResult(hostname=host, host=one, port=port, family=10 if ":" in one else 2, proto=6, flags=4)
            for one in self.addresses
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Return a function that serves a handler on every path and method, and says on which port."""
    runners: list[web.AppRunner] = []

    async def served(handler: Any, context: ssl.SSLContext | None = None) -> int:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port: int = runner.addresses[0][1]
        return port

    yield served
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    opened = HttpClient(allow_private_addresses=True)
    yield opened
    await opened.aclose()


async def test_a_request_arrives_as_it_was_made(serve: Serve, client: HttpClient) -> None:
    async def echo(request: web.Request) -> web.Response:
        kept = {"method": request.method, "agent": request.headers["User-Agent"], "body": await request.text()}
        return web.json_response(kept | {"type": request.headers["Content-Type"]}, status=418)

    port = await serve(echo)
    reply = await client.request(
        "POST", f"http://127.0.0.1:{port}/x", headers={"Content-Type": "text/plain"}, body="grüße".encode()
    )

    assert reply.status == 418
    assert (
        reply.content == b'{"method": "POST", "agent": "Postroad", "body": "gr\\u00fc\\u00dfe", "type": "text/plain"}'
    )


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.1.2.3", "169.254.169.254"]
)
async def test_addresses_that_are_not_public_are_refused(host: str, serve: Serve) -> None:
    async def never(request: web.Request) -> web.Response:
        raise AssertionError("the guard let somebody through")

    port = await serve(never)
    client = HttpClient()
    try:
        with pytest.raises(HttpError, match="not an address of the public Internet"):
            await client.request("GET", f"http://{host}:{port}/")
    finally:
        await client.aclose()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "64:ff9b::7f00:1", "100.64.0.1", "fd00::1", "0.0.0.0"])
async def test_a_name_that_leads_inwards_is_refused(address: str) -> None:
    names = Names(address)
    client = HttpClient(resolver=names)
    try:
        with pytest.raises(HttpError, match="not an address of the public Internet"):
            await client.request("GET", "http://innocent.example/")
    finally:
        await client.aclose()
    assert names.asked == ["innocent.example"]


async def test_a_redirect_is_an_answer_and_not_a_way(serve: Serve, client: HttpClient) -> None:
    async def away(request: web.Request) -> web.Response:
        assert request.path == "/"
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    port = await serve(away)
    assert (await client.request("GET", f"http://127.0.0.1:{port}/")).status == 302


async def test_an_answer_that_is_too_large_is_not_read(serve: Serve, client: HttpClient) -> None:
    async def large(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10_000):
            await response.write(bytes(10_000))
        return response

    port = await serve(large)
    with pytest.raises(HttpError, match="more than 1,000 octets"):
        await client.request("GET", f"http://127.0.0.1:{port}/", most_octets=1000)


async def test_an_answer_that_drips_ends_in_time(serve: Serve, client: HttpClient) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.05)

    port = await serve(drip)
    with pytest.raises(HttpError, match=r"within 0\.3 s"):
        await client.request("GET", f"http://127.0.0.1:{port}/", timeout_s=0.3)


async def test_nobody_there_is_said(client: HttpClient) -> None:
    with pytest.raises(HttpError, match=r"[Cc]onnect"):
        await client.request("GET", f"http://127.0.0.1:{free_port()}/")


@pytest.mark.parametrize("url", ["ftp://192.0.2.1/", "http://", "nonsense", "http://exa mple/"])
async def test_what_is_no_url_is_an_error_like_others(url: str, client: HttpClient) -> None:
    with pytest.raises(HttpError):
        await client.request("GET", url)


async def test_cookies_are_not_kept(serve: Serve, client: HttpClient) -> None:
    async def remember(request: web.Request) -> web.Response:
        response = web.Response(text=request.headers.get("Cookie", "none"))
        response.set_cookie("a", "b")
        return response

    port = await serve(remember)
    for _ in range(2):
        assert (await client.request("GET", f"http://127.0.0.1:{port}/")).content == b"none"


async def test_an_authority_must_vouch_for_the_host(serve: Serve, client: HttpClient, tmp_path: Path) -> None:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    port = await serve(hello, context)

    with pytest.raises(HttpError, match="certificate is not trusted"):
        await client.request("GET", f"https://127.0.0.1:{port}/")

    trusting = HttpClient(allow_private_addresses=True, authorities=tmp_path / "ca.pem")
    try:
        assert (await trusting.request("GET", f"https://127.0.0.1:{port}/")).content == b"hello"
    finally:
        await trusting.aclose()


async def test_a_missing_file_of_authorities_is_said(tmp_path: Path) -> None:
    with pytest.raises(HttpError, match="cannot be used"):
        await HttpClient(authorities=tmp_path / "none.pem").request("GET", "https://192.0.2.1/")
