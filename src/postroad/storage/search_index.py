"""The index that messages are found by: filled behind the flow, so that accepting pays nothing for it (decision 0011)."""

import enum
from collections.abc import Sequence

import msgspec
from sqlalchemy import BigInteger, Connection, Row, bindparam, case, column, delete, select, table, text, true

from postroad.model.ids import partition_of
from postroad.model.search_words import keys_of, terms_of, together
from postroad.storage.dialect import insert_into
from postroad.storage.schema import deliveries, domains, messages, search_entries, search_keys, search_progress

search_words = table("search_words", column("rowid", BigInteger), column("terms"))
"""The full-text index of SQLite, a virtual table; PostgreSQL has an index on ``search_entries.terms``."""

Facts = Row[int, int, int, str, str]
"""The columns below, of one message."""
_FACTS = (messages.c.id, messages.c.account_id, messages.c.domain_id, messages.c.subject, messages.c.message_id_header)
_FORGET_WORDS = text("INSERT INTO search_words (search_words, rowid, terms) VALUES ('delete', :message_id, :terms)")
_FORGET_KEY = delete(search_keys).where(
    search_keys.c.account_id == bindparam("of_account"),
    search_keys.c.key == bindparam("named"),
    search_keys.c.message_id == bindparam("of_message"),
)
_INSERT_WORDS = text("INSERT INTO search_words (rowid, terms) VALUES (:message_id, :terms)")


class Pass(enum.Enum):
    """The two passes over all messages, each with a mark of its own."""

    FIRST = "first"
    """Close behind the newest, for all that is committed by then."""
    SECOND = "second"
    """Far behind, for what a slow transaction committed after the first pass had gone by."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What one message is found by."""

    message_id: int
    account_id: int
    domain_id: int
    terms: str
    keys: str
    """Both in single texts, each word and key between spaces."""


def mark(connection: Connection, of: Pass) -> int:
    """Return the id of the last message that a pass has dealt with; 0 before the first."""
    query = select(search_progress.c.message_id).where(search_progress.c.name == of.value)
    return connection.execute(query).scalar_one_or_none() or 0


def fill(connection: Connection, of: Pass, before: int, limit: int) -> int:
    """Index the next ``limit`` messages of a pass with ids below ``before``; returns how many it dealt with.

    What is indexed already stays as it is, so that doing a slice twice, or two workers doing it at once, is right.
    """
    found = unindexed(connection, after=mark(connection, of), before=before, limit=limit, is_oldest_first=True)
    if found:
        _add(connection, found)
        _advance(connection, of, found[-1].id)
    return len(found)


def unindexed(
    connection: Connection,
    *,
    after: int,
    before: int,
    limit: int,
    is_oldest_first: bool = False,
    account_id: int | None = None,
    domain_id: int | None = None,
) -> Sequence[Facts]:
    """Return the facts of messages between two ids, exclusive, straight from their rows."""
    order = messages.c.id.asc() if is_oldest_first else messages.c.id.desc()
    between = select(*_FACTS).where(messages.c.id > after, messages.c.id < before).order_by(order).limit(limit)
    if account_id is not None:
        between = between.where(messages.c.account_id == account_id)
    if domain_id is not None:
        between = between.where(messages.c.domain_id == domain_id)
    if connection.dialect.name == "sqlite":
        return connection.execute(between).all()
    # PostgreSQL keeps messages by partition, and by domain: there the newest of each domain come in order.
    mine = select(domains.c.id).where(
        true() if account_id is None else domains.c.account_id == account_id,
        true() if domain_id is None else domains.c.id == domain_id,
    )
    each = mine.subquery()
    of_domain = between.where(messages.c.domain_id == each.c.id).lateral()
    query = select(*of_domain.c).select_from(each.join(of_domain, true()))
    first = of_domain.c.id.asc() if is_oldest_first else of_domain.c.id.desc()
    return connection.execute(query.order_by(first).limit(limit)).all()


def entries_of(connection: Connection, found: Sequence[Facts]) -> list[Entry]:
    """Return what messages are found by, in their order."""
    recipients: dict[int, list[str]] = {row.id: [] for row in found}
    query = select(deliveries.c.message_id, deliveries.c.recipient).where(deliveries.c.message_id.in_(recipients))
    for message_id, recipient in connection.execute(query):
        recipients[message_id].append(recipient)
    return [
        Entry(
            message_id=row.id,
            account_id=row.account_id,
            domain_id=row.domain_id,
            terms=terms_of(row.account_id, row.domain_id, row.subject),
            keys=together(keys_of(recipients[row.id], row.message_id_header)),
        )
        for row in found
    ]


def delete_of(connection: Connection, message_ids: Sequence[int]) -> None:
    """Forget messages."""
    query = select(search_entries).where(search_entries.c.message_id.in_(message_ids))
    gone = connection.execute(query).all()
    if not gone:
        return
    if connection.dialect.name == "sqlite":
        connection.execute(_FORGET_WORDS, [{"message_id": row.message_id, "terms": row.terms} for row in gone])
    connection.execute(
        _FORGET_KEY,
        [
            {"of_account": one.account_id, "named": key, "of_message": one.message_id}
            for one in gone
            for key in _keys_in(one.keys)
        ],
    )
    connection.execute(delete(search_entries).where(search_entries.c.message_id.in_(message_ids)))


def _add(connection: Connection, found: Sequence[Facts]) -> None:
    known_query = select(search_entries.c.message_id).where(
        search_entries.c.message_id.in_([row.id for row in found]),
        search_entries.c.partition.in_({partition_of(row.id) for row in found}),
    )
    known = set(connection.execute(known_query).scalars())
    entries = entries_of(connection, [row for row in found if row.id not in known])
    if not entries:
        return
    values = [msgspec.structs.asdict(one) | {"partition": partition_of(one.message_id)} for one in entries]
    connection.execute(insert_into(connection, search_entries).on_conflict_do_nothing(), values)
    if connection.dialect.name == "sqlite":
        connection.execute(_INSERT_WORDS, [{"message_id": one.message_id, "terms": one.terms} for one in entries])
    connection.execute(
        insert_into(connection, search_keys).on_conflict_do_nothing(),
        [
            {
                "account_id": one.account_id,
                "key": key,
                "message_id": one.message_id,
                "partition": partition_of(one.message_id),
            }
            for one in entries
            for key in _keys_in(one.keys)
        ],
    )


def _keys_in(text_of_keys: str) -> list[str]:
    return text_of_keys.split(" ")[1:-1]


def _advance(connection: Connection, of: Pass, message_id: int) -> None:
    statement = insert_into(connection, search_progress).values(name=of.value, message_id=message_id)
    reached = statement.excluded.message_id
    ahead = case((reached > search_progress.c.message_id, reached), else_=search_progress.c.message_id)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"message_id": ahead}))


def clear(connection: Connection) -> None:
    """Empty the index, to be filled anew."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("INSERT INTO search_words (search_words) VALUES ('delete-all')"))
    for emptied in (search_keys, search_entries, search_progress):
        connection.execute(delete(emptied))
