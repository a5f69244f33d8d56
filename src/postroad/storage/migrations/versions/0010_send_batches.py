"""Batches of messages that a client holds or cancels together."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "send_batches",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("domain_id", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_send_batches_domain_id", "send_batches", ["domain_id"])
    op.create_table(
        "batch_messages",
        sa.Column("message_id", sa.BigInteger, primary_key=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("domain_id", sa.BigInteger, nullable=False),
        sa.Column("batch_id", sa.Text, nullable=False),
    )
    op.create_index("ix_batch_messages_batch_id", "batch_messages", ["batch_id"])
