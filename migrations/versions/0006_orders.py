"""Orders: recipients, spares, encrypted packages, canary codes."""

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    pass
