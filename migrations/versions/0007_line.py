"""The printing line: rolls, runs, stations, captures, pairing; reasons of states; cartons repaired."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
serves_from = "0001"

# New tables, and columns that are nullable: the version still serving reads and writes on as before.


def upgrade() -> None:
    op.add_column("code_range", sa.Column("reason_code", sa.String(length=20), nullable=True))
    op.add_column("code_range", sa.Column("actor", sa.String(length=80), nullable=True))
    op.add_column("code_range", sa.Column("meant", sa.String(length=120), nullable=True))
    _rolls_and_runs()
    _stations_and_captures()
    _pairs()
    op.create_table(
        "carton_exception",
        sa.Column("unit_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("sscc", sa.String(length=18), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_carton_exception_brand_id")),
        sa.ForeignKeyConstraint(["sscc"], ["logistic_unit.sscc"], name=op.f("fk_carton_exception_sscc")),
        sa.PrimaryKeyConstraint("unit_id", name=op.f("pk_carton_exception")),
    )
    op.create_index("ix_carton_exception_sscc", "carton_exception", ["sscc"])


def _id() -> sa.Column:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def _at(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)


def _foreign(table: str, **targets: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}"))
        for column, target in targets.items()
    ]


def _rolls_and_runs() -> None:
    op.create_table(
        "roll",
        _id(),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        _at("cut_at"),
        sa.CheckConstraint("first BETWEEN 1 AND last", name=op.f("ck_roll_lines")),
        sa.CheckConstraint("number >= 1", name=op.f("ck_roll_number")),
        *_foreign("roll", brand_id="brand.id", batch_id="batch.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roll")),
        sa.UniqueConstraint("batch_id", "number", name=op.f("uq_roll_batch_id_number")),
    )
    op.create_table(
        "print_run",
        _id(),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("printer", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=8), server_default="open", nullable=False),
        _at("opened_at"),
        sa.Column("opened_by", sa.String(length=80), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(length=80), nullable=True),
        sa.CheckConstraint("state IN ('open', 'closed')", name=op.f("ck_print_run_state")),
        *_foreign("print_run", brand_id="brand.id", batch_id="batch.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_print_run")),
        sa.UniqueConstraint("name", name=op.f("uq_print_run_name")),
    )
    op.create_index("ix_print_run_batch_id", "print_run", ["batch_id"])
    op.create_index("ix_print_run_brand_id", "print_run", ["brand_id", "id"])
    kinds = ("good", "waste", "returned", "missing")
    op.create_table(
        "print_part",
        _id(),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("roll", sa.Integer(), nullable=True),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        *(sa.Column(kind, postgresql.INT8MULTIRANGE(), server_default="{}", nullable=False) for kind in kinds),
        *(sa.Column(f"{kind}_counted", sa.BigInteger(), server_default="0", nullable=False) for kind in kinds),
        sa.CheckConstraint("first BETWEEN 1 AND last", name=op.f("ck_print_part_lines")),
        sa.CheckConstraint(
            "least(good_counted, waste_counted, returned_counted, missing_counted) >= 0",
            name=op.f("ck_print_part_counted"),
        ),
        *_foreign("print_part", brand_id="brand.id", batch_id="batch.id", run_id="print_run.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_print_part")),
    )
    op.create_index("ix_print_part_run_id", "print_part", ["run_id"])
    op.create_index("ix_print_part_batch_id", "print_part", ["batch_id"])
    op.create_table(
        "print_entry",
        _id(),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("part_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("how", sa.String(length=8), nullable=False),
        sa.Column("lines", postgresql.INT8MULTIRANGE(), nullable=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        _at("at"),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=80), nullable=True),
        sa.Column("key", sa.String(length=60), nullable=True),
        sa.CheckConstraint("kind IN ('good', 'waste', 'returned', 'missing')", name=op.f("ck_print_entry_kind")),
        sa.CheckConstraint("how IN ('codes', 'range', 'count')", name=op.f("ck_print_entry_how")),
        sa.CheckConstraint(
            "(how = 'count') = (lines IS NULL) AND (how = 'count') = (part_id IS NOT NULL)",
            name=op.f("ck_print_entry_lines"),
        ),
        *_foreign("print_entry", brand_id="brand.id", run_id="print_run.id", part_id="print_part.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_print_entry")),
    )
    op.create_index("ix_print_entry_run_id", "print_entry", ["run_id", "id"])
    op.create_index(
        "uq_print_entry_key", "print_entry", ["run_id", "key"], unique=True, postgresql_where=sa.text("key IS NOT NULL")
    )


def _stations_and_captures() -> None:
    op.create_table(
        "station",
        _id(),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("may_switch", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _at("made_at"),
        sa.Column("made_by", sa.String(length=80), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.String(length=80), nullable=True),
        *_foreign("station", brand_id="brand.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_station")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_station_token_hash")),
    )
    op.create_index(
        "uq_station_name", "station", ["brand_id", "name"], unique=True, postgresql_where=sa.text("revoked_at IS NULL")
    )
    op.create_table(
        "line_session",
        _id(),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("inner_batch_id", sa.BigInteger(), nullable=True),
        sa.Column("station_id", sa.BigInteger(), nullable=True),
        sa.Column("direction", sa.String(length=4), nullable=False),
        sa.Column("state", sa.String(length=8), server_default="open", nullable=False),
        _at("opened_at"),
        sa.Column("opened_by", sa.String(length=80), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_sequence", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("last_line", sa.BigInteger(), nullable=True),
        sa.Column("last_pair_id", sa.BigInteger(), nullable=True),
        sa.Column("totals", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.CheckConstraint("direction IN ('any', 'up', 'down')", name=op.f("ck_line_session_direction")),
        sa.CheckConstraint("state IN ('open', 'closed')", name=op.f("ck_line_session_state")),
        *_foreign(
            "line_session", brand_id="brand.id", batch_id="batch.id", inner_batch_id="batch.id", station_id="station.id"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_session")),
        sa.UniqueConstraint("name", name=op.f("uq_line_session_name")),
    )
    op.create_index("ix_line_session_brand_id", "line_session", ["brand_id", "id"])
    op.create_index("ix_line_session_batch_id", "line_session", ["batch_id"])
    op.create_table(
        "line_capture",
        sa.Column("session_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        _at("at"),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        *_foreign("line_capture", session_id="line_session.id", brand_id="brand.id"),
        sa.PrimaryKeyConstraint("session_id", "sequence", name=op.f("pk_line_capture")),
    )
    op.create_table(
        "captured_block",
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("bits", sa.LargeBinary(), nullable=False),
        *_foreign("captured_block", batch_id="batch.id", brand_id="brand.id"),
        sa.PrimaryKeyConstraint("batch_id", "block", name=op.f("pk_captured_block")),
    )


def _pairs() -> None:
    op.create_table(
        "code_pair",
        _id(),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("outer_batch_id", sa.BigInteger(), nullable=False),
        sa.Column("inner_batch_id", sa.BigInteger(), nullable=False),
        sa.Column("outer_units", postgresql.INT8RANGE(), nullable=False),
        sa.Column("inner_units", postgresql.INT8RANGE(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        _at("paired_at"),
        sa.CheckConstraint("step IN (1, -1)", name=op.f("ck_code_pair_step")),
        sa.CheckConstraint("NOT isempty(outer_units)", name=op.f("ck_code_pair_units")),
        sa.CheckConstraint(
            "upper(outer_units) - lower(outer_units) = upper(inner_units) - lower(inner_units)",
            name=op.f("ck_code_pair_same_length"),
        ),
        postgresql.ExcludeConstraint((sa.column("outer_units"), "&&"), using="gist", name="ex_code_pair_outer"),
        postgresql.ExcludeConstraint((sa.column("inner_units"), "&&"), using="gist", name="ex_code_pair_inner"),
        *_foreign("code_pair", brand_id="brand.id", outer_batch_id="batch.id", inner_batch_id="batch.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_pair")),
    )
    op.create_index("ix_code_pair_outer_batch_id", "code_pair", ["outer_batch_id"])
    op.create_index("ix_code_pair_inner_batch_id", "code_pair", ["inner_batch_id"])
