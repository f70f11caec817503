"""Links of products, for the GS1 resolver."""

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    pass
