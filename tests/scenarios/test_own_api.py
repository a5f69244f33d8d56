"""A program that uses our own API, from a dry run to the delivered message, with nothing but the standard library."""

import asyncio
import email
import email.policy
import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.peers.ports import LOOPBACK
from tests.scenarios.product import DOMAIN
from tests.scenarios.world import World, destination
from tests.waiting import within

pytestmark = pytest.mark.peer("nsd")

NUMBER = 59
LETTER: dict[str, Any] = {"from": f"Shop <hello@{DOMAIN}>", "subject": "Grüße", "text": "Hello %recipient.name%."}
PATH = "/api/postroad/v1/messages"


class Caller:
    """Calls a node's API."""

    def __init__(self, world: World) -> None:
        self._url = f"http://{LOOPBACK}:{world.product.http_port}"
        self._key = world.product.run_json("api-key", "add", "--domain", DOMAIN)["key"]

    def __call__(self, path: str, asked: dict[str, Any] | None = None, method: str = "GET", **headers: str) -> Any:
        """Return what a call is answered with; ``asked`` is posted."""
        body = None if asked is None else json.dumps(asked).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers |= {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, body, headers, method="POST" if body else method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)


def to(*names: str) -> dict[str, Any]:
    addresses = [f"{name}@{destination(NUMBER)}" for name in names]
    variables = {one: {"name": name.title()} for one, name in zip(addresses, names, strict=True)}
    return LETTER | {"to": addresses, "recipient_variables": variables}


async def test_a_message_is_looked_at_sent_repeated_followed_and_taken_back(each_world: World) -> None:
    async with each_world.receiver(NUMBER) as host:
        call = await asyncio.to_thread(Caller, each_world)
        await asyncio.to_thread(walk, call, each_world.database_url or "sqlite")
    taken = {one.recipients[0].partition("@")[0]: one.content for one in host.messages}
    assert sorted(taken) == ["ada", "bo", "cy", "di"]
    for name, content in taken.items():
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert (message["Subject"], message.get_content().strip()) == ("Grüße", f"Hello {name.title()}.")
        assert message["DKIM-Signature"]


def is_delivered(call: Caller, name: str) -> bool:
    return {one["state"] for one in call(f"{PATH}/{name}")["deliveries"]} == {"delivered"}


def walk(call: Caller, run: str) -> None:
    looked_at = call(f"{PATH}?dry_run=true&recipient=bo@{destination(NUMBER)}", to("ada", "bo"))
    [message] = looked_at["messages"]
    assert {one["result"] for one in message["checks"]} == {"passed"}
    assert [one["result"] for one in message["recipients"]] == ["sent", "sent"]
    assert [one["text"].strip() for one in message["copy"]["parts"]] == ["Hello Bo."]
    assert "DKIM-Signature" in [one["name"] for one in message["copy"]["header"]]

    named = {"Idempotency_Key": f"order 17 {run}"}
    sent = call(PATH, to("ada", "bo"), **named)
    assert call(PATH, to("ada", "bo"), **named) == sent
    assert call(PATH, to("ada"), **named)["status"] == 422
    batch = {"messages": [to("cy"), to("di")]}
    both = call(f"{PATH}/batch", batch, Idempotency_Key=f"pair {run}")
    assert call(f"{PATH}/batch", batch, Idempotency_Key=f"pair {run}") == both

    for one in (sent, *both["messages"]):
        within(20, partial(is_delivered, call, one["id"]))
    assert call(PATH, to("ada", "bo"), **named) == sent

    later = to("eve") | {"deliver_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    scheduled = call(PATH, later)["id"]
    assert call(f"{PATH}/{scheduled}/cancel", method="POST") == {"cancelled": 1}
    assert [one["state"] for one in call(f"{PATH}/{scheduled}")["deliveries"]] == ["cancelled"]
