"""What an object in a journal is: read, walked, digested and put into JSON, before any SQL.

Everything here runs in worker threads and touches untrusted bytes; whatever is wrong with an
object ends in ``Opaque``, which is kept as well. Only faults of the house (a full disk, a journal
that cannot be read) come out as errors.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Final, NamedTuple

import msgspec
import zstandard

from imaging.archive.examined import (
    Examined,
    Read,
    SeriesExtras,
    StoredObject,
    lost,
    opaque,
)
from imaging.dicomweb.dicom_json import DatasetEncoder
from imaging.query.attributes import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID
from kernel.arrival import Arrival, ContentDigest, decode_arrival
from kernel.dicom.bounds import bounded, bounded_name
from kernel.dicom.charset import decode_as_declared
from kernel.dicom.codecs import FrameDecoder
from kernel.dicom.content import content_digest, undecoded_digest
from kernel.dicom.dataset import scan
from kernel.dicom.elements import Scan
from kernel.dicom.header import Header, person_name, read_header
from kernel.dicom.part10 import FileMeta, Source, chunks, file_meta_bytes, read_file_meta
from kernel.dicom.place import placed
from kernel.errors import Category, PlatformError
from kernel.identifiers import Uid, object_key
from kernel.journal.frames import JournalCorrupt

IN_MEMORY_BYTES: Final = 8 << 20
"""Objects up to this size are read once and kept in memory until they are filed."""

_PATIENT_NAME: Final = 0x00100010
_REQUEST_ATTRIBUTES: Final = 0x00400275
_PREAMBLE_BYTES: Final = 128
# Faults of the house, not of the object: the batch is tried again.
_OUTAGES: Final = frozenset({Category.FULL, Category.UNAVAILABLE, Category.BUSY})


class _Layout(NamedTuple):
    """How the bytes of an object lie."""

    transfer_syntax_uid: str
    size_bytes: int
    dataset_offset: int
    pixel_offset: int
    pixel_length: int

    def key(self, sop_instance_uid: str, digest: ContentDigest) -> str:
        """Return the object's key.

        The layout is part of it: of two encodings of one content that come at once, or around a
        crash, the row must never describe the one and name the file of the other.
        """
        told = " ".join((digest.whole, *map(str, self)))
        return object_key(Uid.parse(sop_instance_uid), told)


class _Seen(NamedTuple):
    """An object walked through."""

    source: Source
    meta: FileMeta
    walked: Scan
    header: Header
    hint: str
    supplied: Mapping[int, str]
    digest: ContentDigest

    def layout(self, *, moved: int) -> _Layout:
        """Return how its bytes lie once the data set begins *moved* bytes later."""
        pixel = self.walked.pixel if self.walked.source is self.source else None
        return _Layout(
            transfer_syntax_uid=self.meta.transfer_syntax_uid,
            size_bytes=self.source.size + moved,
            dataset_offset=self.meta.dataset_offset + moved,
            pixel_offset=pixel.value_offset + moved if pixel is not None else 0,
            pixel_length=_pixel_length(self.walked) if pixel is not None else 0,
        )


def has_name(source: Source, key: str, *, decoder: FrameDecoder) -> bool:
    """Return whether *source*, as it lies, is what *key* was made for.

    A key is made of the UID, the content digest and the layout of the bytes, so this needs no
    index. Where compressed frames do not decode (any more, or on this machine), their streams
    may have given the name.

    Raises:
        PlatformError: a resource of the house is short; ask again later.
    """
    try:
        meta = read_file_meta(source)
        walked = scan(
            source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
        )
        header = read_header(source, walked)
        digest = content_digest(walked, decoder=decoder)
        seen = _Seen(source, meta, walked, header, "", {}, digest)
        layout, uid = seen.layout(moved=0), header.sop_instance_uid
        if layout.key(uid, digest) == key:
            return True
        if walked.pixel is None or not walked.encapsulated:
            return False
        streams = undecoded_digest(walked, walked.pixel)
        return layout.key(uid, ContentDigest(dataset=digest.dataset, pixels=streams)) == key
    except PlatformError as exc:
        if exc.category in _OUTAGES:
            raise
        return False
    except (ValueError, ArithmeticError, LookupError, TypeError, RecursionError):
        return False


CharsetHint = Callable[[Arrival], str]
"""Gives what the text of a sender really is where it says nothing or ISO_IR 100, or nothing."""


class Examiner:
    """Reads objects; safe to be used by several threads at once."""

    def __init__(self, *, decoder: FrameDecoder, charset_hint: CharsetHint) -> None:
        self._decoder = decoder
        self._charset_hint = charset_hint
        self._own = threading.local()

    def examine(self, stored: StoredObject) -> Read:
        """Return *stored* ready to be filed, or as what nobody can read.

        Raises:
            PlatformError: the journal cannot be read, or a resource of the house is short; the
                same object may be examined again later.
        """
        arrival: Arrival | None = None
        try:
            arrival = decode_arrival(stored.meta)
            return self._examine(stored, _in_memory(stored), arrival)
        except JournalCorrupt as exc:
            return lost(stored, arrival, detail=exc.detail)
        except PlatformError as exc:
            if exc.category in _OUTAGES:
                raise
            return opaque(stored, arrival, reason=exc.code, detail=exc.detail)
        except msgspec.ValidationError as exc:
            return opaque(stored, arrival, reason="bad-arrival", detail=type(exc).__name__)
        except (ValueError, ArithmeticError, LookupError, TypeError, RecursionError) as exc:
            # A fault of ours that this object shows: it must not stop the others.
            return opaque(stored, arrival, reason="not-examined", detail=type(exc).__name__)

    def look(self, source: Source, arrival: Arrival, key: str) -> Examined | None:
        """Return an object that lies in the store under *key*, as it lies; None if unreadable.

        Args:
            source: the object.
            arrival: what is known of it.
            key: where it lies.

        Raises:
            PlatformError: it cannot be read now; it may be looked at again later.
        """
        try:
            seen = self._see(_in_memory_or_open(source), arrival)
        except PlatformError as exc:
            if exc.category in _OUTAGES:
                raise
            return None
        except (ValueError, ArithmeticError, LookupError, TypeError, RecursionError):
            return None
        return self._examined(arrival, seen, seen.layout(moved=0), key)

    def _examine(self, stored: StoredObject, source: Source, arrival: Arrival) -> Read:
        seen = self._see(source, arrival)
        head = _head(source, seen.meta, seen.header)
        layout = seen.layout(moved=0 if head is None else len(head) - seen.meta.dataset_offset)
        key = layout.key(seen.header.sop_instance_uid, seen.digest)
        examined = self._examined(arrival, seen, layout, key)
        return Read(examined, _bytes_to_keep(stored, source, seen.meta, head))

    def _see(self, source: Source, arrival: Arrival) -> _Seen:
        meta = read_file_meta(source)
        walked = scan(
            source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid
        )
        hint = self._charset_hint(arrival)
        header, supplied = _with_study(read_header(source, walked, charset_hint=hint))
        digest = arrival.digest or content_digest(walked, decoder=self._decoder)
        return _Seen(source, meta, walked, header, hint, supplied, digest)

    def _examined(self, arrival: Arrival, seen: _Seen, layout: _Layout, key: str) -> Examined:
        return Examined(
            arrival=arrival,
            header=seen.header,
            extras=_extras(seen.walked),
            declared_name=_declared_name(seen.walked, seen.header),
            digest=seen.digest,
            key=key,
            metadata_json=self._metadata(seen.walked, seen.header, seen.hint, seen.supplied),
            transfer_syntax_uid=layout.transfer_syntax_uid,
            size_bytes=layout.size_bytes,
            dataset_offset=layout.dataset_offset,
            pixel_offset=layout.pixel_offset,
            pixel_length=layout.pixel_length,
            oddities=_oddities(arrival, seen.meta, seen.header),
        )

    def _metadata(
        self, walked: Scan, header: Header, hint: str, supplied: Mapping[int, str]
    ) -> bytes:
        own = self._own
        if not hasattr(own, "encoder"):
            own.encoder = DatasetEncoder()
            own.compressor = zstandard.ZstdCompressor(level=3)
        root = instance_path(header)
        made: bytes = own.encoder.encode(
            walked,
            charsets=tuple(header.text_character_set.split("\\")),
            charset_hint=hint,
            bulk_address=lambda path: f"{root}/bulkdata/{path}",
            supplied_uids=supplied,
        )
        compressed: bytes = own.compressor.compress(made)
        return compressed


def _with_study(header: Header) -> tuple[Header, Mapping[int, str]]:
    """Return *header* in a study and a series, and the UIDs the object itself does not have.

    The object's bytes stay as they are.
    """
    own = header.study_instance_uid, header.series_instance_uid
    place = placed(header.sop_instance_uid, study=own[0], series=own[1])
    if place == own:
        return header, {}
    tags = (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)
    supplied = {tag: uid for tag, uid, its in zip(tags, place, own, strict=True) if not its}
    completed = msgspec.structs.replace(
        header,
        study_instance_uid=place.study_instance_uid,
        series_instance_uid=place.series_instance_uid,
        oddities=(*header.oddities, "no-study-uid"),
    )
    return completed, supplied


def instance_path(header: Header) -> str:
    """Return the path of the instance's DICOMweb resource on the county's HTTP door."""
    return (
        f"/dicom-web/studies/{header.study_instance_uid}/series/{header.series_instance_uid}"
        f"/instances/{header.sop_instance_uid}"
    )


class _Whole:
    """An object in memory. A slice of bytes costs a third of one of a memoryview made bytes."""

    __slots__ = ("data", "size")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, pos: int, n: int, /) -> bytes:
        """Return the bytes at [pos, pos + n)."""
        return self.data[pos : pos + n]


def _in_memory(stored: StoredObject) -> Source:
    if stored.size > IN_MEMORY_BYTES:
        return stored
    return _Whole(b"".join(stored.chunks()))


def _in_memory_or_open(source: Source) -> Source:
    return source if source.size > IN_MEMORY_BYTES else _Whole(source.read(0, source.size))


def _head(source: Source, meta: FileMeta, header: Header) -> bytes | None:
    """Return what to put before the data set instead of what is there; None to leave it."""
    if meta.has_preamble and meta.group_start >= 0:
        if not meta.executable_preamble:
            return None
        kept = source.read(_PREAMBLE_BYTES, meta.dataset_offset - _PREAMBLE_BYTES)
        return b"\0" * _PREAMBLE_BYTES + kept
    return file_meta_bytes(
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
    )


def _bytes_to_keep(
    stored: StoredObject, source: Source, meta: FileMeta, head: bytes | None
) -> Iterable[bytes | memoryview]:
    if head is not None:
        return chain([head], chunks(source, meta.dataset_offset, source.size))
    return [source.data] if isinstance(source, _Whole) else stored.chunks()


def _pixel_length(walked: Scan) -> int:
    if walked.pixel is None:
        return 0
    return -1 if walked.encapsulated else walked.pixel.length


def _oddities(arrival: Arrival, meta: FileMeta, header: Header) -> tuple[str, ...]:
    found = [*meta.oddities, *header.oddities]
    if meta.executable_preamble:
        found.append("executable-preamble")
    if arrival.note:
        found.append(arrival.note)
    return tuple(dict.fromkeys(found))


def _declared_name(walked: Scan, header: Header) -> str:
    if not header.charset_repaired:
        return ""
    raw = walked.value(_PATIENT_NAME)
    declared = header.specific_character_set.split("\\")
    name = bounded_name(person_name(decode_as_declared(raw, "PN", declared)))
    return "" if name == header.patient_name else name


def _extras(walked: Scan) -> SeriesExtras:
    scheduled = requested = ""
    requests = walked.find(_REQUEST_ATTRIBUTES)
    if requests is not None and requests.items:
        item = requests.items[0]
        for element in item.elements:
            if element.tag == 0x00400009:  # noqa: PLR2004  # Scheduled Procedure Step ID
                scheduled = _ascii(walked.raw(element))
            elif element.tag == 0x00401001:  # noqa: PLR2004  # Requested Procedure ID
                requested = _ascii(walked.raw(element))
    return SeriesExtras(
        timezone_offset_from_utc=bounded(walked.text(0x00080201)),
        laterality=bounded(walked.text(0x00200060)),
        performed_procedure_step_start_date=bounded(walked.text(0x00400244)),
        performed_procedure_step_start_time=bounded(walked.text(0x00400245)),
        scheduled_procedure_step_id=scheduled,
        requested_procedure_id=requested,
    )


def _ascii(raw: bytes) -> str:
    return bounded(raw.decode("latin-1").strip(" \0"))
