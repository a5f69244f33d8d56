"""Lists of addresses that are checked in the background: what is to be checked, by whom, and what it came to.

A list is checked by one worker at a time, one part after another; the claim on it ends with each part, so that lists take
turns. Whoever claims writes an instant that nobody wrote before: what it brings later counts while that still stands.
Everyone takes hold of a list before its parts, so that no two wait for each other.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from postroad.model.address_check import AddressCheck
from postroad.model.list_check import ListCheck, ListCounts, ListPart
from postroad.storage.dialect import claimed_rows, insert_into
from postroad.storage.rows import storable
from postroad.storage.schema.control_plane import accounts, list_check_parts, list_checks

_c, _p = list_checks.c, list_check_parts.c
_SHOWN = tuple(column for column in _c if column.name != "claimed_until")
_PARTS_PER_STATEMENT = 100


def add(connection: Connection, new: ListCheck, parts: Sequence[Sequence[str]]) -> ListCheck | None:
    """Store a list that is to be checked; None where its account has one of this name."""
    values = msgspec.structs.asdict(new) | {"counts": _json(new.counts), "file_name": storable(new.file_name)}
    del values["id"]
    statement = insert_into(connection, list_checks).values(**values, claimed_until=0)
    list_id = connection.execute(statement.on_conflict_do_nothing().returning(_c.id)).scalar_one_or_none()
    if list_id is None:
        return None
    for start in range(0, len(parts), _PARTS_PER_STATEMENT):
        rows = [
            {"list_id": list_id, "number": number, "addresses": _json(part)}
            for number, part in enumerate(parts[start : start + _PARTS_PER_STATEMENT], start)
        ]
        connection.execute(insert(list_check_parts), rows)
    return msgspec.structs.replace(new, id=list_id)


def lock(connection: Connection, account_id: int) -> None:
    """Make others that add lists to an account wait."""
    connection.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update()).first()


def numbers_of(connection: Connection, account_id: int) -> tuple[int, int]:
    """Return how many lists an account has, and how many of them are not finished."""
    query = select(func.count(), func.count(_c.finished_at)).where(_c.account_id == account_id)
    total, finished = connection.execute(query).one()
    return total, total - finished


def get(connection: Connection, list_id: int) -> ListCheck | None:
    """Return a list."""
    return _one(connection.execute(select(*_SHOWN).where(_c.id == list_id)).mappings().one_or_none())


def by_name(connection: Connection, account_id: int, name: str) -> ListCheck | None:
    """Return an account's list of a name."""
    query = select(*_SHOWN).where(_c.account_id == account_id, _c.name == name)
    return _one(connection.execute(query).mappings().one_or_none())


def of_account(connection: Connection, account_id: int, limit: int) -> list[ListCheck]:
    """Return an account's lists, the latest first."""
    query = select(*_SHOWN).where(_c.account_id == account_id).order_by(_c.id.desc()).limit(limit)
    return [_list_check(row) for row in connection.execute(query).mappings()]


def results(connection: Connection, list_id: int, number: int) -> tuple[AddressCheck, ...]:
    """Return what the checks of a part came to; nothing where it has not been checked."""
    query = select(_p.results).where(_p.list_id == list_id, _p.number == number)
    found = connection.execute(query).scalar_one_or_none()
    return () if found is None else msgspec.json.decode(found, type=tuple[AddressCheck, ...])


def has_due(connection: Connection, now: int) -> bool:
    """Whether there is a list to be checked that nobody is at."""
    query = select(_c.id).where(_c.finished_at.is_(None), _c.claimed_until < now).limit(1)
    return connection.execute(query).first() is not None


def claim(connection: Connection, now: int, until: int) -> ListPart | None:
    """Take the next part of the list that has waited longest, so that nobody else does before ``until``."""
    due = select(*_SHOWN).where(_c.finished_at.is_(None), _c.claimed_until < now)
    query = claimed_rows(due.order_by(_c.updated_at, _c.id).limit(1))
    found = _one(connection.execute(query).mappings().one_or_none())
    if found is None:
        return None
    connection.execute(update(list_checks).where(_c.id == found.id).values(claimed_until=until))
    part = select(_p.addresses).where(_p.list_id == found.id, _p.number == found.parts_done)
    addresses = msgspec.json.decode(connection.execute(part).scalar_one(), type=tuple[str, ...])
    return ListPart(list_check=found, number=found.parts_done, addresses=addresses, claimed_until=until)


def settle(connection: Connection, part: ListPart, checks: tuple[AddressCheck, ...], now: int) -> bool:
    """Write what a part came to; false where its claim had ended, and nothing is written."""
    one = part.list_check
    is_last = part.number + 1 == one.parts
    values = {
        "parts_done": part.number + 1,
        "counts": _json(one.counts.and_of(checks)),
        "finished_at": now if is_last else None,
    }
    if not _let_go(connection, part, now, values):
        return False
    where = (_p.list_id == one.id, _p.number == part.number)
    # The results name the addresses.
    connection.execute(update(list_check_parts).where(*where).values(addresses="[]", results=_json(checks)))
    return True


def fail(connection: Connection, part: ListPart, failure: str, now: int) -> bool:
    """End a list that cannot be checked to its end; false where the claim had ended."""
    return _let_go(connection, part, now, {"failure": storable(failure), "finished_at": now})


def release(connection: Connection, part: ListPart) -> None:
    """Give a claimed part back as it was."""
    _let_go(connection, part, part.list_check.updated_at, {})


def remove(connection: Connection, list_id: int) -> bool:
    """Remove a list with all that was found; false where there is none."""
    if connection.execute(delete(list_checks).where(_c.id == list_id)).rowcount != 1:
        return False
    connection.execute(delete(list_check_parts).where(_p.list_id == list_id))
    return True


def remove_of_domain(connection: Connection, domain_id: int) -> None:
    """Remove the lists that the mail of a domain which goes was looked at for."""
    gone = connection.execute(delete(list_checks).where(_c.domain_id == domain_id).returning(_c.id)).scalars().all()
    connection.execute(delete(list_check_parts).where(_p.list_id.in_(gone)))


def delete_before(connection: Connection, before: int, limit: int) -> int:
    """Remove at most ``limit`` parts of a list that was finished before an instant, and at last itself; returns how many."""
    query = claimed_rows(select(_c.id).where(_c.finished_at < before).order_by(_c.finished_at).limit(1))
    list_id = connection.execute(query).scalar_one_or_none()
    if list_id is None:
        return 0
    numbers = select(_p.number).where(_p.list_id == list_id).limit(limit).scalar_subquery()
    gone = connection.execute(delete(list_check_parts).where(_p.list_id == list_id, _p.number.in_(numbers))).rowcount
    if gone < limit:
        connection.execute(delete(list_checks).where(_c.id == list_id))
        gone += 1
    return gone


def _let_go(connection: Connection, part: ListPart, now: int, values: dict[str, object]) -> bool:
    where = (_c.id == part.list_check.id, _c.claimed_until == part.claimed_until)
    changed = values | {"claimed_until": 0, "updated_at": now}
    return connection.execute(update(list_checks).where(*where).values(changed)).rowcount == 1


def _one(row: RowMapping | None) -> ListCheck | None:
    return None if row is None else _list_check(row)


def _list_check(row: RowMapping) -> ListCheck:
    return ListCheck(**dict(row) | {"counts": msgspec.json.decode(row["counts"], type=ListCounts)})


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
