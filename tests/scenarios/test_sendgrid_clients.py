"""Clients that were written for SendGrid, as they are: only host and key are ours."""

import asyncio
import base64
import email
import email.policy
import gzip
import json
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient

from postroad.model.delivery import DeliveryState
from postroad.model.ids import from_text
from postroad.storage.messages import Story
from tests.peers.node import run_node
from tests.peers.ports import LOOPBACK
from tests.scenarios.product import DOMAIN
from tests.scenarios.receiver import Receiver
from tests.scenarios.world import World, destination

pytestmark = pytest.mark.peer("nsd")

WIDE = "Zoë 山田"
PNG = bytes(range(256)) * 3
SENDER = {"email": f"hello@{DOMAIN}", "name": "Shop Zoë"}
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


class Answer:
    """What a call came to."""

    def __init__(self, status: int, body: bytes, headers: Any) -> None:
        self.status = status
        self.body = body
        self.id = headers.get("X-Message-Id", "")

    @property
    def errors(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.body)["errors"]
        return found


async def by_python(world: World, mail: Any, key: str | None = None) -> Answer:
    """Send with the library from PyPI."""

    def call() -> Answer:
        client = SendGridAPIClient(key or key_of(world), host=url_of(world))
        try:
            response = client.send(mail)
        except HTTPError as error:
            return Answer(error.status_code, error.body, error.headers)
        return Answer(response.status_code, response.body, response.headers)

    return await asyncio.to_thread(call)


async def story_of(world: World, answer: Answer) -> Story:
    assert (answer.status, answer.body) == (202, b"")
    return await world.finished(from_text(answer.id))


def plain(to: str, **more: Any) -> dict[str, Any]:
    """Return a call with little in it."""
    return {
        "personalizations": [{"to": [{"email": to}]}],
        "from": SENDER,
        "subject": "Plain",
        "content": [{"type": "text/plain", "value": "Hello."}],
    } | more


async def test_the_python_library_sends_texts_and_files(world: World) -> None:
    from sendgrid.helpers.mail import Attachment, Category, CustomArg, Header, Mail, ReplyTo

    to = f"a@{destination(20)}"
    mail = Mail(
        from_email=(SENDER["email"], SENDER["name"]),
        to_emails=[(to, WIDE)],
        subject=f"Für {WIDE}",
        plain_text_content=f"Grüße, {WIDE}, %recipient% stays\n",
        html_content='<p>Grüße</p><img src="cid:logo-1">',
    )
    mail.reply_to = ReplyTo(f"reply@{DOMAIN}", "Zoë")
    mail.category = [Category("spring"), Category("September newsletter")]
    mail.custom_arg = CustomArg("order", "17")
    mail.header = Header("X-Custom", "as given")
    for name, kind, disposition, identifier in (
        ("rechnung-ü.pdf", "application/pdf", "attachment", None),
        ("logo.png", "image/png", "inline", "logo-1"),
    ):
        mail.add_attachment(Attachment(base64.b64encode(PNG).decode(), name, kind, disposition, identifier))
    async with world.receiver(20) as host:
        answer = await by_python(world, mail)
        story = await story_of(world, answer)
    [message] = opened(host)
    assert message["Subject"] == f"Für {WIDE}"
    assert message["To"].addresses[0].display_name == WIDE
    assert message["From"].addresses[0].display_name == SENDER["name"]
    assert message["Reply-To"].addresses[0].addr_spec == f"reply@{DOMAIN}"
    assert message["X-Custom"] == "as given"
    assert text_of(message, "plain") == f"Grüße, {WIDE}, %recipient% stays"
    image = next(part for part in message.walk() if part.get_content_type() == "image/png")
    assert (image["Content-ID"], image.get_payload(decode=True)) == ("<logo-1>", PNG)
    assert [part.get_filename() for part in message.iter_attachments() if part.get_filename()] == ["rechnung-ü.pdf"]
    assert story.message.channel == "sendgrid"
    assert set(story.message.options.tags) == {"spring", "September newsletter"}
    assert story.message.options.variables == {"order": "17"}


