"""Clients that were written for Mailgun, as they are: only host and key are ours."""

import asyncio
import base64
import email
import email.policy
import json
import subprocess
import sys
import time
import warnings
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
import requests
from mailgun.client import Client

from postroad.model.delivery import DeliveryState
from postroad.model.event import EventType
from postroad.model.options import OnMissing
from postroad.storage import messages
from postroad.storage.messages import MessageSelector
from tests.peers.node import run_node
from tests.peers.ports import LOOPBACK
from tests.scenarios.product import DOMAIN
from tests.scenarios.receiver import Receiver
from tests.scenarios.world import World, destination, last_event
from tests.waiting import PROMISED_S

pytestmark = pytest.mark.peer("nsd")

WIDE = "Zoë 山田"
PNG = bytes(range(256)) * 3
SENDER = f"Shop Zoë <hello@{DOMAIN}>"
_KEYS: dict[int, str] = {}


def key_of(world: World) -> str:
    """Return an API key of the sending domain, made once for each node."""
    if id(world) not in _KEYS:
        _KEYS[id(world)] = world.product.run_json("api-key", "add", "--domain", DOMAIN)["key"]
    return _KEYS[id(world)]


def url_of(world: World) -> str:
    return f"http://{LOOPBACK}:{world.product.http_port}"


async def id_of(world: World, message_id: str) -> int:
    """Return the id of the message with a Message-ID."""
    assert message_id.startswith("<")
    assert message_id.endswith(f"@{DOMAIN}>") or "client.example" in message_id
    async with world.database() as database:
        found = await database.read(messages.search, MessageSelector(message_id_header=message_id), 2)
    [only] = found
    return int(only.id)


def opened(host: Receiver) -> list[EmailMessage]:
    """Return what a host received, in the order of the recipients."""
    taken = sorted(host.messages, key=lambda one: one.recipients)
    return [email.message_from_bytes(one.content, policy=email.policy.default) for one in taken]


def text_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).strip()


async def by_python(world: World, data: dict[str, Any], *, key: str | None = None, **more: Any) -> Any:
    """Send with the SDK from PyPI; returns its response."""

    def call() -> Any:
        with warnings.catch_warnings():
            # It warns of every key in clear text, also on loopback.
            warnings.simplefilter("ignore")
            with Client(auth=("api", key or key_of(world)), api_url=url_of(world)) as client:
                how = client.mimemessage if "mime" in more else client.messages
                more.pop("mime", None)
                return how.create(data=data, **{"domain": DOMAIN, **more})

    return await asyncio.to_thread(call)


async def test_the_python_sdk_sends_texts_and_files(world: World) -> None:
    to = f"a@{destination(41)}"
    data = {
        "from": SENDER,
        "to": [f"{WIDE} <{to}>"],
        "subject": f"Für {WIDE}",
        "text": f"Grüße, {WIDE}\n",
        "html": f"<p>Grüße, {WIDE}</p>",
        "o:tag": ["September newsletter", "newsletters"],
        "o:tracking": False,
        "o:testmode": False,
        "v:order": "17",
        "h:X-Custom": "as given",
    }
    files = [("attachment", ("rechnung-ü.pdf", PNG)), ("attachment", ("a.txt", b"one\ntwo"))]
    async with world.receiver(41) as host:
        response = await by_python(world, data, files=files)
        assert response.status_code == 200, response.text
        assert response.json()["message"] == "Queued. Thank you."
        story = await world.finished(await id_of(world, response.json()["id"]))
    [message] = opened(host)
    assert message["Message-ID"] == response.json()["id"]
    assert message["Subject"] == f"Für {WIDE}"
    assert message["To"].addresses[0].display_name == WIDE
    assert message["X-Custom"] == "as given"
    assert json.loads(message["X-OV-Variables"]) == {"order": "17"}
    assert (text_of(message, "plain"), text_of(message, "html")) == (f"Grüße, {WIDE}", f"<p>Grüße, {WIDE}</p>")
    attached = {part.get_filename(): part for part in message.iter_attachments()}
    assert attached["rechnung-ü.pdf"].get_content_type() == "application/pdf"
    assert attached["rechnung-ü.pdf"].get_payload(decode=True) == PNG
    assert attached["a.txt"].get_payload(decode=True) == b"one\ntwo"
    assert story.message.channel == "mailgun"
    assert story.message.options.tags == ("September newsletter", "newsletters")
    accepted = story.events[0]
    assert (accepted.data["channel"], accepted.data["username"]) == ("mailgun", key_of(world)[:10])


