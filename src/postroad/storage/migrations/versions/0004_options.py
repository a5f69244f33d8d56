"""Options of messages and deliveries, events counted by several things, templates, de-duplication.

And pauses of domains, clients' faults, and what feedback reports came to.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# A message under way names the version that it is rendered from: its id must not stand for another one later.
NEVER_REUSED = {"sqlite_autoincrement": True}
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("messages", sa.Column("options", sa.Text))
    op.add_column("deliveries", sa.Column("options", sa.Text))
    # Limits on invitations and links are counted by what the audit log has of a day.
    op.create_index("audit_entries_by_action", "audit_entries", ["action", "at"])
    _rekey_counter_deltas()
    _create_rendered()
    _create_templates()
    _create_dedupe_keys()
    _add_pauses()
    _create_client_faults()
    _create_feedback_counts()


def _create_client_faults() -> None:
    op.create_table(
        "client_faults",
        sa.Column("credential_id", BIG, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("account_id", sa.BigInteger, nullable=False, index=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False, index=True),
        sa.Column("client_address", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("recipient_count", sa.Integer, nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
    )


def _create_feedback_counts() -> None:
    op.create_table(
        "feedback_counts",
        sa.Column("result", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )


def _add_pauses() -> None:
    for column in (
        sa.Column("paused_at", sa.BigInteger),
        sa.Column("pause_reason", sa.Text, nullable=False, server_default=""),
        sa.Column("resumed_at", sa.BigInteger),
        sa.Column("delivered_before_resume", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("bounced_before_resume", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("complained_before_resume", sa.BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("domains", column)


def _create_rendered() -> None:
    is_postgres = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "rendered",
        sa.Column("delivery_id", BIG, nullable=False, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("message_id", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint(*(("partition", "delivery_id") if is_postgres else ("delivery_id",))),
    )
    op.create_index("rendered_by_message", "rendered", ["message_id"])


def _create_dedupe_keys() -> None:
    op.create_table(
        "dedupe_keys",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("message_id", sa.BigInteger, nullable=False),
        sa.Column("delivery_id", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    )


def _create_templates() -> None:
    op.create_table(
        "templates",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("account_id", BIG, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("domain_id", BIG, sa.ForeignKey("domains.id"), nullable=False, index=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("active_version_id", BIG),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("removed_at", sa.BigInteger),
        **NEVER_REUSED,
    )
    stands = sa.text("removed_at IS NULL")
    op.create_index(
        "templates_by_key", "templates", ["domain_id", "key"], unique=True, sqlite_where=stands, postgresql_where=stands
    )
    op.create_table(
        "template_versions",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("template_id", BIG, sa.ForeignKey("templates.id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("tag", sa.Text),
        sa.Column("html", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("inlines_css", sa.Boolean, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.UniqueConstraint("template_id", "number"),
        sa.UniqueConstraint("template_id", "tag"),
        **NEVER_REUSED,
    )


def _rekey_counter_deltas() -> None:
    op.rename_table("counter_deltas", "counter_deltas_before")
    is_postgres = op.get_bind().dialect.name == "postgresql"
    key = ("id", "dimension", "key")
    op.create_table(
        "counter_deltas",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("domain_id", sa.BigInteger, nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("dimension", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(*(("partition", *key) if is_postgres else key), name="counter_deltas_by_thing"),
        sqlite_with_rowid=False,
    )
    columns = '"id", "partition", "domain_id", "hour", "dimension", "key", "type", "count"'
    op.execute(f"INSERT INTO counter_deltas ({columns}) SELECT {columns} FROM counter_deltas_before")  # noqa: S608
    op.drop_table("counter_deltas_before")
