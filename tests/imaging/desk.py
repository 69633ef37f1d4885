"""An archive with real parts in one folder: a journal, its filer, a database, object files."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imaging.archive.examine import CharsetHint, Examiner
from imaging.archive.ingest import Filer
from imaging.archive.objects_fs import FileObjectStore
from kernel.arrival import Arrival, encode_arrival
from kernel.clock import FrozenClock
from kernel.dicom.codecs import FrameDecoder, decode_frame
from kernel.dicom.frames import Frame, FrameLayout
from kernel.journal.writer import JournalWriter, Position
from kernel.sql.db import Database
from tests.imaging.sample import AT, arrival


class HereDecoder:
    """Decodes where it is called, for test objects we trust."""

    def decode(self, stream: bytes, transfer_syntax_uid: str, layout: FrameLayout) -> Frame:
        return decode_frame(stream, transfer_syntax_uid, layout)


@dataclass(slots=True)
class Desk:
    """The archive under test."""

    database: Database
    folder: Path
    writer: JournalWriter
    filer: Filer
    objects: FileObjectStore
    clock: FrozenClock
    journal: str = "dicom"

    async def receive(self, *files: bytes, told: Arrival | None = None) -> Position:
        """Make *files* durable in the journal, as one batch each."""
        position = Position(0, 0)
        for file in files:
            position = await self.receive_together([file], told=told)
        return position

    async def receive_together(
        self, files: Sequence[bytes], *, told: Arrival | None = None
    ) -> Position:
        """Make *files* durable in the journal as one batch."""
        drafts = []
        for file in files:
            draft = self.writer.begin()
            await draft.write(file)
            drafts.append((draft, encode_arrival(told or arrival())))
        return await self.writer.commit(drafts)

    async def file(self, *files: bytes, told: Arrival | None = None) -> None:
        """Receive *files* and file everything that waits."""
        await self.receive(*files, told=told)
        await self.file_all()

    async def file_all(self) -> int:
        """File everything that waits; returns how many objects that were."""
        filed = 0
        while more := await self.filer.file_waiting():
            filed += more
        return filed

    async def rows(self, query: Any) -> list[dict[str, Any]]:
        """Return what *query* finds."""
        return await self.database.read(
            lambda conn: [dict(row._mapping) for row in conn.execute(query)]
        )

    def object_files(self) -> list[Path]:
        """Return every object file."""
        found = (self.folder / "objects").glob("??/??/*")
        return sorted(found)

    def restart_filer(
        self,
        *,
        decoder: FrameDecoder | None = None,
        hint: str = "",
        hints: CharsetHint | None = None,
    ) -> None:
        """Go on with a new filer, as after a restart; the old one's threads end."""
        self.filer.close()
        self.filer = make_filer(self, decoder=decoder, hint=hint, hints=hints)


def make_filer(
    desk: Desk,
    *,
    decoder: FrameDecoder | None = None,
    hint: str = "",
    hints: CharsetHint | None = None,
    folder: Path | None = None,
) -> Filer:
    """Return a filer of *desk*'s journal, in its own *folder* or another.

    *hints* is asked for each object it examines; else all have the *hint*.
    """
    return Filer(
        desk.database,
        desk.objects,
        Examiner(decoder=decoder or HereDecoder(), charset_hint=hints or (lambda _: hint)),
        journals={desk.journal: folder or desk.folder / "journal"},
        clock=desk.clock,
    )


@asynccontextmanager
async def open_desk(
    database: Database, folder: Path, *, hint: str = "", journal: str = "dicom"
) -> AsyncIterator[Desk]:
    """Open an archive in *folder*."""
    writer = JournalWriter.open(folder / "journal", segment_bytes=1 << 20, reserve_bytes=0)
    objects = FileObjectStore(folder / "objects")
    clock = FrozenClock(AT)
    desk = Desk(database, folder, writer, None, objects, clock, journal)  # type: ignore[arg-type]
    desk.filer = make_filer(desk, hint=hint)
    try:
        yield desk
    finally:
        desk.filer.close()
        await writer.close()
