"""A node is started with few open files, as shells and service managers do it, and more clients than that come."""

import contextlib
import resource
import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.sink import Sink
from tests.scenarios.product import PASSWORD, USERNAME, Product
from tests.scenarios.world import letter

pytestmark = pytest.mark.peer("smtp-sink")

FEW = 300


@contextlib.contextmanager
def few_open_files() -> Iterator[None]:
    """Have whatever is started meanwhile begin with few."""
    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (usual, most))


def test_silent_clients_beyond_the_usual_limit_keep_no_mail_from_its_way(tmp_path: Path) -> None:
    with Sink() as sink, contextlib.ExitStack() as closing:
        node = Product(tmp_path / "node", smarthost_port=sink.port, workers=1)
        node.prepare()
        with few_open_files():
            node.start()
        closing.callback(node.stop)
        for address in ("127.0.0.2", "127.0.0.3"):
            for _ in range(FEW // 2):
                silent = socket.create_connection(("127.0.0.1", node.submission_port), source_address=(address, 0))
                closing.enter_context(silent)
        with smtplib.SMTP("127.0.0.1", node.submission_port, timeout=20) as client:
            client.login(USERNAME, PASSWORD)
            client.sendmail(USERNAME, ["somebody@there.example"], letter())
        sink.wait_for(1, 20)
