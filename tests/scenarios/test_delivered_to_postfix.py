"""A message from swaks or smtplib to a Postfix with STARTTLS: its signature holds, its body is what was sent."""

import re
import subprocess
from collections.abc import Iterator

import dkim
import pytest

from postroad.model.event import EventType
from postroad.model.ids import from_text
from tests.peers.ports import LOOPBACK
from tests.peers.postfix import ReceivingServer, receiving_server
from tests.peers.programs import path_of
from tests.scenarios.product import DOMAIN, PASSWORD, USERNAME
from tests.scenarios.world import World, last_event, letter

pytestmark = pytest.mark.peer("nsd", "postfix")

POST = "post.example"
AWKWARD = (
    b"A line that ends in blanks  \r\n"
    b".a dot first\r\n..two dots\r\n.\x20\r\n"
    b"From here on\r\n" + b"x" * 998 + b"\r\n\ttab\r\n\r\n\r\n\r\n"
)


@pytest.fixture(scope="module")
def postfix() -> Iterator[ReceivingServer]:
    with receiving_server([POST]) as server:
        yield server


@pytest.fixture
def routed(each_world: World, postfix: ReceivingServer) -> Iterator[World]:
    """The node with a route to the Postfix, which a running node takes up by itself."""
    each_world.product.run("route", "add", POST, LOOPBACK, "--port", str(postfix.port))
    yield each_world
    each_world.product.run("route", "remove", POST)


async def test_the_message_arrives_signed_and_byte_for_byte_the_same(routed: World, postfix: ReceivingServer) -> None:
    before = set(postfix.messages())
    content = letter(to=f"you@{POST}", subject="Byte for byte", extra="Message-ID: <own@id.example>\r\n", body=AWKWARD)
    story = await routed.finished(_by_swaks(routed, content))
    [arrived] = set(postfix.wait_for(len(before) + 1)) - before

    assert arrived.partition(b"\n\n")[2] == AWKWARD.replace(b"\r\n", b"\n")
    signed = arrived[arrived.index(b"DKIM-Signature:") :].replace(b"\n", b"\r\n")
    asked: list[str] = []

    def record(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name.decode())
        return _published(routed, name.decode().rstrip("."))

    assert dkim.verify(signed, dnsfunc=record)
    assert asked == [f"postroad1._domainkey.{DOMAIN}."]
    assert b"Message-ID: <own@id.example>\n" in arrived

    delivered = last_event(story, EventType.DELIVERED).data
    assert delivered["host_address"] == LOOPBACK
    assert delivered["tls"]["version"] == "TLSv1.3"
    assert delivered["selectors"] == [f"postroad1._domainkey.{DOMAIN}"]
    assert re.match(r"250 2\.0\.0 Ok: queued as \w+", delivered["reply"])


async def test_the_return_path_names_the_delivery(routed: World, postfix: ReceivingServer) -> None:
    before = set(postfix.messages())
    with routed.client() as client:
        client.sendmail(USERNAME, [f"a@{POST}", f"b@{POST}"], letter(to=f"a@{POST}"))
    arrived = set(postfix.wait_for(len(before) + 2)) - before

    paths = [re.search(rb"^Return-Path: <(.*)>$", message, re.MULTILINE) for message in arrived]
    tokens = {path[1].decode() for path in paths if path}
    assert len(tokens) == 2
    assert all(re.fullmatch(rf"bounce\+[\w.-]+@rp\.{re.escape(DOMAIN)}", token) for token in tokens)


def _by_swaks(world: World, content: bytes) -> int:
    command = [path_of("swaks"), "--server", LOOPBACK, "--port", str(world.product.submission_port), "--tls"]
    command += ["--auth", "PLAIN", "--auth-user", USERNAME, "--auth-password", PASSWORD]
    command += ["--from", USERNAME, "--to", f"you@{POST}", "--data", "-", "--no-data-fixup"]
    # Swaks takes the text as it would go over the wire.
    stuffed = re.sub(rb"^\.", b"..", content, flags=re.MULTILINE) + b"."
    done = subprocess.run(command, input=stuffed, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    found = re.search(rb"Accepted as (\w+)", done.stdout)
    assert found is not None
    return from_text(found[1].decode())


def _published(world: World, name: str) -> bytes:
    """Return the record that the product asks its operator to publish under a name."""
    shown = world.product.run_json("domain", "show", DOMAIN)
    return next(str(one["value"]) for one in shown["records"] if one["name"] == name).encode()