async def test_personalizations_of_one_recipient_are_one_message(world: World) -> None:
    ann, bob, eve = (f"{name}@{destination(21)}" for name in ("ann", "bob", "eve"))
    personal = [
        {
            "to": [{"email": address, "name": name}],
            "substitutions": {"-name-": name, "{{city}}": f"{city}\nsecond line"},
            "custom_args": {"user": f"u-{name}"},
            "headers": {"X-Number": f"n-{name}"},
            **({"subject": "Just for -name-"} if name == "Ann" else {}),
        }
        for address, name, city in ((ann, "Ann", "Brno"), (bob, WIDE, "Praha"))
    ]
    together = {
        "to": [{"email": eve}],
        "cc": [{"email": f"boss@{destination(21)}"}],
        "substitutions": {"-name-": "Eve"},
    }
    call = plain(ann) | {
        "personalizations": [*personal, together],
        "subject": "For -name-",
        "content": [{"type": "text/plain", "value": "-name- of {{city}}; %recipient_email% stays, <3\n"}],
        "custom_args": {"campaign": "7", "user": "all"},
    }
    async with world.receiver(21) as host:
        story = await story_of(world, await by_python(world, call))
        assert {one.recipient for one in story.deliveries} == {ann, bob}
        received = await _received(host, 4)
    first, second = (next(one for one in received if one["Subject"] == s) for s in ("Just for Ann", f"For {WIDE}"))
    assert [str(one["To"]) for one in (first, second)] == [f"Ann <{ann}>", f"{WIDE} <{bob}>"]
    assert text_of(first, "plain").splitlines() == ["Ann of Brno", "second line; %recipient_email% stays, <3"]
    assert text_of(second, "plain").splitlines() == [f"{WIDE} of Praha", "second line; %recipient_email% stays, <3"]
    assert [one["X-Number"] for one in (first, second)] == ["n-Ann", f"n-{WIDE}"]
    assert json.loads(first["X-OV-Variables"]) == {"campaign": "7", "user": "u-Ann"}
    others = [one for one in received if one["Subject"] == "For Eve"]
    assert len(others) == 2
    assert str(others[0]["Cc"]) == f"boss@{destination(21)}"
    assert text_of(others[0], "plain").startswith("Eve of {{city}}")


async def _received(host: Receiver, count: int) -> list[EmailMessage]:
    async with asyncio.timeout(20):
        while len(host.messages) < count:
            await asyncio.sleep(0.05)
    return opened(host)


async def test_the_python_library_is_told_all_that_is_wrong(world: World) -> None:
    whole = plain(f"a@{destination(20)}")
    refused = await by_python(world, whole, key="SG.key-that-is-none")
    assert (refused.status, refused.errors[0]["message"]) == (
        401,
        "The provided authorization grant is invalid, expired, or revoked",
    )
    account_key = world.product.run_json("api-key", "add", "--account", "default")["key"]
    forbidden = await by_python(world, whole, key=account_key)
    assert forbidden.status == 403
    assert "needs an API key of the sending domain" in forbidden.errors[0]["message"]
    foreign = await by_python(world, whole | {"from": {"email": "me@foreign.example"}})
    assert (foreign.status, foreign.errors[0]["field"]) == (403, "from")
    assert foreign.errors[0]["message"].startswith("The from address does not match a verified Sender Identity.")
    wrong = await by_python(
        world,
        {
            "personalizations": [
                {"to": [{"email": "no address"}], "custom_args": {"n": 1}},
                {"to": [{"email": "a@b.example"}], "cc": [{"email": "A@b.example"}]},
            ],
            "from": SENDER,
            "content": [{"type": "text/html", "value": ""}],
        },
    )
    assert wrong.status == 400
    assert [one["field"] for one in wrong.errors] == [
        "personalizations.0.to.0.email",
        None,
        "personalizations.0.custom_args.n",
        "personalizations.1.cc",
        "subject",
        "content.0.value",
    ]
    assert wrong.errors[5]["message"] == "The content value must be a string at least one character in length."


