"""The driver against a transport in memory, for what depends on the order in which the event loop calls."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from postroad.delivery.session import Session, SessionTerms
from postroad.delivery.settings import ConnectionSettings, TimeoutSettings
from postroad.delivery.transmission import ConnectFailure, Transmission, TransmissionResult
from postroad.model.attempt import FailureKind
from postroad.model.outcome import Phase
from postroad.model.route import EgressSource, Hop, Route, TlsRule

HOP = Hop("mx.test", "192.0.2.1", 25)
SOURCE = EgressSource(name="main", ehlo_name="me.test")
ROUTE = Route(site="site", hops=(HOP,), source=SOURCE, tls_rule=TlsRule.NEVER)


def no_tls(rule: TlsRule) -> ssl.SSLContext:
    raise AssertionError(f"nobody asked for TLS under {rule}")


TERMS = SessionTerms(
    timeouts=TimeoutSettings(), limits=ConnectionSettings(), tls_context_for=no_tls, clock=lambda: 1_000
)


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self.is_aborted = True


@pytest.fixture
async def wire() -> Wire:
    return Wire()


async def opened(monkeypatch: pytest.MonkeyPatch, wire: Wire, *said: bytes) -> tuple[Session, ConnectFailure | None]:
    """Open a session to a host that says all this before anybody else's turn comes."""

    async def create_connection(factory: Callable[[], asyncio.Protocol], *_: Any, **__: Any) -> tuple[Wire, Any]:
        protocol = factory()
        protocol.connection_made(wire)
        for data in said:
            protocol.data_received(data)
        return wire, protocol

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", create_connection)
    session = Session(HOP, ROUTE, TlsRule.NEVER, TERMS)
    return session, await session.open()


READY = (b"220 mx.test\r\n", b"250-mx.test\r\n250 PIPELINING\r\n")


async def test_a_greeting_may_come_before_the_dialler_has_its_turn(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    session, failure = await opened(monkeypatch, wire, *READY)
    assert failure is None
    assert wire.written == [b"EHLO me.test\r\n"]
    assert session.is_usable
    session.abort("end of the test")


async def test_a_host_that_hangs_up_at_once_leaves_a_session_of_no_use(
    monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    session, failure = await opened(monkeypatch, wire, *READY, b"421 4.3.2 Going down\r\n")
    assert failure is None
    assert not session.is_usable
    results: list[TransmissionResult] = []
    await session.transmit([transmission(b"x")], results.append)
    assert results == []
    assert session.ended_by is not None
    assert (session.ended_by.kind, session.ended_by.text) == (FailureKind.REPLY, "421 4.3.2 Going down")


def transmission(content: bytes) -> Transmission:
    return Transmission(delivery_id=1, reverse_path="a@a.test", recipient="b@b.test", content=content)


async def test_large_content_waits_while_the_host_does_not_read(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    session, _ = await opened(monkeypatch, wire, *READY)
    results: list[TransmissionResult] = []
    content = b"x" * 300_000 + b"\r\n"
    sending = asyncio.create_task(session.transmit([transmission(content)], results.append))
    await asyncio.sleep(0)
    session.pause_writing()
    session.data_received(b"250 ok\r\n250 ok\r\n354 go\r\n")
    commands = b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n"
    assert wire.written[1:] == [commands]
    session.resume_writing()
    assert b"".join(wire.written[2:]) == content + b".\r\n"
    assert max(len(piece) for piece in wire.written) < 140_000
    session.data_received(b"250 taken\r\n")
    await sending
    assert [(result.phase, result.failure) for result in results] == [(Phase.FINAL_DOT, None)]
    session.abort("end of the test")


async def test_a_failed_dial_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def create_connection(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError(111, "Connect call failed ('192.0.2.1', 25)")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", create_connection)
    failure = await Session(HOP, ROUTE, TlsRule.NEVER, TERMS).open()
    assert failure == ConnectFailure(phase=Phase.CONNECT, kind=FailureKind.CONNECT, text="Connection refused")


async def test_a_deadline_that_is_already_here_ends_the_session_once(
    monkeypatch: pytest.MonkeyPatch, wire: Wire
) -> None:
    session, _ = await opened(monkeypatch, wire, *READY)
    results: list[TransmissionResult] = []
    sending = asyncio.create_task(session.transmit([transmission(b"x")], results.append))
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now + TERMS.timeouts.mail_s - 1)
    session._on_timer()
    assert results == []
    monkeypatch.setattr(loop, "time", lambda: now + TERMS.timeouts.mail_s + 1)
    session._on_timer()
    await sending
    assert [(result.phase, result.failure) for result in results] == [(Phase.MAIL, FailureKind.TIMEOUT)]
    assert results[0].detail == "no reply (mail) within 300 s"
    assert wire.is_aborted
    session._on_timer()
    session.connection_lost(None)
    assert session.is_closed
