"""The delivery engine of a worker, which lives and dies with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

log = structlog.get_logger()


class Engine(Protocol):
    """Works on deliveries."""

    async def run(self) -> None:
        """Work until stopped."""

    async def stop(self, within_s: float) -> None:
        """Finish what is under way within the time given, and end."""


@asynccontextmanager
async def delivering(engine: Engine, *, stop_within_s: float) -> AsyncIterator[None]:
    """Have an engine work for the length of the block.

    When it fails, so does the worker, and is started anew: one that takes mail and delivers none would look well for ever.
    """
    async with asyncio.TaskGroup() as group:
        group.create_task(_run(engine), name="delivery-engine")
        try:
            yield
        finally:
            await engine.stop(stop_within_s)


async def _run(engine: Engine) -> None:
    try:
        await engine.run()
    except Exception:
        # What fails on the way out may hide it.
        log.exception("delivery_failed")
        raise
