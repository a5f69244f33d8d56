"""Where a program is, over a real HTTP server: only trusted proxies may say so, and the lock of a key goes by it."""

import asyncio
import http.client
import json

import pytest

from postroad.accounts.api_key_check import ApiKeyCheck
from postroad.accounts.api_keys import ApiKeys
from postroad.httpd.api.app import api_app
from postroad.httpd.clients import Clients
from postroad.httpd.server import HttpServer
from postroad.model.actor import SYSTEM
from postroad.model.domain import SendingDomain
from postroad.net.listen import Endpoint, bind

from .services import api_services


def ask(port: int, key: str, forwarded_for: str) -> tuple[int, str]:
    """Return the status, and the address that the server saw or complains about."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Authorization": f"Bearer {key}", "X-Forwarded-For": forwarded_for}
    connection.request("GET", "/api/postroad/v1/key", headers=headers)
    reply = connection.getresponse()
    document = json.loads(reply.read())
    connection.close()
    return reply.status, document.get("client_address") or document["detail"]


@pytest.mark.parametrize(
    ("trusted", "forwarded_for", "expected"),
    [
        (["127.0.0.0/8"], "192.0.2.9", (200, "192.0.2.9")),
        (["127.0.0.0/8"], "2001:db8::9", (200, "2001:db8::9")),
        (["127.0.0.0/8"], "192.0.2.9, 198.51.100.1", (403, "This API key may not be used from 198.51.100.1.")),
        (["127.0.0.0/8"], "192.0.2.9, 127.0.0.5", (200, "192.0.2.9")),
        (["10.0.0.0/8"], "192.0.2.9", (403, "This API key may not be used from 127.0.0.1.")),
        ([], "192.0.2.9", (403, "This API key may not be used from 127.0.0.1.")),
    ],
)
async def test_only_a_trusted_proxy_says_where_the_client_is(
    check: ApiKeyCheck,
    keys: ApiKeys,
    domain: SendingDomain,
    *,
    trusted: list[str],
    forwarded_for: str,
    expected: tuple[int, str],
) -> None:
    added = await keys.add_for_domain(SYSTEM, domain.name, networks="192.0.2.0/24 2001:db8::/32")
    ((listening,),) = bind(Endpoint("127.0.0.1", 0))
    server = HttpServer(api_app(api_services(check)), [listening], clients=Clients(trusted))
    await server.start()
    try:
        port = listening.getsockname()[1]
        assert await asyncio.to_thread(ask, port, str(added.text), forwarded_for) == expected
    finally:
        await server.stop()
