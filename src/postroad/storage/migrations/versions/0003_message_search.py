"""Create what messages are found by: their terms, and their deliveries that are in trouble."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# A delivery enters only by ending badly or being put off, so that one that goes well never touches the index.
TROUBLED = "state IN ('held', 'bounced', 'suppressed', 'cancelled') OR (state = 'scheduled' AND attempts > 0)"


def upgrade() -> None:
    is_postgres = op.get_bind().dialect.name == "postgresql"
    message_key = ("partition", "message_id") if is_postgres else ("message_id",)
    op.create_table(
        "search_entries",
        sa.Column("message_id", BIG, nullable=False, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("domain_id", sa.BigInteger, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(*message_key),
    )
    op.create_index("search_entries_by_account", "search_entries", ["account_id", "message_id"])
    op.create_index("search_entries_by_domain", "search_entries", ["domain_id", "message_id"])
    op.create_table(
        "search_progress",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("message_id", sa.BigInteger, nullable=False),
    )
    op.create_index(
        "deliveries_in_trouble",
        "deliveries",
        ["account_id", "state", "message_id"],
        sqlite_where=sa.text(TROUBLED),
        postgresql_where=sa.text(TROUBLED),
    )
    if is_postgres:
        _create_postgres_words()
    else:
        _create_sqlite_words()


def _create_sqlite_words() -> None:
    # Terms come folded and parted by spaces: the simplest tokenizer takes them as they are.
    op.execute("""
    CREATE VIRTUAL TABLE search_words USING fts5(
      terms, content='search_entries', content_rowid='message_id', detail=none, columnsize=0,
      tokenize="ascii tokenchars '_'")
    """)


def _create_postgres_words() -> None:
    op.create_index("search_entries_by_message", "search_entries", ["message_id"])
    # A short list of pending entries: a search reads it from end to end.
    op.execute("""
    CREATE INDEX search_entries_by_words ON search_entries
    USING gin (array_to_tsvector(string_to_array(btrim(terms), ' '))) WITH (gin_pending_list_limit = 256)
    """)
