"""Codes that others made: imports, what was wrong with their rows, and the codes by their blind index."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
serves_from = "0001"

# New tables, and a column with a constant default. A version that still serves knows no imported batch and answers
# such codes as malformed or forged, which is right: nothing is imported before this version is in place.


def upgrade() -> None:
    op.add_column("batch", sa.Column("origin", sa.String(length=10), server_default="own", nullable=False))
    op.create_check_constraint(op.f("ck_batch_origin"), "batch", "origin IN ('own', 'imported')")
    op.create_table(
        "code_import",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("gtin", sa.String(length=14), nullable=False),
        sa.Column("template", sa.String(length=120), nullable=False),
        sa.Column("alphabet", sa.String(length=12), nullable=False),
        sa.Column("length_min", sa.SmallInteger(), nullable=False),
        sa.Column("length_max", sa.SmallInteger(), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("file", sa.String(length=120), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="reading", nullable=False),
        sa.Column("task_id", postgresql.UUID(), nullable=True),
        sa.Column("lines", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("good", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("flaws", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column("placed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("late", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=True),
        sa.Column("first_unit", sa.BigInteger(), nullable=True),
        sa.Column("batch_id", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("live_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('reading', 'judged', 'placing', 'live', 'failed', 'cancelled')",
            name=op.f("ck_code_import_state"),
        ),
        sa.CheckConstraint("length_min BETWEEN 1 AND length_max", name=op.f("ck_code_import_length")),
        sa.CheckConstraint("(key_id IS NULL) = (first_unit IS NULL)", name=op.f("ck_code_import_units")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_code_import_brand_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_code_import_batch_id")),
        sa.ForeignKeyConstraint(["key_id"], ["code_key.id"], name=op.f("fk_code_import_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_import")),
        sa.UniqueConstraint("name", name=op.f("uq_code_import_name")),
    )
    op.create_index("ix_code_import_brand_id", "code_import", ["brand_id", "id"])
    op.create_table(
        "code_import_flaw",
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("first_line", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("pk_code_import_flaw")),
    )
    # No foreign keys: 50 million rows come at once, and a trigger for each would double the time.
    op.create_table(
        "foreign_code",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("octet_length(hash) = 16", name=op.f("ck_foreign_code_hash")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_foreign_code")),
    )
