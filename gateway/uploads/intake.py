"""One chosen file on its way into the journal: looked at within bounds, then durable, then safe."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.uploads.threads import finish_in_thread
from gateway.uploads.upload_files import UploadInfo
from kernel.arrival import Arrival, Door, Sender, encode_arrival
from kernel.clock import Clock
from kernel.dicom.dataset import (
    BrokenDataset,
    FileMeta,
    Source,
    chunks,
    file_meta_with,
    read_file_meta,
    scan,
)
from kernel.dicom.header import Header, read_header
from kernel.errors import Invalid
from kernel.journal.writer import Draft, JournalWriter

_DICOMDIR: Final = "1.2.840.10008.1.3.10"
_PREAMBLE_BYTES: Final = 128
_SLAB: Final = 8


class NotAnImage(Invalid):
    """A file that belongs to no study and that nobody misses; the code says what it is."""

    code = "not-dicom"


@dataclass(frozen=True, slots=True)
class Looked:
    """What one file turned out to be."""

    meta: FileMeta
    header: Header
    head: bytes | None
    """What must stand before the data set instead of what does; None where all is well."""

    @property
    def note(self) -> str:
        """The oddity worth a word, or empty."""
        if self.meta.executable_preamble:
            return "executable-preamble"
        return next(iter((*self.meta.oddities, *self.header.oddities)), "")


def look(source: Source) -> Looked:
    """Return what the file in *source* is. Blocking; reads the header and no pixels.

    Raises:
        NotAnImage: not DICOM at all (``not-dicom``), or a disc's table of contents
            (``dicomdir``).
        BrokenDataset: DICOM, but broken; the code says how.
    """
    try:
        meta = read_file_meta(source)
    except Invalid as exc:
        if exc.code == "not-dicom":
            raise NotAnImage(exc.detail) from exc
        raise
    if meta.media_storage_sop_class_uid == _DICOMDIR:
        raise NotAnImage("the table of contents of a disc", code="dicomdir")
    try:
        walked = scan(
            source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
        )
        header = read_header(source, walked)
    except BrokenDataset as exc:
        if not meta.has_preamble and meta.group_start < 0:
            # Nothing ever said it was DICOM; its first bytes only happened to look like it.
            raise NotAnImage(exc.detail) from exc
        raise
    return Looked(meta, header, _head(source, meta, header))


def _head(source: Source, meta: FileMeta, header: Header) -> bytes | None:
    """Return the head of a whole Part 10 file where the file's own is not one."""
    plain = meta.has_preamble and meta.group_start >= 0 and not meta.oddities and not meta.guessed
    if plain and not meta.executable_preamble and not meta.tiff_preamble:
        return None
    named = FileMeta(
        transfer_syntax_uid=meta.transfer_syntax_uid,
        media_storage_sop_class_uid=header.sop_class_uid,
        media_storage_sop_instance_uid=header.sop_instance_uid,
        dataset_offset=meta.dataset_offset,
        has_preamble=meta.has_preamble,
        executable_preamble=meta.executable_preamble or meta.tiff_preamble,
        group_start=meta.group_start,
    )
    head = file_meta_with(source, named, transfer_syntax_uid=meta.transfer_syntax_uid)
    return b"\0" * _PREAMBLE_BYTES + head[_PREAMBLE_BYTES:]


@dataclass(frozen=True, slots=True)
class Intake:
    """Puts chosen files into one journal."""

    journal: JournalWriter
    clock: Clock

    async def copy(self, source: Source, looked: Looked) -> Draft:
        """Return a draft of the whole Part 10 file that *source* holds or should have been.

        Raises:
            StorageFull, Unavailable: the journal cannot take it now.
        """
        draft = self.journal.begin()
        try:
            start = 0
            if looked.head is not None:
                await draft.write(looked.head)
                start = looked.meta.dataset_offset
            await self.pour(chunks(source, start, source.size), draft)
        except BaseException:
            draft.discard()
            raise
        return draft

    async def pour(self, pieces: Iterator[bytes], draft: Draft) -> None:
        """Write *pieces*, which may block, into *draft*; raises what either does."""
        while slab := await finish_in_thread(lambda: list(itertools.islice(pieces, _SLAB))):
            for piece in slab:
                await draft.write(piece)

    def arrival(self, info: UploadInfo, looked: Looked, draft: Draft) -> bytes:
        """Return what goes into the journal beside *draft*."""
        header = looked.header
        offset = looked.meta.dataset_offset if looked.head is None else len(looked.head)
        return encode_arrival(
            Arrival(
                door=Door.UPLOAD,
                received_at=self.clock.now(),
                sender=Sender(
                    institution=info.owner.institution,
                    username=info.owner.username or info.owner.user_id,
                ),
                transfer_syntax_uid=looked.meta.transfer_syntax_uid,
                sop_class_uid=header.sop_class_uid,
                sop_instance_uid=header.sop_instance_uid,
                study_instance_uid=header.study_instance_uid,
                series_instance_uid=header.series_instance_uid,
                dataset_offset=offset,
                size_bytes=draft.size,
                note=looked.note,
            )
        )
