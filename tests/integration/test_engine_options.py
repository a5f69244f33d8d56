"""What a message's options change on its way through the engine: own copies, demands of TLS, test mode."""

import asyncio

import msgspec

from postroad.delivery.test_mode import NOTHING_LEFT
from postroad.model.delivery import DeliveryState
from postroad.model.message import Accepted
from postroad.model.options import DeliveryOptions, Options, TemplateName, TlsDemand
from postroad.model.outcome import Phase
from postroad.model.route import TlsRule
from postroad.storage import bodies, rendered
from postroad.storage import messages as message_rows
from postroad.storage.database import Database
from tests.integration.test_engine import (
    Rig,
    database,
    make_settings,
    rig,
    until,
)

__all__ = ["database", "rig"]

CONTENT = b"From: app@news.test\r\nSubject: For %recipient.n%\r\n\r\nDear %recipient.n%%recipient.gone%.\r\n"


async def accept(
    rig: Rig, *deliveries: tuple[str, DeliveryOptions], content: bytes = CONTENT, options: Options | None = None
) -> Accepted:
    """Accept a message with options for each of its recipients."""
    offered = rig.offer(*(recipient for recipient, _ in deliveries))
    rows = tuple(
        msgspec.structs.replace(row, options=own) for row, (_, own) in zip(offered.deliveries, deliveries, strict=True)
    )
    message = msgspec.structs.replace(offered.message, options=options or Options(), size=len(content))
    accepted = Accepted(message=message, content=content, deliveries=rows, events=())
    await rig.database.accept(accepted)
    return accepted


async def test_each_recipient_gets_a_copy_of_its_own_with_a_signature_of_its_own(rig: Rig) -> None:
    accepted = await accept(
        rig, *((f"r{number}@dest.test", DeliveryOptions(variables={"n": f"no. {number}"})) for number in range(30))
    )
    await rig.becomes(accepted, *[DeliveryState.DELIVERED] * 30)
    contents = {one.recipient: one.content for one in rig.agent.sent}
    for number in range(30):
        content = contents[f"r{number}@dest.test"]
        assert content.startswith(b"DKIM-Signature:")
        assert f"Subject: For no. {number}\r\n\r\nDear no. {number}.\r\n".encode() in content
    story = await rig.database.read(message_rows.show, accepted.message.id)
    assert story is not None
    assert {tuple(event.data["missing_variables"]) for event in story.events} == {("recipient.gone",)}


async def test_a_copy_that_can_never_be_made_bounces_at_once_and_its_sender_is_told(rig: Rig) -> None:
    much = DeliveryOptions(variables={"n": "x" * 600_000})
    accepted = await accept(rig, ("much@dest.test", much), ("some@dest.test", DeliveryOptions(variables={"n": "x"})))
    await rig.becomes(accepted, DeliveryState.BOUNCED, DeliveryState.DELIVERED)
    story = await rig.database.read(message_rows.show, accepted.message.id)
    assert story is not None
    (bounced,) = [event.data for event in story.events if event.type.value == "bounced"]
    assert bounced["reply"] == "5.6.0 the values of this recipient add more than 1048576 characters to the message"
    assert (bounced["attempt"], bounced["bounce_class"]) == (1, "content-related")

    async def is_told() -> bool:
        return any(one.recipient == "app@news.test" for one in rig.agent.sent)

    await until(is_told)
    report = next(one for one in rig.agent.sent if one.recipient == "app@news.test")
    assert b"Final-Recipient: rfc822; much@dest.test" in report.content


async def test_what_may_be_cured_is_deferred(rig: Rig) -> None:
    # A rig serves no templates: another node may.
    accepted = await accept(rig, ("a@dest.test", DeliveryOptions()), options=Options(template=TemplateName("order")))

    async def is_settled() -> bool:
        return (await rig.rows(accepted))[0].attempts == 1

    await until(is_settled)
    (row,) = await rig.rows(accepted)
    assert row.state is DeliveryState.SCHEDULED
    assert row.last_reply == "4.3.5 the message asks for a stored template, and none are served here"


