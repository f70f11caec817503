"""Who changed a rate last, so that a process need not learn what it told itself."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    op.add_column("rate_due", sa.Column("changed_by", sa.BigInteger(), nullable=True))
