"""What a worker keeps in memory is refreshed when the control plane has changed, and at no other time."""

import asyncio

import pytest
from structlog.testing import capture_logs

from postroad.storage import accounts, revision, revision_watch
from postroad.storage.database import Database
from postroad.storage.errors import StorageUnavailable
from postroad.storage.revision_watch import RevisionWatch


class Part:
    """Counts how often it is refreshed, and fails when it is told to."""

    def __init__(self) -> None:
        self.refreshed = 0
        self.error: Exception | None = None

    async def refresh(self) -> None:
        if self.error is not None:
            raise self.error
        self.refreshed += 1


async def change(database: Database, name: str = "acme") -> None:
    await database.write(accounts.add, name, 1)


@pytest.fixture
def watch(database: Database) -> RevisionWatch:
    return RevisionWatch(database)


@pytest.fixture
def parts(watch: RevisionWatch) -> tuple[Part, Part]:
    first, second = Part(), Part()
    watch.add("first", first.refresh)
    watch.add("second", second.refresh)
    return first, second


async def test_a_change_reaches_every_part_once(
    watch: RevisionWatch, parts: tuple[Part, Part], database: Database
) -> None:
    await watch.look()
    await change(database)
    await watch.look()
    await watch.look()

    assert [one.refreshed for one in parts] == [2, 2]


async def test_one_read_tells_all_parts_that_nothing_has_changed(
    watch: RevisionWatch, parts: tuple[Part, Part], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watch.look()
    reads: list[object] = []
    read = database.read

    async def counted(fn: object, *arguments: object) -> object:
        reads.append(fn)
        return await read(fn, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "read", counted)
    await watch.look()

    assert reads == [revision.current]
    assert [one.refreshed for one in parts] == [1, 1]


async def test_a_part_that_is_added_later_is_refreshed_at_the_next_look(
    watch: RevisionWatch, parts: tuple[Part, Part]
) -> None:
    await watch.look()
    late = Part()
    watch.add("late", late.refresh)
    await watch.look()

    assert [one.refreshed for one in (*parts, late)] == [1, 1, 1]


async def test_a_part_that_storage_fails_is_told_of_stops_no_other_and_is_refreshed_at_the_next_look(
    watch: RevisionWatch, parts: tuple[Part, Part]
) -> None:
    failing, other = parts
    failing.error = StorageUnavailable("gone for a moment")
    with capture_logs() as lines:
        await watch.look()
        await watch.look()

    assert [(line["event"], line["part"]) for line in lines] == [("part_not_refreshed", "first")] * 2
    assert (failing.refreshed, other.refreshed) == (0, 1)

    failing.error = None
    await watch.look()
    await watch.look()
    assert (failing.refreshed, other.refreshed) == (1, 1)


async def test_a_fault_of_ours_is_not_passed_over(watch: RevisionWatch, parts: tuple[Part, Part]) -> None:
    parts[0].error = ValueError("a fault of ours")
    with pytest.raises(ValueError, match="a fault of ours"):
        await watch.look()


async def test_a_change_during_a_refresh_is_seen_at_the_next_look(watch: RevisionWatch, database: Database) -> None:
    refreshed: list[str] = []

    async def changing() -> None:
        refreshed.append("it")
        if len(refreshed) == 1:
            await change(database)

    watch.add("changing", changing)
    await watch.look()
    await watch.look()
    await watch.look()

    assert len(refreshed) == 2


async def test_a_running_watch_goes_on_after_storage_was_away_and_ends_when_it_is_stopped(
    watch: RevisionWatch, parts: tuple[Part, Part], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revision_watch, "_LOOK_S", 0.01)
    read, looks = database.read, []

    async def away_at_first(*arguments: object) -> object:
        looks.append(arguments)
        if len(looks) == 1:
            raise StorageUnavailable("gone for a moment")
        return await read(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "read", away_at_first)
    with capture_logs() as lines:
        running = asyncio.create_task(watch.run())
        async with asyncio.timeout(5):
            while parts[1].refreshed < 1:
                await asyncio.sleep(0.01)
            await change(database)
            while parts[1].refreshed < 2:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await change(database, "other")
    await asyncio.sleep(0.05)

    assert [line["event"] for line in lines] == ["revision_not_read", "storage_works_again"]
    assert running.cancelled()
    assert [one.refreshed for one in parts] == [2, 2]
