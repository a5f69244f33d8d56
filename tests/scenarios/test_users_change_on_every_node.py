"""What is changed of an SMTP user holds on every node and in every worker, in open sessions too, within five seconds."""

import contextlib
import smtplib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.peers.ports import LOOPBACK
from tests.scenarios.crash import database
from tests.scenarios.product import DOMAIN, PASSWORD, Product
from tests.scenarios.world import letter, prepare
from tests.waiting import PROMISED_S

SESSIONS = 12
"""On two workers of one node the system gives connections out; that one of two gets none of a dozen is unlikely."""
LIMIT = 10


@contextlib.contextmanager
def two_nodes(folder: Path) -> Iterator[list[Product]]:
    with database("postgres") as url, contextlib.ExitStack() as running:
        nodes = [Product(folder / name, smarthost_port=None, database_url=url, workers=1) for name in ("one", "other")]
        prepare(nodes[0])
        nodes[1].join(nodes[0])
        for node in nodes:
            running.enter_context(node)
        yield nodes


@contextlib.contextmanager
def two_workers(folder: Path) -> Iterator[list[Product]]:
    node = Product(folder, smarthost_port=None, workers=2)
    prepare(node)
    with node:
        yield [node]


@pytest.fixture(scope="module", params=[two_nodes, two_workers], ids=["nodes", "workers"])
def nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Product]]:
    with request.param(tmp_path_factory.mktemp("every")) as running:
        yield running


@contextlib.contextmanager
def sessions(nodes: Sequence[Product], name: str) -> Iterator[list[smtplib.SMTP]]:
    with contextlib.ExitStack() as opened:
        clients = []
        for number in range(SESSIONS):
            port = nodes[number % len(nodes)].submission_port
            client = opened.enter_context(smtplib.SMTP(LOOPBACK, port, timeout=20))
            client.login(name, PASSWORD)
            clients.append(client)
        yield clients


def added(nodes: Sequence[Product], name: str, *options: str) -> str:
    username = f"{name}@{DOMAIN}"
    nodes[0].run("smtp-user", "add", username, "--password-stdin", *options, given=PASSWORD)
    return username


def all_within_promise(clients: Sequence[smtplib.SMTP], shows: Callable[[smtplib.SMTP], bool]) -> None:
    """Ask each client until it shows the change; five seconds are for all of them together."""
    deadline = time.monotonic() + PROMISED_S
    waiting = list(clients)
    while waiting := [client for client in waiting if not shows(client)]:
        assert time.monotonic() < deadline, f"{len(waiting)} sessions do not show it after five seconds"
        time.sleep(0.05)


def has_ended(client: smtplib.SMTP) -> bool:
    if client.noop()[0] != 535:
        return False
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        client.noop()
    return True


def accepts(client: smtplib.SMTP, name: str) -> str:
    try:
        client.sendmail(name, ["you@field.test"], letter(header_from=name))
    except smtplib.SMTPDataError as refused:
        return f"{refused.smtp_code} {bytes(refused.smtp_error).decode()}"  # type: ignore[arg-type]
    return "250"


@pytest.mark.slow
def test_every_open_session_of_a_user_ends(nodes: list[Product]) -> None:
    for verb in (("disable",), ("remove", "--yes"), ("set-password", "--generate")):
        name = added(nodes, verb[0])
        with sessions(nodes, name) as clients:
            assert {client.noop()[0] for client in clients} == {250}
            nodes[-1].run("smtp-user", verb[0], name, *verb[1:])
            all_within_promise(clients, has_ended)


@pytest.mark.slow
def test_a_restriction_of_from_holds_in_every_open_session(nodes: list[Product]) -> None:
    name = added(nodes, "restricted")
    with sessions(nodes, name) as clients:
        nodes[-1].run("smtp-user", "edit", name, "--allow-from", f"other@{DOMAIN}")
        all_within_promise(clients, lambda client: accepts(client, name).startswith("550 5.7.1 The From header has "))


@pytest.mark.slow
def test_all_sessions_everywhere_together_take_what_a_limit_allows_and_no_more(nodes: list[Product]) -> None:
    name = added(nodes, "limited", "--daily-limit", str(LIMIT))
    with sessions(nodes, name) as clients, ThreadPoolExecutor(SESSIONS) as threads:
        twice = threads.map(lambda client: [accepts(client, name) for _ in range(2)], clients)
        results = [result for both in twice for result in both]

    refused = [result for result in results if result != "250"]
    assert len(results) - len(refused) == LIMIT
    assert all(result.startswith(f"452 4.7.1 This SMTP user may have {LIMIT} recipients a day, ") for result in refused)


@pytest.mark.slow
def test_the_last_use_is_shown_with_its_address_whichever_node_it_was_on(nodes: list[Product]) -> None:
    name = added(nodes, "seen")
    with sessions(nodes, name):
        deadline = time.monotonic() + PROMISED_S
        while (shown := nodes[0].run_json("smtp-user", "show", name))["last_used_at"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    assert (shown["last_used_address"], shown["last_used_tls"]) == (LOOPBACK, False)
