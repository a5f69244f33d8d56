"""A recipient opens, follows a link and unsubscribes: what leaves, what the door answers, and what is known afterwards."""

import asyncio
import email
import email.policy
import http.client
import re
import time
from email.message import EmailMessage

import pytest

from postroad.model.event import EventType
from postroad.model.ids import text_of
from tests.scenarios.product import DOMAIN, USERNAME
from tests.scenarios.test_metrics_move import samples
from tests.scenarios.world import World, destination, states

pytestmark = pytest.mark.peer("nsd")

HOST = "t.node.test"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
URL = "https://shop.example/ü?a=1&b=%26#part"
LINK = re.compile(rf"http://{re.escape(HOST)}/([ocu])/[\w-]+")
_UNTIL_S = 20.0


def message(to: str) -> bytes:
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"], made["To"], made["Subject"] = USERNAME, to, "A sale"
    made["X-OV-Track"], made["X-OV-Unsubscribe"], made["X-OV-Tag"] = "yes", "yes", "sale"
    made.set_content("Leave: %unsubscribe_url%\n")
    html = f'<p>Grüße <a href="{URL.replace("&", "&amp;")}">Laden</a> <a href="%tag_unsubscribe_url%">leave</a></p>'
    made.add_alternative(html, subtype="html")
    return made.as_bytes()


def ask(world: World, link: str, method: str = "GET", body: str | None = None) -> http.client.HTTPResponse:
    """Ask the node for a link, as if its host led there."""
    connection = http.client.HTTPConnection("127.0.0.1", world.product.http_port, timeout=10)
    headers = {"Host": HOST, "User-Agent": AGENT, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request(method, link.removeprefix(f"http://{HOST}"), body, headers)
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply


def parts_of(content: bytes) -> tuple[EmailMessage, str, str]:
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    assert text is not None
    assert html is not None
    return parsed, text.get_content(), html.get_content()


async def test_what_a_recipient_does_comes_back_to_the_message(each_world: World) -> None:
    world = each_world
    ann, bob = (f"{name}@{destination(99)}" for name in ("ann", "bob"))
    async with world.receiver(99) as host:
        message_id = world.submit(ann, bob, content=message(ann))
        await world.finished(message_id)
        copies = {one.recipients[0]: parts_of(one.content) for one in host.messages}
        delivered = time.monotonic()
        header, text, html = copies[ann]
        clicked, opened = (next(one[0] for one in LINK.finditer(html) if one[1] == kind) for kind in "co")
        left = LINK.search(text)
        assert left is not None
        offered = re.fullmatch(
            rf"<{re.escape(left[0])}>, <mailto:(\S+)\?subject=unsubscribe>", header["List-Unsubscribe"]
        )
        assert offered is not None
        assert re.fullmatch(rf"unsubscribe\+[0-9a-z]{{42}}@rp\.{re.escape(DOMAIN)}", offered[1])
        assert "list-unsubscribe:" in " ".join(header["DKIM-Signature"].split()).lower().replace(" ", "")
        assert clicked not in copies[bob][2]
        assert [one[1] for one in LINK.finditer(html)] == ["c", "u", "o"]

        # At once, as filters do; and again when a person could.
        assert ask(world, clicked).getheader("Location") == "https://shop.example/%C3%BC?a=1&b=%26#part"
        await asyncio.sleep(delivered + 11 - time.monotonic())
        assert ask(world, clicked).status == 302
        assert ask(world, opened).getheader("Content-Type") == "image/gif"
        assert ask(world, clicked, "HEAD").status == 302
        assert ask(world, left[0]).status == 200
        story = await world.story_when(message_id, lambda story: _count(story.events) == 4)
        assert [
            (one.type.value, one.data["verdict"], one.data.get("evidence"))
            for one in story.events
            if one.type in {EventType.OPENED, EventType.CLICKED}
        ] == [
            ("clicked", "machine", ["at-delivery"]),
            ("clicked", "human", None),
            ("opened", "human", None),
            ("clicked", "machine", ["head-request"]),
        ]
        assert {one.recipient for one in story.events if "verdict" in one.data} == {ann}

        # To look at the page changed nothing; the mail client's button does.
        again = world.submit(ann, content=message(ann))
        assert states(await world.finished(again)) == {ann: "delivered"}
        assert ask(world, left[0], "POST", "List-Unsubscribe=One-Click").status == 200
        assert ask(world, left[0], "POST", "List-Unsubscribe=One-Click").status == 200
        last = world.submit(ann, bob, content=message(ann))
        assert states(await world.finished(last)) == {ann: "suppressed", bob: "delivered"}

    [entry] = world.product.run_json("suppression", "show", ann, "--domain", DOMAIN)
    assert (entry["kind"], entry["way"]) == ("unsubscribe", "one-click")
    told = world.product.run("message", "show", text_of(message_id))
    assert "with Firefox on Linux  by a machine: at-delivery" in told
    assert "unsubscribed  " + ann in told
    assert told.count("unsubscribed  ") == 1


def _count(found: object) -> int:
    assert isinstance(found, list | tuple)
    return sum(one.type in {EventType.OPENED, EventType.CLICKED} for one in found)


async def test_a_destination_that_is_taken_down_answers_410_in_mail_that_has_left(world: World) -> None:
    cy = f"cy@{destination(99)}"
    async with world.receiver(99) as host:
        await world.finished(world.submit(cy, content=message(cy)))
    clicked = next(one[0] for one in LINK.finditer(parts_of(host.messages[0].content)[2]) if one[1] == "c")
    refused = 'postroad_tracker_requests_total{result="blocked"}'
    before = samples(world).get(refused, 0.0)

    world.product.run("tracking", "block", "shop.example", "--reason", "stolen")
    await _until(lambda: ask(world, clicked).status == 410)
    assert samples(world)[refused] > before
    assert "stolen" in world.product.run("tracking", "list")
    world.product.run("tracking", "unblock", "shop.example")
    await _until(lambda: ask(world, clicked).status == 302)


async def test_links_of_an_earlier_key_and_forged_ones(world: World) -> None:
    di = f"di@{destination(99)}"
    async with world.receiver(99) as host:
        await world.finished(world.submit(di, content=message(di)))
    clicked = next(one[0] for one in LINK.finditer(parts_of(host.messages[0].content)[2]) if one[1] == "c")
    world.product.run("tracking", "rotate-key")
    await asyncio.sleep(2)

    assert ask(world, clicked).status == 302
    assert ask(world, clicked[:-1]).status == 404
    assert ask(world, clicked.replace("/c/", "/u/")).status == 404


async def _until(condition: object) -> None:
    deadline = time.monotonic() + _UNTIL_S
    assert callable(condition)
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
