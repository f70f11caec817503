"""Codes that others made."""

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    pass
