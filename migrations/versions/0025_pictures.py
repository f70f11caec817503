"""Pictures of brands' pages and of products."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    op.create_table(
        "picture",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=16), nullable=False),
        sa.Column("type", sa.String(length=4), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_picture_brand_id_brand")),
        sa.PrimaryKeyConstraint("brand_id", "hash", name=op.f("pk_picture")),
    )
    op.add_column("brand_setting", sa.Column("header_hash", sa.String(length=16), nullable=True))
    op.add_column("product", sa.Column("picture_hash", sa.String(length=16), nullable=True))
