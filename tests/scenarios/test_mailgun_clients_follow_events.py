"""Clients that were written for Mailgun follow events and send stored messages again: only host and key are ours."""

import asyncio
import warnings
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from mailgun.client import Client

from tests.peers.node import run_node
from tests.peers.ports import LOOPBACK
from tests.scenarios.product import DOMAIN
from tests.scenarios.world import World, destination

pytestmark = pytest.mark.peer("nsd")

QUERY = {"limit": 2, "tags": "followed"}


async def test_events_are_followed_and_a_stored_message_is_sent_again(world: World) -> None:
    key = str(world.product.run_json("api-key", "add", "--account", "default")["key"])
    url = f"http://{LOOPBACK}:{world.product.http_port}"
    people = [f"{name}@{destination(67)}" for name in ("a", "b", "c")]
    async with world.receiver(67) as host:
        with warnings.catch_warnings():
            # It warns of every key in clear text, also on loopback.
            warnings.simplefilter("ignore")
            with Client(auth=("api", key), api_url=url) as client:
                sent = {
                    "from": f"hello@{DOMAIN}",
                    "to": people,
                    "subject": "Followed",
                    "text": "Hi",
                    "o:tag": "followed",
                }
                answer = await asyncio.to_thread(client.messages.create, data=sent, domain=DOMAIN)
                assert answer.status_code == 200, answer.text
                streamed = await _all_of(client, 6)
                for ascending in ("yes", "no"):
                    facts = {"url": url, "key": key, "domain": DOMAIN, "query": QUERY | {"ascending": ascending}}
                    # What is younger than two seconds is not told in an ascending search, so that a page
                    # read while the events come of age may be short of its limit.
                    pages = await _pages(facts, 6)
                    sizes = [len(page) for page in pages]
                    assert sizes == [2, 2, 2] or (ascending == "yes" and set(sizes) <= {1, 2})
                    ids = [one["id"] for page in pages for one in page]
                    assert (ids if ascending == "no" else ids[::-1]) == [one["id"] for one in streamed]
                # Content is kept while its message waits.
                later = format_datetime(datetime.now(UTC) + timedelta(hours=1))
                waiting = sent | {"to": people[:1], "o:tag": "kept", "o:deliverytime": later}
                await asyncio.to_thread(client.messages.create, data=waiting, domain=DOMAIN)
                [kept] = await _all_of(client, 1, tag="kept")
                await asyncio.to_thread(_resend, client, kept["storage"]["url"], f"d@{destination(67)}")
                async with asyncio.timeout(20):
                    while len(host.messages) < 4:
                        await asyncio.sleep(0.05)
    assert sorted(str(one["event"]) for one in streamed) == ["accepted"] * 3 + ["delivered"] * 3


async def _all_of(client: Client, count: int, *, tag: str = "followed") -> list[dict[str, Any]]:
    """Return the events once there are so many, read by the generator of the library."""
    async with asyncio.timeout(20):
        while True:
            found = await asyncio.to_thread(
                lambda: list(client.events.stream(domain=DOMAIN, filters=QUERY | {"tags": tag}))
            )
            if len(found) >= count:
                return found
            await asyncio.sleep(0.2)


async def _pages(facts: dict[str, Any], count: int) -> list[list[dict[str, Any]]]:
    async with asyncio.timeout(20):
        while True:
            pages: list[list[dict[str, Any]]] = await asyncio.to_thread(run_node, "mailgun_events.mjs", facts)
            if sum(map(len, pages)) >= count:
                return pages
            await asyncio.sleep(0.5)


def _resend(client: Client, url: str, to: str) -> None:
    answer = client.resend_message.create(data={"to": [to]}, domain=DOMAIN, storage_url=url)
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == "Queued. Thank you."
