"""A node's database for the command line, whether the node runs or not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from gateway.accounts.administration import Administration
from gateway.accounts.passwords import Hasher
from gateway.accounts.service import SignIns
from kernel.clock import SystemClock
from kernel.settings import Settings
from kernel.sql.db import Database
from kernel.sql.newest import is_newest
from yilian.wiring import tables
from yilian.wiring.homes import Home, database_url

_CHAIN: Final = "command-line"


@asynccontextmanager
async def opened_database(home: Home, settings: Settings) -> AsyncIterator[Database]:
    """Give the node's database, brought to this program's form first."""
    tables.load()
    url = database_url(home, settings)
    if not await asyncio.to_thread(is_newest, url):
        # Alembic takes its time to load.
        from kernel.sql.migrate import migrate  # noqa: PLC0415

        await migrate(url)
    database = await Database.open(url)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def administration(root: Path, settings: Settings) -> AsyncIterator[Administration]:
    """Give what ``yilian admin`` acts with, on the node at *root*."""
    clock, hasher = SystemClock(), Hasher()
    async with opened_database(Home(root), settings) as database:
        sign_ins = SignIns(database, hasher, clock, chain=_CHAIN)
        try:
            yield Administration(database, sign_ins, clock, chain=_CHAIN)
        finally:
            hasher.close()
