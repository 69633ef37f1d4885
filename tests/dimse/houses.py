"""A DICOM door with a journal behind it, and a reader for what was committed."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from gateway.dimse.acceptor import Door
from gateway.dimse.settings import AcceptorSettings
from gateway.dimse.store_scp import JournalSink
from kernel.arrival import Arrival, decode_arrival
from kernel.journal.writer import Disk, JournalReader, JournalWriter, Position
from tests.dimse.doors import frozen, open_door


@dataclass
class House:
    """An open door with a journal behind it."""

    door: Door
    journal: JournalWriter
    directory: Path

    def kept(self) -> list[tuple[Arrival, bytes]]:
        """Return everything committed so far, as a reader finds it."""
        reader = JournalReader.open(self.directory, after=Position(0, 0))
        found = []
        while batches := reader.poll():
            for batch in batches:
                found += [(decode_arrival(e.meta), b"".join(e.chunks())) for e in batch.entries]
        return found


@contextlib.asynccontextmanager
async def house(
    tmp_path: Path, *, disk: Disk | None = None, settings: AcceptorSettings | None = None
) -> AsyncIterator[House]:
    journal = JournalWriter.open(
        tmp_path / "journal", segment_bytes=4 << 20, reserve_bytes=1 << 20, disk=disk
    )
    try:
        async with open_door(JournalSink(journal, clock=frozen()), settings) as door:
            yield House(door, journal, tmp_path / "journal")
    finally:
        await journal.close()
