"""Events are followed in browsers over all workers of a node, until the session or the node ends."""

import http.client
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.people import session_of
from tests.peers.ports import LOOPBACK
from tests.scenarios.product import PASSWORD, USERNAME, Product
from tests.scenarios.world import letter, submit_over

_WITHIN_S = 20.0


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    node = Product(tmp_path / "node", smarthost_port=None, workers=2)
    node.prepare()
    with node:
        yield node


class Follower:
    """A browser that looks at the events of an account."""

    def __init__(self, product: Product, token: str) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, product.http_port, timeout=_WITHIN_S)
        headers = {"Accept": "text/event-stream", "Cookie": f"postroad={token}"}
        self._connection.request("GET", "/events/live", headers=headers)
        self.reply = self._connection.getresponse()

    def close(self) -> None:
        """Look at something else."""
        self.reply.close()
        self._connection.close()

    def wait_for(self, word: str) -> bool:
        """Read until a line holds a word; false where the stream ends before."""
        while line := self.reply.readline():
            if word in line.decode():
                return True
        return False


def test_every_worker_tells_of_mail_and_all_streams_end_with_the_session_and_the_node(product: Product) -> None:
    people = [session_of(product.data_dir, f"eve{number}@bench.example") for number in range(4)]
    followers = [Follower(product, token) for token in people for _ in range(2)]
    assert {one.reply.status for one in followers} == {200}
    with smtplib.SMTP(LOOPBACK, product.submission_port, timeout=_WITHIN_S) as client:
        client.login(USERNAME, PASSWORD)
        submit_over(client, ["a@nowhere.invalid"], letter(to="a@nowhere.invalid"), sender=USERNAME)
    # One who reads of it on each connection, whichever worker has it.
    assert [one.wait_for("accepted") for one in followers] == [True] * len(followers)

    product.run("user", "end-sessions", "eve0@bench.example")
    assert [one.wait_for("event: over") for one in followers[:2]] == [True] * 2
    product.stop()
    assert [one.wait_for("event: over") for one in followers] == [False] * len(followers)
    assert "graceful shutdown exceeded" not in product.log.read_text()
    for one in followers:
        one.close()
