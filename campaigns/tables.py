"""Tables of campaigns: claims, earning rules, draws, prizes and their entry log."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid

from kernel.db import metadata

# No foreign keys here: ADR 0045.
claim = Table(
    "claim",
    metadata,
    Column("id", BigInteger, Identity(always=False), primary_key=True),
    Column("brand_id", BigInteger, nullable=False),
    Column("unit_id", BigInteger, nullable=False),
    Column("member_id", BigInteger, nullable=False),
    Column("scan_id", PgUuid, nullable=False),
    Column("gtin", String(14), nullable=False),
    Column("device", LargeBinary),
    Column("state", String(8), nullable=False),
    Column("reason", String(40)),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("settled_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('pending', 'posted', 'voided')", name="state"),
    # the wall: a unit's reward is taken once
    Index("uq_claim_unit", "unit_id", unique=True, postgresql_where=text("state <> 'voided'")),
    Index("ix_claim_member_id", "member_id"),
    Index("ix_claim_scan_id", "scan_id"),
    Index("ix_claim_pending", "reason", "id", postgresql_where=text("state = 'pending'")),
)

appeal = Table(
    "appeal",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("member_id", BigInteger, ForeignKey("member.id"), nullable=False),
    Column("unit_id", BigInteger, ForeignKey("unit.id"), nullable=False),
    Column("claim_id", BigInteger, ForeignKey("claim.id")),
    Column("scan_id", PgUuid, nullable=False),
    Column("gtin", String(14), nullable=False),
    Column("reason", String(40), nullable=False),
    Column("state", String(8), nullable=False, server_default="open"),
    Column("said", String(200), nullable=False, server_default=""),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("decided_at", DateTime(timezone=True)),
    Column("decided_by", String(80)),
    CheckConstraint("state IN ('open', 'granted', 'declined')", name="state"),
    CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided"),
    # once for a person and a unit
    UniqueConstraint("member_id", "unit_id"),
    Index("ix_appeal_claim_id", "claim_id"),
    Index("ix_appeal_open", "brand_id", "due_at", "id", postgresql_where=text("state = 'open'")),
    Index("ix_appeal_decided", "brand_id", "state", "decided_at", "id", postgresql_where=text("state <> 'open'")),
)

earning_rule = Table(
    "earning_rule",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("gtin", String(14), ForeignKey("product.gtin")),
    Column("points", Integer, nullable=False),
    Column("qualifying", Integer, nullable=False),
    Column("expires_after_days", Integer),
    Column("active_from", DateTime(timezone=True), nullable=False),
    Column("active_until", DateTime(timezone=True)),
    CheckConstraint("points BETWEEN 0 AND 1000000", name="points"),
    CheckConstraint("qualifying BETWEEN 0 AND 1000000", name="qualifying"),
    Index("ix_earning_rule_brand_id", "brand_id"),
)

draw = Table(
    "draw",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", String(40), nullable=False, unique=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("rules", JSONB, nullable=False),
    Column("rules_hash", String(64), nullable=False),
    Column("seed_commitment", String(64), nullable=False),
    Column("seed_sealed", LargeBinary, nullable=False),
    Column("opens_at", DateTime(timezone=True), nullable=False),
    Column("closes_at", DateTime(timezone=True), nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("closed_at", DateTime(timezone=True)),
    CheckConstraint("opens_at < closes_at", name="period"),
    Index("ix_draw_brand_id_open", "brand_id", postgresql_where=text("closed_at IS NULL")),
)

draw_shard = Table(
    "draw_shard",
    metadata,
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("draw_id", BigInteger, ForeignKey("draw.id"), primary_key=True),
    Column("shard", SmallInteger, primary_key=True),
    Column("entries", BigInteger, nullable=False, server_default="0"),
    Column("head", LargeBinary, nullable=False),
    # on the locked row itself, so that a claim that waited for the close sees it
    Column("open", Boolean, nullable=False, server_default="true"),
    postgresql_with={"fillfactor": 50},
)

prize = Table(
    "prize",
    metadata,
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("draw_id", BigInteger, ForeignKey("draw.id"), primary_key=True),
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("stock", Integer, nullable=False),
    Column("left", Integer, nullable=False),
    CheckConstraint('"left" BETWEEN 0 AND stock', name="left"),
    postgresql_with={"fillfactor": 50},
)

# No foreign keys here: ADR 0045.
draw_entry = Table(
    "draw_entry",
    metadata,
    Column("draw_id", BigInteger, primary_key=True),
    Column("shard", SmallInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("brand_id", BigInteger, nullable=False),
    Column("claim_id", BigInteger, nullable=False),
    Column("member_id", BigInteger, nullable=False),
    Column("entrant", String(32), nullable=False),
    Column("prize_id", SmallInteger),
    Column("at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("draw_id", "claim_id"),
    Index("ix_draw_entry_member_id", "member_id", "draw_id"),
)

prize_award = Table(
    "prize_award",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("draw_id", BigInteger, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("prize_id", SmallInteger, nullable=False),
    Column("member_id", BigInteger, ForeignKey("member.id"), nullable=False),
    Column("state", String(10), nullable=False, server_default="won"),
    Column("at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state IN ('won', 'fulfilled', 'forfeited')", name="state"),
    ForeignKeyConstraint(["draw_id", "prize_id"], ["prize.draw_id", "prize.id"]),
    ForeignKeyConstraint(
        ["draw_id", "shard", "number"], ["draw_entry.draw_id", "draw_entry.shard", "draw_entry.number"]
    ),
    UniqueConstraint("draw_id", "shard", "number"),
    Index("ix_prize_award_member_id", "member_id"),
    Index("ix_prize_award_brand_id_at", "brand_id", "at", "id"),
)
