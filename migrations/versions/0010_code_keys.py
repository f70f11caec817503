"""Code keys: custody, release by two people, leaks."""

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    pass
