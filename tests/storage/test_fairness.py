"""Claiming takes turns: nobody's many hide another's one."""

import time
from collections import Counter

import sqlalchemy

from postroad.model.ids import EPOCH_MS
from postroad.storage.database import Database
from tests.storage.samples import MINUTE, NOW, PARTITION, accepted, claim

MANY = 100_000


async def _fill(database: Database, *, lanes: int, due_at: int, count: int = MANY, first_lane: int = 1) -> None:
    """Put many scheduled deliveries there, made by the database itself."""
    first = (NOW - EPOCH_MS - 10_000_000) << 23 | PARTITION << 13 | first_lane
    numbers = (
        f"generate_series(1, {count}) AS n(n)"
        if database.is_postgres
        else f"(WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT {count}) SELECT n FROM n) AS n"
    )
    false = "FALSE" if database.is_postgres else "0"
    statement = f"""
        INSERT INTO deliveries (id, partition, message_id, account_id, domain_id, recipient, destination, pool, lane,
            rank, state, due_at, expires_at, accepted_at, attempts, notify, lease_epoch, maybe_delivered)
        SELECT {first} + (CAST(n.n AS bigint) << 23), {PARTITION}, {first}, 1, 1, 'u@busy.example', 'busy.example', 'default',
            {first_lane} + n.n % {lanes}, 0, 'scheduled', {due_at} - {count} + n.n, {NOW * 2}, {NOW}, 0, 0, 0, {false}
        FROM {numbers}"""

    def run(connection: sqlalchemy.Connection) -> None:
        connection.execute(sqlalchemy.text(statement))

    await database.write(run)


async def _claim_often(database: Database) -> tuple[set[int], float]:
    """Return what the first of many claims brought, and the seconds of the quickest: the machine may be busy."""
    first: set[int] = set()
    seconds = []
    for _ in range(12):
        started = time.perf_counter()
        claimed = await database.claim(claim(limit=100))
        seconds.append(time.perf_counter() - started)
        first = first or {delivery.id for delivery in claimed}
    return first, min(seconds)


async def test_a_single_message_beside_a_hundred_thousand_is_claimed_at_once(database: Database) -> None:
    await _fill(database, lanes=1, due_at=NOW - MINUTE)
    single = accepted("one@other.example", domain_id=2)
    await database.accept(single)

    claimed, seconds = await _claim_often(database)

    assert single.deliveries[0].id in claimed
    assert len(claimed) == 100
    assert seconds < 0.05


async def test_lanes_that_wait_for_later_do_not_hide_what_is_due(database: Database) -> None:
    await _fill(database, lanes=MANY, due_at=NOW + MINUTE + MANY)
    single = accepted("one@other.example", domain_id=2)
    await database.accept(single)

    claimed, seconds = await _claim_often(database)

    assert claimed == {single.deliveries[0].id}
    assert seconds < 0.05


async def test_one_lane_of_many_that_wait_is_passed_in_one_step(database: Database) -> None:
    await _fill(database, lanes=1, first_lane=1, due_at=NOW + MINUTE + MANY, count=10_000)
    await _fill(database, lanes=1, first_lane=2, due_at=NOW - MINUTE, count=10_000)
    single = accepted("one@other.example", domain_id=2)
    await database.accept(single)

    claimed = await database.claim(claim(limit=100))

    assert single.deliveries[0].id in {delivery.id for delivery in claimed}


async def test_lanes_share_a_claim_and_the_next_goes_on_where_it_stopped(database: Database) -> None:
    """Half of each claim goes round the lanes, two of each at a time, and comes by every lane before any again."""
    for _ in range(10):
        for lane in range(30):
            await database.accept(accepted(f"u@lane{lane}.example"))

    turns: Counter[int] = Counter()
    for _ in range(3):
        claimed = await database.claim(claim(limit=40, per_lane=2))
        assert len(claimed) == 40
        turns.update(delivery.lane for delivery in claimed[:20])

    assert len(turns) == 30
    assert set(turns.values()) == {2}


async def test_a_claim_is_filled_from_one_lane_when_nothing_else_is_due(database: Database) -> None:
    await _fill(database, lanes=1, due_at=NOW - MINUTE, count=500)

    claimed = await database.claim(claim(limit=200, per_lane=3))

    assert len(claimed) == 200


async def test_higher_priority_leaves_first_within_its_lane(database: Database) -> None:
    ordinary = [accepted(due_at=NOW - MINUTE) for _ in range(20)]
    urgent = accepted(due_at=NOW, priority=5)
    for one in [*ordinary, urgent]:
        await database.accept(one)

    claimed = await database.claim(claim(limit=2, per_lane=1))

    assert claimed[0].id == urgent.deliveries[0].id
    assert claimed[0].priority == 5


async def test_a_lane_whose_urgent_mail_waits_still_gives_its_due_mail(database: Database) -> None:
    await database.accept(accepted(due_at=NOW + MINUTE, priority=5))
    due = accepted(due_at=NOW)
    await database.accept(due)

    assert [delivery.id for delivery in await database.claim(claim(limit=2))] == [due.deliveries[0].id]
