"""Where cartons begin, so that a scan finds the one around its unit by one step into a plain index."""

from alembic import op

from migrations import indexes

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        indexes.build("ix_logistic_unit_low", "logistic_unit (lower(units))")
