"""Delivery reports (RFC 3464) to the sender: when one is owed, what it says, and when there is none."""

import email
import email.policy
from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest

from postroad.model.event import EventType
from tests.scenarios.product import DOMAIN, USERNAME
from tests.scenarios.receiver import Received, Receiver
from tests.scenarios.world import World, destination, letter, running_world

pytestmark = pytest.mark.peer("nsd")

SENDERS = 50
"""The number of the host that takes the senders' own mail."""
REFUSING = {"RCPT": lambda _line: "550 5.1.1 No such user here"}
BODY = b"A body to be returned or not.\r\n"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A node whose sending domain has a mail host of its own."""
    zones = {DOMAIN: "@ MX 10 mx\nmx A 127.0.0.50"}
    with running_world(tmp_path_factory.mktemp("told"), zones=zones) as running:
        yield running


@pytest.fixture
async def inbox(told: World) -> AsyncIterator[Receiver]:
    async with told.receiver(SENDERS) as host:
        yield host


async def report_on(world: World, inbox: Receiver, message_id: int) -> EmailMessage:
    """Return the one report that a message led to, once that has been delivered."""
    await world.finished(message_id)
    [one] = await received(world, inbox, 1)
    assert (one.reverse_path, one.recipients) == ("", [USERNAME])
    parsed = email.message_from_bytes(one.content, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert parsed.get_content_type() == "multipart/report"
    return parsed


async def received(world: World, inbox: Receiver, count: int) -> list[Received]:
    import asyncio

    async with asyncio.timeout(15):
        while len(inbox.messages) < count:
            await asyncio.sleep(0.02)
    return inbox.messages


def status_of(report: EmailMessage) -> dict[str, str]:
    """Return the fields about the recipient."""
    [_, status, _] = report.iter_parts()
    assert status.get_content_type() == "message/delivery-status"
    _, recipient = status.get_payload()
    return {name.lower(): str(value) for name, value in recipient.items()}  # type: ignore[union-attr]


def returned(report: EmailMessage) -> tuple[str, str]:
    """Return the type and the text of the third part."""
    part = list(report.iter_parts())[2]
    return part.get_content_type(), part.as_string()


async def test_a_bounce_is_reported_to_the_reverse_path(told: World, inbox: Receiver) -> None:
    async with told.receiver(51, replies=REFUSING):
        message = told.submit(
            f"a@{destination(51)}",
            content=letter(to=f"a@{destination(51)}", subject="About reports", body=BODY),
            mail_options=["ENVID=order+2B17"],
            rcpt_options=[f"ORCPT=rfc822;alias@{destination(51)}"],
        )
        report = await report_on(told, inbox, message)

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


async def test_the_report_is_signed_by_the_sending_domain(told: World, inbox: Receiver) -> None:
    async with told.receiver(52, replies=REFUSING):
        report = await report_on(told, inbox, told.submit(f"a@{destination(52)}"))

    assert f"d={DOMAIN};" in str(report["DKIM-Signature"])


async def test_ret_full_returns_the_whole_message(told: World, inbox: Receiver) -> None:
    async with told.receiver(53, replies=REFUSING):
        content = letter(to=f"a@{destination(53)}", body=BODY)
        message = told.submit(f"a@{destination(53)}", content=content, mail_options=["RET=FULL"])
        report = await report_on(told, inbox, message)

    kind, text = returned(report)
    assert kind == "message/rfc822"
    assert BODY.decode().strip() in text


async def test_notify_never_means_never(told: World, inbox: Receiver) -> None:
    async with told.receiver(54, replies=REFUSING):
        message = told.submit(f"a@{destination(54)}", rcpt_options=["NOTIFY=NEVER"])
        await told.finished(message)

    assert await reports_about(told, message) == 0


async def test_notify_success_is_answered_where_the_next_hop_will_not(told: World, inbox: Receiver) -> None:
    async with told.receiver(55, extensions=["PIPELINING", "8BITMIME"]):
        message = told.submit(f"a@{destination(55)}", rcpt_options=["NOTIFY=SUCCESS,FAILURE"])
        report = await report_on(told, inbox, message)

    assert status_of(report)["action"] == "relayed"


async def test_notify_success_is_passed_on_to_a_next_hop_that_reports(told: World, inbox: Receiver) -> None:
    async with told.receiver(56) as host:
        options = ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;x@y.test"]
        message = told.submit(f"a@{destination(56)}", mail_options=["RET=HDRS", "ENVID=e1"], rcpt_options=options)
        await told.finished(message)

    [mail] = [line for line in host.commands if line.startswith("MAIL")]
    [rcpt] = [line for line in host.commands if line.startswith("RCPT")]
    assert mail.endswith(" RET=HDRS ENVID=e1")
    assert rcpt.endswith(" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x@y.test")
    assert await reports_about(told, message) == 0


async def test_a_report_that_cannot_be_delivered_is_reported_to_nobody(told: World, inbox: Receiver) -> None:
    inbox.replies["RCPT"] = lambda _line: "550 5.1.1 Nobody here either"
    async with told.receiver(57, replies=REFUSING):
        message = told.submit(f"a@{destination(57)}")
        story = await told.finished(message)
        [report] = await reports_of(told, message)
        ended = await told.finished(report)

    assert [event.type for event in ended.events] == [EventType.ACCEPTED, EventType.BOUNCED]
    assert await reports_of(told, report) == []
    assert story.message.is_report is False


async def test_a_domain_may_do_without_reports(told: World, inbox: Receiver) -> None:
    told.product.run("domain", "set", DOMAIN, "bounce_mail=off")
    try:
        async with told.receiver(58, replies=REFUSING):
            await settings_hold(told, bounce_mail=False)
            silent = told.submit(f"a@{destination(58)}")
            await told.finished(silent)
            asked_for = told.submit(f"b@{destination(58)}", rcpt_options=["NOTIFY=FAILURE"])
            report = await report_on(told, inbox, asked_for)
    finally:
        told.product.run("domain", "set", DOMAIN, "bounce_mail=on")

    assert status_of(report)["final-recipient"] == f"rfc822; b@{destination(58)}"
    assert await reports_about(told, silent) == 0


async def settings_hold(world: World, *, bounce_mail: bool) -> None:
    """Wait the one second within which workers look for changes."""
    import asyncio

    from postroad.storage import domains

    async with world.database() as database:
        assert (await database.read(domains.by_name, DOMAIN)).settings.bounce_mail is bounce_mail
    await asyncio.sleep(1.5)


async def reports_of(world: World, message_id: int) -> list[int]:
    """Return the ids of the reports that a message's deliveries led to."""
    from postroad.model.ids import text_of

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
