"""Alembic's environment: the connection is handed over by `yima.migrate`, the tables are every room's."""

from alembic import context

from yima.schema import metadata, of_our_making

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    include_object=of_our_making,
    compare_type=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
