"""Content of many sessions within one bound."""

import asyncio

import pytest

from postroad.delivery.content_budget import ContentBudget


async def test_a_budget_is_taken_in_turn_and_never_passed() -> None:
    budget = ContentBudget(10)
    assert await budget.take(6) == 6
    large = asyncio.create_task(budget.take(99))
    small = asyncio.create_task(budget.take(1))
    await asyncio.sleep(0)
    assert (large.done(), small.done()) == (False, False)
    budget.give_back(6)
    assert await large == 10
    await asyncio.sleep(0)
    assert not small.done()
    budget.give_back(10)
    assert await small == 1


async def test_who_gives_up_waiting_takes_nothing() -> None:
    budget = ContentBudget(10)
    await budget.take(10)
    waiting = asyncio.create_task(budget.take(10))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    budget.give_back(10)
    assert await asyncio.wait_for(budget.take(10), 1) == 10


async def test_who_gives_up_as_the_turn_comes_gives_it_back() -> None:
    budget = ContentBudget(10)
    await budget.take(10)
    waiting = asyncio.create_task(budget.take(10))
    await asyncio.sleep(0)
    budget.give_back(10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.wait_for(budget.take(10), 1) == 10
