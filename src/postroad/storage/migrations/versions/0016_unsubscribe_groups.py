"""Groups of mail that recipients unsubscribe from, and an index over what is about a tag."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "unsubscribe_groups",
        # Never given twice: links in old mail name it.
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("account_id", sa.BigInteger, nullable=False),
        sa.Column("domain_id", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("domain_id", "key"),
        sqlite_autoincrement=True,
    )
    address = 'address COLLATE "C"' if op.get_bind().dialect.name == "postgresql" else "address"
    op.execute(f"CREATE INDEX suppressions_by_tag ON suppressions (domain_id, tag, {address}) WHERE tag <> ''")
