"""Who failed to log in and is locked out for it, and from where log-ins succeeded.

Scopes are the callers' words, and no caller is crowded out by another one's. What is written here is written in batches,
never once per attempt; ``last_failed_at`` moves with every change of a row, a release included, so that other workers find
what is new by it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, or_, select, tuple_, update

from postroad.policy.lockout import LockoutRule, Standing, failed, taken_back
from postroad.storage.dialect import insert_into
from postroad.storage.rows import storable
from postroad.storage.schema.control_plane import lockouts, login_networks, smtp_users

MOST_ROWS = 50_000
"""Strangers make up as many names as they like and have as many addresses as they rent: beyond this many rows of a
caller's scopes its new subjects are not stored, and each worker remembers them by itself."""
MOST_PER_CALL = 500


class Lockout(msgspec.Struct, frozen=True, kw_only=True):
    """A subject with its failures; locked while ``locked_until`` is to come."""

    scope: str
    subject: str
    account_id: int | None = None
    """The account whose credential it is; null for networks and for names that no account has."""
    failures: int
    times_locked: int
    last_failed_at: int
    locked_until: int | None = None
    last_address: str
    """From where the last failure came."""
    last_username: str
    """Which name it tried."""

    @property
    def standing(self) -> Standing:
        """Return what the policy decides by."""
        return Standing(
            failures=self.failures,
            times_locked=self.times_locked,
            last_failed_at=self.last_failed_at,
            locked_until=self.locked_until,
        )


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """Failures of one subject that have gathered."""

    scope: str
    subject: str
    account_id: int | None = None
    times: int = 1
    may_lock: bool = True
    """False where the subject is spared, whatever it does."""
    address: str = ""
    username: str = ""


class Noted(msgspec.Struct, frozen=True):
    """A subject after its failures were added."""

    lockout: Lockout
    has_just_locked: bool
    """These failures locked it: the one who hears this tells the owner."""


class Counted(msgspec.Struct, frozen=True):
    """What was counted before it was looked at."""

    noted: tuple[Noted, ...] = ()
    locked_until: int | None = None
    """When the lock ends that let nothing be counted."""


class Selector(msgspec.Struct, frozen=True, kw_only=True):
    """Which subjects; what is not said selects all."""

    account_id: int | None = None
    scopes: tuple[str, ...] = ()
    subject: str | None = None
    domain_id: int | None = None
    """Only the names of the SMTP users of this sending domain."""
    locked_at: int | None = None
    """Only those that are locked at this instant."""


def note_failures(
    connection: Connection, batch: Sequence[Failures], rules: Mapping[str, LockoutRule], now: int
) -> list[Noted]:
    """Add failures to their subjects and lock those that the rules say; at most ``MOST_PER_CALL`` subjects.

    A subject that is new while the table is full of those of the scopes in ``rules`` is left out of the result.
    """
    before = _subjects_of(connection, batch, rules, now)
    return _add(connection, before, batch, rules, now)


def count_unless_locked(
    connection: Connection,
    batch: Sequence[Failures],
    rules: Mapping[str, LockoutRule],
    now: int,
    locked_until: Callable[[Mapping[str, Standing]], int | None],
) -> Counted:
    """Count tries before anybody looks at them, as failures of subjects that each have a scope of their own.

    Nothing is counted where ``locked_until`` says by the standings, each under its scope, that there is a lock. Of many
    tries at once, in whichever workers, each meets what the ones before it have counted.
    """
    before = _subjects_of(connection, batch, rules, now)
    until = locked_until({one.scope: one.standing for one in before})
    if until is not None:
        return Counted(locked_until=until)
    return Counted(tuple(_add(connection, before, batch, rules, now)))


def take_back(connection: Connection, noted: Sequence[Noted], now: int) -> None:
    """Take failures back that were counted before they were looked at, with the locks that they brought."""
    locks = {(one.lockout.scope, one.lockout.subject): one.lockout.locked_until for one in noted if one.has_just_locked}
    after: list[Lockout] = []
    for row in _held(connection, [(one.lockout.scope, one.lockout.subject) for one in noted]):
        standing = taken_back(row.standing, now, lock=locks.get((row.scope, row.subject)))
        after.append(msgspec.structs.replace(row, **msgspec.structs.asdict(standing)))
    _update(connection, after)


def get(connection: Connection, scope: str, subject: str) -> Lockout | None:
    """Return what is remembered of a subject."""
    query = select(lockouts).where(lockouts.c.scope == scope, lockouts.c.subject == subject)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Lockout(**row)


