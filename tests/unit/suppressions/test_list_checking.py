"""Checking whole lists: how long a worker keeps one, rests, and what it does where storage fails."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from postroad.model.address_check import AddressCheck, AddressResult
from postroad.model.list_check import ListCheck, ListPart
from postroad.storage import list_checks
from postroad.storage.errors import StorageError, StorageUnavailable
from postroad.suppressions import list_checking
from postroad.suppressions.list_checking import ListChecking

NOW = 1_780_000_000_000
ONE = ListCheck(
    id=1, account_id=1, name="a", file_name="a.csv", created_by="ada", created_at=NOW, updated_at=NOW, total=3, parts=1
)
PART = ListPart(list_check=ONE, number=0, addresses=("a@r.example", "b@r.example", "c@r.example"), claimed_until=NOW)


class Stored:
    """A database with a list that is always to be checked; it notes what is written."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.claimed_until = 0
        self.is_away = False

    async def read(self, *_: Any) -> bool:
        return True

    async def write(self, fn: Callable[..., Any], *args: Any) -> Any:
        if fn is list_checks.claim:
            self.claimed_until = args[1]
            return PART
        self.written.append(fn.__name__)
        if self.is_away:
            raise StorageUnavailable("away")
        return True


class Checks:
    """Checks of addresses, of which the first one fails while the others are under way."""

    def __init__(self, error: Exception | None = None, dns_within_ms: int = 5_000) -> None:
        self.dns_within_ms = dns_within_ms
        self.under_way = 0
        self._error = error

    async def check_of_list(self, text: str, *_: Any) -> AddressCheck:
        self.under_way += 1
        try:
            await asyncio.sleep(0)
            if self._error is not None:
                if text.startswith("a"):
                    raise self._error
                await asyncio.Event().wait()
            return AddressCheck(address=text, result=AddressResult.DELIVERABLE)
        finally:
            self.under_way -= 1


def checking(stored: Any, checks: Any) -> ListChecking:
    return ListChecking(stored, checks, lambda: NOW)


@pytest.mark.parametrize(("dns_within_ms", "claim_ms"), [(5_000, 300_000), (60_000, 3_000_000)])
async def test_a_claim_outlasts_a_part_that_dns_answers_nothing_about(dns_within_ms: int, claim_ms: int) -> None:
    stored = Stored()
    assert await checking(stored, Checks(dns_within_ms=dns_within_ms)).work()
    assert stored.written == ["settle"]
    assert stored.claimed_until == NOW + claim_ms


async def test_a_failure_of_storage_ends_all_checks_of_a_part_and_gives_it_back() -> None:
    stored, checks = Stored(), Checks(StorageError("broken"))
    with pytest.raises(StorageError, match="broken"):
        await checking(stored, checks).work()
    assert checks.under_way == 0
    assert stored.written == ["release"]


async def test_a_failure_of_storage_that_does_not_pass_ends_the_list() -> None:
    stored = Stored()
    worker = checking(stored, Checks(StorageError("broken")))
    for _ in range(9):
        with pytest.raises(StorageError):
            await worker.work()
    assert await worker.work()
    assert stored.written == ["release"] * 9 + ["fail"]


async def test_what_cannot_be_written_is_given_back() -> None:
    stored = Stored()
    stored.is_away = True
    with pytest.raises(StorageUnavailable):
        await checking(stored, Checks()).work()
    assert stored.written == ["settle", "release"]


async def test_a_worker_that_stops_while_storage_is_away_stops() -> None:
    stored, checks = Stored(), Checks()
    stored.is_away = True
    task = asyncio.create_task(checking(stored, checks).work())
    while not checks.under_way:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert checks.under_way == 0
    assert stored.written == ["release"]


async def test_a_worker_rests_as_long_as_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    rests: list[float] = []

    async def worked() -> bool:
        nonlocal now_s
        now_s += 90
        return True

    async def sleep(delay: float) -> None:
        rests.append(delay)
        raise asyncio.CancelledError

    worker = checking(Stored(), Checks())
    monkeypatch.setattr(worker, "work", worked)
    loop = SimpleNamespace(time=lambda: now_s)
    monkeypatch.setattr(list_checking, "asyncio", SimpleNamespace(get_running_loop=lambda: loop, sleep=sleep))
    with pytest.raises(asyncio.CancelledError):
        await worker.run()
    assert rests == [90]
