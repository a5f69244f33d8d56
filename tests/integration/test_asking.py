"""What the node's admin listener says of a delivery, in the words of ``postroad queue show``."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from postroad.cli import asking
from postroad.cli.asking import where_it_waits
from postroad.model.ids import text_of
from tests.peers.ports import free_port

DELIVERY = 1 << 40
Node = Callable[[bytes], str]


@pytest.fixture
def node() -> Iterator[Node]:
    """Serve one answer to every question, and return the address to ask."""
    servers: list[HTTPServer] = []

    def serving(answer: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = self.path == f"/why/{text_of(DELIVERY)}"
                self.send_response(200 if known else 404)
                self.end_headers()
                self.wfile.write(answer)

            def log_request(self, code: int | str = "", size: int | str = "") -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"0.0.0.0:{server.server_port}"

    yield serving
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'{"reason": "its turn (main: 2 ready)"}', "There it waits for its turn (main: 2 ready)."),
        (b'{"reason": null}', "There it is under way at this moment."),
        (b"<html>", None),
    ],
)
def test_the_answer_is_put_in_a_sentence(node: Node, answer: bytes, expected: str | None) -> None:
    assert where_it_waits(node(answer), DELIVERY) == expected


def test_a_delivery_that_the_node_does_not_know_has_no_answer(node: Node) -> None:
    assert where_it_waits(node(b"{}"), DELIVERY + 1) is None


def test_a_node_that_is_away_or_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_WITHIN_S", 0.05)
    silent = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)  # it listens, and nobody answers

    assert where_it_waits(f"127.0.0.1:{silent.server_port}", DELIVERY) is None
    assert where_it_waits(f"127.0.0.1:{free_port()}", DELIVERY) is None
    assert where_it_waits("", DELIVERY) is None
    silent.server_close()