def search(connection: Connection, selector: Selector, limit: int) -> list[Lockout]:
    """Return subjects with failures, those that failed last first."""
    query = select(lockouts).where(lockouts.c.failures > 0)
    if selector.account_id is not None:
        query = query.where(lockouts.c.account_id == selector.account_id)
    if selector.scopes:
        query = query.where(lockouts.c.scope.in_(selector.scopes))
    if selector.subject is not None:
        query = query.where(lockouts.c.subject == selector.subject)
    if selector.domain_id is not None:
        names = select(smtp_users.c.username).where(smtp_users.c.domain_id == selector.domain_id)
        query = query.where(lockouts.c.subject.in_(names))
    if selector.locked_at is not None:
        query = query.where(lockouts.c.locked_until > selector.locked_at)
    query = query.order_by(lockouts.c.last_failed_at.desc(), lockouts.c.scope, lockouts.c.subject).limit(limit)
    return [Lockout(**row) for row in connection.execute(query).mappings()]


def changed_since(connection: Connection, scopes: Collection[str], instant: int, limit: int) -> list[Lockout]:
    """Return the newest locks and releases since; counts that lock nothing are of no use to other workers."""
    matters = or_(lockouts.c.locked_until.is_not(None), lockouts.c.failures == 0)
    query = select(lockouts).where(lockouts.c.scope.in_(scopes), lockouts.c.last_failed_at >= instant, matters)
    rows = connection.execute(query.order_by(lockouts.c.last_failed_at.desc()).limit(limit)).mappings()
    return [Lockout(**row) for row in rows]


def locked_at(connection: Connection, scopes: Collection[str], now: int, limit: int) -> list[Lockout]:
    """Return what is locked."""
    query = select(lockouts).where(lockouts.c.scope.in_(scopes), lockouts.c.locked_until > now)
    rows = connection.execute(query.order_by(lockouts.c.locked_until.desc()).limit(limit)).mappings()
    return [Lockout(**row) for row in rows]


def release(connection: Connection, keys: Iterable[tuple[str, str]], now: int) -> int:
    """Forget the failures and locks of subjects, each a scope and a subject; returns how many there were."""
    wanted = sorted(set(keys))
    if not wanted:
        return 0
    # The row stays for a while: by it the other workers learn that the lock is gone.
    released = {"failures": 0, "times_locked": 0, "locked_until": None, "last_failed_at": now}
    return connection.execute(
        update(lockouts).where(_is_one_of(wanted), lockouts.c.failures > 0).values(released)
    ).rowcount


def delete_before(connection: Connection, counted_before: int, locked_before: int, limit: int) -> int:
    """Remove at most ``limit`` subjects that time has forgiven; returns how many.

    Args:
        connection: The transaction.
        counted_before: When those failed last at the latest that never were locked, or were released.
        locked_before: When the others failed last at the latest, and their locks ended.
        limit: How many at most.
    """
    changed_at, until = lockouts.c.last_failed_at, lockouts.c.locked_until
    is_counted = (lockouts.c.times_locked == 0) & (changed_at < counted_before)
    is_over = is_counted | ((changed_at < locked_before) & or_(until.is_(None), until < locked_before))
    old = select(lockouts.c.scope, lockouts.c.subject).where(is_over).order_by(changed_at)
    found = connection.execute(old.limit(min(limit, MOST_PER_CALL))).all()
    if not found:
        return 0
    keys = [(scope, subject) for scope, subject in found]
    return connection.execute(delete(lockouts).where(_is_one_of(keys), is_over)).rowcount


class LoginNetwork(msgspec.Struct, frozen=True):
    """A client that a credential was proven from."""

    client: str
    credential_id: int
    last_success_at: int


def note_successes(connection: Connection, successes: Sequence[LoginNetwork]) -> None:
    """Note from where credentials were proven; what was noted later stays."""
    if not successes:
        return
    statement = insert_into(connection, login_networks)
    statement = statement.on_conflict_do_update(
        index_elements=["network", "credential_id"],
        set_={"last_success_at": statement.excluded.last_success_at},
        where=login_networks.c.last_success_at < statement.excluded.last_success_at,
    )
    ordered = sorted(successes, key=lambda one: (one.client, one.credential_id))
    connection.execute(
        statement,
        [
            {"network": one.client, "credential_id": one.credential_id, "last_success_at": one.last_success_at}
            for one in ordered
        ],
    )


def networks_since(connection: Connection, instant: int, limit: int) -> list[LoginNetwork]:
    """Return from where credentials were proven since, the newest first."""
    query = select(login_networks).where(login_networks.c.last_success_at >= instant)
    rows = connection.execute(query.order_by(login_networks.c.last_success_at.desc()).limit(limit))
    return [LoginNetwork(*row) for row in rows]