async def test_the_python_sdk_sends_a_message_of_its_own(world: World) -> None:
    own = EmailMessage()
    own["From"], own["To"], own["Subject"] = f"hello@{DOMAIN}", f"b@{destination(42)}", "Whole"
    own["Message-ID"] = f"<{time.monotonic_ns()}@client.example>"
    own.set_content(f"As it is, {WIDE}\n")
    data = {
        "to": [f"b@{destination(42)}", f"hidden@{destination(42)}"],
        "cc": "nobody@elsewhere.example",
        "o:tag": "whole",
    }
    async with world.receiver(42) as host:
        response = await by_python(world, data, mime=True, files={"message": ("message.mime", own.as_bytes())})
        assert response.status_code == 200, response.text
        assert response.json()["id"] == own["Message-ID"]
        story = await world.finished(await id_of(world, response.json()["id"]))
    assert sorted(one.recipient for one in story.deliveries) == [f"b@{destination(42)}", f"hidden@{destination(42)}"]
    assert "ignored cc: the message says that itself" in story.events[0].data["edits"]
    assert {one["Subject"] for one in opened(host)} == {"Whole"}
    assert text_of(opened(host)[0], "plain") == f"As it is, {WIDE}"


async def test_the_python_sdk_is_told_what_is_wrong(world: World) -> None:
    whole = {"from": SENDER, "to": f"a@{destination(41)}", "subject": "x", "text": "x"}
    refused = await by_python(world, whole, key="key-that-is-none")
    assert (refused.status_code, refused.text) == (401, "Forbidden")
    lost = await by_python(world, whole, domain="other.example")
    assert (lost.status_code, lost.json()["message"].split(" (")[0]) == (404, "Domain not found: other.example")
    empty = await by_python(world, {"from": SENDER, "subject": "x"})
    assert empty.status_code == 400
    assert empty.json()["message"].split("; ") == [
        "to parameter is missing",
        "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified",
    ]
    foreign = await by_python(world, whole | {"from": "me@foreign.example"})
    assert (foreign.status_code, foreign.json()["message"][:30]) == (400, "The From header is at foreign.e"[:30])


async def test_a_call_that_comes_again_is_answered_with_the_first_ones_id(world: World) -> None:
    data = {
        "from": SENDER,
        "to": f"again@{destination(47)}",
        "subject": "Once",
        "text": "x",
        "o:idempotency-key": f"order-{time.monotonic_ns()}",
    }
    async with world.receiver(47) as host:
        first, again, other = [
            await by_python(world, one) for one in (data, data, data | {"subject": "Another", "o:testmode": "no"})
        ]
        assert first.status_code == 200, first.text
        assert again.json() == first.json()
        story = await world.finished(await id_of(world, first.json()["id"]))
    assert len(host.messages) == 1
    assert EventType.DEDUPLICATED in {event.type for event in story.events}
    assert other.status_code == 400
    assert other.json()["message"].startswith("The idempotency key was used for another content")


