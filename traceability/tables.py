"""Tables of traceability: brands, products, dealers, shipments, units, the scan journal."""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
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
from sqlalchemy.dialects.postgresql import INT8RANGE, JSONB
from sqlalchemy.dialects.postgresql import UUID as PgUuid

from kernel.db import metadata

brand = Table(
    "brand",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("slug", String(40), nullable=False, unique=True),
    Column("name", String(80), nullable=False),
    Column("name_en", String(80), nullable=False),
    Column("company_prefix", String(12), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]*$'", name="slug"),
)

brand_setting = Table(
    "brand_setting",
    metadata,
    Column("brand_id", BigInteger, ForeignKey("brand.id"), primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("colour", String(7), nullable=False),
    Column("welcome_zh", String(200), nullable=False),
    Column("welcome_en", String(200), nullable=False),
    Column("thanks_zh", String(200), nullable=False),
    Column("thanks_en", String(200), nullable=False),
    Column("operator", String(120), nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("privacy_url", String(300), nullable=False),
    Column("service", String(300), nullable=False),
    Column("member_host", String(261), nullable=False),
    Column("hands_over", Boolean, nullable=False),
    Column("map_approval", String(60), nullable=False),
    Column("map_waiver", String(200), nullable=False),
    Column("basemap", String(10), nullable=False),
    Column("basemap_url", String(300), nullable=False),
    Column("basemap_attribution", String(200), nullable=False),
    Column("appeal_days", SmallInteger, nullable=False, server_default="7"),
    Column("logo", LargeBinary),
    Column("logo_type", String(10)),
    Column("logo_hash", String(16)),
    Column("header_hash", String(16)),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("colour ~ '^(#[0-9a-f]{6})?$'", name="colour"),
    CheckConstraint("basemap IN ('bundled', 'custom', 'none')", name="basemap"),
    CheckConstraint("appeal_days BETWEEN 1 AND 30", name="appeal_days"),
    CheckConstraint("(logo IS NULL) = (logo_hash IS NULL) AND (logo IS NULL) = (logo_type IS NULL)", name="logo"),
)

product = Table(
    "product",
    metadata,
    Column("gtin", String(14), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("name", String(80), nullable=False),
    Column("name_en", String(80), nullable=False),
    Column("units_per_case", Integer, nullable=False, server_default="24"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("legal_class", String(20), nullable=False, server_default="none"),
    Column("rewards", String(8), nullable=False, server_default="default"),
    Column("picture_hash", String(16)),
    CheckConstraint("gtin ~ '^[0-9]{14}$'", name="gtin"),
    CheckConstraint("rewards IN ('default', 'on', 'off')", name="rewards"),
    Index("ix_product_brand_id", "brand_id"),
)

product_link = Table(
    "product_link",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("gtin", String(14), ForeignKey("product.gtin"), nullable=False),
    Column("type", String(60), nullable=False),
    Column("href", String(2000), nullable=False),
    Column("title", String(120), nullable=False),
    Column("title_en", String(120), nullable=False),
    Column("hreflang", String(5), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("context", String(40), nullable=False),
    Column("is_default", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    CheckConstraint("active OR NOT is_default", name="default"),
    CheckConstraint("href ~ '^https?://'", name="href"),
    CheckConstraint("hreflang ~ '^([a-z]{2}(-[A-Z]{2})?)?$'", name="hreflang"),
    Index("ix_product_link_gtin", "gtin"),
    Index("uq_product_link_default", "gtin", unique=True, postgresql_where=text("is_default")),
)

dealer = Table(
    "dealer",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("code", String(40), nullable=False),
    Column("name", String(80), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    UniqueConstraint("brand_id", "code"),
)

territory = Table(
    "territory",
    metadata,
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("dealer_id", BigInteger, ForeignKey("dealer.id"), primary_key=True),
    Column("adcode", Integer, primary_key=True),
)

logistic_unit = Table(
    "logistic_unit",
    metadata,
    Column("sscc", String(18), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("units", INT8RANGE, nullable=False),
    Column("packed_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("sscc ~ '^[0-9]{18}$'", name="sscc"),
    Index("ix_logistic_unit_units", "units", postgresql_using="gist"),
    Index("ix_logistic_unit_low", text("lower(units)")),
)

# Units that are not in the carton whose range holds their number: in another one, or in none.
carton_exception = Table(
    "carton_exception",
    metadata,
    Column("unit_id", BigInteger, primary_key=True, autoincrement=False),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("sscc", String(18), ForeignKey("logistic_unit.sscc")),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_carton_exception_sscc", "sscc"),
)

shipment = Table(
    "shipment",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("document", String(60), nullable=False),
    Column("dealer_id", BigInteger, ForeignKey("dealer.id"), nullable=False),
    Column("adcode", Integer, nullable=False),
    Column("shipped_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("brand_id", "document"),
    Index("ix_shipment_dealer_id_shipped_at", "dealer_id", "shipped_at", "id"),
)

shipment_line = Table(
    "shipment_line",
    metadata,
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("shipment_id", BigInteger, ForeignKey("shipment.id"), primary_key=True),
    Column("sscc", String(18), ForeignKey("logistic_unit.sscc"), primary_key=True),
    Index("ix_shipment_line_sscc", "sscc"),
)

# No foreign keys here: a group's rows are written under the locks of what they name, and the audit proves that nothing
# hangs in the air (ADR 0045).
unit = Table(
    "unit",
    metadata,
    # key id << 34 | unit number; a row exists only once something happened to the unit
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("brand_id", BigInteger, nullable=False),
    Column("batch_id", BigInteger, nullable=False),
    Column("scan_count", Integer, nullable=False, server_default="0"),
    Column("first_scan_at", DateTime(timezone=True)),
    Column("first_province", Integer),
    Column("first_device", LargeBinary),
    Column("first_member_id", BigInteger),
    # the latest scan that told a precise place: what impossible travel is judged against
    Column("last_fix_at", DateTime(timezone=True)),
    Column("last_fix_cell", BigInteger),
    Column("last_fix_accuracy_m", REAL),
    Column("last_fix_device", LargeBinary),
    Index("ix_unit_batch_id", "batch_id"),
    postgresql_with={"fillfactor": 80},
)

# pictures of pages, by their content
picture = Table(
    "picture",
    metadata,
    Column("brand_id", BigInteger, ForeignKey("brand.id"), primary_key=True, autoincrement=False),
    Column("hash", String(16), primary_key=True),
    Column("type", String(4), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

host_health = Table(
    "host_health",
    metadata,
    Column("brand_id", BigInteger, ForeignKey("brand.id"), primary_key=True, autoincrement=False),
    Column("host", String(261), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("problem", String(20), nullable=False),
    Column("failures", Integer, nullable=False),
    Column("since", DateTime(timezone=True)),
)

batch_notice = Table(
    "batch_notice",
    metadata,
    Column("batch_id", BigInteger, ForeignKey("batch.id"), primary_key=True),
    Column("state", String(10), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("zh", String(500), nullable=False),
    Column("en", String(500), nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("state IN ('recalled', 'void')", name="state"),
)

report = Table(
    "report",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # the client's, so that a report sent again is one
    Column("number", PgUuid, nullable=False, unique=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("unit_id", BigInteger, nullable=False),
    Column("batch_id", BigInteger),
    Column("gtin", String(14), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("state", String(10), nullable=False, server_default="open"),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("member_id", BigInteger),
    Column("device", LargeBinary),
    Column("told_sealed", LargeBinary),
    Column("photo_sealed", LargeBinary),
    Column("photo_type", String(4)),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("erased_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('open', 'answered', 'closed')", name="state"),
    CheckConstraint("(photo_sealed IS NULL) = (photo_type IS NULL)", name="photo"),
    CheckConstraint("(told_sealed IS NULL) = (erased_at IS NOT NULL)", name="erased"),
    Index("ix_report_brand_id_state", "brand_id", "state", "id"),
    Index("ix_report_device_at", "device", "at"),
    Index("ix_report_unit_id", "unit_id"),
    Index("ix_report_changed_at", "changed_at", postgresql_where=text("erased_at IS NULL")),
)

report_note = Table(
    "report_note",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("report_id", BigInteger, ForeignKey("report.id"), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("words", String(500), nullable=False),
    Index("ix_report_note_report_id", "report_id"),
)

scan = Table(
    "scan",
    metadata,
    Column("at", DateTime(timezone=True), primary_key=True),
    Column("scan_id", PgUuid, primary_key=True),
    Column("brand_id", BigInteger, nullable=False),
    Column("unit_id", BigInteger, nullable=False),
    Column("side", String(5), nullable=False),
    Column("batch_id", BigInteger),
    Column("gtin", String(14)),
    Column("outcome", String(10), nullable=False),
    Column("reason", String(40)),
    Column("member_id", BigInteger),
    Column("device", LargeBinary),
    Column("host", String(80)),
    Column("adcode", Integer),
    Column("cell", BigInteger),
    Column("accuracy_m", REAL),
    Column("location_source", String(8), nullable=False),
    Column("location_sealed", LargeBinary),
    Column("data_versions", String(120)),
    Column("ip_province", Integer),
    Column("findings", JSONB, nullable=False),
    Column("points", Integer, nullable=False),
    # whose goods the unit was when it was scanned, and whether this was its first scan; NULL in rows that a
    # version before 0003 wrote
    Column("dealer_id", BigInteger),
    Column("first", Boolean),
    # the transaction that wrote the row: the change feed that the rollups read
    Column("tx", BigInteger, nullable=False, server_default=text("((pg_current_xact_id())::text)::bigint")),
    CheckConstraint("location_source IN ('gps', 'wechat', 'ip', 'none')", name="location_source"),
    Index("ix_scan_brand_id_at", "brand_id", "at"),
    Index("ix_scan_unit_id_at", "unit_id", "at"),
    Index("ix_scan_tx_at", "tx", "at"),
    postgresql_partition_by="RANGE (at)",
)

# Months taken out of the journal: what they held, for whoever proves that nothing is missing.
scan_archive = Table(
    "scan_archive",
    metadata,
    Column("name", String(12), primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("counted", BigInteger, nullable=False),  # those that count as scans of a unit
    Column("begun_at", DateTime(timezone=True), nullable=False),
    Column("detached_at", DateTime(timezone=True)),
    Column("actor", String(80), nullable=False),
)

scan_replay = Table(
    "scan_replay",
    metadata,
    Column("scan_id", PgUuid, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("brand_id", BigInteger, nullable=False),
    Column("body_hash", LargeBinary, nullable=False),
    Column("member_id", BigInteger),
    Column("reply", LargeBinary, nullable=False),
    Index("ix_scan_replay_at", "at"),
)

refused_count = Table(
    "refused_count",
    metadata,
    Column("day", Date, primary_key=True),
    Column("outcome", String(10), primary_key=True),
    Column("key_id", SmallInteger, primary_key=True),  # -1 where the text names no key
    Column("count", BigInteger, nullable=False),
    CheckConstraint("outcome IN ('malformed', 'forged')", name="outcome"),
)

counter_flush = Table(
    "counter_flush",
    metadata,
    Column("process", PgUuid, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

refused_sample = Table(
    "refused_sample",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("masked", String(40), nullable=False),
    Column("device", LargeBinary),
    Column("ip_province", Integer),
)

landing_view = Table(
    "landing_view",
    metadata,
    Column("day", Date, primary_key=True),
    Column("unit_id", BigInteger, primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("count", Integer, nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("ix_landing_view_unit_id", text("unit_id")),
)
