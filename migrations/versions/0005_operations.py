"""Operations: signs of life, the request behind a task or a message, and indexes for what went wrong."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    # First, for each is committed by itself: after an interruption all of this can simply be run again. Both tables
    # are written all the time, so their indexes are built beside the writing.
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_task_failed")  # what an interrupted build left is invalid
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_outbox_message_dead")
        op.create_index(
            "ix_task_failed", "task", ["id"],
            postgresql_where=sa.text("state = 'failed'"), postgresql_concurrently=True,
        )  # fmt: skip
        op.create_index(
            "ix_outbox_message_dead", "outbox_message", ["id"],
            postgresql_where=sa.text("state = 'dead'"), postgresql_concurrently=True,
        )  # fmt: skip
    op.create_table(
        "heartbeat",
        sa.Column("process", sa.String(length=60), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_heartbeat")),
    )
    op.add_column("task", sa.Column("request_id", sa.String(length=36), nullable=True))
    op.add_column("outbox_message", sa.Column("request_id", sa.String(length=36), nullable=True))
