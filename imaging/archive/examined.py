"""What comes of an object in a journal: an instance ready to be filed, or bytes nobody can read.

Whatever is wrong with an object, it is kept: ``opaque`` and ``lost`` say with which reason.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from kernel.arrival import Arrival, ContentDigest
from kernel.dicom.header import Header
from kernel.journal.frames import JournalCorrupt


class StoredObject(Protocol):
    """One entry of a journal: ``kernel.journal.writer.Stored``."""

    @property
    def meta(self) -> bytes:
        """The arrival, encoded."""
        ...

    @property
    def size(self) -> int:
        """Bytes of the object."""
        ...

    def read(self, pos: int, n: int, /) -> bytes:
        """Return the bytes at [pos, pos + n)."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """Yield all bytes in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesExtras:
    """Series attributes only queries ask for."""

    timezone_offset_from_utc: str = ""
    laterality: str = ""
    performed_procedure_step_start_date: str = ""
    performed_procedure_step_start_time: str = ""
    scheduled_procedure_step_id: str = ""
    requested_procedure_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One object, ready to be filed."""

    arrival: Arrival
    header: Header
    extras: SeriesExtras
    declared_name: str
    """The patient's name as the declared character set reads it, where that was repaired."""
    digest: ContentDigest
    key: str
    metadata_json: bytes
    """DICOM JSON, Zstandard."""
    transfer_syntax_uid: str
    size_bytes: int
    dataset_offset: int
    pixel_offset: int
    pixel_length: int
    oddities: tuple[str, ...]

    @property
    def content(self) -> tuple[str, str]:
        """What makes it one instance: its UID, and the digest of its content."""
        return self.header.sop_instance_uid, self.digest.whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Opaque:
    """One object nobody can read; its bytes are kept with the reason."""

    arrival: Arrival | None
    key: str
    reason: str
    detail: str
    size_bytes: int


class Read(NamedTuple):
    """An object that was read, and its bytes as they are to be kept, once."""

    each: Examined | Opaque
    chunks: Iterable[bytes | memoryview]


def opaque(stored: StoredObject, arrival: Arrival | None, *, reason: str, detail: str) -> Read:
    """Return *stored* as what is kept only as bytes."""
    digest = hashlib.sha256()
    try:
        for chunk in stored.chunks():
            digest.update(chunk)
    except JournalCorrupt as exc:
        # Nothing whole is left to keep; the arrival and the reason are.
        return lost(stored, arrival, detail=exc.detail)
    whole = digest.hexdigest()
    kept = Opaque(
        arrival=arrival,
        # Not of an instance: the name says only what bytes they are.
        key=f"{whole[:2]}/{whole[2:4]}/{whole[:32]}",
        reason=reason,
        detail=detail,
        size_bytes=stored.size,
    )
    return Read(kept, stored.chunks())


def lost(stored: StoredObject, arrival: Arrival | None, *, detail: str) -> Read:
    """Return *stored*, whose bytes the journal can no longer give, as what is known of it."""
    kept = Opaque(
        arrival=arrival,
        key="",
        reason=JournalCorrupt.code,
        detail=detail,
        size_bytes=stored.size,
    )
    return Read(kept, ())
