"""What the headers of a message ask for, seen by who receives it."""

import asyncio
import json
import smtplib
import ssl
import time
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
import trustme

from postroad.model.delivery import DeliveryState
from postroad.model.event import EventType
from postroad.model.ids import text_of
from postroad.net.clock import now_ms
from tests.scenarios.product import USERNAME
from tests.scenarios.receiver import Received
from tests.scenarios.world import World, destination, host_of, last_event, letter, only_delivery, outcomes, refusal_of

pytestmark = pytest.mark.peer("nsd")


@pytest.fixture(scope="module")
def tls_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("another-name.example").configure_cert(context)
    return context


@pytest.fixture
def client(world: World) -> Iterator[smtplib.SMTP]:
    with world.client() as client:
        yield client


def header_of(received: Received) -> str:
    return received.content.partition(b"\r\n\r\n")[0].decode()


def submit(
    world: World, number: int, *fields: str, body: bytes = b"Hello.\r\n", names: tuple[str, ...] = ("a",)
) -> int:
    """Submit a letter with further header fields to recipients at one host."""
    content = letter(extra="".join(f"{field}\r\n" for field in fields), body=body, to="%recipient%")
    return world.submit(*(f"{name}@{destination(number)}" for name in names), content=content)


async def test_recipient_variables_make_each_recipient_a_message_of_its_own(world: World) -> None:
    variables = {
        f"ada@{destination(71)}": {"name": "Ada", "order": {"id": 17}},
        f"BO@{destination(71)}": {"name": "Bö", "order": {"id": 18}},
        f"eve@{destination(71)}": {"name": "Eve"},
    }
    message = EmailMessage()
    message["From"] = USERNAME
    message["To"] = "%recipient.name% <%recipient_email%>"
    message["Subject"] = "Order %recipient.order.id%"
    message["X-OV-Recipient-Variables"] = json.dumps(variables)
    message.set_content("Dear %recipient.name%,\nthank you.\n")
    message.add_alternative("<p>Dear <b>%recipient.name%</b></p>", subtype="html")
    message.add_attachment("%recipient.name%", filename="terms.txt")
    async with world.receiver(71) as host:
        recipients = [f"{name}@{destination(71)}" for name in ("ada", "bo", "cy")]
        story = await world.finished(world.submit(*recipients, content=message.as_bytes().replace(b"\n", b"\r\n")))

    by_name = {one.recipients[0].partition("@")[0]: one for one in host.messages}
    assert len(host.messages) == len(by_name) == 3
    ada, bo, cy = by_name["ada"], by_name["bo"], by_name["cy"]
    assert f'To: "Ada" <ada@{destination(71)}>\r\n' in header_of(ada)
    assert "Subject: Order 17\r\n" in header_of(ada)
    assert b"<b>Ada</b>" in ada.content
    assert "Subject: Order 18\r\n" in header_of(bo)
    assert b"<b>B=C3=B6</b>" in bo.content
    assert b"Dear ," in cy.content
    for received in by_name.values():
        assert "Recipient-Variables" not in header_of(received)
        assert header_of(received).startswith("DKIM-Signature:")
        assert b"JXJlY2lwaWVudC5uYW1lJQ" in received.content or b"\r\n%recipient.name%\r\n" in received.content
    stray = f"variables for eve@{destination(71)}, who is no recipient"
    assert stray in last_event(story, EventType.ACCEPTED).data["edits"]
    missing = {
        event.recipient: event.data.get("missing_variables")
        for event in story.events
        if event.type is EventType.DELIVERED
    }
    assert missing[f"cy@{destination(71)}"] == ["recipient.name", "recipient.order.id"]
    assert missing[f"ada@{destination(71)}"] is None


