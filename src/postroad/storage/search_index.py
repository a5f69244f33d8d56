"""The index that messages are found by: filled behind the flow, so that accepting pays nothing for it (decision 0012)."""

import enum
from collections.abc import Sequence

import msgspec
from sqlalchemy import BigInteger, Connection, TextClause, bindparam, case, column, delete, select, table, text

from postroad.model.ids import partition_of
from postroad.model.search_words import terms_of
from postroad.storage.dialect import insert_into
from postroad.storage.schema.data_plane import search_entries, search_progress

search_words = table("search_words", column("rowid", BigInteger), column("terms"))
"""The full-text index of SQLite, a virtual table; PostgreSQL has an index on ``search_entries.terms``."""


class Pass(enum.Enum):
    """The two passes over all messages, each with a mark of its own."""

    FIRST = "first"
    """Close behind the newest, for all that is committed by then."""
    SECOND = "second"
    """Far behind, for what a slow transaction committed after the first pass had gone by."""


class Unindexed(msgspec.Struct, array_like=True, frozen=True):
    """What an entry is made of, from a message's own rows."""

    id: int
    account_id: int
    domain_id: int
    subject: str
    message_id_header: str
    recipients: tuple[str, ...]
    tags: tuple[str, ...]
    is_indexed: bool

    @property
    def terms(self) -> str:
        """Return what the message is found by."""
        return terms_of(
            self.account_id,
            self.domain_id,
            self.subject,
            self.recipients,
            message_id_header=self.message_id_header,
            tags=self.tags,
        )


def mark(connection: Connection, of: Pass) -> int:
    """Return the id of the last message that a pass has dealt with; 0 before the first."""
    query = select(search_progress.c.message_id).where(search_progress.c.name == of.value)
    return connection.execute(query).scalar_one_or_none() or 0


def fill(connection: Connection, of: Pass, before: int, limit: int) -> int:
    """Index the next ``limit`` messages of a pass with ids below ``before``; returns how many it dealt with.

    What is indexed already stays as it is, so that doing a slice twice, or two workers doing it at once, is right.
    """
    found = _read(connection, _OLDEST_FIRST, after=mark(connection, of), before=before, limit=limit)
    if found:
        _add(connection, [one for one in found if not one.is_indexed])
        _advance(connection, of, found[-1].id)
    return len(found)


def unindexed(
    connection: Connection, *, after: int, before: int, limit: int, account_id: int | None, domain_id: int | None
) -> list[Unindexed]:
    """Return the newest messages between two ids, exclusive, straight from their rows."""
    whose = {"account_id": account_id, "domain_id": domain_id}
    return _read(connection, _NEWEST_FIRST, after=after, before=before, limit=limit, **whose)


def delete_of(connection: Connection, message_ids: Sequence[int]) -> None:
    """Forget messages."""
    mine = search_entries.c.message_id.in_(message_ids)
    if connection.dialect.name == "sqlite":
        connection.execute(_FORGET_WORDS, {"ids": _json(list(message_ids))})
    connection.execute(delete(search_entries).where(mine))


# Whole sets of rows go to and fro as one JSON value each: the driver of SQLite lets go of the interpreter with each step
# of a statement, and would wait to get it back for each row (see hot_sqlite).
_RECIPIENTS = {
    "sqlite": "(SELECT json_group_array(d.recipient) FROM deliveries d WHERE d.message_id = m.id)",
    "postgresql": "(SELECT coalesce(json_agg(d.recipient), '[]') FROM deliveries d WHERE d.message_id = m.id)",
}
# Tags stand first in a message's options. PostgreSQL gets no more than them to read: what people may write into variables,
# an escaped NUL, is JSON that it refuses, and one such message would stop the index for all.
_TAGS = {
    "sqlite": "json(coalesce(m.options -> '$.tags', '[]'))",
    "postgresql": r"""coalesce(
        CAST(substring(m.options from '^[{]"tags":([[](?:,?"(?:[^"\\]|\\.)*")*[]])') AS json), '[]')""",
}
_FACTS = "m.id, m.account_id, m.domain_id, m.subject, m.message_id_header"
_IS_INDEXED = "EXISTS (SELECT 1 FROM search_entries s WHERE s.message_id = m.id AND s.partition = m.partition)"
_MINE = "(:account_id IS NULL OR account_id = :account_id) AND (:domain_id IS NULL OR domain_id = :domain_id)"


