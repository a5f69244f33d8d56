"""Which application a request of the doors goes to."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from postroad.httpd.apps import beside_tracker
from postroad.httpd.proofs import port_80_app


async def _no_proof(_token: str) -> str | None:
    return None


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = beside_tracker(port_80_app(_no_proof, "https://mail.example.com"), PlainTextResponse("tracker"))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://t.example.com") as opened:
        yield opened


@pytest.mark.parametrize("path", ["/o/abc", "/c/abc?x", "/u/abc"])
async def test_tracked_links_are_answered_where_there_is_no_certificate(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).text == "tracker"


@pytest.mark.parametrize("path", ["/", "/o", "/console", "/unsubscribe"])
async def test_all_else_is_led_on(client: httpx2.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 302