async def test_variables_of_an_international_address_are_its_own_however_it_is_written(world: World) -> None:
    variables = {
        f"{name}@bücher.example": {"name": name.title()} for name in ("ada", *(f"other{n}" for n in range(400)))
    }
    field = json.dumps(variables).replace(", ", ",\r\n ")
    content = letter(extra=f"X-OV-testmode: yes\r\nX-OV-Recipient-Variables: {field}\r\n", body=b"%recipient.name%\r\n")
    story = await world.finished(world.submit("Ada@XN--bcher-kva.example", content=content))
    shown = await asyncio.to_thread(world.product.run_json, "message", "rendered", text_of(story.message.id))
    assert shown["content"].endswith("\r\n\r\nAda\r\n")
    [stray] = [note for note in last_event(story, EventType.ACCEPTED).data["edits"] if note.startswith("variables for")]
    assert stray.endswith("other2@xn--bcher-kva.example and 397 others, who are no recipients")


async def test_without_recipient_variables_a_placeholder_is_text(world: World) -> None:
    async with world.receiver(72) as host:
        await world.finished(submit(world, 72, "X-OV-Tag: a", body=b"100%recipient.name%\r\n"))
    assert host.messages[0].content.endswith(b"100%recipient.name%\r\n")


@pytest.mark.parametrize(
    "fields",
    [
        ['X-OV-Variables: {"id": 7, "ok": true}'],
        ['X-Mailgun-Variables: {"id": 7}', 'X-Mailgun-Variables: {"ok": true}'],
        ['X-MSYS-API: {"metadata": {"id": 7, "ok": true}}'],
        ['X-SMTPAPI: {"unique_args": {"id": 7, "ok": true}}'],
    ],
    ids=["ours", "mailgun", "sparkpost", "sendgrid"],
)
async def test_variables_stay_in_the_message_and_all_other_options_do_not(world: World, fields: list[str]) -> None:
    others = [
        "X-OV-Tag: news", "X-OV-Track: no", "X-OV-tracking_click: yes", "X-OV-tracking_open: no", "X-OV-testmode: no",
        "X-OV-Callback-URL: https://hooks.example/x", "X-OV-Callback-Format: sendgrid", "X-OV-Unknown: 1",
        "X-Mailgun-Track: yes", "X-OV-Expires: " + str(int(time.time()) + 600),
    ]  # fmt: skip
    async with world.receiver(73) as host:
        story = await world.finished(submit(world, 73, *others, *fields))
    header = header_of(host.messages[0])
    [line] = [one for one in header.split("\r\n") if one.startswith("X-OV-")]
    assert json.loads(line.removeprefix("X-OV-Variables: ")) == {"id": 7, "ok": True}
    for prefix in ("X-Mailgun", "X-MSYS", "X-SMTPAPI"):
        assert prefix not in header
    accepted = last_event(story, EventType.ACCEPTED).data
    assert accepted["tags"] == ["news"]
    assert "ignored X-OV-Unknown: there is no such option" in accepted["edits"]
    options = story.message.options
    assert (options.tracks_clicks, options.tracks_opens) == (True, None)
    assert options.variables == {"id": 7, "ok": True}
    assert (options.callback_url, options.callback_format.value if options.callback_format else "") == (
        "https://hooks.example/x", "sendgrid",
    )  # fmt: skip


async def test_nothing_leaves_in_test_mode_and_the_result_can_be_looked_at(world: World) -> None:
    variables = json.dumps({f"a@{destination(74)}": {"name": "Ada"}})
    async with world.receiver(74) as host:
        message_id = submit(
            world, 74, "X-OV-testmode: yes", f"X-OV-Recipient-Variables: {variables}", body=b"Dear %recipient.name%\r\n"
        )
        story = await world.finished(message_id)
        assert host.connections == 0
    assert outcomes(story) == [("accepted", None), ("delivered", None)]
    assert all(event.data["is_test"] for event in story.events)
    shown = await asyncio.to_thread(world.product.run_json, "message", "rendered", text_of(story.message.id))
    assert shown["content"].startswith("DKIM-Signature:")
    assert shown["content"].endswith("\r\n\r\nDear Ada\r\n")
    assert f"To: a@{destination(74)}\r\n" in shown["content"]


