"""Notices to consumers of a batch's units that are recalled or void."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    op.create_table(
        "batch_notice",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("zh", sa.String(length=500), nullable=False),
        sa.Column("en", sa.String(length=500), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('recalled', 'void')", name=op.f("ck_batch_notice_state")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_notice_batch_id_batch")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_batch_notice_brand_id_brand")),
        sa.PrimaryKeyConstraint("batch_id", "state", name=op.f("pk_batch_notice")),
    )
