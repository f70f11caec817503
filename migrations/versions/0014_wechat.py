"""Sign-in with WeChat: brands' apps, and sign-ins under way."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    op.create_table(
        "wechat_app",
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("app_id", sa.String(length=18), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.String(length=20), server_default="", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("failed_errcode", sa.Integer(), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('official', 'mini')", name=op.f("ck_wechat_app_kind")),
        sa.CheckConstraint("(kind = 'official') = (scope <> '')", name=op.f("ck_wechat_app_scope")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_wechat_app_brand_id_brand")),
        sa.PrimaryKeyConstraint("brand_id", "kind", name=op.f("pk_wechat_app")),
    )
    op.create_table(
        "wechat_state",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("device_index", sa.LargeBinary(), nullable=False),
        sa.Column("app_id", sa.String(length=18), nullable=False),
        sa.Column("code_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_wechat_state_brand_id_brand")),
        sa.PrimaryKeyConstraint("state_hash", name=op.f("pk_wechat_state")),
    )
    op.create_index("ix_wechat_state_expires_at", "wechat_state", ["expires_at"])
