"""When admins were told of calls given up."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("webhook_receivers", sa.Column("told_at", sa.BigInteger))
