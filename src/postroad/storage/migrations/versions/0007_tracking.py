"""Destinations that tracked links lead to no longer, and what workers tell each other of clicks."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "blocked_destinations",
        sa.Column("pattern", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
    )
    op.create_table(
        "recent_clicks",
        sa.Column("delivery_id", sa.BigInteger, nullable=False, index=True),
        sa.Column("link", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("noted_at", sa.BigInteger, nullable=False, index=True),
    )
