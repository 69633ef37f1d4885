"""A database of one kind, where both would only do the same again."""

from collections.abc import AsyncIterator

import pytest_asyncio

from kernel.sql.db import Database
from tests.databases import open_filled


@pytest_asyncio.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    """An open SQLite database with every table."""
    opened = await open_filled(sqlite_url)
    try:
        yield opened
    finally:
        await opened.close()
