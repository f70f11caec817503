"""Code keys: custody, release by two people, leaks."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
serves_from = "0001"

# A key that is there already, or that a version still serving makes, counts as released: its codes are printed.


def upgrade() -> None:
    op.add_column("code_key", sa.Column("released", sa.Boolean(), server_default="true", nullable=False))
    op.add_column("code_key", sa.Column("version", sa.BigInteger(), server_default="1", nullable=False))
    op.add_column("code_key", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("code_key", sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("code_key", sa.Column("leaked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("code_key", sa.Column("reason", sa.String(length=200), nullable=True))
    op.drop_constraint(op.f("ck_code_key_state"), "code_key")
    op.create_check_constraint(op.f("ck_code_key_state"), "code_key", "state IN ('active', 'retired', 'revoked')")
    op.create_check_constraint(
        op.f("ck_code_key_revoked"), "code_key", "(revoked_at IS NOT NULL) = (state = 'revoked')"
    )
    op.create_table(
        "key_release",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.SmallInteger(), nullable=False),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_key_release_brand_id")),
        sa.ForeignKeyConstraint(["key_id"], ["code_key.id"], name=op.f("fk_key_release_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_release")),
        sa.UniqueConstraint("key_id", "actor", name=op.f("uq_key_release_key_id_actor")),
    )
    op.add_column("batch", sa.Column("leaked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("batch", sa.Column("leak_answer", sa.String(length=4), nullable=True))
    op.add_column("batch", sa.Column("reissue_of", sa.BigInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_batch_leak"),
        "batch",
        "(leaked_at IS NULL) = (leak_answer IS NULL) AND leak_answer IN ('hold', 'void')",
    )
    op.create_foreign_key(op.f("fk_batch_reissue_of"), "batch", "batch", ["reissue_of"], ["id"])
    op.create_unique_constraint(op.f("uq_batch_reissue_of"), "batch", ["reissue_of"])
