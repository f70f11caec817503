"""Indexes of tables that are written all the time: built beside the writing, and safe to be interrupted."""

from alembic import op
from sqlalchemy import text


def build(name: str, on: str) -> None:
    """Build an index concurrently, unless it is there and whole.

    Call it within an autocommit block: each statement is committed by itself, and a migration that is run again
    finds what is done. It waits as long as others take, for nobody waits behind it; the time-out of other locks
    comes back afterwards.

    Args:
        name: of the index.
        on: the table and what follows, such as `task (id) WHERE state = 'failed'`.
    """
    bind = op.get_bind()
    patience = bind.execute(text("SHOW lock_timeout")).scalar_one()
    broken = bind.execute(
        text("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"), {"name": name}
    ).scalar_one_or_none()
    op.execute("SET lock_timeout = 0")
    try:
        if broken:
            op.execute(f"DROP INDEX CONCURRENTLY {name}")
        op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {on}")
    finally:
        op.execute(f"SET lock_timeout = '{patience}'")
