"""Inbound routes that clients of Mailgun's API add: several rows may be one of theirs, with its words."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("inbound_routes", sa.Column("group_id", sa.BigInteger))
    op.add_column("inbound_routes", sa.Column("priority", sa.Integer, nullable=False, server_default="0"))
    op.add_column("inbound_routes", sa.Column("description", sa.Text, nullable=False, server_default=""))
    op.add_column("inbound_routes", sa.Column("expression", sa.Text, nullable=False, server_default=""))
    op.create_index("ix_inbound_routes_account_id", "inbound_routes", ["account_id"])
