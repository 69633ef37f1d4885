"""A county's home with real objects, rows and journals, and nothing running."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from imaging.archive.objects_fs import FileObjectStore
from kernel.clock import FrozenClock
from kernel.journal.writer import JournalWriter
from kernel.settings import NodeKind
from kernel.sql.db import Database
from kernel.sql.migrate import migrate
from tests.imaging.desk import Desk, make_filer
from tests.imaging.sample import AT
from yilian.wiring import tables
from yilian.wiring.homes import Home

T = TypeVar("T")
JOURNAL = "dicom"


@asynccontextmanager
async def desk_in(home: Home, url: str = "") -> AsyncIterator[Desk]:
    """Open the archive of *home* as its processes would, its rows at *url*."""
    tables.load()
    address = url or home.database_url
    await migrate(address)
    database = await Database.open(address)
    writer = JournalWriter.open(home.journal(JOURNAL), segment_bytes=16 << 10, reserve_bytes=0)
    objects, clock = FileObjectStore(home.objects), FrozenClock(AT)
    desk = Desk(database, home.root, writer, None, objects, clock, JOURNAL)  # type: ignore[arg-type]
    desk.filer = make_filer(desk, folder=home.journal(JOURNAL))
    try:
        yield desk
    finally:
        desk.filer.close()
        await writer.close()
        await database.close()


def in_county(home: Home, work: Callable[[Desk], Awaitable[T]], url: str = "") -> T:
    """Return what *work* does with the archive of *home*."""

    async def run() -> T:
        async with desk_in(home, url) as desk:
            return await work(desk)

    return asyncio.run(run())


def county(root: Path, files: Sequence[bytes], url: str = "") -> Home:
    """Make a county at *root* that has filed *files*."""
    home = Home.prepare(root, NodeKind.COUNTY)
    if url:
        home.settings_file.write_text(f'[database]\nurl = "{url}"\n', "utf-8")
    in_county(home, lambda desk: desk.file(*files), url)
    return home


def object_files(home: Home) -> list[Path]:
    """Return every object file of *home*."""
    return sorted(home.objects.glob("??/??/*"))
