"""Which flush of counters each process wrote last."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    op.create_table(
        "counter_flush",
        sa.Column("process", sa.UUID(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("process", name=op.f("pk_counter_flush")),
    )