async def test_what_is_one_call_is_one_commit(world: World) -> None:
    """A template that one recipient's data does not fit refuses the call, and nobody is written to."""
    html = "{{#each items}}<p>{{this}}</p>{{/each}}{{name}}"
    given = ("template", "add", "d-receipt", "--domain", DOMAIN, "--html", "-", "--subject", "For {{name}}")
    await asyncio.to_thread(world.product.run, *given, given=html)
    ann, bob = f"ann@{destination(22)}", f"bob@{destination(22)}"
    call = {
        "personalizations": [
            {"to": [{"email": ann}], "dynamic_template_data": {"name": "Ann", "items": ["one", "two"]}},
            {"to": [{"email": bob}], "dynamic_template_data": {"name": WIDE, "items": []}},
        ],
        "from": SENDER,
        "template_id": "d-receipt",
    }
    unknown = await by_python(world, call | {"template_id": "d-none"})
    assert (unknown.status, unknown.errors[0]["field"]) == (400, "template_id")
    foreign = [*call["personalizations"], {"to": [{"email": ann}], "from": {"email": "x@foreign.example"}}]
    half = await by_python(world, call | {"personalizations": foreign})
    assert (half.status, half.errors[0]["field"]) == (403, "personalizations.2.from")
    sandboxed = await by_python(world, call | {"mail_settings": {"sandbox_mode": {"enable": True}}})
    assert (sandboxed.status, sandboxed.body, sandboxed.id) == (200, b"", "")
    async with world.receiver(22) as host:
        await story_of(world, await by_python(world, call))
        received = opened(host)
    assert [one["Subject"] for one in received] == ["For Ann", f"For {WIDE}"]
    assert text_of(received[0], "html") == "<p>one</p><p>two</p>Ann"
    assert text_of(received[1], "html") == WIDE


async def test_a_batch_waits_is_let_go_and_cancelled(world: World) -> None:
    to = f"b@{destination(23)}"

    def client() -> Any:
        return SendGridAPIClient(key_of(world), host=url_of(world)).client

    batch_id = json.loads((await asyncio.to_thread(client().mail.batch.post)).body)["batch_id"]
    checked = await asyncio.to_thread(client().mail.batch._(batch_id).get)
    assert json.loads(checked.body) == {"batch_id": batch_id}
    at = int((datetime.now(UTC) + timedelta(hours=2)).timestamp())
    first = await by_python(world, plain(to, batch_id=batch_id, send_at=at))
    sends = client().user.scheduled_sends
    asked = await asyncio.to_thread(sends.post, {"batch_id": batch_id, "status": "pause"})
    assert (asked.status_code, json.loads(asked.body)) == (201, {"batch_id": batch_id, "status": "pause"})
    second = await by_python(world, plain(to, batch_id=batch_id))
    states = [(await world.story(from_text(one.id))).deliveries[0] for one in (first, second)]
    assert [one.state for one in states] == [DeliveryState.HELD, DeliveryState.HELD]
    listed = await asyncio.to_thread(sends.get)
    assert {"batch_id": batch_id, "status": "pause"} in json.loads(listed.body)
    async with world.receiver(23) as host:
        let_go = await asyncio.to_thread(sends._(batch_id).delete)
        assert let_go.status_code == 204
        await _received(host, 1)
        await world.finished(from_text(second.id))
    waiting = (await world.story(from_text(first.id))).deliveries[0]
    assert (waiting.state, waiting.due_at) == (DeliveryState.SCHEDULED, at * 1000)
    await asyncio.to_thread(sends.post, {"batch_id": batch_id, "status": "cancel"})
    assert (await world.story(from_text(first.id))).deliveries[0].state is DeliveryState.CANCELLED
    refused = await by_python(world, plain(to, batch_id=batch_id))
    assert (refused.status, refused.errors[0]["field"]) == (400, "batch_id")
    unknown = await by_python(world, plain(to, batch_id="none"))
    assert (unknown.status, unknown.errors[0]["field"]) == (400, "batch_id")


@pytest.mark.peer("npm:@sendgrid/mail", "npm:@sendgrid/client")
async def test_the_node_library_sends_and_is_told_what_is_wrong(world: World) -> None:
    ann, bob = f"ann@{destination(24)}", f"bob@{destination(24)}"
    several = {
        "to": [{"email": ann, "name": "Ann"}, bob],
        "from": f"Shop <hello@{DOMAIN}>",
        "replyTo": f"reply@{DOMAIN}",
        "subject": "Several, {{name}}",
        "text": "Hello {{name}}",
        "html": "<p>Hello {{name}}</p>",
        "substitutions": {"name": "all"},
        "categories": ["node"],
        "customArgs": {"order": "17"},
        "headers": {"X-Node": "yes"},
        "trackingSettings": {"clickTracking": {"enable": False}},
        "attachments": [
            {"content": base64.b64encode(b"a;b").decode(), "filename": "data.csv", "type": "text/csv"},
        ],
    }
    wrong = {"to": "not an address", "from": f"hello@{DOMAIN}", "subject": "x", "text": "x"}
    facts = {
        "url": url_of(world),
        "key": key_of(world),
        "calls": [{"message": several, "isMultiple": True}, {"message": wrong}],
        "requests": [{"method": "POST", "url": "/v3/mail/batch"}],
    }
    async with world.receiver(24) as host:
        sent, refused, batch = await asyncio.to_thread(run_node, "sendgrid.mjs", facts)
        assert sent["status"] == 202, sent
        story = await world.finished(from_text(sent["id"]))
        received = opened(host)
    assert {one.recipient for one in story.deliveries} == {ann, bob}
    assert [one["Subject"] for one in received] == ["Several, all", "Several, all"]
    assert [str(one["To"]) for one in received] == [f"Ann <{ann}>", bob]
    assert received[0]["X-Node"] == "yes"
    assert [one.get_filename() for one in received[0].iter_attachments()] == ["data.csv"]
    assert story.message.options.tags == ("node",)
    assert refused["error"]["status"] == 400
    assert refused["error"]["errors"][0]["field"] == "personalizations.0.to.0.email"
    assert batch["status"] == 201
    assert batch["body"]["batch_id"]


