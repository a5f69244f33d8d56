"""Delivery reports (RFC 3464) to the sender: when one is owed, what it says, and when there is none."""

import email
import email.policy
import time
from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest

from postroad.model.event import EventType
from postroad.model.ids import text_of
from tests.scenarios.product import DOMAIN, USERNAME
from tests.scenarios.receiver import Receiver
from tests.scenarios.world import World, destination, letter

pytestmark = pytest.mark.peer("nsd")

SENDERS = 50
"""The number of the host that takes the senders' own mail."""
REFUSING = {"RCPT": lambda _line: "550 5.1.1 No such user here"}
BODY = b"A body to be returned or not.\r\n"


@pytest.fixture
async def inbox(world: World) -> AsyncIterator[Receiver]:
    async with world.receiver(SENDERS) as host:
        yield host


async def report_on(world: World, inbox: Receiver, message_id: int) -> EmailMessage:
    """Return the one report that a message led to, once that has been delivered."""
    await world.finished(message_id)
    [report_id] = await reports_of(world, message_id)
    await world.finished(report_id)
    [one] = [one for one in inbox.messages if f"Message-ID: <{text_of(report_id)}@".encode() in one.content]
    assert (one.reverse_path, one.recipients) == ("", [USERNAME])
    parsed = email.message_from_bytes(one.content, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert parsed.get_content_type() == "multipart/report"
    return parsed


def status_of(report: EmailMessage) -> dict[str, str]:
    """Return the fields about the recipient."""
    _, status, _ = list(report.iter_parts())
    assert status.get_content_type() == "message/delivery-status"
    _, recipient = status.iter_parts()
    return {name.lower(): str(value) for name, value in recipient.items()}


def returned(report: EmailMessage) -> tuple[str, str]:
    """Return the type and the text of the third part."""
    part = list(report.iter_parts())[2]
    return part.get_content_type(), part.as_string()


async def test_a_bounce_is_reported_to_the_reverse_path(world: World, inbox: Receiver) -> None:
    async with world.receiver(51, replies=REFUSING):
        message = world.submit(
            f"a@{destination(51)}",
            content=letter(to=f"a@{destination(51)}", subject="About reports", body=BODY),
            mail_options=["ENVID=order+2B17"],
            rcpt_options=[f"ORCPT=rfc822;alias@{destination(51)}"],
        )
        report = await report_on(world, inbox, message)

    fields = status_of(report)
    assert (fields["action"], fields["status"]) == ("failed", "5.1.1")
    assert fields["final-recipient"] == f"rfc822; a@{destination(51)}"
    assert fields["original-recipient"] == f"rfc822; alias@{destination(51)}"
    assert fields["diagnostic-code"] == "smtp; 550 5.1.1 No such user here"
    assert fields["remote-mta"] == "dns; mx51.field.test"
    assert "Original-Envelope-Id: order+17" in report.as_string()
    assert report["Auto-Submitted"] == "auto-replied"
    kind, text = returned(report)
    assert kind == "text/rfc822-headers"
    assert "Subject: About reports" in text
    assert BODY.decode().strip() not in text


async def test_the_report_is_signed_by_the_sending_domain(world: World, inbox: Receiver) -> None:
    async with world.receiver(52, replies=REFUSING):
        report = await report_on(world, inbox, world.submit(f"a@{destination(52)}"))

    assert f"d={DOMAIN};" in str(report["DKIM-Signature"])


async def test_ret_full_returns_the_whole_message(world: World, inbox: Receiver) -> None:
    async with world.receiver(53, replies=REFUSING):
        content = letter(to=f"a@{destination(53)}", body=BODY)
        message = world.submit(f"a@{destination(53)}", content=content, mail_options=["RET=FULL"])
        report = await report_on(world, inbox, message)

    kind, text = returned(report)
    assert kind == "message/rfc822"
    assert BODY.decode().strip() in text


async def test_notify_never_means_never(world: World, inbox: Receiver) -> None:
    async with world.receiver(54, replies=REFUSING):
        message = world.submit(f"a@{destination(54)}", rcpt_options=["NOTIFY=NEVER"])
        await world.finished(message)

    assert await reports_about(world, message) == 0


async def test_notify_success_is_answered_where_the_next_hop_will_not(world: World, inbox: Receiver) -> None:
    async with world.receiver(55, extensions=["PIPELINING", "8BITMIME"]):
        message = world.submit(f"a@{destination(55)}", rcpt_options=["NOTIFY=SUCCESS,FAILURE"])
        report = await report_on(world, inbox, message)

    assert status_of(report)["action"] == "relayed"


async def test_notify_success_is_passed_on_to_a_next_hop_that_reports(world: World, inbox: Receiver) -> None:
    async with world.receiver(56) as host:
        options = ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;x@y.test"]
        message = world.submit(f"a@{destination(56)}", mail_options=["RET=HDRS", "ENVID=e1"], rcpt_options=options)
        await world.finished(message)

    [mail] = [line for line in host.commands if line.startswith("MAIL")]
    [rcpt] = [line for line in host.commands if line.startswith("RCPT")]
    assert mail.endswith(" RET=HDRS ENVID=e1")
    assert rcpt.endswith(" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y.test")
    assert await reports_about(world, message) == 0


async def test_a_report_that_cannot_be_delivered_is_reported_to_nobody(world: World, inbox: Receiver) -> None:
    inbox.replies["RCPT"] = lambda _line: "550 5.1.1 Nobody here either"
    async with world.receiver(57, replies=REFUSING):
        message = world.submit(f"a@{destination(57)}")
        story = await world.finished(message)
        [report] = await reports_of(world, message)
        ended = await world.finished(report)

    assert [event.type for event in ended.events] == [EventType.ACCEPTED, EventType.BOUNCED]
    # What is marked so is counted nowhere and posted to nobody.
    assert all(event.is_of_report for event in ended.events)
    assert not any(event.is_of_report for event in story.events)
    assert await reports_of(world, report) == []
    assert story.message.is_report is False


async def test_a_domain_may_do_without_reports(world: World, inbox: Receiver) -> None:
    world.product.run("domain", "set", DOMAIN, "bounce_mail=off")
    try:
        async with world.receiver(58, replies=REFUSING):
            silent = await first_without_report(world)
            asked_for = world.submit(f"b@{destination(58)}", rcpt_options=["NOTIFY=FAILURE"])
            report = await report_on(world, inbox, asked_for)
    finally:
        world.product.run("domain", "set", DOMAIN, "bounce_mail=on")

    assert status_of(report)["final-recipient"] == f"rfc822; b@{destination(58)}"
    assert await reports_about(world, silent) == 0


async def first_without_report(world: World) -> int:
    """Send bounces until the setting holds, within five seconds, and return the first that led to no report."""
    deadline = time.monotonic() + 5
    while True:
        # Another one each time: an address that is gone is suppressed from then on.
        to = f"a{time.monotonic_ns()}@{destination(58)}"
        message = world.submit(to, rcpt_options=["ORCPT=rfc822;quiet@example.net"])
        await world.finished(message)
        if await reports_about(world, message) == 0:
            return message
        assert time.monotonic() < deadline


async def reports_of(world: World, message_id: int) -> list[int]:
    """Return the ids of the reports that a message's deliveries led to."""
    story = await world.story(message_id)
    deliveries = {text_of(one.id) for one in story.deliveries}
    accepted = await world.events_since(story.message.accepted_at, EventType.ACCEPTED)
    return [
        event.message_id
        for event in accepted
        if event.data.get("report_on") in deliveries and event.message_id is not None
    ]


async def reports_about(world: World, message_id: int) -> int:
    """Return how many reports a finished message led to: they are stored with its end."""
    return len(await reports_of(world, message_id))
