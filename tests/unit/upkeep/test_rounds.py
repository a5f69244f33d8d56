import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from postroad.model.actor import SYSTEM
from postroad.model.audit import entry_of
from postroad.storage import audit, bodies, counters, deliveries, messages, one_time_tokens, workers
from postroad.storage.audit import AuditSelector
from postroad.storage.counters import Period
from postroad.storage.database import Database
from postroad.storage.deliveries import Selector
from postroad.storage.engine import open_database
from postroad.storage.errors import StorageError, StorageUnavailable
from postroad.storage.one_time_tokens import OneTimeToken
from postroad.upkeep.pulse import Pulse
from postroad.upkeep.rounds import Upkeep
from postroad.upkeep.settings import RetentionSettings
from postroad.upkeep.tasks import TASKS
from tests.storage import samples
from tests.storage.samples import Place

DAY_MS = 86_400_000
SETTINGS = RetentionSettings(slice_rows=2, interval_s=1)


class CountingMeter:
    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()

    def upkeep_done(self, task: str, rows: int) -> None:
        self.rows[task] += rows


class ManualClock:
    def __init__(self) -> None:
        self.now = samples.NOW

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def steady(clock: ManualClock) -> Pulse:
    """Return the pulse of a worker that has shown its signs of life for an hour."""
    pulse = Pulse(clock() - 3_600_000)
    for at in range(clock() - 3_600_000, clock() + 1, 5_000):
        pulse.beat(at)
    return pulse


@pytest.fixture
def meter() -> CountingMeter:
    return CountingMeter()


@pytest.fixture
async def database(migrated_file: Path, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Database]:
    shutil.copy(migrated_file, tmp_path)
    opened = await open_database("", data_dir=tmp_path, clock=clock, read_connections=1)
    yield opened
    await opened.close()


@pytest.fixture
async def each_database(place: Place, clock: ManualClock) -> AsyncIterator[Database]:
    """One of each engine, as the other fixture is of SQLite alone."""
    opened = await open_database(place.url, data_dir=place.data_dir, clock=clock, read_connections=1)
    yield opened
    await opened.close()


async def _worker(database: Database, clock: ManualClock, *roles: str) -> int:
    lease = await database.write(workers.lease, node="mx1", pid=1, pools=("default",), roles=roles, now=clock())
    return lease.incarnation


async def _settled_message(database: Database, incarnation: int) -> int:
    accepted = samples.accepted("one@rcpt.example")
    await database.accept(accepted)
    [delivery] = await database.claim(samples.claim(owner=incarnation))
    await database.settle([samples.settled(delivery)], {})
    return accepted.message.id


async def test_only_the_live_worker_with_the_lowest_number_does_upkeep(
    database: Database, clock: ManualClock, meter: CountingMeter
) -> None:
    await _worker(database, clock, "smtp")
    first = await _worker(database, clock, "upkeep")
    second = await _worker(database, clock, "upkeep")

    async def whose() -> list[bool]:
        return [
            await Upkeep(
                database, clock, incarnation=one, settings=SETTINGS, pulse=steady(clock), meter=meter
            ).is_mine()
            for one in (first, second)
        ]

    assert await whose() == [True, False]
    clock.now += 61_000
    await database.write(workers.heartbeat, second, clock())
    assert await whose() == [False, True]


async def test_a_round_clears_away_what_is_no_longer_kept(
    database: Database, clock: ManualClock, meter: CountingMeter
) -> None:
    mine = await _worker(database, clock, "upkeep")
    ids = [await _settled_message(database, mine) for _ in range(3)]
    upkeep = Upkeep(database, clock, incarnation=mine, settings=SETTINGS, pulse=steady(clock), meter=meter)

    await upkeep.round()
    assert meter.rows["delete_content"] == 3
    assert await database.read(bodies.read_many, ids) == {}
    assert set(await database.read(messages.get_many, ids)) == set(ids)

    clock.now += 31 * DAY_MS
    await database.write(workers.heartbeat, mine, clock())
    await upkeep.round()
    assert await database.read(messages.get_many, ids) == {}
    assert meter.rows["delete_messages"] == 3
    assert meter.rows["delete_events"] == 6


