"""What looks like the end of a message to one server and not to the next never makes two messages of one."""

from collections.abc import Iterator

import pytest

from tests.peers.postfix import ReceivingServer, receiving_server
from tests.scenarios.product import DOMAIN, USERNAME
from tests.scenarios.world import FIELD, World, running_world

pytestmark = pytest.mark.peer("nsd", "postfix")

POST = f"post.{FIELD}"
ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\r\r\n", b"\n\r.\r\n",
    b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n\x85.\r\n",
]  # fmt: skip
SMUGGLED = (
    f"MAIL FROM:<forged@{DOMAIN}>\r\nRCPT TO:<victim@{POST}>\r\nDATA\r\n"
    f"From: {USERNAME}\r\nSubject: smuggled\r\n\r\nForged.\r\n"
).encode()


@pytest.fixture(scope="module")
def postfix() -> Iterator[ReceivingServer]:
    with receiving_server([POST]) as server:
        yield server


@pytest.fixture(scope="module")
def post_office(tmp_path_factory: pytest.TempPathFactory, postfix: ReceivingServer) -> Iterator[World]:
    settings = {"delivery": {"port": postfix.port}}
    zones = {FIELD: "post MX 10 postfix\npostfix A 127.0.0.1"}
    with running_world(tmp_path_factory.mktemp("post-office"), settings=settings, zones=zones) as running:
        yield running


def offer(world: World, content: bytes, how: str) -> str:
    """Send content and the true end, and return the reply to it."""
    with world.dialogue() as dialogue:
        dialogue.log_in()
        dialogue.say(f"MAIL FROM:<{USERNAME}> BODY=8BITMIME")
        dialogue.say(f"RCPT TO:<you@{POST}>")
        if how == "DATA":
            assert dialogue.say("DATA").startswith("354")
            dialogue.send(content + b"\r\n.\r\n")
        else:
            dialogue.send(f"BDAT {len(content)} LAST\r\n".encode() + content)
        reply = dialogue.reply()
        # Nothing behind the reply: whatever was sent is one message's text.
        assert dialogue.say("NOOP").startswith("250 2.0.0")
        return reply


@pytest.mark.parametrize("how", ["DATA", "BDAT"])
async def test_no_variant_becomes_two_messages(post_office: World, postfix: ReceivingServer, how: str) -> None:
    before = set(postfix.messages())
    head = f"From: {USERNAME}\r\nTo: you@{POST}\r\nSubject: outer\r\n\r\nText".encode()
    replies = [offer(post_office, head + end + SMUGGLED, how) for end in ENDS]
    # A last sound one follows: when it has arrived, so has what went before it.
    sound = post_office.submit(f"you@{POST}")
    await post_office.finished(sound)
    taken = 1 + sum(reply.startswith("250") for reply in replies)
    arrived = set(postfix.wait_for(len(before) + taken)) - before

    refused = [reply for reply in replies if not reply.startswith("250")]
    assert all(reply.startswith("550 5.6.0 ") for reply in refused)
    # What is no bare CR, LF or NUL is text, and stays in its message.
    assert len(refused) == len(ENDS) - 1
    assert [message for message in arrived if b"Subject: smuggled" in message.partition(b"\n\n")[0]] == []
    assert b"for <victim@" not in b"".join(arrived)


async def test_a_chunk_that_holds_a_true_end_is_one_message_for_the_next_hop_too(
    post_office: World, postfix: ReceivingServer
) -> None:
    """BDAT needs no dots doubled, the next hop's DATA does."""
    before = set(postfix.messages())
    content = f"From: {USERNAME}\r\nSubject: outer\r\n\r\nText\r\n.\r\n".encode() + SMUGGLED
    assert offer(post_office, content, "BDAT").startswith("250")
    [arrived] = set(postfix.wait_for(len(before) + 1)) - before

    assert arrived.partition(b"\n\n")[2] == content.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")
