"""When a kept connection is used again, and when it is let go."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import msgspec
import pytest

from postroad.model.route import Login, TlsRule
from tests.integration.delivery.sender import (
    DELIVERED,
    SOURCE,
    Sender,
    ends,
    route_to,
    server_context,
    transmission,
)
from tests.scenarios.receiver import Receiver


async def test_a_kept_connection_is_reused(senders: Callable[..., Sender]) -> None:
    async with Receiver() as receiver:
        sender = senders()
        for key in range(5):
            assert ends(await sender.send(route_to(receiver), transmission(key))) == {key: DELIVERED}
        assert receiver.connections == 1
        pool = sender.agent.pool
        assert (len(pool), pool.connections, pool.opened, pool.reused) == (1, 1, 1, 4)
        await sender.agent.close()
        assert (len(pool), pool.connections, pool.opened) == (0, 0, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"site": "other"},
        {"source": msgspec.structs.replace(SOURCE, name="second")},
        {"tls_rule": TlsRule.ENCRYPT},
        {"login": Login("user", "pass"), "tls_rule": TlsRule.NEVER},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_kept_connection_that_will_not_do_is_left_alone(
    senders: Callable[..., Sender], changes: dict[str, object]
) -> None:
    async with Receiver(extensions=("AUTH PLAIN",)) as receiver:
        sender = senders()
        await sender.send(route_to(receiver), transmission(1))
        await sender.send(route_to(receiver, **changes), transmission(2))
        assert receiver.connections == 2


async def test_an_unverified_connection_does_not_serve_a_delivery_that_demands_verification(
    senders: Callable[..., Sender],
) -> None:
    async with Receiver(tls_context=server_context()) as receiver:
        sender = senders()
        for key, rule in enumerate((TlsRule.OPPORTUNISTIC, TlsRule.ENCRYPT, TlsRule.VERIFY, TlsRule.OPPORTUNISTIC)):
            assert ends(await sender.send(route_to(receiver, tls_rule=rule), transmission(key))) == {key: DELIVERED}
        assert [message.connection for message in receiver.messages] == [1, 1, 2, 2]


@pytest.mark.parametrize("farewell", ["", "421 4.4.2 Idle too long\r\n"])
async def test_idle_connection_closed_by_server_then_reuse(senders: Callable[..., Sender], farewell: str) -> None:
    async with Receiver() as receiver:
        sender = senders()
        await sender.send(route_to(receiver), transmission(1))
        receiver.say(farewell)
        receiver.disconnect_all()
        async with asyncio.timeout(5):
            while len(sender.agent.pool):
                await asyncio.sleep(0.001)
        assert ends(await sender.send(route_to(receiver), transmission(2))) == {2: DELIVERED}
        assert receiver.connections == 2


async def test_a_kept_connection_that_breaks_when_used_costs_no_hop(senders: Callable[..., Sender]) -> None:
    async with Receiver() as receiver:
        sender = senders(max_hops=1)
        await sender.send(route_to(receiver), transmission(1))
        receiver.disconnect_at, receiver.disconnect_times = "MAIL", 1
        assert ends(await sender.send(route_to(receiver), transmission(2), transmission(3))) == {
            2: DELIVERED,
            3: DELIVERED,
        }


async def test_a_connection_takes_no_more_than_its_transactions(senders: Callable[..., Sender]) -> None:
    async with Receiver() as receiver:
        attempts = await senders(max_transactions=4).send(route_to(receiver), *(transmission(key) for key in range(10)))
        assert set(ends(attempts).values()) == {DELIVERED}
        assert [message.connection for message in receiver.messages] == [1] * 4 + [2] * 4 + [3] * 2


async def test_idle_connections_are_bounded_and_end_with_quit(senders: Callable[..., Sender]) -> None:
    async with AsyncExitStack() as stack:
        receivers = [await stack.enter_async_context(Receiver()) for _ in range(3)]
        sender = senders(max_idle=2)
        for key, receiver in enumerate(receivers):
            await sender.send(route_to(receiver, site=f"site-{key}"), transmission(key))
        assert len(sender.agent.pool) == 2
        await sender.agent.close()
        assert [receiver.commands[-1] for receiver in receivers] == ["QUIT"] * 3


async def test_an_idle_connection_is_let_go_after_its_time(senders: Callable[..., Sender]) -> None:
    async with Receiver() as receiver:
        sender = senders(idle_s=0.05)
        await sender.send(route_to(receiver), transmission(1))
        assert len(sender.agent.pool) == 1
        async with asyncio.timeout(5):
            while receiver.open_connections:
                await asyncio.sleep(0.01)
        assert receiver.commands[-1] == "QUIT"
        assert len(sender.agent.pool) == 0


async def test_a_host_that_does_not_answer_quit_is_hung_up_on(senders: Callable[..., Sender]) -> None:
    async with Receiver(delays={"QUIT": 30}) as receiver:
        sender = senders(quit_s=0.1)
        await sender.send(route_to(receiver), transmission(1))
        async with asyncio.timeout(5):
            await sender.agent.close()
        receiver.disconnect_all()


async def test_a_connection_grows_old(senders: Callable[..., Sender]) -> None:
    async with Receiver(delays={"DOT": 0.05}) as receiver:
        sender = senders(max_age_s=0.08)
        attempts = await sender.send(route_to(receiver), *(transmission(key) for key in range(4)))
        assert set(ends(attempts).values()) == {DELIVERED}
        assert receiver.connections >= 2


async def test_age_does_not_count_while_a_host_is_slow_to_greet(senders: Callable[..., Sender]) -> None:
    async with Receiver(delays={"CONNECT": 0.1}) as receiver:
        assert ends(await senders(max_age_s=0.05).send(route_to(receiver), transmission(1))) == {1: DELIVERED}
        assert receiver.connections == 1


async def test_a_kept_connection_to_a_host_that_is_no_longer_among_the_hops_is_left_alone(
    senders: Callable[..., Sender],
) -> None:
    async with Receiver() as former, Receiver() as present:
        sender = senders()
        await sender.send(route_to(former), transmission(1))
        await sender.send(route_to(present), transmission(2))
        assert (len(former.messages), len(present.messages)) == (1, 1)
