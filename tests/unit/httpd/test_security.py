"""Under which names the inbox answers, which has no login."""

import pytest
from starlette.types import Message, Receive, Scope, Send

from postroad.httpd.console.security import OwnHostOnly
from postroad.httpd.hosts import is_local_name


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8025", "[::1]:8025", "[fe80::1]", "localhost:8025", "LOCALHOST", "box", "box:8025", "box.local:8025",
     "postroad.test", "10.1.2.3", ""],
)  # fmt: skip
def test_addresses_and_names_that_nobody_can_register_are_local(host: str) -> None:
    assert is_local_name(host)


@pytest.mark.parametrize(
    "host",
    ["rebound.example.com", "rebound.example.com:8025", "evil.com.", "127.0.0.1.evil.com:8025", "localhost.evil.com",
     "evil.com.:8025"],
)  # fmt: skip
def test_names_of_the_public_dns_are_not_local(host: str) -> None:
    assert not is_local_name(host)


@pytest.mark.parametrize(("host", "status"), [(b"localhost:8025", 204), (b"rebound.example.com", 421)])
async def test_a_request_under_a_public_name_is_answered_with_421(host: bytes, status: int) -> None:
    async def inside(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/inbox", "headers": [(b"host", host)]}
    await OwnHostOnly(inside)(scope, receive, send)
    assert sent[0]["status"] == status