async def test_quotas_and_pauses_ask_for_patience(world: World) -> None:
    data = {"from": SENDER, "to": f"late@{destination(48)}", "subject": "x", "text": "x", "o:testmode": "yes"}
    world.product.run("domain", "pause", DOMAIN)
    try:
        await asyncio.sleep(PROMISED_S)
        paused = await asyncio.to_thread(posted, world, data)
    finally:
        world.product.run("domain", "resume", DOMAIN)
    world.product.run("domain", "set", DOMAIN, "daily_quota=1")
    try:
        await asyncio.sleep(PROMISED_S)
        for _ in range(2):
            full = await asyncio.to_thread(posted, world, data)
        large = await asyncio.to_thread(posted, world, data | {"cc": f"more@{destination(48)}"})
    finally:
        world.product.run("domain", "set", DOMAIN, "daily_quota=0")
        await asyncio.sleep(PROMISED_S)
    assert paused.status_code == 429
    assert paused.json()["message"].startswith(
        f"Domain {DOMAIN} is not allowed to send: The sending domain {DOMAIN} is paused"
    )
    assert int(paused.headers["retry-after"]) > 0
    assert full.status_code == 429
    assert full.json()["message"].startswith(
        f"Domain {DOMAIN} is not allowed to send: recipient limit exceeded, try again after "
    )
    assert 0 < int(full.headers["retry-after"]) <= 86_400
    assert large.status_code == 400
    assert "send it in smaller parts" in large.json()["message"]


def posted(world: World, data: dict[str, Any]) -> requests.Response:
    """Post a form without the SDK, which would wait as long as it is asked to."""
    url = f"{url_of(world)}/v3/{DOMAIN}/messages"
    with requests.Session() as session:
        return session.post(url, data=data, auth=("api", key_of(world)), timeout=30)


