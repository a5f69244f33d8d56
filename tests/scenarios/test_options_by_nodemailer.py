"""The headers of message options as nodemailer writes, folds and encodes them."""

import asyncio
import email
import email.policy
import json
import time
from typing import Any

import pytest

from postroad.model.delivery import DeliveryState
from postroad.model.event import EventType
from postroad.model.ids import from_text
from postroad.model.options import CallbackFormat, OnMissing, TemplateName, TlsDemand
from tests.peers.node import run_node
from tests.scenarios.product import DOMAIN, PASSWORD, USERNAME
from tests.scenarios.world import World, destination, last_event, only_delivery
from tests.waiting import PROMISED_S

pytestmark = pytest.mark.peer("nsd", "node", "npm:nodemailer")

WIDE = "Zoë 山田"
DATA = {"order": {"id": 17, "paid": True, "lines": [1.5, None, WIDE]}, "filler": "word " * 60}


def message(number: int, headers: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "from": f"Shop <{USERNAME}>",
        "to": f"a@{destination(number)}",
        "subject": "By nodemailer",
        "text": "Hello.",
        "headers": headers,
    } | more


async def sent(world: World, *messages: dict[str, Any]) -> list[int | str]:
    """Return the id of each message, or the reply that refused it."""
    facts = {"port": world.product.submission_port, "user": USERNAME, "pass": PASSWORD, "messages": messages}
    outcomes = await asyncio.to_thread(run_node, "nodemailer.mjs", facts, 60)
    return [one["error"] if "error" in one else from_text(one["response"].rpartition(" ")[2]) for one in outcomes]


async def test_every_header_is_read_as_it_was_meant(world: World) -> None:
    variables = {f"a@{destination(79)}": {"name": WIDE, "nested": {"city": "Oslo"}}}
    options = message(
        79,
        {
            "X-OV-Tag": ["first", "second, Zoë"],
            "X-OV-Track": "yes",
            "X-OV-tracking_open": "no",
            "X-OV-Recipient-Variables": json.dumps(variables, ensure_ascii=False),
            "X-OV-Variables": json.dumps(DATA),
            "X-OV-Callback-URL": "https://hooks.example/a?b=c",
            "X-OV-Callback-Format": "sparkpost",
            "X-OV-Expires": str(int(time.time()) + 600),
        },
        subject="For %recipient.name%",
        html="<p>Dear %recipient.name% of %recipient.nested.city%</p>",
    )
    demanding = message(79, {"X-OV-Require-TLS": "encrypt", "X-OV-Expires": str(int(time.time()) + 12)})
    testing = message(79, {"X-OV-testmode": "on"})
    later = message(
        79, {"X-OV-Deliver-At": time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(time.time() + 3600))}
    )
    wrong = message(79, {"X-OV-Variables": '{"a": 1'})
    async with world.receiver(79) as host:
        first, second, third, fourth, refusal = await sent(world, options, demanding, testing, later, wrong)
        assert isinstance(first, int)
        assert isinstance(second, int)
        assert isinstance(third, int)
        assert isinstance(fourth, int)
        story = await world.finished(first)
        tested = await world.finished(third)
        scheduled = await world.story(fourth)
        ended = await world.finished(second)
    [received] = host.messages
    header, _, body = received.content.partition(b"\r\n\r\n")
    assert "山田".encode() in body or b"=E5=B1=B1" in body
    assert b"of Oslo" in body
    lines = header.decode().replace("\r\n ", " ").split("\r\n")
    # It writes all names in its own way: X-Ov-Variables.
    names = [line.partition(":")[0].lower() for line in lines]
    assert [name for name in names if name.startswith("x-ov-")] == ["x-ov-variables"]
    kept = story.message.options
    assert kept.tags == ("first", "second", "Zoë")
    assert (kept.tracks_clicks, kept.tracks_opens) == (True, None)
    assert kept.variables == DATA
    assert (kept.callback_url, kept.callback_format) == ("https://hooks.example/a?b=c", CallbackFormat.SPARKPOST)
    assert only_delivery(ended).options.tls is TlsDemand.ENCRYPT
    assert last_event(ended, EventType.BOUNCED).data["enhanced_status"] == "5.7.10"
    assert last_event(tested, EventType.DELIVERED).data["is_test"] is True
    assert only_delivery(scheduled).state is DeliveryState.SCHEDULED
    assert isinstance(refusal, str)
    assert refusal.lower().startswith("550 5.6.0 x-ov-variables is not json")


