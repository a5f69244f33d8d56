"""The session itself: its source address, its deadlines, its end."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from postroad.delivery.session import Session, connect
from postroad.delivery.transmission import ConnectFailure
from postroad.model.attempt import Attempt, FailureKind
from postroad.model.outcome import Phase
from postroad.model.route import Hop, Route, TlsRule
from tests.integration.delivery.sender import (
    SOURCE,
    Sender,
    ends,
    route_to,
    server_context,
    transmission,
)
from tests.scenarios.receiver import Receiver


async def test_the_source_address_is_bound(senders: Callable[..., Sender]) -> None:
    source = msgspec.structs.replace(SOURCE, ipv4="127.0.0.77")
    async with Receiver() as receiver:
        attempts = await senders().send(route_to(receiver, source=source), transmission(1))
        assert receiver.peers[0][0] == "127.0.0.77"
        assert attempts[1].facts.source_address == "127.0.0.77"


async def test_a_source_address_that_is_not_ours_fails_the_connection(senders: Callable[..., Sender]) -> None:
    source = msgspec.structs.replace(SOURCE, ipv4="192.0.2.1")
    async with Receiver() as receiver:
        attempts = await senders().send(route_to(receiver, source=source), transmission(1))
        assert ends(attempts) == {1: (Phase.CONNECT, FailureKind.CONNECT)}
        assert attempts[1].facts.source_address == "192.0.2.1"


UNBOUND = msgspec.structs.replace(SOURCE, ipv4=None)


@pytest.mark.parametrize(
    "behaviour",
    [
        {},
        {"tls_context": server_context()},
        {"replies": {"CONNECT": "554 5.7.1 Go away"}},
        {"replies": {"MAIL": "421 4.7.0 Not now"}},
        {"disconnect_at": "MAIL"},
        {"disconnect_at": "MAIL", "extensions": ()},
    ],
    ids=["taken", "taken under TLS", "refused at the greeting", "closed", "lost", "lost before the second began"],
)
async def test_the_address_that_the_system_chose_is_told_whatever_became_of_the_attempt(
    senders: Callable[..., Sender], behaviour: dict[str, Any]
) -> None:
    async with Receiver(**behaviour) as receiver:
        attempts = await senders().send(route_to(receiver, source=UNBOUND), transmission(1), transmission(2))
        assert {one.facts.source_address for one in attempts.values()} == {receiver.peers[0][0]} == {"127.0.0.1"}


async def test_no_address_is_told_where_the_system_did_not_come_to_choose_one(senders: Callable[..., Sender]) -> None:
    async with Receiver() as gone:
        pass
    attempts = await senders().send(route_to(gone, source=UNBOUND), transmission(1))
    assert ends(attempts) == {1: (Phase.CONNECT, FailureKind.CONNECT)}
    assert attempts[1].facts.source_address == ""


async def test_results_come_as_they_happen(senders: Callable[..., Sender]) -> None:
    seen: list[int] = []

    def rcpt(line: str) -> str | None:
        seen.append(len(reported))
        return None

    reported: list[Attempt] = []
    async with Receiver(replies={"RCPT": rcpt}) as receiver:
        await senders().agent.run(route_to(receiver), [transmission(key) for key in range(5)], reported.append)
    assert seen[-1] >= 3


async def test_a_cancelled_batch_reports_what_was_under_way_and_hangs_up(senders: Callable[..., Sender]) -> None:
    async with Receiver(delays={"DOT": 30}) as receiver:
        reported: list[Attempt] = []
        run = asyncio.create_task(senders().agent.run(route_to(receiver), [transmission(1)], reported.append))
        async with asyncio.timeout(5):
            while "DATA" not in receiver.commands:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert [(a.facts.phase, a.failure) for a in reported] == [(Phase.FINAL_DOT, FailureKind.LOST)]
        receiver.disconnect_all()


async def test_a_host_that_stops_reading_times_out_in_content(senders: Callable[..., Sender]) -> None:
    async def never_reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 a\r\n")
        await reader.readline()
        writer.write(b"250-a\r\n250 PIPELINING\r\n")
        for _ in range(3):
            await reader.readline()
        writer.write(b"250 ok\r\n250 ok\r\n354 go\r\n")
        await released.wait()
        writer.close()

    released = asyncio.Event()
    server = await asyncio.start_server(never_reads, "127.0.0.1", 0, limit=1024)
    hop = Hop("mx.test", "127.0.0.1", server.sockets[0].getsockname()[1])
    route = Route(site="site", hops=(hop,), source=SOURCE, tls_rule=TlsRule.NEVER)
    try:
        attempts = await senders(block_s=0.3).send(route, transmission(1, content=b"x" * 30_000_000))
    finally:
        released.set()
        server.close()
        await server.wait_closed()
    assert ends(attempts) == {1: (Phase.CONTENT, FailureKind.TIMEOUT)}


async def test_connecting_hands_back_a_session_or_what_stood_in_the_way(senders: Callable[..., Sender]) -> None:
    terms = senders().terms
    async with Receiver() as receiver, Receiver(replies={"EHLO": "450 4.3.2 Not now"}) as busy:
        route = route_to(receiver)
        session = await connect(route.hops[0], route, terms)
        assert isinstance(session, Session)
        assert session.is_usable
        await session.close()
        assert not session.is_usable
        failure = await connect(route_to(busy).hops[0], route_to(busy), terms)
        assert isinstance(failure, ConnectFailure)
        assert (failure.phase, failure.kind, failure.reply and failure.reply.code) == (
            Phase.EHLO,
            FailureKind.REPLY,
            450,
        )
