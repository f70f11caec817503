"""Alembic's environment: the connection is handed over by `yima.migrate`, the tables are every room's.

Each migration names the oldest version whose programs can serve from the schema that it makes (`serves_from`).
The database remembers it, as the comment on Alembic's own table, in the migration's own transaction: programs
older than the schema read there whether they may start.
"""

from typing import Any

from alembic import context
from sqlalchemy import text

from yima.schema import metadata, of_our_making


def remember(*, ctx: Any, step: Any, **_: object) -> None:  # noqa: ANN401 (Alembic's own)
    script = context.script.get_revision(step.up_revision_id)
    oldest = getattr(script.module, "serves_from", script.revision)
    assert oldest.isalnum()
    ctx.connection.execute(text(f"COMMENT ON TABLE alembic_version IS 'serves programs from {oldest}'"))


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    include_object=of_our_making,
    compare_type=True,
    transaction_per_migration=True,
    on_version_apply=remember,
)
with context.begin_transaction():
    context.run_migrations()
