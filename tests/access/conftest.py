"""An archive with one patient of one house, on each kind of database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from kernel.sql.db import Database
from tests.databases import open_filled
from tests.imaging.desk import Desk, open_desk


@pytest_asyncio.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    """An archive, once on each kind of database."""
    async with open_desk(database, tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture
async def sqlite_desk(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """An archive on SQLite, for what does not depend on the database."""
    database = await open_filled(sqlite_url)
    async with open_desk(database, tmp_path) as opened:
        yield opened
    await database.close()