async def test_a_demand_of_tls_goes_apart_and_its_failure_is_its_own(rig: Rig) -> None:
    rig.agent.answer = lambda transmission: (
        (Phase.STARTTLS, 454, "no TLS today")
        if transmission.recipient.startswith("tls")
        else (Phase.FINAL_DOT, 250, "ok")
    )
    encrypt, verify = DeliveryOptions(tls=TlsDemand.ENCRYPT), DeliveryOptions(tls=TlsDemand.VERIFY)
    rig.agent.hold.clear()
    first = await accept(
        rig, ("tls1@dest.test", encrypt), ("tls2@dest.test", verify), ("a@dest.test", DeliveryOptions(tags=("x",)))
    )
    rig.agent.hold.set()
    await rig.becomes(first, DeliveryState.SCHEDULED, DeliveryState.SCHEDULED, DeliveryState.DELIVERED)
    assert {route.tls_rule for route, _ in rig.agent.batches} == {
        TlsRule.ENCRYPT, TlsRule.VERIFY, TlsRule.OPPORTUNISTIC
    }  # fmt: skip
    story = await rig.database.read(message_rows.show, first.message.id)
    assert story is not None
    deferred = [event.data for event in story.events if event.type.value == "deferred"]
    assert {(data["scope"], data["enhanced_status"]) for data in deferred} == {("recipient", "4.7.10")}
    assert all("the sender demands an encrypted connection" in data["reply"] for data in deferred)
    # The site is neither paused nor slowed down: others go on at once.
    second = await rig.accept("b@dest.test")
    await rig.becomes(second, DeliveryState.DELIVERED)


async def test_nothing_leaves_in_test_mode_and_what_would_have_left_is_kept(rig: Rig) -> None:
    options = DeliveryOptions(is_test=True, tags=("t",), variables={"n": "Ada"})
    accepted = await accept(rig, ("a@nowhere.test", options))
    await rig.becomes(accepted, DeliveryState.DELIVERED)
    assert rig.agent.sent == []
    assert rig.finder.known == {}
    assert rig.meter.counts == []
    (delivery,) = await rig.rows(accepted)
    content = await rig.database.read(rendered.get, delivery.id)
    assert content is not None
    assert content.startswith(b"DKIM-Signature:")
    assert content.endswith(b"Subject: For Ada\r\n\r\nDear Ada.\r\n")
    story = await rig.database.read(message_rows.show, accepted.message.id)
    assert story is not None
    (event,) = story.events
    assert (event.data["is_test"], event.data["tags"], event.data["reply"]) == (True, ["t"], NOTHING_LEFT)
    assert event.data["selectors"] == ["pr1._domainkey.news.test"]
    await rig.database.write(bodies.delete_of, [accepted.message.id])
    assert await rig.database.read(rendered.get, delivery.id) is None


async def test_test_mode_goes_on_while_the_site_is_paused(rig: Rig) -> None:
    rig.agent.answer = lambda transmission: (Phase.CONNECT, 0, "connection refused")
    await rig.becomes(await rig.accept("a@dest.test"), DeliveryState.SCHEDULED)
    accepted = await accept(rig, ("b@dest.test", DeliveryOptions(is_test=True)))
    await rig.becomes(accepted, DeliveryState.DELIVERED)


async def test_copies_for_a_thousand_are_made_no_faster_than_they_leave(database: Database) -> None:
    """All sessions together hold no more than the content budget: a copy is made when there is room for it."""
    room = 1_000_000
    rig = Rig(database, make_settings(content_bytes=room, sessions=100, first_sessions=20, sessions_per_site=20))
    await rig.start()
    try:
        content = CONTENT + b"<p>fifty kilobytes of newsletter</p>\r\n" * 1_400
        assert len(content) > 50_000
        rig.agent.hold.clear()
        accepted = await accept(
            rig,
            *((f"r{number}@dest.test", DeliveryOptions(variables={"n": str(number)})) for number in range(1_000)),
            content=content,
        )
        most = room // len(content)

        async def is_full() -> bool:
            return sum(count for _, count in rig.agent.batches) >= most - 5

        await until(is_full)
        await asyncio.sleep(0.2)
        assert sum(count for _, count in rig.agent.batches) <= most
        rig.agent.hold.set()

        async def is_over() -> bool:
            return len(rig.agent.sent) == 1_000

        await until(is_over, within_s=60)
        assert len({one.content for one in rig.agent.sent}) == 1_000
        await rig.becomes(accepted, *[DeliveryState.DELIVERED] * 1_000)
    finally:
        await rig.stop()
