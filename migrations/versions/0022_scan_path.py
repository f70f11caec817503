"""Rows that only the scan path writes are no longer looked up one by one in the tables they name (ADR 0045)."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
serves_from = "0001"

DROPPED = {
    "unit": ("brand_id", "batch_id"),
    "claim": ("brand_id", "unit_id", "member_id"),
    "journal": ("brand_id", "reverses"),
    "entry": ("brand_id", "journal_id", "account_id"),
    "lot": ("brand_id", "journal_id", "account_id"),
    "draw_entry": ("brand_id", "claim_id", "member_id", "draw_id_shard"),
}


def upgrade() -> None:
    # Each for itself, for each is committed by itself: they lock both tables for a moment, and scans go on between.
    with op.get_context().autocommit_block():
        for table, columns in DROPPED.items():
            for column in columns:
                op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS fk_{table}_{column}")
