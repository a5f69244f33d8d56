"""What events tell of a message's header stays with the message when its content goes.

Of messages that were accepted before, events tell it no more.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("messages", sa.Column("told_header", sa.LargeBinary))
