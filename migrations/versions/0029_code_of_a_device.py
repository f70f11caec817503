"""By which device a one-time code was asked for: there alone it is good."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
serves_from = "0001"


def upgrade() -> None:
    op.add_column("sign_in_code", sa.Column("device_index", sa.LargeBinary(), nullable=True))
