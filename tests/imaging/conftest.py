"""Fixtures of the imaging tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from kernel.sql.db import Database
from tests.databases import open_filled
from tests.imaging.decider import Person, somebody
from tests.imaging.desk import Desk, open_desk
from tests.imaging.web_door import WebDoor, open_door


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


@pytest_asyncio.fixture
async def door(sqlite_desk: Desk) -> AsyncIterator[WebDoor]:
    """The DICOMweb door before an archive whose tests file by themselves."""
    async with open_door(sqlite_desk, filing=False) as opened:
        yield opened


@pytest_asyncio.fixture
async def filing_door(sqlite_desk: Desk) -> AsyncIterator[WebDoor]:
    """The DICOMweb door before an archive that files what comes."""
    async with open_door(sqlite_desk) as opened:
        yield opened


@pytest_asyncio.fixture
async def person(desk: Desk) -> AsyncIterator[Person]:
    """Who decides, before an archive on each kind of database."""
    async with somebody(desk) as found:
        yield found


@pytest_asyncio.fixture
async def lite(sqlite_desk: Desk) -> AsyncIterator[Person]:
    """Who decides, where the database does not matter."""
    async with somebody(sqlite_desk) as found:
        yield found
