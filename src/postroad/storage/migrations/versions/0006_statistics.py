"""Counters by destination and bounce class, in the order in which statistics read them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

PERIODS = {"counters_hourly": "hour", "counters_daily": "day"}


def upgrade() -> None:
    op.add_column("counter_deltas", sa.Column("destination", sa.Text, nullable=False, server_default=""))
    op.add_column("counter_deltas", sa.Column("bounce_class", sa.Text, nullable=False, server_default=""))
    op.add_column("counter_deltas", sa.Column("is_expired", sa.Boolean, nullable=False, server_default=sa.false()))
    for table, period in PERIODS.items():
        _rekey(table, period)
    _create("counters_four_weekly", "four_weeks")
    op.execute(
        'INSERT INTO counters_four_weekly ("domain_id", "dimension", "four_weeks", "key", "type", "count") '
        'SELECT "domain_id", "dimension", "day" / 28, "key", "type", sum("count") FROM counters_daily '
        'GROUP BY "domain_id", "dimension", "day" / 28, "key", "type"'
    )


def _rekey(table: str, period: str) -> None:
    op.rename_table(table, f"{table}_before")
    _create(table, period)
    columns = f'"domain_id", "dimension", "{period}", "key", "type", "count"'
    op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_before")  # noqa: S608
    op.drop_table(f"{table}_before")


def _create(table: str, period: str) -> None:
    """Create counters whose dimension stands before the period: a year of one is one stretch, however many others are."""
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
