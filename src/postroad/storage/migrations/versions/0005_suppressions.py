"""Whom sending domains do not mail, and the lists that were uploaded."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_suppressions()
    op.create_table(
        "suppression_imports",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("domain_id", sa.BigInteger, nullable=False, index=True),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("progress", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )


def _create_suppressions() -> None:
    op.create_table(
        "suppressions",
        # First, so that a look-up by keys alone is a descent of the primary key.
        sa.Column("key", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("domain_id", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tag", sa.Text, nullable=False),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("way", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("message_id", sa.BigInteger),
        sa.PrimaryKeyConstraint("key", "domain_id", "address", "kind", "tag"),
        sqlite_with_rowid=False,
    )
    # Pages and beginnings of addresses go by octets on both engines, whatever the server's locale is.
    address = 'address COLLATE "C"' if op.get_bind().dialect.name == "postgresql" else "address"
    op.execute(f"CREATE INDEX suppressions_by_address ON suppressions (domain_id, {address}, kind, tag)")
    op.execute(f"CREATE INDEX suppressions_by_kind ON suppressions (domain_id, kind, {address}, tag)")
