"""Descriptions of templates and tags, as Mailgun's API has them."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("templates", sa.Column("description", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "tag_descriptions",
        sa.Column("domain_id", sa.BigInteger, primary_key=True),
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("description", sa.Text, nullable=False),
    )
