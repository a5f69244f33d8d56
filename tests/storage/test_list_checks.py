"""Lists of addresses that are checked in the background, on both engines."""

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, event

from postroad.model.address_check import AddressCheck, AddressReason, AddressResult
from postroad.model.list_check import ListCheck, ListCounts, ListPart
from postroad.storage import list_checks
from postroad.storage.database import Database
from tests.storage.samples import NOW

LATER = NOW + 60_000


def a_list(name: str = "spring", account_id: int = 1, **facts: object) -> ListCheck:
    values = {
        "id": 0,
        "account_id": account_id,
        "name": name,
        "file_name": "spring.csv",
        "created_by": "ada",
        "created_at": NOW,
        "updated_at": NOW,
        "total": 3,
        "parts": 2,
    }
    return ListCheck(**values | facts)  # type: ignore[arg-type]


PARTS = [["a@r.example", "b@r.example\0"], ["c@r.example"]]


async def added(database: Database, new: ListCheck) -> ListCheck:
    stored = await database.write(list_checks.add, new, PARTS)
    assert stored is not None
    return stored


async def claimed(database: Database, now: int = NOW) -> ListPart:
    part = await database.write(list_checks.claim, now, now + 1_000)
    assert part is not None
    return part


def risky(address: str) -> AddressCheck:
    reasons = (AddressReason.DISPOSABLE,)
    return AddressCheck(address=address, result=AddressResult.RISKY, reasons=reasons, is_disposable=True)


async def test_a_list_is_checked_part_by_part_by_one_at_a_time(database: Database) -> None:
    assert not await database.read(list_checks.has_due, NOW)
    one = await added(database, a_list())
    assert await database.write(list_checks.add, a_list(), PARTS) is None
    assert await database.read(list_checks.numbers_of, 1) == (1, 1)

    first = await claimed(database)
    assert (first.number, first.addresses) == (0, tuple(PARTS[0]))
    assert await database.write(list_checks.claim, NOW + 999, NOW + 2_000) is None
    # Whoever claimed it is gone: another takes the same part, and what the first one brings does not count.
    again = await claimed(database, NOW + 1_001)
    found = tuple(risky(address) for address in PARTS[0])
    assert not await database.write(list_checks.settle, first, found, NOW + 1_002)
    assert await database.write(list_checks.settle, again, found, NOW + 1_003)

    last = await claimed(database, NOW + 1_003)
    assert (last.number, last.addresses) == (1, ("c@r.example",))
    fine = AddressCheck(address="c@r.example", result=AddressResult.DELIVERABLE)
    assert await database.write(list_checks.settle, last, (fine,), LATER)
    assert not await database.read(list_checks.has_due, LATER + 1)
    done = await database.read(list_checks.get, one.id)
    counts = ListCounts(deliverable=1, risky=2, disposable=2)
    assert done == msgspec.structs.replace(one, parts_done=2, counts=counts, updated_at=LATER, finished_at=LATER)
    assert [await database.read(list_checks.results, one.id, number) for number in range(3)] == [found, (fine,), ()]
    assert await database.read(list_checks.numbers_of, 1) == (1, 0)


async def test_lists_take_turns_and_can_be_given_back_or_end(database: Database) -> None:
    for name, account_id in (("a", 1), ("b", 2)):
        await added(database, a_list(name, account_id))
    first = await claimed(database)
    await database.write(list_checks.settle, first, (), NOW + 1)
    second = await claimed(database, NOW + 2)
    assert [first.list_check.name, second.list_check.name] == ["a", "b"]
    await database.write(list_checks.release, second)
    again = await claimed(database, NOW + 3)
    assert (again.list_check.name, again.number) == ("b", 0)
    assert await database.write(list_checks.fail, again, "it broke", NOW + 4)
    assert (await claimed(database, NOW + 5)).list_check.name == "a"
    failed = await database.read(list_checks.by_name, 2, "b")
    assert failed is not None
    assert (failed.failure, failed.finished_at) == ("it broke", NOW + 4)
    assert await database.read(list_checks.by_name, 1, "b") is None


async def test_a_list_that_was_removed_takes_no_results(database: Database) -> None:
    one = await added(database, a_list())
    part = await claimed(database)
    assert await database.write(list_checks.remove, one.id)
    assert not await database.write(list_checks.settle, part, (), NOW)
    assert not await database.write(list_checks.remove, one.id)


async def test_old_lists_are_removed_in_slices_and_those_of_a_domain_with_it(database: Database) -> None:
    for name in ("old", "new", "open"):
        await added(database, a_list(name))
        if name != "open":
            await database.write(list_checks.fail, await claimed(database), "x", NOW if name == "old" else LATER)
    of_domain = await added(database, a_list("of-domain", domain_id=7))
    sliced = [await database.write(list_checks.delete_before, LATER, 2) for _ in range(3)]
    assert sliced == [2, 1, 0]
    await database.write(list_checks.remove_of_domain, 7)
    assert await database.read(list_checks.get, of_domain.id) is None
    names = [one.name for one in await database.read(list_checks.of_account, 1, 9)]
    assert names == ["open", "new"]


def locked_first(connection: Connection, fn: Callable[..., object], *args: object) -> str:
    """Run a function and return what its first statement takes hold of."""
    statements: list[str] = []

    def noted(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(" ".join(statement.split()))

    event.listen(connection, "before_cursor_execute", noted)
    fn(connection, *args)
    event.remove(connection, "before_cursor_execute", noted)
    assert len(statements) > 1
    first = statements[0]
    if connection.dialect.name == "postgresql" and first.startswith("SELECT"):
        assert first.endswith("FOR UPDATE SKIP LOCKED")
    return "parts" if "list_check_parts" in first else "list"


async def test_everyone_takes_hold_of_a_list_before_its_parts(database: Database) -> None:
    """Otherwise a list that is removed while a part of it is written can end both with a deadlock."""
    await added(database, a_list())
    part = await claimed(database)
    other = await added(database, a_list("other"))
    await added(database, a_list("of-domain", domain_id=7))
    for fn, *args in (
        (list_checks.settle, part, (), NOW),
        (list_checks.remove, other.id),
        (list_checks.remove_of_domain, 7),
    ):
        assert await database.write(locked_first, fn, *args) == "list"
    await database.write(list_checks.fail, await claimed(database, NOW + 1), "x", NOW)
    assert await database.write(locked_first, list_checks.delete_before, LATER, 10) == "list"