async def test_required_tls_is_never_left_out_and_others_go_on(world: World) -> None:
    async with world.receiver(75) as host:
        expires = int(time.time()) + 8
        demanded = submit(world, 75, "X-OV-Require-TLS: encrypt", f"X-OV-Expires: {expires}")
        story = await world.story_when(demanded, lambda story: only_delivery(story).attempts > 0)
        deferred = last_event(story, EventType.DEFERRED).data
        assert (deferred["scope"], deferred["enhanced_status"]) == ("recipient", "4.7.10")
        assert "the sender demands an encrypted connection: the host does not offer STARTTLS" in deferred["reply"]
        await world.finished(submit(world, 75))
        assert len(host.messages) == 1
        story = await world.finished(demanded)
        assert len(host.messages) == 1
    bounced = last_event(story, EventType.BOUNCED).data
    assert bounced["enhanced_status"] == "5.7.10"
    assert "the host does not offer STARTTLS" in bounced["reply"]


async def test_encryption_is_enough_for_one_and_a_verified_host_is_needed_for_the_other(
    world: World, tls_context: ssl.SSLContext
) -> None:
    async with world.receiver(76, tls_context=tls_context) as host:
        encrypted = await world.finished(submit(world, 76, "X-OV-Require-TLS: encrypt"))
        verified = submit(world, 76, "X-OV-Require-TLS: yes", f"X-OV-Expires: {int(time.time()) + 8}")
        waiting = await world.story_when(verified, lambda story: only_delivery(story).attempts > 0)
        ended = await world.finished(verified)
        assert [one.is_tls for one in host.messages] == [True]
    assert only_delivery(encrypted).state is DeliveryState.DELIVERED
    reply = last_event(waiting, EventType.DEFERRED).data["reply"]
    assert "an encrypted connection to a host that an authority vouches for: TLS failed" in reply
    assert last_event(ended, EventType.BOUNCED).data["enhanced_status"] == "5.7.10"


@pytest.mark.parametrize("offers_tls", [False, True])
async def test_behind_a_smarthost_the_demand_is_about_that_hop(
    world: World, tls_context: ssl.SSLContext, *, offers_tls: bool
) -> None:
    # The destination itself has no host at all: nobody but the smarthost could meet the demand.
    recipient = f"a@{'tls' if offers_tls else 'clear'}.relayed.test"
    relay = world.receiver(68, tls_context=tls_context if offers_tls else None)
    route = ("route", "add", recipient.partition("@")[2], host_of(68), "--port", str(world.port))
    await asyncio.to_thread(world.product.run, *route)
    fields = f"X-OV-Require-TLS: encrypt\r\nX-OV-Expires: {int(time.time()) + (60 if offers_tls else 8)}\r\n"
    async with relay as host:
        story = await world.finished(world.submit(recipient, content=letter(extra=fields)))
    if offers_tls:
        assert [one.is_tls for one in host.messages] == [True]
        assert last_event(story, EventType.DELIVERED).data["site"] == f"{host_of(68)}:{world.port}"
    else:
        assert host.messages == []
        bounced = last_event(story, EventType.BOUNCED).data
        assert bounced["enhanced_status"] == "5.7.10"
        assert "the host does not offer STARTTLS" in bounced["reply"]


@pytest.mark.parametrize("way", ["header", "holdfor", "holduntil", "both"])
async def test_a_message_is_sent_when_it_was_asked_to_be(world: World, way: str) -> None:
    at = int(time.time()) + 5
    far = f"X-OV-Deliver-At: {at + 86_400}\r\n"
    fields, parameters = {
        "header": (f"X-OV-Deliver-At: {at}\r\n", []),
        "holdfor": ("", ["HOLDFOR=5"]),
        "holduntil": ("", [f"HOLDUNTIL={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(at))}"]),
        "both": (far, ["HOLDFOR=5"]),
    }[way]
    async with world.receiver(77) as host:
        before = now_ms()
        message_id = world.submit(f"a@{destination(77)}", content=letter(extra=fields), mail_options=parameters)
        story = await world.story(message_id)
        assert only_delivery(story).state is DeliveryState.SCHEDULED
        assert before + 3_500 < only_delivery(story).due_at <= now_ms() + 5_000
        assert host.messages == []
        story = await world.finished(message_id)
        assert len(host.messages) == 1
    assert last_event(story, EventType.DELIVERED).at >= at * 1000 - 1000
    note = "ignored X-OV-Deliver-At: MAIL stands above it"
    assert (note in last_event(story, EventType.ACCEPTED).data["edits"]) == (way == "both")


