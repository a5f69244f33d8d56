"""Where events are posted, the calls that wait, and the log of those that were made."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "event_keys",
        sa.Column("account_id", BIG, primary_key=True, autoincrement=False),
        sa.Column("private_key", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("account_id", BIG, sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("domain_id", BIG, sa.ForeignKey("domains.id"), nullable=False, index=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("event_types", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("paused_at", sa.BigInteger),
        sa.Column("password", sa.LargeBinary),
        sa.Column("token", sa.LargeBinary),
        # Calls and the log name a webhook by its id, also when it is gone.
        sqlite_autoincrement=True,
    )
    op.create_table(
        "webhook_receivers",
        sa.Column("receiver", BIG, primary_key=True, autoincrement=False),
        sa.Column("lease_owner", sa.BigInteger),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", sa.BigInteger),
        sa.Column("paused_at", sa.BigInteger),
        sa.Column("next_try_at", sa.BigInteger),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Column("given_up", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=False),
    )
    _create_calls()
    _create_attempts()


def _data_key(*names: str) -> sa.PrimaryKeyConstraint:
    """Return a data-plane key: with the partition on PostgreSQL, the bare row id on SQLite, where it is far cheaper."""
    names = names or ("id",)
    return sa.PrimaryKeyConstraint(*(("partition", *names) if op.get_bind().dialect.name == "postgresql" else names))


def _create_calls() -> None:
    op.create_table(
        "webhook_calls",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("receiver", sa.BigInteger, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("domain_id", sa.BigInteger, nullable=False),
        sa.Column("event_id", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("format", sa.Text),
        _data_key(),
    )
    # Who has something due is found by one descent for each receiver, and what it is in the order in which it is posted.
    op.create_index("webhook_calls_by_receiver", "webhook_calls", ["receiver", "due_at", "id"])
    op.create_index("webhook_calls_by_age", "webhook_calls", ["created_at"])


def _create_attempts() -> None:
    op.create_table(
        "webhook_attempts",
        sa.Column("id", BIG, nullable=False, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("call_id", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("domain_id", sa.BigInteger, nullable=False),
        sa.Column("receiver", sa.BigInteger, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("event_ids", sa.Text, nullable=False),
        sa.Column("event_types", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("duration_ms", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("request_headers", sa.Text, nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
        sa.Column("is_test", sa.Boolean, nullable=False),
        _data_key(),
    )
    op.create_table(
        "webhook_attempt_messages",
        sa.Column("message_id", BIG, nullable=False, autoincrement=False),
        sa.Column("attempt_id", BIG, nullable=False, autoincrement=False),
        sa.Column("partition", sa.Integer, nullable=False),
        _data_key("message_id", "attempt_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("webhook_attempts_by_call", "webhook_attempts", ["call_id"])
    op.create_index("webhook_attempts_by_domain", "webhook_attempts", ["domain_id", "id"])
    op.create_index("webhook_attempts_by_receiver", "webhook_attempts", ["receiver", "id"])
