"""What events tell of a message's header stays with the message when its content goes."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("messages", sa.Column("told_header", sa.LargeBinary))
