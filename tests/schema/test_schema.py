"""The schema: what Alembic builds is what the code declares."""

from __future__ import annotations

from datetime import date

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.engine import make_url

from kernel.errors import ConfigurationError
from traceability.journal import partition_statements
from yima import migrate
from yima.schema import metadata, of_our_making


def test_migrations_and_tables_are_equal(database_url: str) -> None:
    engine = create_engine(make_url(database_url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": of_our_making, "compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_migrating_again_changes_nothing(database_url: str) -> None:
    assert migrate.upgrade(database_url) == migrate.Migrated(migrate.head(), migrate.head())


def test_a_newer_database_is_refused(database_url: str) -> None:
    engine = create_engine(make_url(database_url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(ConfigurationError, match="9999"):
        migrate.upgrade(database_url)


def test_an_unreachable_database_is_told_in_a_sentence(database_url: str) -> None:
    nowhere = make_url(database_url).update_query_dict({"host": "/nonexistent"})
    with pytest.raises(ConfigurationError, match="cannot be reached"):
        migrate.upgrade(nowhere.render_as_string(hide_password=False))


EXCEPTIONS = {
    "alembic_version", "brand", "counter_flush", "data_key", "heartbeat", "rate_due", "refused_count",
    "refused_sample", "refused_window", "rollup_state", "scan_archive",
    # one login may serve several brands, whose roles bear them; one chain holds the trail of all brands
    "staff", "staff_attempt", "staff_recovery", "staff_reset", "staff_session", "audit_seal",
}  # fmt: skip


def test_every_row_bears_its_brand(database_url: str) -> None:
    engine = create_engine(make_url(database_url))
    inspector = inspect(engine)
    without = {
        table for table in inspector.get_table_names()
        if "brand_id" not in {column["name"] for column in inspector.get_columns(table)}
    }  # fmt: skip
    engine.dispose()
    assert without == EXCEPTIONS


@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        (date(2026, 1, 15), "scan_2025_12", "scan_2026_04"),
        (date(2026, 11, 30), "scan_2026_10", "scan_2027_02"),
        (date(2026, 12, 31), "scan_2026_11", "scan_2027_03"),
    ],
)
def test_partitions_reach_from_last_month_to_three_ahead(today: date, first: str, last: str) -> None:
    statements = partition_statements(today)
    assert len(statements) == 5
    assert first in statements[0]
    assert last in statements[-1]
