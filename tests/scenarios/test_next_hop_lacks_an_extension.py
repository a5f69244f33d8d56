"""A receiving host without SMTPUTF8 or 8BITMIME."""

import pytest

from postroad.model.event import EventType
from tests.scenarios.product import USERNAME
from tests.scenarios.world import World, destination, last_event, letter

pytestmark = pytest.mark.peer("nsd")

BARE = ["PIPELINING", "SIZE"]
UTF8_SUBJECT = letter(subject="Grüße", header_from=USERNAME).replace(b"\r\n\r\n", b"\r\n\r\n", 1)


async def test_mail_that_needs_smtputf8_is_bounced(world: World) -> None:
    async with world.receiver(60, extensions=[*BARE, "8BITMIME"]) as host:
        message = world.submit(f"a@{destination(60)}", content=UTF8_SUBJECT, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        story = await world.finished(message)

    bounced = last_event(story, EventType.BOUNCED)
    assert bounced.data["enhanced_status"] == "5.6.7"
    assert host.messages == []


@pytest.mark.parametrize("parameters", [[], ["SMTPUTF8"]], ids=["plain", "smtputf8"])
async def test_options_in_utf8_need_no_smtputf8(world: World, parameters: list[str]) -> None:
    content = letter(extra='X-OV-Tag: Grüße\r\nX-OV-Variables: {"name": "Åse"}\r\n')
    async with world.receiver(60, extensions=[*BARE, "8BITMIME"]) as host:
        story = await world.finished(world.submit(f"b@{destination(60)}", content=content, mail_options=parameters))

    assert story.message.options.tags == ("Grüße",)
    [one] = host.messages
    assert b'\r\nX-OV-Variables: {"name": "\\u00c5se"}\r\n' in one.content


@pytest.mark.parametrize("local", ["jürgen", "نامه\u200cای", "\U0001fae9"], ids=["letter", "joiner", "new"])
async def test_mail_that_needs_smtputf8_is_delivered_where_it_is_offered(world: World, local: str) -> None:
    async with world.receiver(61) as host:
        message = world.submit(
            f"{local}@{destination(61)}", content=UTF8_SUBJECT, mail_options=["SMTPUTF8", "BODY=8BITMIME"]
        )
        await world.finished(message)

    [one] = host.messages
    assert one.recipients == [f"{local}@{destination(61)}"]
    assert "Subject: Grüße\r\n".encode() in one.content


async def test_eight_bit_content_is_sent_as_it_is_and_noted(world: World) -> None:
    body = "Grüße in acht Bit\r\n".encode()
    async with world.receiver(62, extensions=BARE) as host:
        content = letter(
            extra="MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
            body=body,
        )
        story = await world.finished(
            world.submit(f"a@{destination(62)}", content=content, mail_options=["BODY=8BITMIME"])
        )

    [one] = host.messages
    assert one.content.endswith(b"\r\n\r\n" + body)
    assert "8-bit content sent to a host without 8BITMIME" in last_event(story, EventType.DELIVERED).data["notes"]


async def test_a_host_that_knows_only_helo_gets_the_mail(world: World) -> None:
    async with world.receiver(63, replies={"EHLO": "502 5.5.1 What?"}) as host:
        await world.finished(world.submit(f"a@{destination(63)}"))

    assert len(host.messages) == 1
