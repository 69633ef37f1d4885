"""One object on its way from a journal into the spool: walked, digested, compressed if it can be.

What goes to disk and over the line is HTJ2K lossless where that was proven equal
(``kernel.dicom.lossless``), else the bytes as they came.
"""

import hashlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from gateway.township.model import Filed
from gateway.township.ports import QueuedStudy
from gateway.township.sending_order import place_along_normal
from kernel.arrival import Arrival, ContentDigest, Sender, decode_arrival
from kernel.dicom.codecs import FrameDecoder
from kernel.dicom.content import content_digest
from kernel.dicom.dataset import FileMeta, Scan, read_file_meta, scan
from kernel.dicom.header import Header, read_header
from kernel.dicom.lossless import compress_object
from kernel.dicom.shown import utc_offset
from kernel.errors import Category, PlatformError
from kernel.identifiers import Uid, object_key
from kernel.journal.writer import JournalCorrupt, Stored

_TIMEZONE_OFFSET: Final = 0x00080201
_IMAGE_POSITION: Final = 0x00200032
_IMAGE_ORIENTATION: Final = 0x00200037
_NOT_THE_OBJECTS_FAULT: Final = frozenset({Category.BUSY, Category.FULL, Category.UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Prepared:
    """An instance ready to be put under its key and entered."""

    filed: Filed
    chunks: Iterable[bytes]
    """Empty where nothing could be read; then there is no object."""


@dataclass(frozen=True, slots=True)
class Preparer:
    """Turns what a journal holds into object files and rows. Blocking; run on a thread."""

    decoder: FrameDecoder
    """For what others compressed."""
    charset_hint: Callable[[Sender], str]
    """The character set a sender is known to mean, empty where nothing is known."""
    directory: Path
    """For temporary files of large objects; made where absent."""

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)

    def prepare(self, stored: Stored, held: ExitStack) -> Prepared:
        """Return *stored* ready for filing.

        An object that cannot be walked, which no door should have let in, is kept as it is and
        set aside with the reason: nothing that was acknowledged is ever dropped.

        Args:
            stored: one object of a journal.
            held: keeps what the chunks need open until they are written.

        Raises:
            PlatformError: busy, full or unavailable: nothing is wrong with the object.
        """
        arrival = decode_arrival(stored.meta)
        try:
            return self._whole(stored, arrival, held)
        except JournalCorrupt as exc:
            return _lost(arrival, stored.meta, exc.detail)
        except PlatformError as exc:
            if exc.category in _NOT_THE_OBJECTS_FAULT:
                raise
            return _as_it_came(stored, arrival, exc)

    def study_of(self, stored: Stored) -> QueuedStudy | None:
        """Return what *stored* says of its study, without its pixels; None where it cannot say."""
        arrival = decode_arrival(stored.meta)
        try:
            meta = read_file_meta(stored)
            walked = scan(
                stored, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
            )
            header = read_header(stored, walked, charset_hint=self.charset_hint(arrival.sender))
        except PlatformError:
            return None
        return QueuedStudy(
            institution=arrival.sender.institution,
            # As the door read it: by this all its objects are told.
            study_instance_uid=arrival.study_instance_uid,
            accession_number=header.accession_number,
            patient_id=header.patient_id,
        )

    def _whole(self, stored: Stored, arrival: Arrival, held: ExitStack) -> Prepared:
        meta = read_file_meta(stored)
        walked = scan(
            stored, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
        )
        header = read_header(stored, walked, charset_hint=self.charset_hint(arrival.sender))
        arrival = msgspec.structs.replace(
            arrival,
            transfer_syntax_uid=meta.transfer_syntax_uid,
            sop_class_uid=header.sop_class_uid,
            sop_instance_uid=header.sop_instance_uid,
            study_instance_uid=header.study_instance_uid,
            series_instance_uid=header.series_instance_uid,
            dataset_offset=meta.dataset_offset,
            size_bytes=stored.size,
        )
        return self._compressed(stored, arrival, (meta, walked, header), held) or _kept(
            msgspec.structs.replace(arrival, digest=self._digest(arrival, walked)),
            (walked, header),
            stored.chunks(),
        )

    def _compressed(
        self,
        stored: Stored,
        arrival: Arrival,
        seen: tuple[FileMeta, Scan, Header],
        held: ExitStack,
    ) -> Prepared | None:
        meta, walked, header = seen
        # One thread for each object: several objects are prepared at once.
        packed = compress_object(stored, meta, walked, directory=self.directory, threads=1)
        if packed is None:
            return None
        held.enter_context(packed)
        if packed.size >= stored.size:
            return None
        arrival = msgspec.structs.replace(
            arrival,
            transfer_syntax_uid=packed.transfer_syntax_uid,
            dataset_offset=packed.dataset_offset,
            size_bytes=packed.size,
            native=packed.native,
            digest=packed.digest,
        )
        return _kept(arrival, (walked, header), packed.chunks())

    def _digest(self, arrival: Arrival, walked: Scan) -> ContentDigest:
        return arrival.digest or content_digest(walked, decoder=self.decoder)


def _kept(arrival: Arrival, seen: tuple[Scan, Header], chunks: Iterable[bytes]) -> Prepared:
    walked, header = seen
    whole = arrival.digest.whole if arrival.digest else ""
    key = object_key(Uid.parse(arrival.sop_instance_uid), whole)
    filed = Filed(
        arrival=arrival,
        header=header,
        object_key=key,
        timezone_offset_from_utc=utc_offset(walked.text(_TIMEZONE_OFFSET)),
        position_mm=place_along_normal(
            _numbers(walked.text(_IMAGE_POSITION)), _numbers(walked.text(_IMAGE_ORIENTATION))
        ),
    )
    return Prepared(filed, chunks)


def _as_it_came(stored: Stored, arrival: Arrival, exc: PlatformError) -> Prepared:
    digest = hashlib.sha256()
    for chunk in stored.chunks():
        digest.update(chunk)
    arrival = msgspec.structs.replace(
        arrival, size_bytes=stored.size, digest=ContentDigest(dataset=digest.hexdigest())
    )
    filed = Filed(
        arrival=arrival,
        header=None,
        object_key=object_key(Uid(arrival.sop_instance_uid), digest.hexdigest()),
        reason_code=exc.code,
        reason=exc.detail,
    )
    return Prepared(filed, stored.chunks())


def _lost(arrival: Arrival, meta: bytes, detail: str) -> Prepared:
    digest = ContentDigest(dataset=hashlib.sha256(meta).hexdigest())
    filed = Filed(
        arrival=msgspec.structs.replace(arrival, digest=digest),
        header=None,
        object_key="",
        reason_code=JournalCorrupt.code,
        reason=detail,
    )
    return Prepared(filed, ())


def _numbers(text: str) -> list[float]:
    """Return the values of a DS element; none where one of them is no number (PS3.5 6.2)."""
    try:
        return [float(part) for part in text.split("\\")] if text else []
    except ValueError:
        return []
