"""A domain's life by commands alone: added, its records published, verified, sending, and given another key."""

import asyncio
import smtplib
from collections.abc import Iterator

import dkim
import dns.message
import dns.query
import pytest

from postroad.model.event import EventType
from postroad.net.clock import now_ms
from tests.scenarios.product import DOMAIN
from tests.scenarios.world import World, destination, last_event, running_world

pytestmark = pytest.mark.peer("nsd")


@pytest.fixture(scope="module")
def verifying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    settings = {"domains": {"verification": "on", "inbound_host": "in.node.test", "spf": ["ip4:192.0.2.1"]}}
    with running_world(tmp_path_factory.mktemp("verifying"), settings=settings, zones={DOMAIN: ""}) as running:
        yield running


def publish(world: World) -> None:
    shown = world.product.run_json("domain", "show", DOMAIN)
    world.authority.replace(DOMAIN, "\n".join(record["zone_line"] for record in shown["records"]))


def selectors_of(world: World) -> dict[str, str]:
    shown = world.product.run_json("domain", "show", DOMAIN)
    return {key["selector"]: key["state"] for key in shown["keys"]}


async def signed_with(world: World, number: int) -> list[str]:
    """Send a message and return the selectors of its signature, which has to hold against live DNS."""
    async with world.receiver(number) as host:
        story = await world.finished(world.submit(f"a@{destination(number)}"))
    [one] = host.messages
    assert dkim.verify(one.content, dnsfunc=lambda name, timeout=5: _live(world, name.decode()))
    names: list[str] = last_event(story, EventType.DELIVERED).data["selectors"]
    assert all(name.endswith(f"._domainkey.{DOMAIN}") for name in names)
    return [name.partition(".")[0] for name in names]


def _live(world: World, name: str) -> bytes | None:
    answer = dns.query.udp(dns.message.make_query(name, "TXT"), "127.0.0.1", 5, world.authority.port)
    for rrset in answer.answer:
        return b"".join(rrset[0].strings)
    return None


async def test_the_whole_way(verifying: World) -> None:
    world, began = verifying, now_ms()
    with pytest.raises(smtplib.SMTPDataError) as refused:
        world.submit(f"a@{destination(70)}")
    assert (refused.value.smtp_code, refused.value.smtp_error[:6]) == (550, b"5.7.1 ")
    assert (await world.refused_with("domain_not_active", began)).data["reverse_path"].endswith(DOMAIN)

    with pytest.raises(RuntimeError, match="MISSING"):
        world.product.run("domain", "verify", DOMAIN)
    publish(world)
    assert "is active." in world.product.run("domain", "verify", DOMAIN)
    await _until_it_may_send(world)
    assert await signed_with(world, 71) == ["postroad1"]

    world.product.run("domain", "rotate-dkim", DOMAIN)
    assert selectors_of(world) == {"postroad1": "active", "postroad2": "published"}
    assert await signed_with(world, 72) == ["postroad1"]
    publish(world)
    world.product.run("domain", "verify", DOMAIN)
    assert selectors_of(world) == {"postroad1": "retired", "postroad2": "active"}
    await _until_signed_with(world, "postroad2")


async def _until_it_may_send(world: World) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                world.submit("a@absent.field.test")
            except smtplib.SMTPDataError:
                await asyncio.sleep(0.1)
            else:
                return


async def _until_signed_with(world: World, selector: str) -> None:
    """The worker looks for changes every second; five are promised."""
    deadline = now_ms() + 5_000
    while await signed_with(world, 73) != [selector]:
        assert now_ms() < deadline
