"""An API key over the doors of a running node: taken, refused by address, and revoked on every worker in five seconds."""

import json
import time
import urllib.error
import urllib.request

import pytest

from tests.peers.ports import LOOPBACK
from tests.scenarios.product import DOMAIN
from tests.scenarios.world import World

pytestmark = pytest.mark.peer("nsd")

PROMISED_S = 5.0
MANY = 20
"""New connections, which the kernel spreads over the workers: all on one of two is a chance of one in 500,000."""


def call(world: World, key: str) -> int:
    """Ask over a new connection what a key is, and return the status of the answer."""
    url = f"http://{LOOPBACK}:{world.product.http_port}/api/postroad/v1/key"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            assert json.load(reply)["domain"] == DOMAIN
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def all_within_promise(world: World, key: str, status: int) -> None:
    """Ask until many answers in a row have a status; after five seconds each has to."""
    deadline = time.monotonic() + PROMISED_S
    while any(call(world, key) != status for _ in range(MANY)):
        assert time.monotonic() < deadline, "it does not hold after five seconds"


def test_a_key_is_taken_restricted_and_revoked_on_every_worker(each_world: World) -> None:
    product = each_world.product
    added = product.run_json("api-key", "add", "--domain", DOMAIN)
    key, prefix = added["key"], added["prefix"]
    assert {call(each_world, key) for _ in range(MANY)} == {200}

    product.run("api-key", "allow-ip", prefix, "192.0.2.0/24")
    all_within_promise(each_world, key, 403)
    product.run("api-key", "allow-ip", prefix, "127.0.0.0/8")
    all_within_promise(each_world, key, 200)
    product.run("api-key", "remove", prefix, "--yes")
    all_within_promise(each_world, key, 401)

    assert key not in product.log.read_text()
    assert 'postroad_api_keys_total{result="address"}' in product.metrics()
