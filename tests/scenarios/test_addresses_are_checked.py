"""Addresses are checked before mail goes to them, by the clients of three platforms as they are, and by command."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from mailgun.client import Client
from sendgrid import SendGridAPIClient

from tests.peers.node import run_node
from tests.peers.ports import LOOPBACK
from tests.scenarios.product import DOMAIN
from tests.scenarios.world import FIELD, World, destination, outcomes
from tests.waiting import within

pytestmark = pytest.mark.peer("nsd")

TAKEN, GONE = f"ann+x@{destination(93)}", f"bob@{destination(93)}"
EXPECTED = {
    TAKEN: ("deliverable", "Valid", "valid"),
    GONE: ("undeliverable", "Invalid", "undeliverable"),
    f"new@{destination(93)}": ("deliverable", "Valid", "valid"),
    f"new@implicit.{FIELD}": ("deliverable", "Valid", "valid"),
    f"sales@{destination(93)}": ("deliverable", "Risky", "risky"),
    f"a@nomail.{FIELD}": ("undeliverable", "Invalid", "undeliverable"),
    f"a@absent.{FIELD}": ("undeliverable", "Invalid", "undeliverable"),
    f"a@nowhere.{FIELD}": ("undeliverable", "Invalid", "undeliverable"),
    "a@broken.test": ("unknown", "Risky", "neutral"),
    "no address": ("undeliverable", "Invalid", "undeliverable"),
}


def url_of(world: World) -> str:
    return f"http://{LOOPBACK}:{world.product.http_port}"


def by_python(world: World, key: str, address: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check with the libraries from PyPI, of Mailgun and of SendGrid."""
    mailgun = Client(auth=("api", key), api_url=url_of(world))
    first = mailgun.addressvalidate.get(filters={"address": address}).json()
    assert first == mailgun.addressvalidate.create(data={"address": address}).json()
    sendgrid = SendGridAPIClient(key, host=url_of(world))
    second = sendgrid.client.validations.email.post(request_body={"email": address, "source": "signup"})
    return first, json.loads(second.body)["result"]


async def test_clients_are_told_what_dns_and_earlier_mail_say(postgres_world: World) -> None:
    world = postgres_world
    key = world.product.run_json("api-key", "add", "--domain", DOMAIN)["key"]
    async with world.receiver(93, replies={"RCPT": lambda line: "550 5.1.1 Nobody" if "bob" in line else None}):
        stories = [await world.finished(world.submit(one)) for one in (TAKEN, GONE)]
    assert [outcomes(one)[-1][0] for one in stories] == ["delivered", "bounced"]

    told = await asyncio.to_thread(
        run_node, "address_checks.mjs", {"url": url_of(world), "key": key, "addresses": list(EXPECTED)}
    )
    found = zip(told["mailgun"], told["sendgrid"], told["sparkpost"], strict=True)
    assert {
        address: (mailgun["result"], sendgrid["verdict"], sparkpost["result"])
        for address, (mailgun, sendgrid, sparkpost) in zip(EXPECTED, found, strict=True)
    } == EXPECTED
    by_address = dict(zip(EXPECTED, told["sparkpost"], strict=True))
    assert by_address[TAKEN]["delivery_confidence"] == 95
    assert by_address[GONE]["reason"] == "Invalid Recipient"
    mailgun, sendgrid = await asyncio.to_thread(by_python, world, key, TAKEN)
    assert (mailgun["result"], mailgun["address"]) == ("deliverable", TAKEN)
    assert (sendgrid["verdict"], sendgrid["source"], sendgrid["ip_address"]) == ("Valid", "signup", LOOPBACK)


async def test_a_list_is_checked_in_the_background(world: World) -> None:
    key = world.product.run_json("api-key", "add", "--account", "default")["key"]
    expected = {f"ann@{destination(93)}": "deliverable", f"a@nomail.{FIELD}": "undeliverable", "none": "undeliverable"}

    path, auth = f"{url_of(world)}/v4/address/validate/bulk/spring", ("api", key)

    def checked() -> list[dict[str, Any]]:
        sent = httpx2.post(path, auth=auth, files={"file": ("spring.csv", "\n".join(("email", *expected)))})
        assert sent.status_code == 202

        def done() -> dict[str, Any] | None:
            told: dict[str, Any] = httpx2.get(path, auth=auth).json()
            return told if told["status"] == "uploaded" else None

        found = within(20, done)
        assert found is not None
        results: list[dict[str, Any]] = httpx2.get(found["download_url"]["json"], auth=auth).json()
        return results

    assert {one["address"]: one["result"] for one in await asyncio.to_thread(checked)} == expected
    assert "spring.csv" in world.product.run("address", "files", "--account", "default")


async def test_the_command_says_the_same_and_ends_with_1_for_what_is_undeliverable(world: World) -> None:
    with pytest.raises(RuntimeError) as ended:
        world.product.run("address", "check", f"a@nomail.{FIELD}", f"a@{destination(94)}")

    told = str(ended.value)
    assert "address check" in told.splitlines()[0]
    assert ": 1" in told.splitlines()[0]
    assert f"a@nomail.{FIELD}" in told
    assert "undeliverable" in told
    assert "null-mx" in told
    assert f"a@{destination(94)}" in told
    assert " deliverable " in told
