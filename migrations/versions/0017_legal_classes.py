"""Classes of products for which law restricts rewards, and members who said to be adults."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
serves_from = "0001"

# An older program that still serves knows no class and pays as before: a class is set once all programs know it.


def upgrade() -> None:
    op.add_column("product", sa.Column("legal_class", sa.String(length=20), server_default="none", nullable=False))
    op.add_column("product", sa.Column("rewards", sa.String(length=8), server_default="default", nullable=False))
    op.create_check_constraint(op.f("ck_product_rewards"), "product", "rewards IN ('default', 'on', 'off')")
    op.add_column("member", sa.Column("adult_at", sa.DateTime(timezone=True), nullable=True))