def delete_networks_before(connection: Connection, instant: int, limit: int) -> int:
    """Remove at most ``limit`` clients from which nothing succeeded since; returns how many."""
    columns = (login_networks.c.network, login_networks.c.credential_id)
    old = select(*columns).where(login_networks.c.last_success_at < instant)
    found = [tuple(row) for row in connection.execute(old.limit(min(limit, MOST_PER_CALL)))]
    if not found:
        return 0
    still = login_networks.c.last_success_at < instant
    return connection.execute(delete(login_networks).where(tuple_(*columns).in_(found), still)).rowcount


def _is_one_of(keys: Iterable[tuple[str, str]]) -> ColumnElement[bool]:
    return tuple_(lockouts.c.scope, lockouts.c.subject).in_([(scope, storable(subject)) for scope, subject in keys])


def _held(connection: Connection, keys: Iterable[tuple[str, str]]) -> list[Lockout]:
    """Return subjects that nobody else changes before the transaction ends."""
    # All writers take their rows in one order, so that none waits for another that waits for it.
    rows = select(lockouts).where(_is_one_of(keys)).order_by(lockouts.c.scope, lockouts.c.subject).with_for_update()
    return [Lockout(**row) for row in connection.execute(rows).mappings().all()]


def _subjects_of(connection: Connection, batch: Sequence[Failures], scopes: Collection[str], now: int) -> list[Lockout]:
    """Return the subjects of failures as they stand, for this transaction alone; new ones where ``scopes`` have room."""
    by_key = _by_key(batch)
    if not by_key:
        return []
    if not _is_full(connection, scopes):
        _insert_missing(connection, by_key, now)
    return _held(connection, by_key)


def _by_key(batch: Sequence[Failures]) -> dict[tuple[str, str], Failures]:
    by_key = {(one.scope, storable(one.subject)): one for one in batch}
    return dict(sorted(by_key.items(), key=lambda item: item[0]))


def _add(
    connection: Connection,
    subjects: Sequence[Lockout],
    batch: Sequence[Failures],
    rules: Mapping[str, LockoutRule],
    now: int,
) -> list[Noted]:
    by_key, noted = _by_key(batch), list[Noted]()
    for before in subjects:
        one = by_key[before.scope, before.subject]
        after = failed(before.standing, rules[one.scope], now, times=one.times, may_lock=one.may_lock)
        has_just_locked = after.is_locked(now) and not before.standing.is_locked(now)
        noted.append(Noted(_changed(before, after, one), has_just_locked))
    _update(connection, [one.lockout for one in noted])
    return noted


def _is_full(connection: Connection, scopes: Collection[str]) -> bool:
    query = select(func.count()).select_from(lockouts).where(lockouts.c.scope.in_(scopes))
    return connection.execute(query).scalar_one() >= MOST_ROWS


def _insert_missing(connection: Connection, batch: Mapping[tuple[str, str], Failures], now: int) -> None:
    rows: list[dict[str, Any]] = [
        {
            "scope": scope,
            "subject": subject,
            "account_id": one.account_id,
            "failures": 0,
            "times_locked": 0,
            "last_failed_at": now,
            "locked_until": None,
            "last_address": "",
            "last_username": "",
        }
        for (scope, subject), one in batch.items()
    ]
    connection.execute(insert_into(connection, lockouts).on_conflict_do_nothing(), rows)


def _changed(before: Lockout, after: Standing, failures: Failures) -> Lockout:
    return Lockout(
        scope=before.scope,
        subject=before.subject,
        account_id=failures.account_id,
        failures=after.failures,
        times_locked=after.times_locked,
        last_failed_at=after.last_failed_at,
        locked_until=after.locked_until,
        last_address=failures.address,
        last_username=storable(failures.username),
    )


def _update(connection: Connection, rows: Sequence[Lockout]) -> None:
    if not rows:
        return
    names = (
        "account_id",
        "failures",
        "times_locked",
        "last_failed_at",
        "locked_until",
        "last_address",
        "last_username",
    )
    statement = (
        update(lockouts)
        .where(lockouts.c.scope == bindparam("of_scope"), lockouts.c.subject == bindparam("of_subject"))
        .values({name: bindparam(f"new_{name}") for name in names})
    )
    connection.execute(
        statement,
        [
            {"of_scope": row.scope, "of_subject": row.subject} | {f"new_{name}": getattr(row, name) for name in names}
            for row in rows
        ],
    )
