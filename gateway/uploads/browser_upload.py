"""Files and zips that people drop onto a page: every good image safe, no bad one in its way."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.uploads import batches
from gateway.uploads.batches import ChosenFile, EndedFile, FileState, RefusedMember
from gateway.uploads.intake import Intake, Looked, NotAnImage, look
from gateway.uploads.threads import finish_in_thread
from gateway.uploads.upload_files import UploadInfo, UploadResult
from gateway.uploads.zip_members import Member, ZipFolder, ZipLimits, ZipTooLarge
from kernel.dicom.dataset import BytesSource, FileSource, read_file_meta
from kernel.errors import Category, Invalid, PlatformError
from kernel.journal.writer import Draft
from kernel.sql.db import Database

_GIB: Final = 1 << 30
_BATCH: Final = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_FILENAME_MAX: Final = 1024
_COMMIT_FILES: Final = 32
_COMMIT_BYTES: Final = 16 << 20
_LISTED_MAX: Final = 200
_LITTER: Final = re.compile(r"(^|/)(__MACOSX/|\.[^./]|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
_LATER: Final = frozenset({Category.BUSY, Category.FULL, Category.UNAVAILABLE, Category.BROKEN})


class _Chosen:
    """What both kinds of browser upload share: names, and the book."""

    def __init__(self, intake: Intake, database: Database, *, max_bytes: int) -> None:
        self._intake = intake
        self._database = database
        self._max_bytes = max_bytes

    @property
    def max_bytes(self) -> int:
        """Longest file taken."""
        return self._max_bytes

    async def admit(self, info: UploadInfo) -> None:
        """Refuse an upload without a sound batch or file name.

        Raises:
            Invalid: ``batch-name`` or ``file-name``.
        """
        if not _BATCH.fullmatch(info.metadata.get("batch", "")):
            raise Invalid("Upload-Metadata names no batch", code="batch-name")
        if not 0 < len(info.metadata.get("filename", "")) <= _FILENAME_MAX:
            raise Invalid("Upload-Metadata names no file", code="file-name")

    async def refused(self, info: UploadInfo, result: UploadResult) -> None:
        """Keep for the page why a file was refused."""
        await self._note(info, FileState.REFUSED, code=result.code, reason=result.detail)

    async def _note(  # noqa: PLR0913  # one row
        self,
        info: UploadInfo,
        state: FileState,
        *,
        code: str = "",
        reason: str = "",
        first: Looked | None = None,
        accepted: int = 0,
        refused: tuple[RefusedMember, ...] = (),
    ) -> None:
        ended = EndedFile(
            file=ChosenFile(
                upload_id=info.upload_id,
                filename=info.metadata["filename"],
                state=state,
                reason_code=code,
                reason=reason,
                study_instance_uid=first.header.study_instance_uid if first else "",
                accepted=accepted,
                refused=refused[:_LISTED_MAX],
            ),
            institution=info.owner.institution,
            user_id=info.owner.user_id,
            batch=info.metadata["batch"],
            size_bytes=info.length,
            sop_instance_uid=first.header.sop_instance_uid if first and accepted == 1 else "",
            ended_at=self._intake.clock.now(),
        )
        await self._database.write(lambda conn: batches.note_ended(conn, ended))


class DicomFileSink(_Chosen):
    """Takes single files; what is no image at all is skipped, not refused."""

    def __init__(self, intake: Intake, database: Database, *, max_bytes: int = 8 * _GIB) -> None:
        super().__init__(intake, database, max_bytes=max_bytes)

    async def take(self, info: UploadInfo, path: Path) -> None:
        """Commit the file at *path*, then say it is safe.

        Raises:
            BrokenDataset: it is DICOM, but broken.
            StorageFull, Unavailable: try again later.
        """
        with FileSource(path) as source:
            try:
                looked = await finish_in_thread(lambda: look(source))
            except NotAnImage as exc:
                await self._note(info, FileState.SKIPPED, code=exc.code, reason=exc.detail)
                return
            draft = await self._intake.copy(source, looked)
        try:
            entry = (draft, self._intake.arrival(info, looked, draft))
            await self._intake.journal.commit([entry])
        except BaseException:
            draft.discard()
            raise
        await self._note(info, FileState.SAFE, first=looked, accepted=1)


class ZipSink(_Chosen):
    """Takes zips: every good image in one, and a list of what was not."""

    def __init__(
        self,
        intake: Intake,
        database: Database,
        *,
        max_bytes: int = 16 * _GIB,
        limits: ZipLimits | None = None,
    ) -> None:
        super().__init__(intake, database, max_bytes=max_bytes)
        self._limits = limits or ZipLimits()

    async def take(self, info: UploadInfo, path: Path) -> None:
        """Commit the images in the zip at *path*, then say so, with what was left out.

        Raises:
            BrokenZip, ZipTooLarge: nothing in it was looked at.
            StorageFull, Unavailable: try again later; what was committed is found to be the same.
        """
        with path.open("rb") as file:  # opening is all that happens here
            folder = await finish_in_thread(lambda: ZipFolder(file, self._limits))
            load = _Load(info, self._intake)
            try:
                for member in folder.members():
                    if not _LITTER.search(member.name) and not await self._take(
                        folder, member, load
                    ):
                        break
                await load.commit()
            except BaseException:
                load.discard()
                raise
        refused = tuple(load.refused)
        if load.accepted:
            await self._note(
                info, FileState.SAFE, first=load.first, accepted=load.accepted, refused=refused
            )
        else:
            code = refused[-1].reason_code if len(refused) == 1 else "zip-no-images"
            await self._note(info, FileState.REFUSED, code=code, refused=refused)

    async def _take(self, folder: ZipFolder, member: Member, load: "_Load") -> bool:
        """Take one member or note why not; False when no further one may be read."""
        try:
            await load.add(folder.chunks(member))
        except PlatformError as exc:
            if exc.category in _LATER:
                raise
            load.refused.append(
                RefusedMember(name=member.name[:_FILENAME_MAX], reason_code=exc.code)
            )
            return not isinstance(exc, ZipTooLarge)
        return True


@dataclass(slots=True)
class _Load:
    """Images of one zip that are ready but not yet committed."""

    info: UploadInfo
    intake: Intake
    accepted: int = 0
    first: Looked | None = None
    refused: list[RefusedMember] = field(default_factory=list)
    entries: list[tuple[Draft, bytes]] = field(default_factory=list)

    async def add(self, pieces: Iterator[bytes]) -> None:
        """Add one member; raises what makes it unfit, and then nothing of it is kept."""
        begin = await finish_in_thread(lambda: next(pieces, b""))
        _check_beginning(begin)
        draft = self.intake.journal.begin()
        try:
            await self.intake.pour(itertools.chain([begin], pieces), draft)
            looked = await finish_in_thread(lambda: look(draft))
            if looked.head is not None:
                whole = await self.intake.copy(draft, looked)
                draft.discard()
                draft = whole
            self.entries.append((draft, self.intake.arrival(self.info, looked, draft)))
        except BaseException:
            draft.discard()
            raise
        self.accepted += 1
        self.first = self.first or looked
        if len(self.entries) >= _COMMIT_FILES or self._bytes() >= _COMMIT_BYTES:
            await self.commit()

    async def commit(self) -> None:
        """Make what was added durable."""
        if self.entries:
            await self.intake.journal.commit(self.entries)
            self.entries = []

    def discard(self) -> None:
        """Forget what was added and not committed."""
        for draft, _ in self.entries:
            draft.discard()

    def _bytes(self) -> int:
        return sum(draft.size for draft, _ in self.entries)


def _check_beginning(begin: bytes) -> None:
    """Refuse what is plainly no DICOM before the rest of it is read; raises ``NotAnImage``."""
    try:
        read_file_meta(BytesSource(begin))
    except PlatformError as exc:
        if exc.code == "not-dicom":
            raise NotAnImage(exc.detail) from exc
        if exc.code == "empty-file":
            raise
