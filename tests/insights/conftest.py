"""A database with room for past scans."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from kernel.db import Database
from tests.insights.rows import open_partition


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """The test's database, with a partition for the years before."""
    database = Database(database_url, pool_size=4, application="test")
    async with database.transaction() as tx:
        await open_partition(tx)
    yield database
    await database.close()
