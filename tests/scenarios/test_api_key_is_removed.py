"""An API key over the doors of a running node: taken, refused by address, and revoked on every worker in five seconds."""

import json
import urllib.error
import urllib.request

import pytest

from tests.peers.ports import LOOPBACK
from tests.scenarios.product import DOMAIN
from tests.scenarios.world import World
from tests.waiting import on_every_worker, within_promise

pytestmark = pytest.mark.peer("nsd")


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


def everywhere(world: World, key: str, status: int) -> None:
    within_promise(lambda: on_every_worker(lambda: call(world, key) == status))


def test_a_key_is_taken_restricted_and_revoked_on_every_worker(postgres_world: World) -> None:
    product = postgres_world.product
    added = product.run_json("api-key", "add", "--domain", DOMAIN)
    key, prefix = added["key"], added["prefix"]
    everywhere(postgres_world, key, 200)

    product.run("api-key", "allow-ip", prefix, "192.0.2.0/24")
    everywhere(postgres_world, key, 403)
    product.run("api-key", "allow-ip", prefix, "127.0.0.0/8")
    everywhere(postgres_world, key, 200)
    product.run("api-key", "remove", prefix, "--yes")
    everywhere(postgres_world, key, 401)

    assert key not in product.log.read_text()
    assert 'postroad_api_keys_total{result="address"}' in product.metrics()
