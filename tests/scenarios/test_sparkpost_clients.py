"""Clients that were written for SparkPost, as they are: only host and key are ours."""

import asyncio
import email
import email.policy
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sparkpost import SparkPost
from sparkpost.exceptions import SparkPostAPIException

from postroad.model.delivery import DeliveryState
from postroad.model.ids import from_text
from postroad.storage.messages import Story
from tests.peers.node import run_node
from tests.peers.ports import LOOPBACK
from tests.peers.tls_front import tls_front
from tests.scenarios.product import DOMAIN
from tests.scenarios.receiver import Receiver
from tests.scenarios.world import World, destination

pytestmark = pytest.mark.peer("nsd")

WIDE = "Zoë 山田"
PNG = bytes(range(256)) * 3
SENDER = f"Shop Zoë <hello@{DOMAIN}>"
ANYMAIL = "anymail.backends.sparkpost.EmailBackend"
_KEYS: dict[int, str] = {}


def key_of(world: World) -> str:
    """Return an API key of the sending domain, made once for each node."""
    if id(world) not in _KEYS:
        _KEYS[id(world)] = world.product.run_json("api-key", "add", "--domain", DOMAIN)["key"]
    return _KEYS[id(world)]


def url_of(world: World) -> str:
    return f"http://{LOOPBACK}:{world.product.http_port}"


def opened(host: Receiver) -> list[EmailMessage]:
    """Return what a host received, in the order of the recipients."""
    taken = sorted(host.messages, key=lambda one: one.recipients)
    return [email.message_from_bytes(one.content, policy=email.policy.default) for one in taken]


def text_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).strip()


async def by_python(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, call: Any, key: str | None = None
) -> Any:
    """Call the library from PyPI, which knows https alone; returns what it returns, or the error that it raises."""
    async with tls_front(world.product.http_port, folder) as (port, bundle):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        client = SparkPost(key or key_of(world), f"{LOOPBACK}:{port}")
        try:
            return await asyncio.to_thread(call, client.transmissions)
        except SparkPostAPIException as error:
            return error


async def story_of(world: World, results: dict[str, Any]) -> Story:
    return await world.finished(from_text(results["id"]))


async def received(host: Receiver, count: int) -> list[EmailMessage]:
    async with asyncio.timeout(20):
        while len(host.messages) < count:
            await asyncio.sleep(0.05)
    return opened(host)


