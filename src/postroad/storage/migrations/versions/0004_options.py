"""Give messages and deliveries their options, and let one event be counted by several things."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("messages", sa.Column("options", sa.Text))
    op.add_column("deliveries", sa.Column("options", sa.Text))
    _rekey_counter_deltas()
    _create_rendered()


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
