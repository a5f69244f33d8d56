"""Binding the listeners' sockets."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from postroad.net.listen import Endpoint, ListenError, bind
from tests.peers import ports


@contextlib.contextmanager
def bound(endpoint: Endpoint, slots: int = 1) -> Iterator[tuple[tuple[socket.socket, ...], ...]]:
    rows = bind(endpoint, slots)
    try:
        yield rows
    finally:
        for row in rows:
            for listener in row:
                listener.close()


def test_each_worker_slot_gets_a_socket_on_the_same_port() -> None:
    with bound(Endpoint("127.0.0.1", 0), slots=3) as rows:
        [port] = {listener.getsockname()[1] for row in rows for listener in row}

        assert [len(row) for row in rows] == [1, 1, 1]
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_a_client_waits_in_the_sockets_queue_while_no_worker_accepts() -> None:
    with (
        bound(Endpoint("127.0.0.1", 0)) as [[listener]],
        socket.create_connection(listener.getsockname(), timeout=5) as client,
    ):
        listener.setblocking(True)
        accepted, address = listener.accept()
        accepted.close()

        assert address == client.getsockname()


def test_an_empty_host_listens_on_every_family_of_the_machine() -> None:
    with bound(Endpoint("", 0)) as [row]:
        port = row[0].getsockname()[1]

        assert {listener.getsockname()[1] for listener in row} == {port}
        assert row[0].family == socket.AF_INET
        for listener in row:
            loopback = "127.0.0.1" if listener.family == socket.AF_INET else "::1"
            socket.create_connection((loopback, port), timeout=5).close()


def test_a_port_that_is_taken_is_named_though_ports_can_be_shared() -> None:
    with bound(Endpoint("127.0.0.1", 0)) as [[listener]]:
        port = listener.getsockname()[1]

        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: another program is listening there"):
            bind(Endpoint("127.0.0.1", port))


def test_a_port_is_free_again_after_its_sockets_are_closed() -> None:
    port = ports.free_port()
    with bound(Endpoint("127.0.0.1", port)) as [[listener]]:
        listener.setblocking(True)
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            listener.accept()[0].close()

    with bound(Endpoint("127.0.0.1", port)):
        pass


def test_an_address_of_another_machine_is_refused_with_the_reason() -> None:
    with pytest.raises(ListenError, match="this machine does not have that address"):
        bind(Endpoint("192.0.2.1", 2525))
