"""Tables of codegen: keys and releases, recipients, batches, ranges of state, packages, layouts, templates."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
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
from sqlalchemy.dialects.postgresql import INT8RANGE, JSONB, ExcludeConstraint
from sqlalchemy.dialects.postgresql import UUID as PgUuid

from kernel.db import metadata

code_key = Table(
    "code_key",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("state", String(10), nullable=False, server_default="active"),
    # the next unit number (not serial) that a batch may take; a unit has two serials
    Column("next_unit", BigInteger, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # until two people have released it, no code of it is written; in development it releases itself
    Column("released", Boolean, nullable=False, server_default="true"),
    # grows with every change, so that all processes see one
    Column("version", BigInteger, nullable=False, server_default="1"),
    Column("retired_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("leaked_at", DateTime(timezone=True)),
    Column("reason", String(200)),
    CheckConstraint("id BETWEEN 0 AND 1023", name="id"),
    CheckConstraint("next_unit BETWEEN 0 AND 17179869184", name="next_unit"),
    CheckConstraint("state IN ('active', 'retired', 'revoked')", name="state"),
    CheckConstraint("(revoked_at IS NOT NULL) = (state = 'revoked')", name="revoked"),
    Index("uq_code_key_active", "brand_id", unique=True, postgresql_where=text("state = 'active'")),
)

key_release = Table(
    "key_release",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("key_id", SmallInteger, ForeignKey("code_key.id"), nullable=False),
    Column("actor", String(80), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("key_id", "actor"),
)

recipient = Table(
    "recipient",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("name", String(80), nullable=False),
    Column("kind", String(10), nullable=False),
    # of the age format, for which packages are encrypted
    Column("public_key", String(100)),
    Column("contact_sealed", LargeBinary),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("retired_at", DateTime(timezone=True)),
    CheckConstraint("kind IN ('printer', 'plant')", name="kind"),
    Index("uq_recipient_name", "brand_id", "name", unique=True, postgresql_where=text("retired_at IS NULL")),
)

batch = Table(
    "batch",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", String(20), nullable=False, unique=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("gtin", String(14), nullable=False),
    Column("order_number", String(60), nullable=False),
    Column("key_id", SmallInteger, ForeignKey("code_key.id"), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("paired", Boolean, nullable=False),
    Column("form", String(6), nullable=False),
    Column("prefix", String(120), nullable=False),
    # serials as (key id << 35 | serial): no two batches may ever share one; behind the lines lie canary codes
    Column("span", INT8RANGE, nullable=False),
    Column("state", String(12), nullable=False, server_default="ordered"),
    Column("sha256", String(64)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ready_at", DateTime(timezone=True)),
    # 'imported': others made the codes; its lines are found by `foreign_code`, never by a signature
    Column("origin", String(10), nullable=False, server_default="own"),
    # the worker's task that writes the code package, where the console ordered it
    Column("package_task", PgUuid),
    # its key leaked: units first scanned from this moment on are held for a person, or void where the brand says so
    Column("leaked_at", DateTime(timezone=True)),
    Column("leak_answer", String(4)),
    # the batch in whose place this one was ordered, after a leak
    Column("reissue_of", BigInteger, ForeignKey("batch.id"), unique=True),
    # units ordered, before the spare (in hundredths of a percent) was added; NULL: `count`
    Column("ordered", BigInteger),
    Column("spare_bp", Integer, nullable=False, server_default="0"),
    Column("recipient_id", BigInteger, ForeignKey("recipient.id")),
    Column("layout", String(60), nullable=False, server_default="plain"),
    # why it failed
    Column("error", String(300)),
    CheckConstraint("count BETWEEN 1 AND 1000000000", name="count"),
    CheckConstraint("form IN ('short', 'gs1')", name="form"),
    CheckConstraint(
        "state IN ('ordered', 'generating', 'ready', 'downloaded', 'activated', 'closed', 'failed', 'cancelled')",
        name="state",
    ),
    CheckConstraint("upper(span) - lower(span) >= 2 * count", name="span"),
    CheckConstraint("(leaked_at IS NULL) = (leak_answer IS NULL) AND leak_answer IN ('hold', 'void')", name="leak"),
    CheckConstraint("origin IN ('own', 'imported')", name="origin"),
    UniqueConstraint("brand_id", "order_number"),
    ExcludeConstraint(("span", "&&"), name="ex_batch_span", using="gist"),
)

code_range = Table(
    "code_range",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("batch_id", BigInteger, ForeignKey("batch.id"), nullable=False),
    # unit ids (key id << 34 | unit number) that the state holds for
    Column("units", INT8RANGE, nullable=False),
    Column("state", String(10), nullable=False),
    Column("reason", String(200)),
    Column("set_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("lifted_at", DateTime(timezone=True)),
    # NULL in rows that a version before 0007 wrote
    Column("reason_code", String(20)),
    Column("actor", String(80)),
    Column("meant", String(120)),  # how the range was named: a roll, a carton, between two codes
    CheckConstraint("state IN ('activated', 'void', 'recalled', 'frozen', 'expired')", name="state"),
    CheckConstraint("NOT isempty(units)", name="units"),
    Index("ix_code_range_units", "units", postgresql_using="gist", postgresql_where=text("lifted_at IS NULL")),
    Index("ix_code_range_batch_id", "batch_id"),
)

code_package = Table(
    "code_package",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("batch_id", BigInteger, ForeignKey("batch.id"), nullable=False),
    # within its batch; 0 for the file that the console wrote before packages had rows
    Column("number", Integer, nullable=False),
    Column("recipient_id", BigInteger, ForeignKey("recipient.id")),
    Column("layout", String(60), nullable=False),
    Column("first_line", BigInteger, nullable=False),
    Column("last_line", BigInteger, nullable=False),
    # unit ids of its set-up labels, behind the batch's lines
    Column("canaries", INT8RANGE),
    Column("encryption", String(10), nullable=False),
    Column("state", String(12), nullable=False),
    Column("task", PgUuid),
    Column("error", String(300)),
    # of the data file, before it was encrypted
    Column("sha256", String(64)),
    Column("file_bytes", BigInteger),
    Column("actor", String(80), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("ready_at", DateTime(timezone=True)),
    CheckConstraint("1 <= first_line AND first_line <= last_line", name="lines"),
    CheckConstraint("encryption IN ('none', 'key', 'passphrase')", name="encryption"),
    CheckConstraint(
        "state IN ('requested', 'writing', 'ready', 'failed', 'taken', 'cancelled', 'removed')", name="state"
    ),
    UniqueConstraint("batch_id", "number"),
    ExcludeConstraint(("canaries", "&&"), name="ex_code_package_canaries", using="gist"),
)

package_download = Table(
    "package_download",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("batch_id", BigInteger, ForeignKey("batch.id"), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("actor", String(80), nullable=False),
    Column("lines", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("file", String(80)),
    Column("address_sealed", LargeBinary),
    Column("package_id", BigInteger, ForeignKey("code_package.id")),
)

design = Table(
    "design",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    # a layout of data files or a template of labels
    Column("kind", String(10), nullable=False),
    Column("name", String(40), nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", JSONB, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("kind IN ('layout', 'template')", name="kind"),
    UniqueConstraint("brand_id", "kind", "name"),
)

code_import = Table(
    "code_import",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", String(20), nullable=False, unique=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("gtin", String(14), nullable=False),
    # the declared pattern (`codegen.patterns`)
    Column("template", String(120), nullable=False),
    Column("alphabet", String(12), nullable=False),
    Column("length_min", SmallInteger, nullable=False),
    Column("length_max", SmallInteger, nullable=False),
    # how the file is laid out (`codegen.rowfiles.Columns`)
    Column("columns", JSONB, nullable=False),
    Column("file", String(120), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("state", String(10), nullable=False, server_default="reading"),
    Column("task_id", PgUuid),
    Column("lines", BigInteger, nullable=False, server_default="0"),
    Column("good", BigInteger, nullable=False, server_default="0"),
    # how many lines of each kind of flaw
    Column("flaws", JSONB, nullable=False, server_default="{}"),
    # good rows that are stored; the task that stores them goes on from here
    Column("placed", BigInteger, nullable=False, server_default="0"),
    # good rows that another import took between the judgement and their turn: lines without a code
    Column("late", BigInteger, nullable=False, server_default="0"),
    Column("key_id", SmallInteger, ForeignKey("code_key.id")),
    Column("first_unit", BigInteger),
    Column("batch_id", BigInteger, ForeignKey("batch.id")),
    Column("error", String(300)),
    Column("actor", String(80), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("judged_at", DateTime(timezone=True)),
    Column("decided_at", DateTime(timezone=True)),
    Column("live_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('reading', 'judged', 'placing', 'live', 'failed', 'cancelled')", name="state"),
    CheckConstraint("length_min BETWEEN 1 AND length_max", name="length"),
    CheckConstraint("(key_id IS NULL) = (first_unit IS NULL)", name="units"),
    Index("ix_code_import_brand_id", "brand_id", "id"),
)

code_import_flaw = Table(
    "code_import_flaw",
    metadata,
    Column("import_id", BigInteger, primary_key=True, autoincrement=False),
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("brand_id", BigInteger, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("first_line", BigInteger),
)

foreign_code = Table(
    "foreign_code",
    metadata,
    # keyed hash of the code as it is written (`codegen.foreign`): a dump hands no code out
    Column("hash", LargeBinary, primary_key=True),
    Column("brand_id", BigInteger, nullable=False),
    Column("unit_id", BigInteger, nullable=False),
    CheckConstraint("octet_length(hash) = 16", name="hash"),
)
