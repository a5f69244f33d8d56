"""HTTP over TLS: with the certificate of the SMTP doors, and with HSTS where a browser heeds it."""

import asyncio
import http.client
import ssl
from pathlib import Path

import pytest
import trustme
from starlette.types import Receive, Scope, Send

from postroad.httpd.server import Clients, http_servers
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