async def test_counters_are_folded_once_and_say_the_same(
    database: Database, clock: ManualClock, meter: CountingMeter
) -> None:
    mine = await _worker(database, clock, "upkeep")
    for _ in range(3):
        await _settled_message(database, mine)
    day = samples.NOW // DAY_MS

    async def counted() -> dict[str, int]:
        found = await database.read(counters.read, Period.DAY, day, day + 1)
        return {one.type: one.count for one in found}

    before = await counted()
    upkeep = Upkeep(database, clock, incarnation=mine, settings=SETTINGS, pulse=steady(clock), meter=meter)
    await upkeep.round()
    await upkeep.round()

    assert before == await counted() == {"accepted": 3, "delivered": 3}
    assert meter.rows["fold_counters"] == 6


async def test_what_a_silent_worker_held_is_freed(
    each_database: Database, clock: ManualClock, meter: CountingMeter
) -> None:
    database = each_database
    silent = await _worker(database, clock, "delivery")
    await database.accept(samples.accepted("one@rcpt.example"))
    assert len(await database.claim(samples.claim(owner=silent, lease_until=clock() + DAY_MS))) == 1
    clock.now += 61_000
    mine = await _worker(database, clock, "upkeep")

    await Upkeep(database, clock, incarnation=mine, settings=SETTINGS, pulse=steady(clock), meter=meter).round()

    [freed] = await database.read(deliveries.search, Selector(), 10)
    assert (freed.state.value, freed.maybe_delivered) == ("scheduled", True)
    assert meter.rows["free_dead_workers"] == 1


async def test_a_task_that_never_ends_leaves_the_others_their_turn(
    database: Database, clock: ManualClock, meter: CountingMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(*_: object) -> int:
        return SETTINGS.slice_rows

    async def other(*_: object) -> int:
        return 1

    monkeypatch.setattr("postroad.upkeep.rounds._PAUSE_S", 0)
    tasks = {"endless": endless, "other": other}
    await Upkeep(
        database, clock, incarnation=1, settings=SETTINGS, pulse=steady(clock), meter=meter, tasks=tasks
    ).round()

    assert meter.rows == {"endless": 400, "other": 1}


async def test_run_goes_on_after_a_failure_of_storage(
    database: Database, clock: ManualClock, meter: CountingMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await _worker(database, clock, "upkeep")
    rounds = []

    async def failing(*_: object) -> int:
        rounds.append(1)
        if len(rounds) == 1:
            raise StorageUnavailable("gone for a moment")
        return 0

    sleep = asyncio.sleep
    monkeypatch.setattr("postroad.upkeep.rounds.asyncio.sleep", lambda _: sleep(0))
    upkeep = Upkeep(
        database,
        clock,
        incarnation=mine,
        settings=SETTINGS,
        pulse=steady(clock),
        meter=meter,
        tasks={"failing": failing},
    )
    running = asyncio.ensure_future(upkeep.run())
    while len(rounds) < 3:
        await sleep(0)
    running.cancel()

    assert len(rounds) >= 3


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (StorageError("string is too long for tsvector"), [("upkeep_task_failed", "first")]),
        (StorageUnavailable("no answer came in time"), [("upkeep_interrupted", None)]),
    ],
)
async def test_a_task_that_fails_keeps_none_behind_it_from_its_turn_and_is_told_now_and_then(
    database: Database,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    fault: StorageError,
    told: list[tuple[str, str | None]],
) -> None:
    mine, meter = await _worker(database, clock, "upkeep"), CountingMeter()

    async def failing(*_: object) -> int:
        raise fault

    async def other(*_: object) -> int:
        return 1

    sleep = asyncio.sleep
    monkeypatch.setattr("postroad.upkeep.rounds.asyncio.sleep", lambda _: sleep(0))
    upkeep = Upkeep(
        database,
        clock,
        incarnation=mine,
        settings=SETTINGS,
        pulse=steady(clock),
        meter=meter,
        tasks={"first": failing, "second": failing if isinstance(fault, StorageUnavailable) else other, "other": other},
    )
    with capture_logs() as logs:
        running = asyncio.ensure_future(upkeep.run())
        while meter.rows["other"] < 5:
            await sleep(0)
        running.cancel()

    assert [(line["event"], line.get("task")) for line in logs] == told


