"""Fixtures of the integrity tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from kernel.sql.db import Database
from tests.imaging.desk import Desk, open_desk
from yilian.wiring import tables

tables.load()


@pytest_asyncio.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    """An archive, once on each kind of database."""
    async with open_desk(database, tmp_path) as opened:
        yield opened
