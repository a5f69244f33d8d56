"""A recipient complains: the provider's report finds its way into the message's story and into the counters, once."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from postroad.model.event import EventType
from postroad.model.ids import text_of
from tests.feedback_reports import around
from tests.scenarios.product import DOMAIN
from tests.scenarios.test_metrics_move import samples
from tests.scenarios.world import World, destination, last_event, letter

pytestmark = pytest.mark.peer("nsd")

ANN, BOB, CY = (f"{name}@{destination(98)}" for name in ("ann", "bob", "cy"))
TAG = "winter-sale"


def complaints(world: World, *options: str) -> int:
    """Return how many complaints the counters have of the last hours."""
    found = world.product.run_json("stats", "show", "--domain", DOMAIN, *options)
    rows: list[dict[str, Any]] = found["tags"] if "tags" in found else found["periods"]
    return sum(one["by_type"].get("complained", 0) for one in rows if one.get("tag", TAG) == TAG)


def refused(world: World, report: bytes) -> str:
    """Hand a report in that is refused, and return the sentence."""
    command = [sys.executable, "-m", "postroad", "complaint", "read", "--config", str(world.product.configuration)]
    done = subprocess.run(command, input=report, capture_output=True, timeout=30, check=False)
    assert done.returncode == 1, done
    return done.stderr.decode()


async def test_a_complaint_is_told_of_the_recipient_and_counted_once(postgres_world: World, tmp_path: Path) -> None:
    world = postgres_world
    before, tagged = complaints(world), complaints(world, "--by", "tag")
    scraped = samples(world).get('postroad_feedback_reports_total{result="counted"}', 0.0)
    async with world.receiver(98) as host:
        content = letter(to=ANN, extra=f"X-OV-Tag: {TAG}\r\n")
        message_id = world.submit(ANN, BOB, content=content)
        await world.finished(message_id)
    [to_bob] = [one for one in host.messages if one.recipients == [BOB]]
    # As the receiving host stores it: with the envelope's return path on top.
    kept = f"Return-Path: <{to_bob.reverse_path}>\r\n".encode() + to_bob.content
    report = tmp_path / "report.eml"
    report.write_bytes(around(kept))

    said = [world.product.run_json("complaint", "read", str(report)) for _ in range(2)]

    assert [one["result"] for one in said] == ["counted", "repeated"]
    story = await world.story(message_id)
    event = last_event(story, EventType.COMPLAINED)
    assert [one.type for one in story.events].count(EventType.COMPLAINED) == 1
    assert (event.recipient, event.data["feedback_type"], event.data["tags"]) == (BOB, "abuse", [TAG])
    told = world.product.run("message", "show", text_of(message_id))
    assert f"complained  {BOB}  as abuse, reported by fbl.example/1.0" in told
    assert complaints(world) == before + 1
    assert complaints(world, "--tag", TAG.upper()) == complaints(world, "--by", "tag") == tagged + 1
    assert samples(world)['postroad_feedback_reports_total{result="counted"}'] == scraped + 1


async def test_a_provider_that_takes_every_address_out_is_understood(postgres_world: World) -> None:
    world = postgres_world
    async with world.receiver(98) as host:
        message_id = world.submit(ANN)
        await world.finished(message_id)
    redacted = host.messages[0].content.replace(b"@", b"=redacted=")
    world.product.run("complaint", "read", "-", given=around(redacted).decode("latin-1"))

    # It has one recipient only, so it was that one.
    assert last_event(await world.story(message_id), EventType.COMPLAINED).recipient == ANN


async def test_a_forged_identifier_changes_nothing(postgres_world: World) -> None:
    world = postgres_world
    forged = 'postroad_feedback_reports_total{result="forged"}'
    before, scraped = complaints(world), samples(world).get(forged, 0.0)
    async with world.receiver(98) as host:
        message_id = world.submit(CY)
        await world.finished(message_id)
    name = b"X-Postroad-ID: "
    at = host.messages[0].content.index(name) + len(name) + 20
    content = bytearray(host.messages[0].content)
    content[at] = ord("0") if content[at] != ord("0") else ord("1")

    assert "not signed by this installation" in refused(world, around(bytes(content)))
    assert complaints(world) == before
    assert EventType.COMPLAINED not in {one.type for one in (await world.story(message_id)).events}
    assert samples(world)[forged] == scraped + 1
