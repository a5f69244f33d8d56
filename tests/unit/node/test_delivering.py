"""A worker whose delivery has failed ends."""

import asyncio

import pytest

from postroad.node.delivering import delivering


class FakeEngine:
    def __init__(self, fault: Exception | None = None) -> None:
        self._fault = fault
        self._ended = asyncio.Event()
        self.calls: list[str] = []

    async def run(self) -> None:
        if self._fault is not None:
            self._ended.set()
            raise self._fault
        await self._ended.wait()
        self.calls.append("ran")

    async def stop(self, within_s: float) -> None:
        self.calls.append(f"stop within {within_s}")
        self._ended.set()


async def test_a_failure_of_delivery_ends_what_goes_on_beside_it() -> None:
    fault = RuntimeError("a driver's own")
    with pytest.raises(ExceptionGroup) as told:
        async with asyncio.timeout(5), delivering(FakeEngine(fault), stop_within_s=3):
            await asyncio.Event().wait()
    assert told.value.exceptions == (fault,)


async def test_the_end_of_the_block_stops_delivery_in_its_order() -> None:
    engine = FakeEngine()
    async with delivering(engine, stop_within_s=3):
        assert engine.calls == []
    assert engine.calls == ["stop within 3", "ran"]
