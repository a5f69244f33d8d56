"""Both event loops, and senders that hang up after the test."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from tests.integration.delivery.sender import Sender, sender_with


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on uvloop, as the product does, and on the standard library's loop, which says what was meant."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def senders() -> AsyncIterator[Callable[..., Sender]]:
    made: list[Sender] = []

    def make(**changes: object) -> Sender:
        made.append(sender_with(**changes))
        return made[-1]

    yield make
    for sender in made:
        await sender.agent.close()
