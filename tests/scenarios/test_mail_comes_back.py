"""What receivers return, and mail for sending domains: at the inbound door, from strangers and without a login."""

import asyncio
import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroad.model.delivery import DeliveryState
from postroad.model.event import EventType
from postroad.model.ids import text_of
from postroad.storage import deliveries, domains, suppressions
from postroad.storage.deliveries import Selector
from tests.feedback_reports import around
from tests.peers.ports import LOOPBACK
from tests.scenarios.product import DOMAIN
from tests.scenarios.receiver import Received
from tests.scenarios.test_metrics_move import samples
from tests.scenarios.world import World, destination, last_event, letter, only_delivery
from tests.waiting import within

pytestmark = pytest.mark.peer("nsd")

NUMBER, ELSEWHERE = 47, 48
BOUNCES = Path(__file__).parents[1] / "conformance" / "bounce_corpus"


@contextlib.contextmanager
def inbound(world: World) -> Iterator[smtplib.SMTP]:
    """Connect to the inbound door as a mail host does."""
    with smtplib.SMTP(LOOPBACK, world.product.inbound_port, timeout=20) as client:
        client.ehlo("mx.receiver.example")
        yield client


def bring(world: World, recipient: str, content: bytes, sender: str = "") -> str:
    """Bring a message in and return the last reply."""
    with inbound(world) as client:
        for step in (client.mail(sender), client.rcpt(recipient)):
            if step[0] != 250:
                return f"{step[0]} {step[1].decode()}"
        code, text = client.data(content)
        return f"{code} {text.decode()}"


async def delivered(world: World, name: str, extra: str = "") -> tuple[int, Received]:
    """Have a message delivered, and return it as its receiver has it."""
    to = f"{name}@{destination(NUMBER)}"
    async with world.receiver(NUMBER) as host:
        message_id = world.submit(to, content=letter(to=to, extra=extra))
        await world.finished(message_id)
    [received] = host.messages
    return message_id, received


async def listed(world: World, address: str) -> list[tuple[str, str]]:
    async with world.database() as database:
        domain = await database.read(domains.by_name, DOMAIN)
        found = await database.read(suppressions.about, domain.id, address)
    return [(one.kind.value, one.way.value) for one in found]


def returned(world: World, result: str) -> float:
    return samples(world).get(f'postroad_returned_mail_total{{result="{result}"}}', 0.0)


def counted(world: World) -> int:
    found = world.product.run_json("stats", "show", "--domain", DOMAIN, "--by", "bounce-class")
    return sum(sum(one["by_type"].values()) for one in found["bounce_classes"] if one["bounce_class"] == "bad-mailbox")


async def test_a_report_after_delivery_bounces_it_once_and_suppresses_the_address(each_world: World) -> None:
    world = each_world
    before = counted(world)
    message_id, received = await delivered(world, "late", "X-OV-Tag: winter\r\n")
    report = (BOUNCES / "postfix_relayed_refusal.eml").read_bytes()

    # Some hosts change the case of addresses.
    assert bring(world, received.reverse_path.upper(), report) == "250 2.0.0 Taken"
    assert bring(world, received.reverse_path, report) == "250 2.0.0 Taken"

    story = await world.story(message_id)
    assert only_delivery(story).state is DeliveryState.BOUNCED
    event = last_event(story, EventType.BOUNCED)
    assert [one.type for one in story.events] == [EventType.ACCEPTED, EventType.DELIVERED, EventType.BOUNCED]
    assert event.data["is_late"] is True
    assert (event.data["bounce_class"], event.data["enhanced_status"], event.data["code"]) == (
        "bad-mailbox",
        "5.1.1",
        550,
    )
    assert event.data["tags"] == ["winter"]
    assert await listed(world, received.recipients[0]) == [("bounce", "returned")]
    assert counted(world) == before + 1
    shown = world.product.run("message", "show", text_of(message_id))
    assert "after delivery" in shown
    # The address gets nothing more.
    again = await world.finished(world.submit(received.recipients[0]))
    assert only_delivery(again).state is DeliveryState.SUPPRESSED


async def test_a_delay_is_noted_and_changes_nothing(world: World) -> None:
    message_id, received = await delivered(world, "slow")
    noted = returned(world, "noted")

    assert bring(world, received.reverse_path, (BOUNCES / "postfix_delayed.eml").read_bytes()).startswith("250")

    story = await world.story(message_id)
    assert only_delivery(story).state is DeliveryState.DELIVERED
    assert [one.type for one in story.events] == [EventType.ACCEPTED, EventType.DELIVERED]
    assert within(10, lambda: returned(world, "noted") == noted + 1)


async def test_a_full_mailbox_and_a_spam_filter_suppress_nobody(world: World) -> None:
    for name, bounce_class in (("lmtp_overquota_permanent", "quota"), ("spam_refused", "spam-related")):
        message_id, received = await delivered(world, name)
        bring(world, received.reverse_path, (BOUNCES / f"{name}.eml").read_bytes())
        event = last_event(await world.story(message_id), EventType.BOUNCED)
        assert event.data["bounce_class"] == bounce_class
        assert await listed(world, received.recipients[0]) == []


