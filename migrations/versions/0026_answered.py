"""Answers of writes that bear an Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    op.create_table(
        "answered_request",
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(length=60), nullable=False),
        sa.Column("route", sa.String(length=200), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "holder", "route", "key_hash", name=op.f("pk_answered_request")),
    )
    op.create_index("ix_answered_request_at", "answered_request", ["at"])
