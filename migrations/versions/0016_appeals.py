"""Appeals against what a rule held or refused, and the days within which a brand answers them."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    op.add_column("brand_setting", sa.Column("appeal_days", sa.SmallInteger(), server_default="7", nullable=False))
    op.create_check_constraint(op.f("ck_brand_setting_appeal_days"), "brand_setting", "appeal_days BETWEEN 1 AND 30")
    op.create_table(
        "appeal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=True),
        sa.Column("scan_id", sa.Uuid(), nullable=False),
        sa.Column("gtin", sa.String(length=14), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=8), server_default="open", nullable=False),
        sa.Column("said", sa.String(length=200), server_default="", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=80), nullable=True),
        sa.CheckConstraint("state IN ('open', 'granted', 'declined')", name=op.f("ck_appeal_state")),
        sa.CheckConstraint("(state = 'open') = (decided_at IS NULL)", name=op.f("ck_appeal_decided")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_appeal_brand_id_brand")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_appeal_member_id_member")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_appeal_unit_id_unit")),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.id"], name=op.f("fk_appeal_claim_id_claim")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeal")),
        sa.UniqueConstraint("member_id", "unit_id", name=op.f("uq_appeal_member_id_unit_id")),
    )
    op.create_index("ix_appeal_claim_id", "appeal", ["claim_id"])
    op.create_index(
        "ix_appeal_open", "appeal", ["brand_id", "due_at", "id"], postgresql_where=sa.text("state = 'open'")
    )
    op.create_index(
        "ix_appeal_decided", "appeal", ["brand_id", "state", "decided_at", "id"],
        postgresql_where=sa.text("state <> 'open'"),
    )  # fmt: skip