async def test_a_forged_token_is_refused_and_counted(world: World) -> None:
    message_id, received = await delivered(world, "forged")
    forged = returned(world, "forged")
    last = "0" if received.reverse_path.partition("@")[0][-1] != "0" else "1"
    address = received.reverse_path.replace("@", "@", 1).partition("@")[0][:-1] + last + f"@rp.{DOMAIN}"

    assert bring(world, address, (BOUNCES / "qmail.eml").read_bytes()).startswith("550 5.1.1 ")

    assert only_delivery(await world.story(message_id)).state is DeliveryState.DELIVERED
    assert within(10, lambda: returned(world, "forged") == forged + 1)


@pytest.mark.parametrize(
    ("recipient", "reply"),
    [
        ("victim@elsewhere.example", "550 5.7.1 "),
        ("victim%elsewhere.example@rp.bench.example", "550 5.1.1 "),
        ("anybody@rp.bench.example", "550 5.1.1 "),
        ("nobody@bench.example", "550 5.1.1 "),
        ("a@rp.elsewhere.example", "550 5.7.1 "),
    ],
)
def test_nothing_is_relayed(world: World, recipient: str, reply: str) -> None:
    assert bring(world, recipient, letter(), "spammer@elsewhere.example").startswith(reply)


def test_the_door_offers_encryption_and_no_login(world: World) -> None:
    with inbound(world) as client:
        assert client.has_extn("starttls")
        assert not client.has_extn("auth")
        # Nothing is reported from here.
        assert not client.has_extn("dsn")
        assert client.docmd("AUTH PLAIN AGEAYg==")[0] == 503
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client.starttls(context=context)
        client.ehlo("mx.receiver.example")
        assert client.rcpt("nobody@elsewhere.example")[0] == 503


async def test_a_letter_to_a_return_path_goes_back_to_its_writer(world: World) -> None:
    _, received = await delivered(world, "writer")
    content = (BOUNCES / "letter.eml").read_bytes()

    assert bring(world, received.reverse_path, content, "ann@receiver.example").startswith(
        "550 5.1.1 This address takes"
    )
    # A holiday note does not.
    absent = (BOUNCES / "auto_out_of_office.eml").read_bytes()
    assert bring(world, received.reverse_path, absent, "ann@receiver.example").startswith("250 ")


async def test_complaints_by_mail_are_counted(each_world: World) -> None:
    world = each_world
    for name, to in (("at-return-path", ""), ("at-domain", f"Complaints@{DOMAIN}")):
        message_id, received = await delivered(world, name)
        kept = f"Return-Path: <{received.reverse_path}>\r\n".encode() + received.content
        assert bring(world, to or received.reverse_path, around(kept), "fbl@provider.example").startswith("250 ")
        assert last_event(await world.story(message_id), EventType.COMPLAINED).recipient == received.recipients[0]
    # What is no complaint is for nobody there.
    assert bring(world, f"complaints@{DOMAIN}", letter(), "a@provider.example").startswith("550 5.1.1 ")


async def test_unsubscribing_by_mail(each_world: World) -> None:
    world = each_world
    message_id, received = await delivered(world, "leaving", "X-OV-Unsubscribe: yes\r\n")
    header = received.content.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").decode()
    address = header.partition("<mailto:")[2].partition("?")[0]

    # A report is no wish of anybody's.
    assert bring(world, address, letter()).startswith("250 ")
    answer = letter(extra="Auto-Submitted: auto-replied\r\n")
    assert bring(world, address, answer, "somebody@receiver.example").startswith("250 ")
    assert EventType.UNSUBSCRIBED not in {one.type for one in (await world.story(message_id)).events}
    # A client writes for its user.
    wish = letter(subject="unsubscribe", extra="Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n")
    assert bring(world, address.upper(), wish, "somebody@receiver.example").startswith("250 ")

    event = last_event(await world.story(message_id), EventType.UNSUBSCRIBED)
    assert (event.recipient, event.data["way"]) == (received.recipients[0], "mail")
    again = await world.finished(world.submit(received.recipients[0]))
    assert only_delivery(again).state is DeliveryState.SUPPRESSED
    assert bring(world, address.replace("@", "0@"), letter(), "a@b.example").startswith("550 5.1.1 ")


@pytest.fixture
def routes(each_world: World) -> Iterator[World]:
    """Routes of the domain: help@ goes elsewhere, and so does what has an invoice for a subject."""
    product, to = each_world.product, destination(ELSEWHERE)
    product.run("inbound", "add", DOMAIN, "--from", "@spam\\.", "--stop")
    product.run("inbound", "add", DOMAIN, "--to", "^help@", "--forward", f"desk@{to}")
    product.run("inbound", "add", DOMAIN, "--to", "^(help|bills)@", "--subject", "invoice", "--forward", f"books@{to}")
    yield each_world
    for _ in range(3):
        product.run("inbound", "remove", DOMAIN, "1")


