"""Files one journal and ends; dies at once on an object that comes from the address "poison"."""

import asyncio
import os
import sys
from pathlib import Path

from imaging.archive.examine import Examiner
from imaging.archive.ingest import Filer
from imaging.archive.objects_fs import FileObjectStore
from kernel.arrival import Arrival
from kernel.clock import SystemClock
from kernel.sql.db import Database
from tests.imaging.desk import HereDecoder

POISON = "poison"


def hint(arrival: Arrival) -> str:
    """Return no hint, or die as a broken codec would."""
    if arrival.sender.address == POISON:
        os._exit(9)
    return ""


async def main(folder: Path, url: str) -> None:
    """File the journal in *folder* into the database at *url*."""
    database = await Database.open(url)
    objects = FileObjectStore(folder / "objects")
    objects.sweep()
    filer = Filer(
        database,
        objects,
        Examiner(decoder=HereDecoder(), charset_hint=hint),
        journals={"dicom": folder / "journal"},
        clock=SystemClock(),
    )
    while await filer.file_waiting():
        pass
    filer.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
