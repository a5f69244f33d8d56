"""A real Postfix takes mail and returns it later: its reports come over its own SMTP client to the inbound door."""

from collections.abc import Iterator

import pytest

from postroad.model.delivery import DeliveryState
from postroad.model.event import EventType
from postroad.storage.messages import Story
from tests.peers.ports import LOOPBACK
from tests.peers.postfix import ReceivingServer, receiving_server
from tests.scenarios.test_mail_comes_back import NUMBER, listed, returned
from tests.scenarios.world import World, host_of, last_event, letter, only_delivery
from tests.waiting import within

pytestmark = pytest.mark.peer("nsd", "postfix")

POST = "returns.example"


@pytest.fixture(scope="module")
def postfix(world: World) -> Iterator[ReceivingServer]:
    settings = {
        # It takes mail for anybody, as a gateway does that does not know who there is behind it.
        "smtpd_reject_unlisted_recipient": "no",
        "virtual_mailbox_maps": f"inline:{{ {{ ann@{POST} = inbox/ }} }}",
        "transport_maps": f"inline:{{ {{ filtered@{POST} = smtp:[{host_of(NUMBER)}]:{world.port} }} }}",
        "relayhost": f"[{LOOPBACK}]:{world.product.inbound_port}",
        "smtp_tls_security_level": "may",
        "smtp_tls_loglevel": "1",
        # What cannot be passed on at once is tried again soon, not after minutes.
        "queue_run_delay": "1s",
        "minimal_backoff_time": "1s",
        "maximal_backoff_time": "2s",
    }
    with receiving_server([POST], settings=settings) as server:
        yield server


def ended(story: Story) -> list[EventType]:
    """Return what became of it; until the node knows of the route it may try in vain."""
    return [one.type for one in story.events if one.type not in {EventType.ACCEPTED, EventType.DEFERRED}]


@pytest.fixture
def routed(world: World, postfix: ReceivingServer) -> Iterator[World]:
    """The node with a route to the Postfix."""
    world.product.run("route", "add", POST, LOOPBACK, "--port", str(postfix.port))
    yield world
    world.product.run("route", "remove", POST)


async def test_what_postfix_returns_ends_the_delivery(routed: World, postfix: ReceivingServer) -> None:
    message_id = routed.submit(f"gone@{POST}", content=letter(to=f"gone@{POST}"))
    story = await routed.story_when(
        message_id, lambda story: any(one.type is EventType.BOUNCED for one in story.events)
    )

    assert ended(story) == [EventType.DELIVERED, EventType.BOUNCED]
    bounced = last_event(story, EventType.BOUNCED).data
    assert (bounced["is_late"], bounced["bounce_class"], bounced["enhanced_status"]) == (True, "bad-mailbox", "5.1.1")
    assert bounced["shape"] == "rfc3464"
    assert only_delivery(story).state is DeliveryState.BOUNCED
    assert await listed(routed, f"gone@{POST}") == [("bounce", "returned")]
    # STARTTLS is offered, and Postfix takes it.
    assert f"TLS connection established to {LOOPBACK}" in postfix.log
    assert within(10, lambda: postfix.queued() == 0)


async def test_what_a_host_behind_it_refuses_comes_back_with_the_reason(
    routed: World, postfix: ReceivingServer
) -> None:
    refused = "554 5.7.1 Message rejected as spam by content filtering"
    async with routed.receiver(NUMBER, replies={"DOT": refused}):
        message_id = routed.submit(f"filtered@{POST}", content=letter(to=f"filtered@{POST}"))
        story = await routed.story_when(
            message_id, lambda story: any(one.type is EventType.BOUNCED for one in story.events)
        )

    bounced = last_event(story, EventType.BOUNCED).data
    assert (bounced["bounce_class"], bounced["code"], bounced["enhanced_status"]) == ("spam-related", 554, "5.7.1")
    assert refused.partition(" ")[2] in bounced["reply"]
    assert bounced["host"] == host_of(NUMBER)
    assert await listed(routed, f"filtered@{POST}") == []


async def test_a_report_of_success_is_noted(routed: World, postfix: ReceivingServer) -> None:
    noted = returned(routed, "noted")
    message_id = routed.submit(f"ann@{POST}", content=letter(to=f"ann@{POST}"), rcpt_options=["NOTIFY=SUCCESS,FAILURE"])
    await routed.finished(message_id)

    assert within(20, lambda: returned(routed, "noted") == noted + 1)
    story = await routed.story(message_id)
    assert ended(story) == [EventType.DELIVERED]
    assert only_delivery(story).state is DeliveryState.DELIVERED