async def test_mail_is_forwarded_untouched_from_a_return_path_of_its_own(routes: World) -> None:
    world = routes
    content = letter(to=f"help@{DOMAIN}", subject="My Invoice", header_from="ann@receiver.example")
    async with world.receiver(ELSEWHERE) as host:
        assert bring(world, f"Help@{DOMAIN}", content, "ann@receiver.example").startswith("250 ")
        async with world.database() as database:
            for name in ("desk", "books"):
                wanted = Selector(recipient=f"{name}@{destination(ELSEWHERE)}")
                found = (await database.read(deliveries.search, wanted, 100))[-1]
                story = await world.finished(found.message_id)
    copies = {one.recipients[0].partition("@")[0]: one for one in host.messages}

    assert set(copies) == {"desk", "books"}
    for copy in copies.values():
        above, _, rest = copy.content.partition(b"From: ann@receiver.example")
        assert b"From: ann@receiver.example" + rest == content
        # Nobody of the domain wrote it: its signature would vouch for a stranger.
        assert above.startswith(b"Received: from mx.receiver.example ([127.0.0.1]) by ")
        assert above.count(b"\r\nReceived:") == 0
        assert b"DKIM-Signature" not in above
        assert copy.reverse_path.startswith("bounce+")
    # Its bounce ends here: nobody is told, and the address stays off the lists.
    report = (BOUNCES / "exim.eml").read_bytes()
    assert bring(world, copies["desk"].reverse_path, report).startswith("250 ")
    story = await world.story(story.message.id)
    states = {one.recipient.partition("@")[0]: one.state for one in story.deliveries}
    assert states == {"desk": DeliveryState.BOUNCED, "books": DeliveryState.DELIVERED}
    assert await listed(world, f"desk@{destination(ELSEWHERE)}") == []


async def test_mail_without_a_sender_is_forwarded_without_one(routes: World) -> None:
    async with routes.receiver(ELSEWHERE) as host:
        assert bring(routes, f"help@{DOMAIN}", letter(subject="A report")).startswith("250 ")
        await _arrived(host.messages)
    assert host.messages[0].reverse_path == ""


async def _arrived(messages: list[Received]) -> None:
    async with asyncio.timeout(20):
        while not messages:
            await asyncio.sleep(0.05)


def test_what_no_route_takes_is_refused_as_early_as_can_be(routes: World) -> None:
    sender = "ann@receiver.example"
    with inbound(routes) as client:
        client.mail(sender)
        assert client.rcpt(f"sales@{DOMAIN}")[0] == 550
        # Whether bills@ is taken depends on the subject, for which all recipients get one reply.
        assert client.rcpt(f"bills@{DOMAIN}")[0] == 250
        assert client.rcpt(f"help@{DOMAIN}")[0] == 452
        assert client.data(letter(subject="Hello"))[0] == 550
    stopped = returned(routes, "stopped")
    assert bring(routes, f"anything@{DOMAIN}", letter(), "x@spam.example").startswith("250 ")
    assert within(10, lambda: returned(routes, "stopped") == stopped + 1)


def test_a_message_that_goes_in_a_circle_is_stopped(routes: World) -> None:
    circles = "".join(f"Received: by h{count}.example; Fri, 27 Nov 2026 10:00:00 +0000\r\n" for count in range(51))
    content = circles.encode() + letter()

    assert bring(routes, f"help@{DOMAIN}", content, "ann@receiver.example").startswith("554 5.4.6 ")


def test_routes_are_changed_by_command(world: World) -> None:
    product, to = world.product, f"desk@{destination(ELSEWHERE)}"
    product.run("inbound", "add", DOMAIN, "--to", "^a@", "--forward", to)
    product.run("inbound", "add", DOMAIN, "--to", "^b@", "--stop", "--position", "1")
    listed = product.run_json("inbound", "list", DOMAIN)
    assert [(one["position"], one["mail_to"], one["action"]) for one in listed] == [
        (1, "^b@", "stop"),
        (2, "^a@", "forward"),
    ]
    product.run("inbound", "move", DOMAIN, "2", "1")
    assert product.run_json("inbound", "list", DOMAIN)[0]["mail_to"] == "^a@"
    tried = product.run_json("inbound", "test", DOMAIN, "--to", "A@bench.example")
    assert tried == {"taken": True, "forward_to": [to], "routes": [1]}
    for wrong in (["--to", "(", "--stop"], ["--to", "a"], ["--forward", f"x@{DOMAIN}"], ["--to", "(?=a)", "--stop"]):
        with pytest.raises(RuntimeError, match="Error: "):
            product.run("inbound", "add", DOMAIN, *wrong)
    for _ in range(2):
        product.run("inbound", "remove", DOMAIN, "1")
    audited = product.run_json("audit", "search", "--action", "inbound_route", "--target", DOMAIN)
    assert {one["action"] for one in audited} == {"inbound_route.added", "inbound_route.moved", "inbound_route.removed"}
