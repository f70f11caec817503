"""Layouts of labels and data files."""

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    pass
