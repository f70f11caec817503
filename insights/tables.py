"""Tables of the rollups: facets, chunks, and how far the journal has been rolled up."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    text,
)

from kernel.db import metadata

# A scan's facet: everything about it that a view can filter by, except time and place. Unknown is '' or 0, so
# that equality finds a row by its index.
scan_facet = Table(
    "scan_facet",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, nullable=False),
    Column("gtin", String(14), nullable=False),
    Column("batch_id", BigInteger, nullable=False),
    Column("dealer_id", BigInteger, nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("location_source", String(8), nullable=False),
    Column("first", Boolean, nullable=False),
    Column("copied", Boolean, nullable=False),
    Column("outside", Boolean, nullable=False),
    UniqueConstraint(
        "brand_id", "gtin", "batch_id", "dealer_id", "outcome", "location_source", "first", "copied", "outside",
        name="uq_scan_facet",
    ),
)  # fmt: skip

# Immutable pieces of rollup that add up; merging replaces several by one (`insights.chunks`).
rollup_chunk = Table(
    "rollup_chunk",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("brand_id", BigInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("span_h", SmallInteger, nullable=False),
    Column("bucket", Integer, nullable=False),
    Column("tile", BigInteger, nullable=False),  # the H3 cell that all keys lie in; 0: anywhere
    Column("entries", Integer, nullable=False),
    Column("facet_max", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("ix_rollup_chunk_group", "generation", "brand_id", "kind", "span_h", "bucket", "tile"),
)

# One row a generation; views read the live one, and a rebuild fills another beside it.
rollup_state = Table(
    "rollup_state",
    metadata,
    Column("generation", Integer, Identity(always=True), primary_key=True),
    Column("live", Boolean, nullable=False),
    # every journal row before this place in the order (tx, at) is rolled up
    Column("next_tx", BigInteger, nullable=False),
    Column("next_at", DateTime(timezone=True), nullable=False),
    Column("scans", BigInteger, nullable=False, server_default="0"),
    # whatever began to write before `as_of` is rolled up; the next `as_of` is `seen_at`, once all transactions
    # before `seen_tx` have ended
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("seen_tx", BigInteger, nullable=False),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Index("uq_rollup_state_live", "live", unique=True, postgresql_where=text("live")),
)
