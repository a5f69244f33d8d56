"""An index over the few events that were told long after they happened."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

TOLD_LATE = "(id >> 23) - at > -1767225540000"


def upgrade() -> None:
    op.create_index(
        "events_told_late", "events", ["id"], sqlite_where=sa.text(TOLD_LATE), postgresql_where=sa.text(TOLD_LATE)
    )
