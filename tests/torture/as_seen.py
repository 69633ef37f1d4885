"""What a county's readers see of a journal: filed by the archive's own filer, then counted.

A county that dies between its commit and its receipt commits the same parcel again; the archive
files an instance once, whatever the journal repeats. So once-ness is counted behind the filer,
with the content found anew from the bytes of each object file.
"""

import asyncio
import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from imaging.archive.examine import Examiner
from imaging.archive.ingest import Filer
from imaging.archive.objects_fs import FileObjectStore
from imaging.archive.tables import instance, instance_conflict
from kernel.clock import FrozenClock
from kernel.dicom.codecs import InThread
from kernel.sql.columns import metadata
from kernel.sql.db import Database
from tests.torture.hops import image_of

_AT: Final = FrozenClock(dt.datetime(2026, 3, 2, tzinfo=dt.UTC))
_JOURNAL: Final = "parcels"


@dataclass(frozen=True, slots=True)
class Seen:
    """An archive's instances."""

    instances: list[tuple[str, str]]
    """UID and content of each, second contents under a UID included."""
    orphans: int
    """Object files no row knows."""


async def as_seen(journal: Path, scratch: Path) -> Seen:
    """File a copy of *journal* into an archive in *scratch*, made here; return what is there."""
    # The next empty segment is made beside the others while the node lives, and comes and goes.
    without = shutil.ignore_patterns("spare*")
    await asyncio.to_thread(shutil.copytree, journal, scratch / "journal", ignore=without)
    database = await Database.open(f"sqlite:///{scratch}/archive.sqlite")
    objects = FileObjectStore(scratch / "objects")
    filer = Filer(
        database,
        objects,
        Examiner(decoder=InThread(), charset_hint=lambda _: ""),
        journals={_JOURNAL: scratch / "journal"},
        clock=_AT,
    )
    try:
        await database.write(metadata.create_all)
        while await filer.file_waiting():
            pass
        keys = await database.read(
            lambda conn: [
                *conn.scalars(sa.select(instance.c.object_key)),
                *conn.scalars(sa.select(instance_conflict.c.object_key)),
            ]
        )
        images = await asyncio.to_thread(lambda: [image_of(_bytes(objects, key)) for key in keys])
        files = [path for path in (scratch / "objects").glob("??/??/*") if path.is_file()]
        return Seen([(each.uid, each.content) for each in images], len(files) - len(set(keys)))
    finally:
        filer.close()
        await database.close()


def _bytes(objects: FileObjectStore, key: str) -> bytes:
    with objects.open(key) as opened:
        return opened.read(0, opened.size)
