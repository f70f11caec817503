"""Operations: signs of life, the request behind a task or a message, and indexes for what went wrong."""

import sqlalchemy as sa
from alembic import op

from migrations import indexes

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    # First, for each is committed by itself: after an interruption all of this can simply be run again. Both tables
    # are written all the time, so their indexes are built beside the writing.
    with op.get_context().autocommit_block():
        indexes.build("ix_task_failed", "task (id) WHERE state = 'failed'")
        indexes.build("ix_outbox_message_dead", "outbox_message (id) WHERE state = 'dead'")
    op.create_table(
        "heartbeat",
        sa.Column("process", sa.String(length=60), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_heartbeat")),
    )
    op.add_column("task", sa.Column("request_id", sa.String(length=36), nullable=True))
    op.add_column("outbox_message", sa.Column("request_id", sa.String(length=36), nullable=True))
