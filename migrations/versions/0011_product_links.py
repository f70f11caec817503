"""Links of products, for the GS1 resolver."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    op.create_table(
        "product_link",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("gtin", sa.String(length=14), nullable=False),
        sa.Column("type", sa.String(length=60), nullable=False),
        sa.Column("href", sa.String(length=2000), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("title_en", sa.String(length=120), nullable=False),
        sa.Column("hreflang", sa.String(length=5), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("context", sa.String(length=40), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.CheckConstraint("active OR NOT is_default", name=op.f("ck_product_link_default")),
        sa.CheckConstraint("href ~ '^https?://'", name=op.f("ck_product_link_href")),
        sa.CheckConstraint("hreflang ~ '^([a-z]{2}(-[A-Z]{2})?)?$'", name=op.f("ck_product_link_hreflang")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_product_link_brand_id_brand")),
        sa.ForeignKeyConstraint(["gtin"], ["product.gtin"], name=op.f("fk_product_link_gtin_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product_link")),
    )
    op.create_index("ix_product_link_gtin", "product_link", ["gtin"])
    op.create_index(
        "uq_product_link_default", "product_link", ["gtin"], unique=True, postgresql_where=sa.text("is_default")
    )