async def test_the_headers_of_templates_are_read_as_they_were_meant(world: World) -> None:
    html = "<h1>{{title}} %recipient.name%</h1><b>{{order.lines.[2]}}</b><i>%recipient.none%</i>"
    await asyncio.to_thread(
        world.product.run,
        "template",
        "add",
        "receipt",
        "--domain",
        DOMAIN,
        "--html",
        "-",
        "--tag",
        "spring",
        given=html,
    )
    options = message(
        69,
        {
            "X-OV-Template": "receipt.html:spring",
            "X-OV-Template-Variables": json.dumps(DATA | {"title": f"Für {WIDE}"}, ensure_ascii=False),
            "X-OV-tracking_click": "yes",
            "X-OV-Recipient-Variables": json.dumps({f"a@{destination(69)}": {"name": "<Ann>"}}),
            "X-OV-On-Missing": "keep",
            "X-OV-Escape-HTML": "true",
            "X-OV-Idempotency-Key": f"order 17 {WIDE} " + "k" * 200,
        },
        text="",
    )
    async with world.receiver(69) as host:
        first, again, other = await sent(world, options, options, options | {"subject": "Another"})
        assert isinstance(first, int)
        story = await world.finished(first)
    assert again == first
    assert isinstance(other, str)
    assert other.startswith("550 5.6.0 The idempotency key was used for another content")
    [received] = host.messages
    assert b"x-ov-" not in received.content.partition(b"\r\n\r\n")[0].lower()
    opened = email.message_from_bytes(received.content, policy=email.policy.default)
    assert opened["Subject"] == "By nodemailer"
    body = opened.get_body(("html",))
    assert body is not None
    assert body.get_content().strip() == (f"<h1>Für {WIDE} &lt;Ann&gt;</h1><b>{WIDE}</b><i>%recipient.none%</i>")
    kept = story.message.options
    assert kept.template == TemplateName("receipt", "1")
    assert (kept.tracks_clicks, kept.tracks_opens) == (True, None)
    assert (kept.on_missing, kept.escapes_html) == (OnMissing.KEEP, True)
    assert kept.idempotency_key == f"order 17 {WIDE} " + "k" * 200


async def test_by_content_its_repeats_are_known_whatever_it_makes_anew(world: World) -> None:
    """Each copy has a Message-ID, a Date and boundaries of its own."""
    parts = {
        "subject": f"Once {time.monotonic_ns()}",
        "html": "<p>Hello.</p>",
        "attachments": [{"filename": "a.bin", "content": "data", "contentType": "application/octet-stream"}],
    }
    copy = message(79, {}, **parts)
    other = message(79, {}, **parts | {"html": "<p>Hullo.</p>"})
    world.product.run("domain", "set", DOMAIN, "deduplicate=content")
    try:
        await asyncio.sleep(PROMISED_S)
        async with world.receiver(79) as host:
            first, *again, another = await sent(world, copy, copy, copy, other)
            assert isinstance(first, int)
            assert isinstance(another, int)
            await world.finished(first)
            await world.finished(another)
    finally:
        world.product.run("domain", "set", DOMAIN, "deduplicate=message_id")
    assert again == [first, first]
    assert another != first
    boundaries = {one.content.partition(b"boundary=")[2].split()[0] for one in host.messages}
    assert len(boundaries) == len(host.messages) == 2
