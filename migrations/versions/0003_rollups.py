"""Rollups: what the heatmap is answered from.

The journal's new columns are nullable or have a stable default, so that no row is rewritten. Its index is built
partition by partition; where a partition is large, beside the running scans (CONCURRENTLY has no form for a whole
partitioned table, and none within a transaction).
"""

import sqlalchemy as sa
from alembic import op

from migrations import indexes

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    # what comes before the partitions is committed then, and is not done again when those are interrupted
    if not sa.inspect(op.get_bind()).has_table("rollup_state"):
        _make_tables()
    with op.get_context().autocommit_block():
        _index_partitions()


def _make_tables() -> None:
    # `tx` says in which transaction a row was written: the change feed of the rollups. All rows that are there
    # already get this migration's, and so come first.
    op.execute("""
        ALTER TABLE scan ADD COLUMN dealer_id bigint, ADD COLUMN first boolean,
            ADD COLUMN tx bigint NOT NULL DEFAULT ((pg_current_xact_id())::text)::bigint
    """)
    op.create_table(
        "scan_facet",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("gtin", sa.String(length=14), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("dealer_id", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("location_source", sa.String(length=8), nullable=False),
        sa.Column("first", sa.Boolean(), nullable=False),
        sa.Column("copied", sa.Boolean(), nullable=False),
        sa.Column("outside", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scan_facet")),
        sa.UniqueConstraint(
            "brand_id", "gtin", "batch_id", "dealer_id", "outcome", "location_source", "first", "copied", "outside",
            name="uq_scan_facet",
        ),
    )  # fmt: skip
    op.create_table(
        "rollup_chunk",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("span_h", sa.SmallInteger(), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("tile", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("facet_max", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollup_chunk")),
    )
    # packed already: compressing would cost each reader more than it saves
    op.execute("ALTER TABLE rollup_chunk ALTER COLUMN data SET STORAGE EXTERNAL")
    op.create_index(
        "ix_rollup_chunk_group", "rollup_chunk", ["generation", "brand_id", "kind", "span_h", "bucket", "tile"]
    )
    op.create_table(
        "rollup_state",
        sa.Column("generation", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("next_tx", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scans", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_tx", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("generation", name=op.f("pk_rollup_state")),
    )
    op.create_index("uq_rollup_state_live", "rollup_state", ["live"], unique=True, postgresql_where=sa.text("live"))
    op.execute("""
        INSERT INTO rollup_state (live, next_tx, next_at, as_of, seen_tx, seen_at)
        VALUES (true, 0, timestamptz '1970-01-01 00:00+00', timestamptz '1970-01-01 00:00+00', 0,
            timestamptz '1970-01-01 00:00+00')
    """)
    op.execute("CREATE INDEX IF NOT EXISTS ix_scan_tx_at ON ONLY scan (tx, at)")


def _index_partitions() -> None:
    """Build and attach the index of partitions that have none."""
    found = op.get_bind().execute(
        sa.text("""
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'scan'::regclass AND NOT EXISTS (
                SELECT FROM pg_index x JOIN pg_inherits a ON a.inhrelid = x.indexrelid
                WHERE x.indrelid = c.oid AND a.inhparent = 'ix_scan_tx_at'::regclass)
            ORDER BY c.relname""")
    )
    for (partition,) in found.all():
        index = f"{partition}_tx_at_idx"
        indexes.build(index, f"{partition} (tx, at)")
        op.execute(f"ALTER INDEX ix_scan_tx_at ATTACH PARTITION {index}")
