"""Console: settings of a brand, versions of what people edit, packages that the worker writes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import indexes

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
serves_from = "0001"

# New tables, and columns that are nullable or have a constant default: PostgreSQL keeps such a default in the
# catalogue, so that no table is rewritten and the version still serving reads and writes on as before.


INDEXES = {
    "ix_shipment_dealer_id_shipped_at": "shipment (dealer_id, shipped_at, id)",
    "ix_member_brand_id_created_at": "member (brand_id, created_at, id)",
    "ix_journal_brand_id_at": "journal (brand_id, at, id)",
    "ix_prize_award_brand_id_at": "prize_award (brand_id, at, id)",
}
"""Lists that the console reads page by page, newest first."""


def upgrade() -> None:
    # First, for each is committed by itself: after an interruption all of this can simply be run again.
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            indexes.build(name, columns)
    op.create_table(
        "brand_setting",
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("colour", sa.String(length=7), nullable=False),
        sa.Column("welcome_zh", sa.String(length=200), nullable=False),
        sa.Column("welcome_en", sa.String(length=200), nullable=False),
        sa.Column("thanks_zh", sa.String(length=200), nullable=False),
        sa.Column("thanks_en", sa.String(length=200), nullable=False),
        sa.Column("operator", sa.String(length=120), nullable=False),
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("privacy_url", sa.String(length=300), nullable=False),
        sa.Column("service", sa.String(length=300), nullable=False),
        sa.Column("member_host", sa.String(length=261), nullable=False),
        sa.Column("hands_over", sa.Boolean(), nullable=False),
        sa.Column("map_approval", sa.String(length=60), nullable=False),
        sa.Column("map_waiver", sa.String(length=200), nullable=False),
        sa.Column("basemap", sa.String(length=10), nullable=False),
        sa.Column("basemap_url", sa.String(length=300), nullable=False),
        sa.Column("basemap_attribution", sa.String(length=200), nullable=False),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("logo_type", sa.String(length=10), nullable=True),
        sa.Column("logo_hash", sa.String(length=16), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("colour ~ '^(#[0-9a-f]{6})?$'", name=op.f("ck_brand_setting_colour")),
        sa.CheckConstraint("basemap IN ('bundled', 'custom', 'none')", name=op.f("ck_brand_setting_basemap")),
        sa.CheckConstraint(
            "(logo IS NULL) = (logo_hash IS NULL) AND (logo IS NULL) = (logo_type IS NULL)",
            name=op.f("ck_brand_setting_logo"),
        ),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_brand_setting_brand_id")),
        sa.PrimaryKeyConstraint("brand_id", name=op.f("pk_brand_setting")),
    )
    op.add_column("product", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("dealer", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("batch", sa.Column("package_task", postgresql.UUID(), nullable=True))
    op.add_column("package_download", sa.Column("file", sa.String(length=80), nullable=True))
    op.add_column("package_download", sa.Column("address_sealed", sa.LargeBinary(), nullable=True))
