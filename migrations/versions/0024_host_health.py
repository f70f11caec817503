"""How the hosts fare that printed pages hand over to."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    op.create_table(
        "host_health",
        sa.Column("brand_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("host", sa.String(length=261), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("problem", sa.String(length=20), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_host_health_brand_id_brand")),
        sa.PrimaryKeyConstraint("brand_id", name=op.f("pk_host_health")),
    )