ANYMAIL = "anymail.backends.sendgrid.EmailBackend"


async def by_anymail(world: World, *given: dict[str, Any]) -> list[dict[str, Any]]:
    settings = {"SENDGRID_API_KEY": key_of(world), "SENDGRID_API_URL": f"{url_of(world)}/v3/"}
    facts = {"backend": ANYMAIL, "settings": settings, "messages": given}
    command = [sys.executable, "-W", "ignore", "-m", "tests.peers.anymail_sender", json.dumps(facts)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert not done.returncode, done.stderr
    outcomes: list[dict[str, Any]] = json.loads(done.stdout)
    return outcomes


async def test_anymail_sends_a_batch_with_metadata_and_files(world: World) -> None:
    ann, bob = f"ann@{destination(25)}", f"bob@{destination(25)}"
    batch = {
        "subject": "For :name",
        "body": "Hello :name",
        "from_email": f"Shop <hello@{DOMAIN}>",
        "to": [f"Ann <{ann}>", f'"Bob, B." <{bob}>'],
        "reply_to": [f"reply@{DOMAIN}"],
        "headers": {"X-Foo": "bar"},
        "html": "<p>Hello :name</p>",
        "attachments": [["übersicht.txt", "Grüße", "text/plain"]],
        "anymail": {
            "merge_data": {ann: {"name": "Ann"}, bob: {"name": WIDE}},
            "merge_metadata": {ann: {"user": "a-1"}, bob: {"user": "b-2"}},
            "metadata": {"campaign": 7},
            "tags": ["one", "two"],
            "track_clicks": False,
            "esp_extra": {"merge_field_format": ":{}"},
        },
    }
    async with world.receiver(25) as host:
        sent, refused = await by_anymail(world, batch, batch | {"from_email": "x@foreign.example"})
        assert sent["recipients"] == {ann: "queued", bob: "queued"}, sent
        received = await _received(host, 2)
    assert [str(one["To"]) for one in received] == [f"Ann <{ann}>", f'"Bob, B." <{bob}>']
    assert [one["Subject"] for one in received] == ["For Ann", f"For {WIDE}"]
    assert [text_of(one, "plain") for one in received] == ["Hello Ann", f"Hello {WIDE}"]
    kept = [json.loads(one["X-OV-Variables"]) for one in received]
    assert [(one["user"], one["campaign"]) for one in kept] == [("a-1", "7"), ("b-2", "7")]
    assert len({one["anymail_id"] for one in kept}) == 2
    [attached] = received[0].iter_attachments()
    assert (attached.get_filename(), attached.get_content().strip()) == ("übersicht.txt", "Grüße")
    assert refused["error"] == "AnymailRequestsAPIError"
    assert "does not match a verified Sender Identity" in refused["text"]


async def test_a_body_may_be_compressed(world: World) -> None:
    call = gzip.compress(json.dumps(plain(f"z@{destination(26)}")).encode())
    headers = {
        "Authorization": f"Bearer {key_of(world)}",
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
    }

    def post(body: bytes) -> tuple[int, str]:
        request = urllib.request.Request(f"{url_of(world)}/v3/mail/send", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.headers["X-Message-Id"]
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["errors"][0]["message"]

    async with world.receiver(26):
        status, message_id = await asyncio.to_thread(post, call)
        assert status == 202
        await world.finished(from_text(message_id))
    assert await asyncio.to_thread(post, call[:-9]) == (400, "The request breaks off before its end.")
    assert await asyncio.to_thread(post, b"{}") == (400, "The request is not gzip.")
