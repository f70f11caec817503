"""Orders: recipients, spares, packages of their own, encrypted packages, canary codes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
serves_from = "0001"

STATES = "'ordered', 'generating', 'ready', 'downloaded', 'activated', 'closed', 'failed', 'cancelled'"


def upgrade() -> None:
    op.create_table(
        "recipient",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("public_key", sa.String(length=100), nullable=True),
        sa.Column("contact_sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('printer', 'plant')", name=op.f("ck_recipient_kind")),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_recipient_brand_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recipient")),
    )
    op.create_index(
        "uq_recipient_name", "recipient", ["brand_id", "name"], unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
    )  # fmt: skip
    # A few rows, one an order: what holds for the old spans holds for the new, which may be wider.
    op.drop_constraint(op.f("ck_batch_span"), "batch", type_="check")
    op.create_check_constraint(op.f("ck_batch_span"), "batch", "upper(span) - lower(span) >= 2 * count")
    op.drop_constraint(op.f("ck_batch_state"), "batch", type_="check")
    op.create_check_constraint(op.f("ck_batch_state"), "batch", f"state IN ({STATES})")
    op.add_column("batch", sa.Column("ordered", sa.BigInteger(), nullable=True))
    op.add_column("batch", sa.Column("spare_bp", sa.Integer(), server_default="0", nullable=False))
    op.add_column("batch", sa.Column("recipient_id", sa.BigInteger(), nullable=True))
    op.add_column("batch", sa.Column("layout", sa.String(length=60), server_default="plain", nullable=False))
    op.add_column("batch", sa.Column("error", sa.String(length=300), nullable=True))
    op.create_foreign_key(op.f("fk_batch_recipient_id"), "batch", "recipient", ["recipient_id"], ["id"])
    op.create_table(
        "code_package",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=True),
        sa.Column("layout", sa.String(length=60), nullable=False),
        sa.Column("first_line", sa.BigInteger(), nullable=False),
        sa.Column("last_line", sa.BigInteger(), nullable=False),
        sa.Column("canaries", postgresql.INT8RANGE(), nullable=True),
        sa.Column("encryption", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("task", postgresql.UUID(), nullable=True),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("file_bytes", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("1 <= first_line AND first_line <= last_line", name=op.f("ck_code_package_lines")),
        sa.CheckConstraint("encryption IN ('none', 'key', 'passphrase')", name=op.f("ck_code_package_encryption")),
        sa.CheckConstraint(
            "state IN ('requested', 'writing', 'ready', 'failed', 'taken', 'cancelled', 'removed')",
            name=op.f("ck_code_package_state"),
        ),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_code_package_brand_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_code_package_batch_id")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipient.id"], name=op.f("fk_code_package_recipient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_package")),
        sa.UniqueConstraint("batch_id", "number", name=op.f("uq_code_package_batch_id_number")),
        # two packages that shared a canary would accuse one another
        postgresql.ExcludeConstraint(("canaries", "&&"), using="gist", name=op.f("ex_code_package_canaries")),
    )
    op.add_column("package_download", sa.Column("package_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_package_download_package_id"), "package_download", "code_package", ["package_id"], ["id"]
    )
    # What the console wrote before: the batch's whole file, without a number, under the batch's own name.
    op.execute("""
        INSERT INTO code_package (brand_id, batch_id, number, layout, first_line, last_line, encryption, state, task,
            sha256, actor, ready_at)
        SELECT brand_id, id, 0, 'plain', 1, count, 'none',
            CASE WHEN state = 'ready' THEN 'ready' ELSE 'failed' END, package_task, sha256, 'console', ready_at
        FROM batch WHERE package_task IS NOT NULL""")
