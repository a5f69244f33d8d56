"""Counters by destination and bounce class, in the order in which statistics read them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"

PERIODS = {"counters_hourly": "hour", "counters_daily": "day"}


def upgrade() -> None:
    op.add_column("counter_deltas", sa.Column("destination", sa.Text, nullable=False, server_default=""))
    op.add_column("counter_deltas", sa.Column("bounce_class", sa.Text, nullable=False, server_default=""))
    op.add_column("counter_deltas", sa.Column("is_expired", sa.Boolean, nullable=False, server_default=sa.false()))
    for table, period in PERIODS.items():
        _rekey(table, period)


def _rekey(table: str, period: str) -> None:
    """Put the dimension before the period: a year of one dimension is one stretch of the index, however many others are."""
    op.rename_table(table, f"{table}_before")
    key = ("domain_id", "dimension", period, "key", "type")
    op.create_table(
        table,
        sa.Column("domain_id", sa.BigInteger, nullable=False),
        sa.Column("dimension", sa.Text, nullable=False),
        sa.Column(period, sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(*key, name=f"{table}_by_thing"),
        sqlite_with_rowid=False,
    )
    columns = f'"domain_id", "dimension", "{period}", "key", "type", "count"'
    op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_before")  # noqa: S608
    op.drop_table(f"{table}_before")
