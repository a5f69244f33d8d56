"""The agent against Postfix as receiving server, with STARTTLS and pipelining as it does them."""

from collections.abc import Callable, Iterator

import pytest

from postroad.model.outcome import Phase
from postroad.model.route import Hop, Route, TlsRule
from tests.integration.delivery.sender import DELIVERED, SOURCE, Sender, ends, transmission
from tests.peers.postfix import ReceivingServer, receiving_server

pytestmark = pytest.mark.peer("postfix")

AWKWARD = b"Subject: awkward\r\n\r\n.\r\n..\r\n.dotted\r\n\r\n" + "grüße\r\n".encode() + b"x" * 998 + b"\r\n"


@pytest.fixture
def server() -> Iterator[ReceivingServer]:
    with receiving_server(["there.example"]) as server:
        yield server


def route_to(server: ReceivingServer) -> Route:
    hop = Hop("mx.there.example", "127.0.0.1", server.port)
    return Route(site="there", hops=(hop,), source=SOURCE, tls_rule=TlsRule.OPPORTUNISTIC)


async def test_postfix_takes_a_pipelined_batch_under_tls_and_refuses_one_of_it(
    senders: Callable[..., Sender], server: ReceivingServer
) -> None:
    batch = [
        transmission(
            key,
            reverse_path=f"b+{key}@here.example",
            recipient=f"r{key}@{'elsewhere' if key == 3 else 'there'}.example",
            content=b"X-Key: %d\r\n" % key + AWKWARD,
            is_eight_bit=True,
        )
        for key in range(10)
    ]
    attempts = await senders().send(route_to(server), *batch)
    expected = dict.fromkeys(range(10), DELIVERED) | {3: (Phase.RCPT, 554)}
    assert ends(attempts) == expected
    assert attempts[3].facts.enhanced_status == "5.7.1"
    tls = attempts[0].facts.tls
    assert tls is not None
    assert tls.version == "TLSv1.3"
    arrived = server.wait_for(9)
    bodies = {message.partition(b"\nX-Key: ")[2] for message in arrived}
    assert bodies == {b"%d\n" % key + AWKWARD.replace(b"\r\n", b"\n") for key in range(10) if key != 3}


async def test_postfix_takes_an_internationalised_address(
    senders: Callable[..., Sender], server: ReceivingServer
) -> None:
    mail = transmission(1, recipient="grüße@there.example", reverse_path="b+1@here.example", is_utf8=True)
    assert ends(await senders().send(route_to(server), mail)) == {1: DELIVERED}