async def test_a_scheduled_message_tells_when_it_is_due_and_can_be_cancelled(world: World) -> None:
    message_id = submit(world, 78, f"X-OV-Deliver-At: {int(time.time()) + 86_400}")
    delivery = only_delivery(await world.story(message_id))
    shown = await asyncio.to_thread(world.product.run, "queue", "show", text_of(delivery.id))
    assert "It is due" in shown
    assert "in 23 h" in shown or "in 24 h" in shown or "in 1 d" in shown, shown
    await asyncio.to_thread(world.product.run, "queue", "cancel", "--message", text_of(message_id), "--yes")
    assert only_delivery(await world.story(message_id)).state is DeliveryState.CANCELLED


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("X-OV-testmode: perhaps", "X-OV-testmode must be yes or no"),
        ('X-OV-Variables: {"a": }', "X-OV-Variables is not JSON"),
        ('X-OV-Recipient-Variables: {"a@b.c": {"x": "1\\u0000"}}', "holds a NUL"),
        ('X-OV-Recipient-Variables: {"ada": {}}', 'as its keys, not "ada"'),
        ("X-OV-Expires: Fri, 27 Nov 2020 08:30:00 +0000", "X-OV-Expires is over before the message could be sent"),
        ("X-OV-Expires: 9999999999", "X-OV-Expires is more than 30 days after the message is to be sent"),
        ("X-OV-Deliver-At: 9999999999", "X-OV-Deliver-At is more than 30 days ahead"),
        ("X-OV-Callback-URL: http://169.254.169.254/", "X-OV-Callback-URL must not lead to 169.254.169.254: "),
        ("X-OV-Callback-URL: http://[::1]:8080/", "X-OV-Callback-URL must not lead to ::1: "),
        ("X-OV-Callback-URL: http://localhost/events", "X-OV-Callback-URL must not lead to localhost: "),
        ("X-Mailgun-Deliver-By: 9999999999", "X-Mailgun-Deliver-By is more than 30 days ahead"),
        (
            "X-Mailgun-Deliver-By: Fri, 31 Dec 9999 23:59:59 -2359",
            "X-Mailgun-Deliver-By is more than 30 days ahead",
        ),
        ('X-SMTPAPI: {"send_at": 9999999999}', "send_at of X-SMTPAPI is more than 30 days ahead"),
        (f'X-SMTPAPI: {{"send_at": {"9" * 30}}}', "send_at of X-SMTPAPI is more than 30 days ahead"),
    ],
)
def test_a_malformed_option_refuses_the_message(client: smtplib.SMTP, field: str, words: str) -> None:
    reply = refusal_of(client, letter(extra=f"{field}\r\n"))
    assert reply.startswith("550 5.6.0")
    assert words in reply


def test_an_impossible_time_at_mail_is_refused_at_once(client: smtplib.SMTP) -> None:
    client.ehlo()
    assert client.esmtp_features["futurerelease"].startswith("2592000 20")
    for parameters, words in (
        (["HOLDFOR=2592001"], b"too far ahead"),
        (["HOLDUNTIL=9999-12-31T23:59:59Z"], b"too far ahead"),
        (["HOLDFOR=60", "HOLDUNTIL=2026-12-01T00:00:00Z"], b"given both"),
        (["HOLDUNTIL=soon"], b"a date and time"),
    ):
        code, text = client.mail(USERNAME, parameters)
        assert code == 501
        assert words in text