async def test_the_python_library_sends_texts_and_files(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to, cc, bcc = (f"{name}@{destination(10)}" for name in ("a", "b", "c"))
    (tmp_path / "rechnung-ü.pdf").write_bytes(PNG)
    (tmp_path / "logo.png").write_bytes(PNG)
    async with world.receiver(10) as host:
        results = await by_python(
            world,
            tmp_path,
            monkeypatch,
            lambda transmissions: transmissions.send(
                recipients=[{"address": {"email": to, "name": WIDE}}],
                cc=[cc],
                bcc=[bcc],
                from_email=SENDER,
                reply_to=f"Zoë <reply@{DOMAIN}>",
                subject="Für {{name}}",
                text="Grüße, {{name}}; %recipient% stays, {{ city or 'nowhere' }}\n",
                html='<p>{{name}} {{{name}}}</p>{{each items}}<b>{{loop_var.n}}</b>{{end}}<img src="cid:logo.png">',
                substitution_data={"name": "Zoë & Co", "items": [{"n": 1}, {"n": 2}]},
                custom_headers={"X-Custom": "for {{name}}"},
                attachments=[
                    {"name": "rechnung-ü.pdf", "type": "application/pdf", "filename": str(tmp_path / "rechnung-ü.pdf")}
                ],
                inline_images=[{"name": "logo.png", "type": "image/png", "filename": str(tmp_path / "logo.png")}],
                campaign="spring",
                metadata={"order": 17},
                track_opens=False,
                track_clicks=False,
            ),
        )
        assert results["total_accepted_recipients"] == 3, results
        assert results["total_rejected_recipients"] == 0
        story = await story_of(world, results)
    messages = opened(host)
    assert [one["To"].addresses[0].display_name for one in messages] == [WIDE] * 3
    assert {str(one["Cc"]) for one in messages} == {cc}
    message = messages[0]
    assert message["Subject"] == "Für Zoë & Co"
    assert message["From"].addresses[0].display_name == "Shop Zoë"
    assert str(message["Reply-To"]) == f"Zoë <reply@{DOMAIN}>"
    assert message["X-Custom"] == "for Zoë & Co"
    assert text_of(message, "plain") == "Grüße, Zoë & Co; %recipient% stays, nowhere"
    assert text_of(message, "html").startswith("<p>Zoë &amp; Co Zoë & Co</p><b>1</b><b>2</b>")
    image = next(part for part in message.walk() if part.get_content_type() == "image/png")
    assert (image["Content-ID"], image.get_payload(decode=True)) == ("<logo.png>", PNG)
    assert [part.get_filename() for part in message.iter_attachments() if part.get_filename()] == ["rechnung-ü.pdf"]
    assert story.message.channel == "sparkpost"
    assert story.message.options.tags == ("spring",)
    assert story.message.options.variables == {"order": 17}
    assert len(story.deliveries) == 3


async def test_recipients_get_their_own_substitutions(world: World) -> None:
    ann, bob = f"ann@{destination(11)}", f"bob@{destination(11)}"
    call = {
        "content": {
            "from": {"email": f"hello@{DOMAIN}", "name": "Shop for {{name}}"},
            "subject": "For {{name}}",
            "text": "{{if vip}}Dear{{else}}Hello{{end}} {{name}} of {{city}}; %recipient_email% stays",
            "html": '<a href="https://example.org/?u={{{id}}}">{{name}}</a> {{shared}}',
            "headers": {"X-Number": "n-{{id}}"},
        },
        "recipients": [
            {
                "address": {"email": ann, "name": "Ann"},
                "substitution_data": {"name": "A<nn>", "vip": True, "city": "Brno\nsecond line"},
                "metadata": {"id": "a-1"},
                "tags": ["one"],
            },
            {
                "address": {"email": bob, "header_to": f"{WIDE} <{bob}>"},
                "substitution_data": {"name": WIDE, "shared": "own"},
                "metadata": {"id": "b-2"},
                "tags": ["one"],
            },
        ],
        "substitution_data": {"city": "Praha", "shared": "all"},
        "metadata": {"campaign": {"number": 7}},
        "options": {"click_tracking": False, "open_tracking": False},
    }
    # The names that From shows differ, which makes two messages of it.
    together = call | {"content": call["content"] | {"from": SENDER}}  # type: ignore[operator]
    async with world.receiver(11) as host:
        [sent] = await by_node(world, together)
        results = sent["results"]
        assert (results["total_accepted_recipients"], results["total_rejected_recipients"]) == (2, 0), sent
        story = await story_of(world, results)
        assert {one.recipient for one in story.deliveries} == {ann, bob}
        first, second = await received(host, 2)
        assert [str(one["To"]) for one in (first, second)] == [f"Ann <{ann}>", f"{WIDE} <{bob}>"]
        assert [one["Subject"] for one in (first, second)] == ["For A<nn>", f"For {WIDE}"]
        assert [one["X-Number"] for one in (first, second)] == ["n-a-1", "n-b-2"]
        assert text_of(first, "plain").splitlines() == ["Dear A<nn> of Brno", "second line; %recipient_email% stays"]
        assert text_of(second, "plain") == f"Hello {WIDE} of Praha; %recipient_email% stays"
        assert text_of(first, "html") == '<a href="https://example.org/?u=a-1">A&lt;nn&gt;</a> all'
        assert text_of(second, "html") == f'<a href="https://example.org/?u=b-2">{WIDE}</a> own'
        assert json.loads(first["X-OV-Variables"]) == {"campaign": {"number": 7}, "id": "a-1"}
        [several] = await by_node(world, call)
        four = await received(host, 4)
    assert {one["From"].addresses[0].display_name for one in four} == {"Shop Zoë", "Shop for A<nn>", f"Shop for {WIDE}"}
    [found] = await by_node(world, shown=(several["results"]["id"],))
    assert found["results"]["transmission"]["num_rcpts"] == 2


async def by_node(world: World, *calls: dict[str, Any], shown: tuple[str, ...] = (), key: str | None = None) -> Any:
    """Send with the library from npm."""
    facts = {
        "url": url_of(world),
        "key": key or key_of(world),
        "calls": [{"transmission": one} for one in calls],
        "shown": shown,
    }
    return await asyncio.to_thread(run_node, "sparkpost.mjs", facts)


def plain(to: str, **more: Any) -> dict[str, Any]:
    """Return a call with little in it."""
    return {"recipients": [{"address": to}], "content": {"from": SENDER, "subject": "Plain", "text": "Hello."}} | more


async def test_clients_are_told_what_is_wrong(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    to = f"a@{destination(12)}"
    error = await by_python(
        world, tmp_path, monkeypatch, lambda transmissions: transmissions.send(recipients=[to]), key="no-such-key"
    )
    assert (error.status, error.errors) == (401, ["Unauthorized. Code: none Description: none \n"])
    error = await by_python(world, tmp_path, monkeypatch, lambda transmissions: transmissions.send(recipients=[to]))
    assert error.status == 422
    assert error.errors[0].startswith("required field is missing Code: 1400 Description: content.from is required")
    wrong = plain(to, content={"from": "x@other.example", "subject": "x", "text": "x"})
    nobody = plain("nobody")
    strange = plain(to, content={"from": SENDER, "subject": "x", "text": "\n{{if a}}x"})
    gone = plain(to, content={"from": SENDER, "template_id": "gone"})
    [foreign, none, broken, unknown] = await by_node(world, wrong, nobody, strange, gone)
    assert foreign["error"]["status"] == 400
    assert (foreign["error"]["errors"][0]["message"], foreign["error"]["errors"][0]["code"]) == (
        "Invalid domain",
        "7001",
    )
    assert (none["error"]["status"], none["error"]["errors"][0]["code"]) == (400, "5002")
    assert broken["error"]["status"] == 422
    [fault] = broken["error"]["errors"]
    assert (fault["code"], fault["part"], fault["line"]) == ("3000", "text", 2)
    assert (unknown["error"]["status"], unknown["error"]["errors"][0]["code"]) == (422, "1603")


async def test_recipients_that_are_none_are_left_out(world: World) -> None:
    to = f"a@{destination(12)}"
    async with world.receiver(12):
        [sent] = await by_node(world, plain(to) | {"recipients": [{"address": to}, {"address": "none"}, {}]})
        results = sent["results"]
        assert (results["total_accepted_recipients"], results["total_rejected_recipients"]) == (1, 2)
        assert sent["errors"][0]["code"] == "2000"
        assert [one["code"] for one in results["rcpt_to_errors"]] == ["1300", "1400"]
        await story_of(world, results)


async def test_what_is_scheduled_is_shown_and_deleted(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime.now(UTC) + timedelta(hours=2)
    call = plain(f"a@{destination(13)}", options={"start_time": at.isoformat(timespec="seconds")}, campaign_id="later")
    # Each sees another To, which makes two messages.
    double = call | {
        "recipients": [
            {"address": {"email": f"{name}@{destination(13)}", "header_to": f"list-{name}@{destination(13)}"}}
            for name in ("b", "c")
        ]
    }
    one, two = [sent["results"]["id"] for sent in await by_node(world, call, double)]
    shown = await by_python(world, tmp_path, monkeypatch, lambda transmissions: transmissions.get(one))
    assert (shown["id"], shown["state"], shown["campaign_id"]) == (one, "submitted", "later")
    assert datetime.fromisoformat(shown["options"]["start_time"]) == at.replace(microsecond=0)
    for name in (one, two):
        assert (
            await by_python(world, tmp_path, monkeypatch, lambda transmissions, id_=name: transmissions.delete(id_))
            is True
        )
    states = await by_node(world, shown=(one, two, "0000000000000"))
    assert [each["results"]["transmission"]["state"] for each in states[:2]] == ["Canceled", "Canceled"]
    assert states[1]["results"]["transmission"]["num_rcpts"] == 2
    assert states[2]["error"]["status"] == 404
    story = await world.story(from_text(one))
    assert [each.state for each in story.deliveries] == [DeliveryState.CANCELLED]
    other = world.product.run_json("api-key", "add", "--account", "default")["key"]
    assert (await by_node(world, shown=(one,), key=other))[0]["results"]["transmission"]["id"] == one


async def by_anymail(world: World, *given: dict[str, Any]) -> list[dict[str, Any]]:
    settings = {"SPARKPOST_API_KEY": key_of(world), "SPARKPOST_API_URL": f"{url_of(world)}/api/v1/"}
    facts = {"backend": ANYMAIL, "settings": settings, "messages": given}
    command = [sys.executable, "-m", "tests.peers.anymail_sender", json.dumps(facts)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert not done.returncode, done.stderr
    outcomes: list[dict[str, Any]] = json.loads(done.stdout)
    return outcomes


async def test_anymail_sends_together_and_in_a_batch(world: World) -> None:
    ann, bob, boss = (f"{name}@{destination(14)}" for name in ("ann", "bob", "boss"))
    together = {
        "subject": "Together",
        "body": "x",
        "from_email": SENDER,
        "to": [f"Ann <{ann}>", f'"Bob, B." <{bob}>'],
        "cc": [f"{WIDE} <{boss}>"],
        "reply_to": [f"reply@{DOMAIN}", f"Zoë <zoe@{DOMAIN}>"],
        "anymail": {"tags": ["one"], "metadata": {"campaign": 7}, "envelope_sender": f"bounces@{DOMAIN}"},
    }
    batch = {
        "subject": "For {{name}}",
        "body": "Hello {{name}}",
        "from_email": SENDER,
        "to": [f"Ann <{ann}>", f'"Bob, B." <{bob}>'],
        "html": "<p>Hello {{name}}</p>",
        "attachments": [["übersicht.txt", "Grüße", "text/plain"]],
        "anymail": {
            "merge_data": {ann: {"name": "Ann"}, bob: {"name": WIDE}},
            "merge_metadata": {ann: {"user": "a-1"}, bob: {"user": "b-2"}},
            "merge_headers": {ann: {"X-Own": "a"}, bob: {"X-Own": "b"}},
            "track_clicks": False,
        },
    }
    async with world.receiver(14) as host:
        [sent] = await by_anymail(world, together)
        assert sent["status"] == ["queued"], sent
        story = await world.finished(from_text(sent["message_id"]))
        messages = opened(host)
        assert {str(one["To"]) for one in messages} == {f'Ann <{ann}>, "Bob, B." <{bob}>'}
        assert {str(one["Cc"]) for one in messages} == {f"{WIDE} <{boss}>"}
        assert len(messages) == 3
        assert story.message.reverse_path == f"bounces@{DOMAIN}"
        assert str(messages[0]["Reply-To"]) == f"reply@{DOMAIN}, Zoë <zoe@{DOMAIN}>"
        host.messages.clear()
        [sent] = await by_anymail(world, batch)
        assert sent["recipients"] == {ann: "queued", bob: "queued"}, sent
        await world.finished(from_text(sent["message_id"]))
    first, second = opened(host)
    assert [str(one["To"]) for one in (first, second)] == [f"Ann <{ann}>", f'"Bob, B." <{bob}>']
    assert [one["Subject"] for one in (first, second)] == ["For Ann", f"For {WIDE}"]
    assert [one["X-Own"] for one in (first, second)] == ["a", "b"]
    assert [json.loads(one["X-OV-Variables"])["user"] for one in (first, second)] == ["a-1", "b-2"]
    [attached] = first.iter_attachments()
    assert (attached.get_filename(), attached.get_content().strip()) == ("übersicht.txt", "Grüße")


async def test_a_whole_message_and_a_stored_template_are_sent(world: World, tmp_path: Path) -> None:
    ann, bob = f"ann@{destination(15)}", f"bob@{destination(15)}"
    (tmp_path / "hello.html").write_text("<p>{{greeting}} {{name}}, {{address.email}}</p>")
    world.product.run_json("template", "add", "hello-sp", "--domain", DOMAIN, "--html", str(tmp_path / "hello.html"))
    whole = f"From: {SENDER}\nTo: someone@example.org\nSubject: Whole\n\nAs it is.\n"
    stored = {
        "content": {"template_id": "hello-sp"},
        "override": {"from": {"email": f"hello@{DOMAIN}", "name": "Zoë"}},
        "recipients": [
            {"address": {"email": one}, "substitution_data": {"name": name}}
            for one, name in ((ann, "Ann"), (bob, "Bob"))
        ],
        "substitution_data": {"greeting": "Hello"},
        "options": {"open_tracking": False},
    }
    async with world.receiver(15) as host:
        [sent] = await by_node(world, plain(ann, content={"email_rfc822": whole}))
        await story_of(world, sent["results"])
        [message] = opened(host)
        assert (message["To"], message["Subject"]) == ("someone@example.org", "Whole")
        host.messages.clear()
        [sent] = await by_node(world, stored)
        await story_of(world, sent["results"])
    first, second = opened(host)
    assert text_of(first, "html") == f"<p>Hello Ann, {ann}</p>"
    assert text_of(second, "html") == f"<p>Hello Bob, {bob}</p>"
