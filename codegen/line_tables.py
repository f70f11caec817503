"""Tables of the printing line: rolls, print runs, stations, captures, pairs."""

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
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, INT8RANGE, JSONB, ExcludeConstraint

from kernel.db import metadata

roll = Table(
    "roll",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("batch_id", BigInteger, ForeignKey("batch.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("cut_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("first BETWEEN 1 AND last", name="lines"),
    CheckConstraint("number >= 1", name="number"),
    UniqueConstraint("batch_id", "number"),
)

print_run = Table(
    "print_run",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", String(20), nullable=False, unique=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("batch_id", BigInteger, ForeignKey("batch.id"), nullable=False),
    Column("printer", String(60), nullable=False),
    Column("state", String(8), nullable=False, server_default="open"),
    Column("opened_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("opened_by", String(80), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    Column("closed_by", String(80)),
    CheckConstraint("state IN ('open', 'closed')", name="state"),
    Index("ix_print_run_batch_id", "batch_id"),
    Index("ix_print_run_brand_id", "brand_id", "id"),
)

# What a run was given to print, a roll or a range of lines a row, and what became of it: lines that are known
# one by one, and those that were only counted.
print_part = Table(
    "print_part",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("batch_id", BigInteger, ForeignKey("batch.id"), nullable=False),
    Column("run_id", BigInteger, ForeignKey("print_run.id"), nullable=False),
    Column("roll", Integer),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("good", INT8MULTIRANGE, nullable=False, server_default="{}"),
    Column("waste", INT8MULTIRANGE, nullable=False, server_default="{}"),
    Column("returned", INT8MULTIRANGE, nullable=False, server_default="{}"),
    Column("missing", INT8MULTIRANGE, nullable=False, server_default="{}"),
    Column("good_counted", BigInteger, nullable=False, server_default="0"),
    Column("waste_counted", BigInteger, nullable=False, server_default="0"),
    Column("returned_counted", BigInteger, nullable=False, server_default="0"),
    Column("missing_counted", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("first BETWEEN 1 AND last", name="lines"),
    CheckConstraint(
        "least(good_counted, waste_counted, returned_counted, missing_counted) >= 0",
        name="counted",
    ),
    Index("ix_print_part_run_id", "run_id"),
    Index("ix_print_part_batch_id", "batch_id"),
)

# What people and scanners said of a run, as it was said.
print_entry = Table(
    "print_entry",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("run_id", BigInteger, ForeignKey("print_run.id"), nullable=False),
    Column("part_id", BigInteger, ForeignKey("print_part.id")),  # of a count
    Column("kind", String(8), nullable=False),
    Column("how", String(8), nullable=False),
    Column("lines", INT8MULTIRANGE),  # of scanned codes and of ranges
    Column("count", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("actor", String(80), nullable=False),
    Column("withdrawn_at", DateTime(timezone=True)),
    Column("withdrawn_by", String(80)),
    Column("key", String(60)),  # the client's, under which it may say the same again
    CheckConstraint("kind IN ('good', 'waste', 'returned', 'missing')", name="kind"),
    CheckConstraint("how IN ('codes', 'range', 'count')", name="how"),
    CheckConstraint("(how = 'count') = (lines IS NULL) AND (how = 'count') = (part_id IS NOT NULL)", name="lines"),
    Index("ix_print_entry_run_id", "run_id", "id"),
    Index("uq_print_entry_key", "run_id", "key", unique=True, postgresql_where=text("key IS NOT NULL")),
)

station = Table(
    "station",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("name", String(60), nullable=False),
    Column("token_hash", LargeBinary, nullable=False),  # the token itself is in the station only
    Column("may_switch", Boolean, nullable=False, server_default=text("false")),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("made_by", String(80), nullable=False),
    Column("seen_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("revoked_by", String(80)),
    UniqueConstraint("token_hash"),
    Index("uq_station_name", "brand_id", "name", unique=True, postgresql_where=text("revoked_at IS NULL")),
)

line_session = Table(
    "line_session",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", String(20), nullable=False, unique=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("batch_id", BigInteger, ForeignKey("batch.id"), nullable=False),
    # the batch of the inner codes, where outer and inner ones are paired here
    Column("inner_batch_id", BigInteger, ForeignKey("batch.id")),
    Column("station_id", BigInteger, ForeignKey("station.id")),
    Column("direction", String(4), nullable=False),
    Column("state", String(8), nullable=False, server_default="open"),
    Column("opened_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("opened_by", String(80), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    Column("next_sequence", BigInteger, nullable=False, server_default="1"),
    Column("last_line", BigInteger),
    Column("last_pair_id", BigInteger),
    Column("totals", JSONB, nullable=False, server_default=text("'{}'")),
    CheckConstraint("direction IN ('any', 'up', 'down')", name="direction"),
    CheckConstraint("state IN ('open', 'closed')", name="state"),
    Index("ix_line_session_brand_id", "brand_id", "id"),
    Index("ix_line_session_batch_id", "batch_id"),
)

# The latest captures of a session with their answers: sent again, they get the same ones.
line_capture = Table(
    "line_capture",
    metadata,
    Column("session_id", BigInteger, ForeignKey("line_session.id"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("body_hash", LargeBinary, nullable=False),
    Column("reply", LargeBinary, nullable=False),
)

# Which lines of a batch the line has seen: a bit a line, blocks of 8,192 lines.
captured_block = Table(
    "captured_block",
    metadata,
    Column("batch_id", BigInteger, ForeignKey("batch.id"), primary_key=True),
    Column("block", Integer, primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("bits", LargeBinary, nullable=False),
)

# Outer and inner codes of two batches that are on one unit; runs of neighbours are one row.
code_pair = Table(
    "code_pair",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), nullable=False),
    Column("outer_batch_id", BigInteger, ForeignKey("batch.id"), nullable=False),
    Column("inner_batch_id", BigInteger, ForeignKey("batch.id"), nullable=False),
    # unit ids (key id << 34 | unit number); the inner ones count up or down as the outer ones count up
    Column("outer_units", INT8RANGE, nullable=False),
    Column("inner_units", INT8RANGE, nullable=False),
    Column("step", SmallInteger, nullable=False),
    # when the run last grew
    Column("paired_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("step IN (1, -1)", name="step"),
    CheckConstraint("NOT isempty(outer_units)", name="units"),
    CheckConstraint(
        "upper(outer_units) - lower(outer_units) = upper(inner_units) - lower(inner_units)", name="same_length"
    ),
    ExcludeConstraint(("outer_units", "&&"), name="ex_code_pair_outer", using="gist"),
    ExcludeConstraint(("inner_units", "&&"), name="ex_code_pair_inner", using="gist"),
    Index("ix_code_pair_outer_batch_id", "outer_batch_id"),
    Index("ix_code_pair_inner_batch_id", "inner_batch_id"),
)
