"""The first schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The ledger, the draws' log and the audit trail only grow; a published draw's promise never changes.
APPEND_ONLY = ("journal", "entry", "lot_allocation", "draw_entry", "audit_trail")
FROZEN = (
    "name",
    "rules",
    "rules_hash",
    "seed_commitment",
    "seed_sealed",
    "opens_at",
    "closes_at",
    "published_at",
)


def upgrade() -> None:
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% on %: rows of this table never change', TG_OP, TG_TABLE_NAME
                USING ERRCODE = 'restrict_violation';
        END $$""")
    op.create_table(
        "audit_trail",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_trail")),
    )
    op.create_index("ix_audit_trail_brand_id_at", "audit_trail", ["brand_id", "at"], unique=False)
    op.create_table(
        "brand",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("name_en", sa.String(length=80), nullable=False),
        sa.Column("company_prefix", sa.String(length=12), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("slug ~ '^[a-z0-9][a-z0-9-]*$'", name=op.f("ck_brand_slug")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brand")),
        sa.UniqueConstraint("slug", name=op.f("uq_brand_slug")),
    )
    op.create_table(
        "data_key",
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("purpose", name=op.f("pk_data_key")),
    )
    op.create_table(
        "outbox_message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="due", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.String(length=300), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_message")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_message_key")),
    )
    op.create_index(
        "ix_outbox_message_due",
        "outbox_message",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_table(
        "refused_count",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("outcome IN ('malformed', 'forged')", name=op.f("ck_refused_count_outcome")),
        sa.PrimaryKeyConstraint("day", "outcome", "key_id", name=op.f("pk_refused_count")),
    )
    op.create_table(
        "refused_sample",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("masked", sa.String(length=40), nullable=False),
        sa.Column("device", sa.LargeBinary(), nullable=True),
        sa.Column("ip_province", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refused_sample")),
    )
    op.create_table(
        "scan",
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scan_id", sa.UUID(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("side", sa.String(length=5), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=True),
        sa.Column("gtin", sa.String(length=14), nullable=True),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("member_id", sa.BigInteger(), nullable=True),
        sa.Column("device", sa.LargeBinary(), nullable=True),
        sa.Column("host", sa.String(length=80), nullable=True),
        sa.Column("adcode", sa.Integer(), nullable=True),
        sa.Column("cell", sa.BigInteger(), nullable=True),
        sa.Column("accuracy_m", sa.REAL(), nullable=True),
        sa.Column("location_source", sa.String(length=8), nullable=False),
        sa.Column("location_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("data_versions", sa.String(length=120), nullable=True),
        sa.Column("ip_province", sa.Integer(), nullable=True),
        sa.Column("findings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.CheckConstraint("location_source IN ('gps', 'wechat', 'ip', 'none')", name=op.f("ck_scan_location_source")),
        sa.PrimaryKeyConstraint("at", "scan_id", name=op.f("pk_scan")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_scan_brand_id_at", "scan", ["brand_id", "at"], unique=False)
    op.create_index("ix_scan_unit_id_at", "scan", ["unit_id", "at"], unique=False)
    op.create_table(
        "scan_replay",
        sa.Column("scan_id", sa.UUID(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=True),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("scan_id", name=op.f("pk_scan_replay")),
    )
    op.create_index("ix_scan_replay_at", "scan_replay", ["at"], unique=False)
    op.create_table(
        "task",
        sa.Column("id", sa.UUID(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("args", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="queued", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    op.create_index(
        "ix_task_due",
        "task",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    )
    op.create_table(
        "code_key",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="active", nullable=False),
        sa.Column("next_unit", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('active', 'retired')", name=op.f("ck_code_key_state")),
        sa.CheckConstraint("id BETWEEN 0 AND 1023", name=op.f("ck_code_key_id")),
        sa.CheckConstraint("next_unit BETWEEN 0 AND 17179869184", name=op.f("ck_code_key_next_unit")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_code_key_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_key")),
    )
    op.create_index(
        "uq_code_key_active",
        "code_key",
        ["brand_id"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_table(
        "dealer",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_dealer_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dealer")),
        sa.UniqueConstraint("brand_id", "code", name=op.f("uq_dealer_brand_id_code")),
    )
    op.create_table(
        "draw",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("rules", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("rules_hash", sa.String(length=64), nullable=False),
        sa.Column("seed_commitment", sa.String(length=64), nullable=False),
        sa.Column("seed_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("opens_at < closes_at", name=op.f("ck_draw_period")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_draw_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draw")),
        sa.UniqueConstraint("name", name=op.f("uq_draw_name")),
    )
    op.create_index(
        "ix_draw_brand_id_open",
        "draw",
        ["brand_id"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "journal",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("cause_kind", sa.String(length=20), nullable=False),
        sa.Column("cause_id", sa.String(length=60), nullable=False),
        sa.Column("reverses", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('earn', 'burn', 'expire', 'adjust', 'reverse')", name=op.f("ck_journal_kind")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_journal_brand_id")),
        sa.ForeignKeyConstraint(["reverses"], ["journal.id"], name=op.f("fk_journal_reverses")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal")),
    )
    op.create_index(
        "uq_journal_reverses",
        "journal",
        ["reverses"],
        unique=True,
        postgresql_where=sa.text("reverses IS NOT NULL"),
    )
    op.create_table(
        "landing_view",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_landing_view_brand_id")),
        sa.PrimaryKeyConstraint("day", "unit_id", name=op.f("pk_landing_view")),
    )
    op.create_index("ix_landing_view_unit_id", "landing_view", [sa.literal_column("unit_id")], unique=False)
    op.create_table(
        "logistic_unit",
        sa.Column("sscc", sa.String(length=18), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("units", postgresql.INT8RANGE(), nullable=False),
        sa.Column("packed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("sscc ~ '^[0-9]{18}$'", name=op.f("ck_logistic_unit_sscc")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_logistic_unit_brand_id")),
        sa.PrimaryKeyConstraint("sscc", name=op.f("pk_logistic_unit")),
    )
    op.create_index("ix_logistic_unit_units", "logistic_unit", ["units"], unique=False, postgresql_using="gist")
    op.create_table(
        "member",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("public_id", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="active", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('active', 'blocked', 'erased')", name=op.f("ck_member_state")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_member_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member")),
        sa.UniqueConstraint("public_id", name=op.f("uq_member_public_id")),
    )
    op.create_index("ix_member_brand_id", "member", ["brand_id"], unique=False)
    op.create_table(
        "product",
        sa.Column("gtin", sa.String(length=14), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("name_en", sa.String(length=80), nullable=False),
        sa.Column("units_per_case", sa.Integer(), server_default="24", nullable=False),
        sa.CheckConstraint("gtin ~ '^[0-9]{14}$'", name=op.f("ck_product_gtin")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_product_brand_id")),
        sa.PrimaryKeyConstraint("gtin", name=op.f("pk_product")),
    )
    op.create_index("ix_product_brand_id", "product", ["brand_id"], unique=False)
    op.create_table(
        "sign_in_code",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("subject_index", sa.LargeBinary(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_sign_in_code_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_code")),
    )
    op.create_index(
        "ix_sign_in_code_subject", "sign_in_code", ["brand_id", "subject_index", "created_at"], unique=False
    )
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=10), nullable=False),
        sa.Column("balance", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("currency IN ('spendable', 'qualifying')", name=op.f("ck_account_currency")),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_account_balance")),
        sa.CheckConstraint("member_id IS NOT NULL OR balance = 0", name=op.f("ck_account_issuer")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_account_brand_id")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_account_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint(
            "brand_id",
            "member_id",
            "currency",
            name=op.f("uq_account_brand_id_member_id_currency"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_account_member_id", "account", ["member_id"], unique=False)
    op.create_table(
        "batch",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("gtin", sa.String(length=14), nullable=False),
        sa.Column("order_number", sa.String(length=60), nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("paired", sa.Boolean(), nullable=False),
        sa.Column("form", sa.String(length=6), nullable=False),
        sa.Column("prefix", sa.String(length=120), nullable=False),
        sa.Column("span", postgresql.INT8RANGE(), nullable=False),
        sa.Column("state", sa.String(length=12), server_default="ordered", nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        postgresql.ExcludeConstraint((sa.column("span"), "&&"), using="gist", name="ex_batch_span"),
        sa.CheckConstraint("form IN ('short', 'gs1')", name=op.f("ck_batch_form")),
        sa.CheckConstraint("state IN ('ordered', 'ready', 'failed')", name=op.f("ck_batch_state")),
        sa.CheckConstraint("count BETWEEN 1 AND 1000000000", name=op.f("ck_batch_count")),
        sa.CheckConstraint("upper(span) - lower(span) = 2 * count", name=op.f("ck_batch_span")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_batch_brand_id")),
        sa.ForeignKeyConstraint(["key_id"], ["code_key.id"], name=op.f("fk_batch_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("brand_id", "order_number", name=op.f("uq_batch_brand_id_order_number")),
        sa.UniqueConstraint("name", name=op.f("uq_batch_name")),
    )
    op.create_table(
        "consent",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.String(length=20), nullable=False),
        sa.Column("text_version", sa.String(length=20), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_consent_brand_id")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_consent_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent")),
    )
    op.create_index("ix_consent_member_id", "consent", ["member_id"], unique=False)
    op.create_table(
        "draw_shard",
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("draw_id", sa.BigInteger(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("open", sa.Boolean(), server_default="true", nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_draw_shard_brand_id")),
        sa.ForeignKeyConstraint(["draw_id"], ["draw.id"], name=op.f("fk_draw_shard_draw_id")),
        sa.PrimaryKeyConstraint("draw_id", "shard", name=op.f("pk_draw_shard")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "earning_rule",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("gtin", sa.String(length=14), nullable=True),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("qualifying", sa.Integer(), nullable=False),
        sa.Column("expires_after_days", sa.Integer(), nullable=True),
        sa.Column("active_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("points BETWEEN 0 AND 1000000", name=op.f("ck_earning_rule_points")),
        sa.CheckConstraint("qualifying BETWEEN 0 AND 1000000", name=op.f("ck_earning_rule_qualifying")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_earning_rule_brand_id")),
        sa.ForeignKeyConstraint(["gtin"], ["product.gtin"], name=op.f("fk_earning_rule_gtin")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earning_rule")),
    )
    op.create_index("ix_earning_rule_brand_id", "earning_rule", ["brand_id"], unique=False)
    op.create_table(
        "identity",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("subject_index", sa.LargeBinary(), nullable=False),
        sa.Column("subject_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_identity_brand_id")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_identity_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity")),
        sa.UniqueConstraint("brand_id", "kind", "subject_index", name=op.f("uq_identity_brand_id_kind_subject_index")),
    )
    op.create_index("ix_identity_member_id", "identity", ["member_id"], unique=False)
    op.create_table(
        "prize",
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("draw_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("stock", sa.Integer(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.CheckConstraint('"left" BETWEEN 0 AND stock', name=op.f("ck_prize_left")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_prize_brand_id")),
        sa.ForeignKeyConstraint(["draw_id"], ["draw.id"], name=op.f("fk_prize_draw_id")),
        sa.PrimaryKeyConstraint("draw_id", "id", name=op.f("pk_prize")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "shipment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.String(length=60), nullable=False),
        sa.Column("dealer_id", sa.BigInteger(), nullable=False),
        sa.Column("adcode", sa.Integer(), nullable=False),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_shipment_brand_id")),
        sa.ForeignKeyConstraint(["dealer_id"], ["dealer.id"], name=op.f("fk_shipment_dealer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipment")),
        sa.UniqueConstraint("brand_id", "document", name=op.f("uq_shipment_brand_id_document")),
    )
    op.create_table(
        "territory",
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("dealer_id", sa.BigInteger(), nullable=False),
        sa.Column("adcode", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_territory_brand_id")),
        sa.ForeignKeyConstraint(["dealer_id"], ["dealer.id"], name=op.f("fk_territory_dealer_id")),
        sa.PrimaryKeyConstraint("dealer_id", "adcode", name=op.f("pk_territory")),
    )
    op.create_table(
        "code_range",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("units", postgresql.INT8RANGE(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('activated', 'void', 'recalled', 'frozen', 'expired')",
            name=op.f("ck_code_range_state"),
        ),
        sa.CheckConstraint("NOT isempty(units)", name=op.f("ck_code_range_units")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_code_range_batch_id")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_code_range_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_range")),
    )
    op.create_index("ix_code_range_batch_id", "code_range", ["batch_id"], unique=False)
    op.create_index(
        "ix_code_range_units",
        "code_range",
        ["units"],
        unique=False,
        postgresql_using="gist",
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "entry",
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("journal_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("cause_kind", sa.String(length=20), nullable=False),
        sa.Column("cause_id", sa.String(length=60), nullable=False),
        sa.Column("rule_id", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rule_version", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_entry_amount")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_entry_account_id")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_entry_brand_id")),
        sa.ForeignKeyConstraint(["journal_id"], ["journal.id"], name=op.f("fk_entry_journal_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry")),
        sa.UniqueConstraint("account_id", "cause_kind", "cause_id", "rule_id", "kind", name="uq_entry_once"),
    )
    op.create_index("ix_entry_journal_id", "entry", ["journal_id"], unique=False)
    op.create_table(
        "lot",
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("journal_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("left", sa.BigInteger(), nullable=False),
        sa.Column("active_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint('"left" BETWEEN 0 AND amount', name=op.f("ck_lot_left")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_lot_amount")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_lot_account_id")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_lot_brand_id")),
        sa.ForeignKeyConstraint(["journal_id"], ["journal.id"], name=op.f("fk_lot_journal_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lot")),
    )
    op.create_index("ix_lot_journal_id", "lot", ["journal_id"], unique=False)
    op.create_index(
        "ix_lot_open",
        "lot",
        ["account_id", "expires_at"],
        unique=False,
        postgresql_where=sa.text('"left" > 0'),
    )
    op.create_table(
        "package_download",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_package_download_batch_id")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_package_download_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_package_download")),
    )
    op.create_table(
        "shipment_line",
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("shipment_id", sa.BigInteger(), nullable=False),
        sa.Column("sscc", sa.String(length=18), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_shipment_line_brand_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_shipment_line_shipment_id")),
        sa.ForeignKeyConstraint(["sscc"], ["logistic_unit.sscc"], name=op.f("fk_shipment_line_sscc")),
        sa.PrimaryKeyConstraint("shipment_id", "sscc", name=op.f("pk_shipment_line")),
    )
    op.create_index("ix_shipment_line_sscc", "shipment_line", ["sscc"], unique=False)
    op.create_table(
        "unit",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("scan_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_scan_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_province", sa.Integer(), nullable=True),
        sa.Column("first_device", sa.LargeBinary(), nullable=True),
        sa.Column("first_member_id", sa.BigInteger(), nullable=True),
        sa.Column("last_fix_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_fix_cell", sa.BigInteger(), nullable=True),
        sa.Column("last_fix_accuracy_m", sa.REAL(), nullable=True),
        sa.Column("last_fix_device", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_unit_batch_id")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_unit_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit")),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index("ix_unit_batch_id", "unit", ["batch_id"], unique=False)
    op.create_table(
        "claim",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("unit_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("scan_id", sa.UUID(), nullable=False),
        sa.Column("gtin", sa.String(length=14), nullable=False),
        sa.Column("device", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'posted', 'voided')", name=op.f("ck_claim_state")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_claim_brand_id")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_claim_member_id")),
        sa.ForeignKeyConstraint(["unit_id"], ["unit.id"], name=op.f("fk_claim_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim")),
    )
    op.create_index("ix_claim_member_id", "claim", ["member_id"], unique=False)
    op.create_index("ix_claim_scan_id", "claim", ["scan_id"], unique=False)
    op.create_index(
        "ix_claim_pending",
        "claim",
        ["reason", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index("uq_claim_unit", "claim", ["unit_id"], unique=True, postgresql_where=sa.text("state <> 'voided'"))
    op.create_table(
        "lot_allocation",
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("journal_id", sa.BigInteger(), nullable=False),
        sa.Column("lot_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_lot_allocation_amount")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_lot_allocation_brand_id")),
        sa.ForeignKeyConstraint(["journal_id"], ["journal.id"], name=op.f("fk_lot_allocation_journal_id")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.id"], name=op.f("fk_lot_allocation_lot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lot_allocation")),
    )
    op.create_index("ix_lot_allocation_journal_id", "lot_allocation", ["journal_id"], unique=False)
    op.create_index("ix_lot_allocation_lot_id", "lot_allocation", ["lot_id"], unique=False)
    op.create_table(
        "draw_entry",
        sa.Column("draw_id", sa.BigInteger(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("entrant", sa.String(length=32), nullable=False),
        sa.Column("prize_id", sa.SmallInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_draw_entry_brand_id")),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.id"], name=op.f("fk_draw_entry_claim_id")),
        sa.ForeignKeyConstraint(
            ["draw_id", "shard"],
            ["draw_shard.draw_id", "draw_shard.shard"],
            name=op.f("fk_draw_entry_draw_id_shard"),
        ),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_draw_entry_member_id")),
        sa.PrimaryKeyConstraint("draw_id", "shard", "number", name=op.f("pk_draw_entry")),
        sa.UniqueConstraint("draw_id", "claim_id", name=op.f("uq_draw_entry_draw_id_claim_id")),
    )
    op.create_index("ix_draw_entry_member_id", "draw_entry", ["member_id", "draw_id"], unique=False)
    op.create_table(
        "prize_award",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("draw_id", sa.BigInteger(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("prize_id", sa.SmallInteger(), nullable=False),
        sa.Column("member_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), server_default="won", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('won', 'fulfilled', 'forfeited')", name=op.f("ck_prize_award_state")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_prize_award_brand_id")),
        sa.ForeignKeyConstraint(
            ["draw_id", "prize_id"],
            ["prize.draw_id", "prize.id"],
            name=op.f("fk_prize_award_draw_id_prize_id"),
        ),
        sa.ForeignKeyConstraint(
            ["draw_id", "shard", "number"],
            ["draw_entry.draw_id", "draw_entry.shard", "draw_entry.number"],
            name=op.f("fk_prize_award_draw_id_shard_number"),
        ),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_prize_award_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prize_award")),
        sa.UniqueConstraint("draw_id", "shard", "number", name=op.f("uq_prize_award_draw_id_shard_number")),
    )
    op.create_index("ix_prize_award_member_id", "prize_award", ["member_id"], unique=False)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    op.execute(
        f"CREATE TRIGGER rules_frozen BEFORE UPDATE OF {', '.join(FROZEN)} ON draw "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    raise RuntimeError("There is nothing before the first schema; restore a backup instead.")