def _reading(order: str) -> dict[str, TextClause]:
    """Return the statement that reads messages between two ids, for each engine."""
    columns = "id, partition, account_id, domain_id, subject, message_id_header, options"
    between = f"id > :after AND id < :before AND {_MINE} ORDER BY id {order} LIMIT :limit"
    sqlite = f"""
    SELECT json_group_array(json_array({_FACTS}, json({_RECIPIENTS["sqlite"]}), {_TAGS["sqlite"]},
                                       json(iif({_IS_INDEXED}, 'true', 'false'))))
    FROM (SELECT {columns} FROM messages WHERE {between}) m
    """  # noqa: S608 - our own names
    # PostgreSQL keeps messages by partition, and by domain: there the ones between come in order domain by domain.
    postgresql = f"""
    SELECT CAST(json_agg(json_build_array({_FACTS}, {_RECIPIENTS["postgresql"]}, {_TAGS["postgresql"]}, {_IS_INDEXED})
                         ORDER BY m.id {order}) AS text)
    FROM (
      SELECT one.* FROM domains CROSS JOIN LATERAL (
        SELECT {columns} FROM messages WHERE domain_id = domains.id AND {between}
      ) one ORDER BY one.id {order} LIMIT :limit
    ) m
    """  # noqa: S608 - our own names
    types = {name: BigInteger() for name in ("after", "before", "limit", "account_id", "domain_id")}
    bound = [bindparam(name, type_=kind) for name, kind in types.items()]
    return {"sqlite": text(sqlite).bindparams(*bound), "postgresql": text(postgresql).bindparams(*bound)}


_OLDEST_FIRST, _NEWEST_FIRST = _reading("ASC"), _reading("DESC")
_ADD_ENTRIES = {
    "sqlite": text("""
    INSERT INTO search_entries (message_id, partition, account_id, domain_id, terms)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(:rows)
    WHERE true ON CONFLICT DO NOTHING
    """),
    "postgresql": text("""
    INSERT INTO search_entries (message_id, partition, account_id, domain_id, terms)
    SELECT CAST(r ->> 0 AS bigint), CAST(r ->> 1 AS integer), CAST(r ->> 2 AS bigint), CAST(r ->> 3 AS bigint), r ->> 4
    FROM json_array_elements(CAST(:rows AS json)) r ON CONFLICT DO NOTHING
    """),
}
_ADD_WORDS = text("""
INSERT INTO search_words (rowid, terms)
SELECT message_id, terms FROM search_entries WHERE message_id IN (SELECT value FROM json_each(:ids))
""")
_FORGET_WORDS = text("""
INSERT INTO search_words (search_words, rowid, terms)
SELECT 'delete', message_id, terms FROM search_entries WHERE message_id IN (SELECT value FROM json_each(:ids))
""")
_decode = msgspec.json.Decoder(list[Unindexed]).decode


def _read(
    connection: Connection,
    statements: dict[str, TextClause],
    *,
    after: int,
    before: int,
    limit: int,
    account_id: int | None = None,
    domain_id: int | None = None,
) -> list[Unindexed]:
    given = {"after": after, "before": before, "limit": limit, "account_id": account_id, "domain_id": domain_id}
    return _decode(connection.execute(statements[connection.dialect.name], given).scalar_one() or "[]")


def _add(connection: Connection, found: Sequence[Unindexed]) -> None:
    if not found:
        return
    engine = connection.dialect.name
    rows = [(one.id, partition_of(one.id), one.account_id, one.domain_id, one.terms) for one in found]
    connection.execute(_ADD_ENTRIES[engine], {"rows": _json(rows)})
    if engine == "sqlite":
        connection.execute(_ADD_WORDS, {"ids": _json([one.id for one in found])})


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _advance(connection: Connection, of: Pass, message_id: int) -> None:
    statement = insert_into(connection, search_progress).values(name=of.value, message_id=message_id)
    reached = statement.excluded.message_id
    ahead = case((reached > search_progress.c.message_id, reached), else_=search_progress.c.message_id)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"message_id": ahead}))


def clear(connection: Connection) -> None:
    """Empty the index, to be filled anew."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("INSERT INTO search_words (search_words) VALUES ('delete-all')"))
    for emptied in (search_entries, search_progress):
        connection.execute(delete(emptied))
