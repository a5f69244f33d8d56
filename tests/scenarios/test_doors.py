"""The other doors: TLS from the first octet, IPv6, behind a load balancer, by network address, and only with TLS."""

import smtplib
import ssl
import struct
import time
from collections.abc import Iterator
from socket import inet_aton

import pytest

from postroad.model.event import EventType
from tests.peers.ports import LOOPBACK, free_ports
from tests.scenarios.product import DOMAIN, PASSWORD, USERNAME
from tests.scenarios.world import FIELD, Dialogue, World, last_event, letter, running_world, submit_over

pytestmark = pytest.mark.peer("nsd")

BALANCER = "127.0.0.77"
BY_ADDRESS = "127.0.0.88"
NOWHERE = f"a@nowhere.{FIELD}"
V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.fixture(scope="module")
def ports() -> list[int]:
    return free_ports(1)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, ports: list[int]) -> Iterator[World]:
    settings = {
        "smtp": {
            "listen": [f"{LOOPBACK}:{ports[0]}", f"[::1]:{ports[0]}", f"{BALANCER}:{ports[0]}"],
            "listen_by_address": [f"{BY_ADDRESS}:{ports[0]}"],
            "proxy_protocol_from": [f"{BALANCER}/32"],
            "require_tls": True,
        }
    }
    zones = {FIELD: "nowhere MX 0 ."}
    with running_world(tmp_path_factory.mktemp("guarded"), settings=settings, zones=zones) as running:
        running.product.submission_port = ports[0]
        running.product.run("smtp-user", "add", f"printer@{DOMAIN}", "--address", f"{BY_ADDRESS}/32")
        yield running


def device(world: World) -> smtplib.SMTP:
    """Connect from the device's address, which the node knows five seconds after it was added."""
    deadline = time.monotonic() + 5
    while True:
        try:
            return smtplib.SMTP(BY_ADDRESS, world.product.submission_port, timeout=20, source_address=(BY_ADDRESS, 0))
        except smtplib.SMTPConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture
def context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def test_a_login_in_the_clear_is_refused_where_tls_is_required(guarded: World) -> None:
    with guarded.dialogue() as dialogue:
        assert "AUTH" not in dialogue.say("EHLO client.example")
        assert dialogue.say("AUTH PLAIN AGEAYg==").startswith("538 5.7.11 ")
        assert dialogue.say(f"MAIL FROM:<{USERNAME}>").startswith("530 5.7.0 ")


@pytest.mark.parametrize("host", [LOOPBACK, "::1"])
async def test_a_login_after_starttls_works(guarded: World, context: ssl.SSLContext, host: str) -> None:
    with smtplib.SMTP(host, guarded.product.submission_port, timeout=20) as client:
        client.starttls(context=context)
        client.login(USERNAME, PASSWORD)
        story = await guarded.story(submit_over(client, [NOWHERE], letter()))

    accepted = last_event(story, EventType.ACCEPTED).data
    assert accepted["client_address"] == host
    assert accepted["tls_version"] == "TLSv1.3"


async def test_tls_from_the_first_octet_works(guarded: World, context: ssl.SSLContext) -> None:
    with smtplib.SMTP_SSL(LOOPBACK, guarded.product.submission_tls_port, context=context, timeout=20) as client:
        client.login(USERNAME, PASSWORD)
        story = await guarded.story(submit_over(client, [NOWHERE], letter()))

    assert last_event(story, EventType.ACCEPTED).data["tls_version"] == "TLSv1.3"


@pytest.mark.parametrize("version", [1, 2])
async def test_a_load_balancer_is_believed_about_the_client(
    guarded: World, context: ssl.SSLContext, version: int
) -> None:
    header = b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 587\r\n" if version == 1 else _v2("203.0.113.9")
    with Behind(guarded, header) as client:
        client.starttls(context=context)
        client.login(USERNAME, PASSWORD)
        story = await guarded.story(submit_over(client, [NOWHERE], letter()))

    assert last_event(story, EventType.ACCEPTED).data["client_address"] == "203.0.113.9"


def test_nobody_else_is_believed(guarded: World) -> None:
    with Dialogue(
        guarded.product.submission_port, before=b"PROXY TCP4 203.0.113.9 192.0.2.1 40000 587\r\n"
    ) as dialogue:
        assert dialogue.greeting.startswith("220 ")
        assert dialogue.reply().startswith("500 ")


def test_a_load_balancer_that_sends_no_header_is_hung_up_on(guarded: World) -> None:
    with Dialogue(guarded.product.submission_port, greeting=False, source=BALANCER) as dialogue:
        dialogue.send(b"EHLO client.example\r\n")
        assert dialogue.rest() == b""


async def test_a_device_is_known_by_its_address(guarded: World) -> None:
    port = guarded.product.submission_port
    with device(guarded) as client:
        client.ehlo()
        assert not client.has_extn("AUTH")
        story = await guarded.story(submit_over(client, [NOWHERE], letter(), sender=f"printer@{DOMAIN}"))
    with pytest.raises(smtplib.SMTPConnectError) as refused:
        smtplib.SMTP(BY_ADDRESS, port, timeout=20, source_address=("127.0.0.89", 0))

    assert last_event(story, EventType.ACCEPTED).data["username"] == f"printer@{DOMAIN}"
    assert refused.value.smtp_code == 554


class Behind(smtplib.SMTP):
    """A client whose connection comes from the load balancer, with its header in front."""

    def __init__(self, world: World, header: bytes) -> None:
        self._header = header
        super().__init__(LOOPBACK, world.product.submission_port, timeout=20, source_address=(BALANCER, 0))

    def _get_socket(self, host, port, timeout):  # type: ignore[no-untyped-def]
        connected = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        connected.sendall(self._header)
        return connected


def _v2(source: str) -> bytes:
    addresses = inet_aton(source) + inet_aton("192.0.2.1") + struct.pack(">HH", 40000, 587)
    return V2_SIGNATURE + b"\x21\x11" + struct.pack(">H", len(addresses)) + addresses