@pytest.mark.parametrize("gap_ms", [0, 61_000])
async def test_nobody_is_taken_for_dead_who_could_show_no_sign_of_life(
    each_database: Database, clock: ManualClock, meter: CountingMeter, gap_ms: int
) -> None:
    """The outage fell between two rounds: only what writes the signs of life has noticed it."""
    database, pulse = each_database, steady(clock)
    mine, other, dead = [await _worker(database, clock, "upkeep") for _ in range(3)]
    upkeep = Upkeep(database, clock, incarnation=mine, settings=SETTINGS, pulse=pulse, meter=meter)

    async def live_on(until_ms: int, *alive: int) -> list[int]:
        while clock.now < until_ms:
            clock.now += 5_000
            pulse.beat(clock())
            for one in alive:
                await database.write(workers.heartbeat, one, clock())
        await upkeep.round()
        return [one.incarnation for one in await database.read(workers.live, 0)]

    everybody = [mine, other, dead]
    # Storage refuses, or does not answer at all.
    clock.now += 61_000 - gap_ms
    if not gap_ms:
        pulse.miss()
    clock.now += gap_ms
    await upkeep.round()
    assert await live_on(clock() + 5_000, mine) == everybody
    back = clock()
    assert await live_on(back + 55_000, mine, other) == everybody
    assert await live_on(back + 60_000, mine, other) == [mine, other]


async def test_a_worker_that_has_just_begun_does_not_judge_the_silence_of_others(
    database: Database, clock: ManualClock, meter: CountingMeter
) -> None:
    silent = await _worker(database, clock, "delivery")
    clock.now += 61_000
    mine = await _worker(database, clock, "upkeep")
    await Upkeep(database, clock, incarnation=mine, settings=SETTINGS, pulse=Pulse(clock()), meter=meter).round()

    assert [one.incarnation for one in await database.read(workers.live, 0)] == [silent, mine]


def test_tasks_are_those_of_the_retention_promises() -> None:
    assert set(TASKS) >= {"delete_content", "delete_messages", "delete_events", "fold_counters", "free_dead_workers"}


async def test_the_audit_log_is_kept_for_its_days_and_what_expired_is_forgotten(
    database: Database, clock: ManualClock
) -> None:
    for days in (401, 399):
        entry = entry_of(SYSTEM, "account.added", f"{days} days", at=clock() - days * DAY_MS, account_id=None)
        await database.write(audit.record, entry)
    token = OneTimeToken(purpose="sign_in", user_id=None, created_at=1, expires_at=clock() - 1)
    await database.write(one_time_tokens.add, b"1", token)

    for name in ("delete_audit_entries", "forget_expired_tokens", "forget_expired_sessions"):
        await TASKS[name](database, clock(), RetentionSettings())
    await TASKS["forget_expired_invitations"](database, clock(), RetentionSettings())

    kept = await database.read(audit.search, AuditSelector(), 10)
    assert [one.target for one in kept] == ["399 days"]
    assert await database.read(one_time_tokens.look, b"1", "sign_in", 0) is None


async def test_new_messages_are_indexed_once_they_are_settled(
    database: Database, clock: ManualClock, meter: CountingMeter
) -> None:
    mine = await _worker(database, clock, "upkeep")
    for _ in range(3):
        await database.accept(samples.accepted("one@rcpt.example"))
    upkeep = Upkeep(database, clock, incarnation=mine, settings=SETTINGS, pulse=steady(clock), meter=meter)

    await upkeep.round()
    assert meter.rows["index_messages"] == 0
    clock.now += 6_000
    await upkeep.round()
    assert (meter.rows["index_messages"], meter.rows["index_late_messages"]) == (3, 0)
    clock.now += 600_000
    await database.write(workers.heartbeat, mine, clock())
    await upkeep.round()
    assert (meter.rows["index_messages"], meter.rows["index_late_messages"]) == (3, 3)
