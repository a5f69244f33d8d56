"""Opportunistic TLS: used where it works, whoever vouches for it, and left where it does not."""

import ssl

import pytest
import trustme

from postroad.model.event import EventType
from tests.scenarios.world import World, destination, last_event, only_delivery

pytestmark = pytest.mark.peer("nsd")


@pytest.fixture(scope="module")
def tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("another-name.example").configure_cert(context)
    return context


async def test_a_certificate_that_nobody_vouches_for_still_encrypts_and_is_told(
    world: World, tls_context: ssl.SSLContext
) -> None:
    async with world.receiver(30, tls_context=tls_context) as host:
        story = await world.finished(world.submit(f"a@{destination(30)}"))

    facts = last_event(story, EventType.DELIVERED).data["tls"]
    assert [one.is_tls for one in host.messages] == [True]
    assert (facts["version"], facts["is_verified"]) == ("TLSv1.3", False)
    assert facts["cipher"].startswith("TLS_")


async def test_a_handshake_that_fails_leads_to_the_clear_within_the_attempt(world: World) -> None:
    async with world.receiver(31, breaks_handshake=True) as host:
        story = await world.finished(world.submit(f"a@{destination(31)}"))

    delivered = last_event(story, EventType.DELIVERED)
    assert [one.is_tls for one in host.messages] == [False]
    assert only_delivery(story).attempts == 1
    assert "tls" not in delivered.data
    assert any(note.startswith("sent in the clear: ") for note in delivered.data["notes"])


async def test_a_refused_starttls_leads_to_the_clear(world: World, tls_context: ssl.SSLContext) -> None:
    replies = {"STARTTLS": "454 4.7.0 TLS not available"}
    async with world.receiver(32, tls_context=tls_context, replies=replies) as host:
        story = await world.finished(world.submit(f"a@{destination(32)}"))

    assert [one.is_tls for one in host.messages] == [False]
    assert only_delivery(story).attempts == 1


async def test_replies_pushed_in_before_the_handshake_are_not_believed(
    world: World, tls_context: ssl.SSLContext
) -> None:
    """What somebody in the middle appends to the 220 must not be read as the server's word under TLS."""
    async with world.receiver(33, tls_context=tls_context, injects_at_starttls=b"250 2.0.0 Ok\r\n") as host:
        story = await world.finished(world.submit(f"a@{destination(33)}"))

    delivered = last_event(story, EventType.DELIVERED)
    assert len(host.messages) == 1
    assert host.messages[0].is_tls is ("tls" in delivered.data)
