"""The printing line: rolls, runs, stations, captures, pairing."""

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    pass