@pytest.mark.peer("npm:mailgun.js", "npm:form-data")
async def test_mailgun_js_sends_a_batch_with_an_inline_image(world: World) -> None:
    first, second = f"ann@{destination(43)}", f"bob@{destination(43)}"
    batch = {
        "from": SENDER,
        "to": [f"Ann <{first}>", f"Bob <{second}>"],
        "subject": "For %recipient.name%",
        "text": "Hello %recipient_name%, %recipient.none%",
        "html": '<p>%recipient.name%</p><img src="cid:logo.png">',
        "amp-html": "<!doctype html><html ⚡4email><p>%recipient.name%</p></html>",
        "recipient-variables": json.dumps({first: {"name": "Ann", "id": 1}, second: {"name": WIDE, "id": 2}}),
        "v:user_id": "%recipient.id%",
        "h:X-Number": "n-%recipient.id%",
        "h:Reply-To": f"Zoë <reply@{DOMAIN}>",
        "o:tracking-clicks": "no",
        "o:dkim": "yes",
        "o:tag": ["spring"],
    }
    files = {"inline": [{"filename": "logo.png", "base64": base64.b64encode(PNG).decode()}]}
    wrong = {"from": SENDER, "to": "not an address", "subject": "x", "text": "x", "recipient-variables": "{"}
    facts = {
        "url": url_of(world),
        "key": key_of(world),
        "calls": [{"domain": DOMAIN, "data": batch, "files": files}, {"domain": DOMAIN, "data": wrong}],
    }
    async with world.receiver(43) as host:
        sent, refused = await asyncio.to_thread(run_node, "mailgun.mjs", facts)
        assert sent["status"] == 200, sent
        story = await world.finished(await id_of(world, sent["id"]))
    assert story.message.options.on_missing is OnMissing.KEEP
    ann, bob = opened(host)
    assert (str(ann["To"]), str(bob["To"])) == (f'"Ann" <{first}>'.replace('"', ""), f"Bob <{second}>")
    assert (ann["Subject"], bob["Subject"]) == ("For Ann", f"For {WIDE}")
    assert text_of(ann, "plain") == "Hello Ann, %recipient.none%"
    assert [json.loads(one["X-OV-Variables"]) for one in (ann, bob)] == [{"user_id": "1"}, {"user_id": "2"}]
    assert [one["X-Number"] for one in (ann, bob)] == ["n-1", "n-2"]
    assert ann["Reply-To"].addresses[0].display_name == "Zoë"
    kinds = [part.get_content_type() for part in bob.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/x-amp-html", "text/html", "image/png"]
    amp = next(part for part in bob.walk() if part.get_content_type() == "text/x-amp-html")
    assert f"<p>{WIDE}</p>" in amp.get_payload(decode=True).decode()  # type: ignore[union-attr]
    image = next(part for part in bob.walk() if part.get_content_type() == "image/png")
    assert (image["Content-ID"], image.get_payload(decode=True)) == ("<logo.png>", PNG)
    assert ann["Message-ID"] == bob["Message-ID"] == sent["id"]
    assert refused["error"]["status"] == 400
    assert "'recipient-variables' parameter is not a valid JSON" in refused["error"]["details"]
    assert "to parameter is not a valid address. please check documentation" in refused["error"]["details"]


@pytest.mark.peer("npm:mailgun.js", "npm:form-data")
async def test_mailgun_js_sends_templates_times_and_whole_messages(world: World) -> None:
    html = "<h1>{{title}} {{user_id}}</h1>%recipient.none%"
    await asyncio.to_thread(
        world.product.run, "template", "add", "mg-receipt", "--domain", DOMAIN, "--html", "-", given=html
    )
    to = f"t@{destination(44)}"
    templated = {
        "from": SENDER,
        "to": to,
        "subject": "By template",
        "template": "mg-receipt",
        "t:variables": json.dumps({"title": f"Für {WIDE}"}),
        "t:text": "yes",
        "v:user_id": "9",
    }
    at = datetime.now(UTC) + timedelta(hours=2)
    later = {
        "from": SENDER,
        "to": to,
        "subject": "Later",
        "text": "x",
        "o:deliverytime": at.strftime("%a, %d %b %Y %X GMT"),
    }
    whole = {"to": to, "message": f"From: hello@{DOMAIN}\nTo: {to}\nSubject: Whole\n\nZoë\n", "o:testmode": "yes"}
    unknown = templated | {"template": "no-such"}
    data = [templated, later, whole, unknown]
    facts = {"url": url_of(world), "key": key_of(world), "calls": [{"domain": DOMAIN, "data": one} for one in data]}
    async with world.receiver(44) as host:
        first, second, third, refused = await asyncio.to_thread(run_node, "mailgun.mjs", facts)
        await world.finished(await id_of(world, first["id"]))
        tested = await world.finished(await id_of(world, third["id"]))
    scheduled = await world.story(await id_of(world, second["id"]))
    assert scheduled.deliveries[0].state is DeliveryState.SCHEDULED
    assert scheduled.deliveries[0].due_at == int(at.timestamp()) * 1000
    assert last_event(tested, EventType.DELIVERED).data["is_test"] is True
    [message] = opened(host)
    assert text_of(message, "html") == f"<h1>Für {WIDE} 9</h1>%recipient.none%"
    assert text_of(message, "plain").startswith(f"Für {WIDE} 9")
    assert refused["error"]["status"] == 400
    assert refused["error"]["details"] == f"template: {DOMAIN} has no template no-such."


@pytest.mark.peer("npm:nodemailer", "npm:nodemailer-mailgun-transport")
async def test_nodemailer_sends_over_its_mailgun_transport(world: World) -> None:
    message = {
        "from": {"name": "Shop", "address": f"hello@{DOMAIN}"},
        "to": [{"name": WIDE, "address": f"n@{destination(45)}"}],
        "bcc": f"hidden@{destination(45)}",
        "replyTo": f"reply@{DOMAIN}",
        "messageId": f"<{time.monotonic_ns()}@client.example>",
        "subject": "By nodemailer",
        "text": "Hello.",
        "html": '<p>Hello.</p><img src="cid:logo.png">',
        "attachments": [
            {"cid": "logo.png", "content": base64.b64encode(PNG).decode(), "encoding": "base64"},
            {"filename": "data.csv", "content": "a;b\n", "contentType": "text/csv"},
        ],
        "X-Mailgun-Variables": json.dumps({"order": {"id": 17}}),
        "o:tag": "nodemailer",
    }
    facts = {
        "url": url_of(world),
        "key": key_of(world),
        "domain": DOMAIN,
        "messages": [message, message | {"from": "x@foreign.example"}],
    }
    async with world.receiver(45) as host:
        sent, refused = await asyncio.to_thread(run_node, "nodemailer_mailgun.mjs", facts)
        assert sent == {"messageId": message["messageId"]}
        story = await world.finished(await id_of(world, sent["messageId"]))
    assert len(story.deliveries) == 2
    assert story.message.options.variables == {"order": {"id": 17}}
    for received in opened(host):
        assert received["Bcc"] is None
        assert received["Reply-To"] == f"reply@{DOMAIN}"
        assert received["To"].addresses[0].display_name == WIDE
        assert [part.get_filename() for part in received.iter_attachments() if part.get_filename()] == ["data.csv"]
    assert refused["error"]["status"] == 400


ANYMAIL = "anymail.backends.mailgun.EmailBackend"


async def by_anymail(world: World, *given: dict[str, Any], domain: str = DOMAIN) -> list[dict[str, Any]]:
    settings = {
        "MAILGUN_API_KEY": key_of(world),
        "MAILGUN_API_URL": f"{url_of(world)}/v3",
        "MAILGUN_SENDER_DOMAIN": domain,
    }
    facts = {"backend": ANYMAIL, "settings": settings, "messages": given}
    command = [sys.executable, "-m", "tests.peers.anymail_sender", json.dumps(facts)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert not done.returncode, done.stderr
    outcomes: list[dict[str, Any]] = json.loads(done.stdout)
    return outcomes


async def test_anymail_sends_a_batch_with_metadata_and_files(world: World) -> None:
    ann, bob = f"ann@{destination(46)}", f"bob@{destination(46)}"
    batch = {
        "subject": "For %recipient.name%",
        "body": "Hello %recipient.name%",
        "from_email": SENDER,
        "to": [f"Ann <{ann}>", f'"Bob, B." <{bob}>'],
        "reply_to": [f"reply@{DOMAIN}"],
        "headers": {"X-Foo": "bar"},
        "html": "<p>Hello %recipient.name%</p>",
        "attachments": [["übersicht.txt", "Grüße", "text/plain"]],
        "anymail": {
            "merge_data": {ann: {"name": "Ann"}, bob: {"name": WIDE}},
            "merge_metadata": {ann: {"user": "a-1"}, bob: {"user": "b-2"}},
            "metadata": {"campaign": 7},
            "tags": ["one", "two"],
            "track_clicks": False,
        },
    }
    bare = {
        "subject": "Bare",
        "body": "x",
        "from_email": SENDER,
        "to": [ann, bob],
        "anymail": {"merge_data": {}, "esp_extra": {"o:testmode": True}},
    }
    async with world.receiver(46) as host:
        sent, tested = await by_anymail(world, batch, bare)
        assert sent["status"] == ["queued"], sent
        assert sent["recipients"] == {ann: "queued", bob: "queued"}
        story = await world.finished(await id_of(world, sent["message_id"]))
        await world.finished(await id_of(world, tested["message_id"]))
    assert story.message.options.tags == ("one", "two")
    first, second = opened(host)
    assert [str(one["To"]) for one in (first, second)] == [f"Ann <{ann}>", f'"Bob, B." <{bob}>']
    assert [one["Subject"] for one in (first, second)] == ["For Ann", f"For {WIDE}"]
    kept = [json.loads(one["X-OV-Variables"]) for one in (first, second)]
    assert [one["user"] for one in kept] == ["a-1", "b-2"]
    assert {one["campaign"] for one in kept} == {"7"}
    [attached] = first.iter_attachments()
    assert (attached.get_filename(), attached.get_content().strip()) == ("übersicht.txt", "Grüße")


async def test_anymail_names_a_wrong_domain(world: World) -> None:
    message = {"subject": "x", "body": "x", "from_email": SENDER, "to": [f"a@{destination(46)}"]}
    [outcome] = await by_anymail(world, message, domain="other.example")
    assert outcome["error"] == "AnymailRequestsAPIError"
    assert "Domain not found" in outcome["text"]
