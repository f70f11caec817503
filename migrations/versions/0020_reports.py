"""Reports of what is wrong with a unit."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    op.create_table(
        "report",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("number", sa.Uuid(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=True),
        sa.Column("gtin", sa.String(length=14), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="open", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=True),
        sa.Column("device", sa.LargeBinary(), nullable=True),
        sa.Column("told_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("photo_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("photo_type", sa.String(length=4), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('open', 'answered', 'closed')", name=op.f("ck_report_state")),
        sa.CheckConstraint("(photo_sealed IS NULL) = (photo_type IS NULL)", name=op.f("ck_report_photo")),
        sa.CheckConstraint("(told_sealed IS NULL) = (erased_at IS NOT NULL)", name=op.f("ck_report_erased")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_report_brand_id_brand")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint("number", name=op.f("uq_report_number")),
    )
    op.create_index("ix_report_brand_id_state", "report", ["brand_id", "state", "id"])
    op.create_index("ix_report_device_at", "report", ["device", "at"])
    op.create_index("ix_report_unit_id", "report", ["unit_id"])
    op.create_index("ix_report_changed_at", "report", ["changed_at"], postgresql_where=sa.text("erased_at IS NULL"))
    op.create_table(
        "report_note",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("report_id", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("words", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_report_note_brand_id_brand")),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_report_note_report_id_report")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_note")),
    )
    op.create_index("ix_report_note_report_id", "report_note", ["report_id"])
