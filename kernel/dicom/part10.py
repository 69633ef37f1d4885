"""DICOM Part 10: where bytes come from, what a broken object is, and the file meta group.

Everything here reads untrusted bytes: no length is believed before it is held against the size
of the source, and nothing is allocated by a length the sender claims.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

from kernel.dicom.dictionary import public_vr
from kernel.errors import Invalid

IMPLICIT_LE: Final = "1.2.840.10008.1.2"
EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE: Final = "1.2.840.10008.1.2.2"
IMPLEMENTATION_CLASS_UID: Final = "2.25.229451780142917532870160938267341205371"
IMPLEMENTATION_VERSION_NAME: Final = "YILIAN"

PREAMBLE_LENGTH: Final = 128
META_MAX_BYTES: Final = 1 << 20
_META_WINDOW: Final = 4096
_UID_MAX: Final = 64
_HEADER: Final = 8
_TRANSFER_SYNTAX: Final = 0x0010
_GROUPS: Final = range(0x0004, 0x7FE1)
_UNDEFINED: Final = 0xFFFFFFFF

_SHORT: Final = "AEASATCSDADSDTFDFLISLOLTPNSHSLSSSTTMUIULUS"
_LONG: Final = "OBODOFOLOVOWSQSVUCUNURUTUV"
SHORT_VRS: Final = {
    _SHORT[at : at + 2].encode(): _SHORT[at : at + 2] for at in range(0, len(_SHORT), 2)
}
"""VRs with a 16-bit length (PS3.5 Table 7.1-2)."""
LONG_VRS: Final = {
    _LONG[at : at + 2].encode(): _LONG[at : at + 2] for at in range(0, len(_LONG), 2)
}
"""VRs with two reserved bytes and a 32-bit length (PS3.5 Table 7.1-1)."""

_EXECUTABLE: Final = (
    b"MZ",
    b"\x7fELF",
    b"#!",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"dex\n",
    b"PK\x03\x04",
)
_MARKUP: Final = (b"<script", b"<html", b"<!doctype", b"<?php", b"<svg")
_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class BrokenDataset(Invalid):
    """The bytes are not a DICOM object we can walk; the code says how.

    Codes: ``empty-file``, ``not-dicom``, ``truncated``, ``wrong-length``, ``too-deep``,
    ``too-many-elements``, ``too-large-header``, ``deflate-bomb``, ``deflate-broken``, ``bad-vr``,
    ``no-sop-uid``, ``bad-uid``; ``object-damaged`` of a kept one that is another size by now.
    """

    code = "broken-dataset"

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail, code=code)


class Source(Protocol):
    """Random access to the bytes of one object; an open ``Draft`` of the journal is one."""

    @property
    def size(self) -> int:
        """Number of bytes there are."""
        ...

    def read(self, pos: int, n: int, /) -> bytes:
        """Return the *n* bytes at *pos*, fewer where the source ends before."""
        ...


class BytesSource:
    """Bytes in memory."""

    __slots__ = ("_data", "size")

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data).cast("B")
        self.size = len(self._data)

    def read(self, pos: int, n: int, /) -> bytes:
        """Return a copy of the *n* bytes at *pos*."""
        return bytes(self._data[pos : pos + n])


class FileSource(AbstractContextManager["FileSource"]):
    """A file, read by position so that threads may share it. Close it, or use it in ``with``."""

    __slots__ = ("_fd", "size")

    def __init__(self, path: Path | str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._fd).st_size

    @classmethod
    def adopt(cls, fd: int) -> Self:
        """Return a source over the open descriptor *fd*, which it closes in the end."""
        source = cls.__new__(cls)
        source._fd = fd
        source.size = os.fstat(fd).st_size
        return source

    def read(self, pos: int, n: int, /) -> bytes:
        """Return the *n* bytes at *pos*."""
        return os.pread(self._fd, n, pos)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def chunks(source: Source, start: int, end: int, step: int = 1 << 20) -> Iterator[bytes]:
    """Yield the bytes of *source* from *start* to *end* in pieces of at most *step*.

    Raises:
        BrokenDataset: the source ends before *end* (``truncated``).
    """
    while start < end:
        piece = source.read(start, min(step, end - start))
        if not piece:
            raise BrokenDataset("truncated", f"the object ends at byte {start} of {end}")
        yield piece
        start += len(piece)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMeta:
    """What stands before the data set: preamble and group 0002."""

    transfer_syntax_uid: str
    """As declared, else guessed from the data set's first element."""
    media_storage_sop_class_uid: str = ""
    media_storage_sop_instance_uid: str = ""
    dataset_offset: int
    has_preamble: bool
    executable_preamble: bool = False
    """The preamble starts like a program or a script; storage must zero it."""
    tiff_preamble: bool = False
    """The preamble starts like a TIFF, which PS3.10 7.1 allows; kept only where a setting says."""
    guessed: bool = False
    """The transfer syntax was not declared."""
    group_start: int = -1
    """Where group 0002 begins; -1 where there is none."""
    oddities: tuple[str, ...] = ()


def read_file_meta(source: Source) -> FileMeta:
    """Read preamble and file meta group, putting up with what devices leave out.

    A missing preamble, a missing or wrong group length, a missing transfer syntax and a missing
    group are tolerated; the transfer syntax is then guessed from the first element.

    Raises:
        BrokenDataset: ``empty-file``, ``not-dicom``, ``truncated`` or ``wrong-length``.
    """
    if source.size == 0:
        raise BrokenDataset("empty-file", "the file has no bytes")
    head = source.read(0, _META_WINDOW)
    has_preamble = head[PREAMBLE_LENGTH : PREAMBLE_LENGTH + 4] == b"DICM"
    start = PREAMBLE_LENGTH + 4 if has_preamble else 4 if head[:4] == b"DICM" else 0
    preamble = head[:PREAMBLE_LENGTH] if has_preamble else b""
    values: dict[int, bytes] = {}
    end = start
    for element in _group_2(source, start):
        end = element.end
        if end - element.value <= _META_WINDOW:
            values[element.number] = source.read(element.value, end - element.value)
    declared = _uid_text(values.get(_TRANSFER_SYNTAX, b""))
    oddities = []
    if not has_preamble:
        oddities.append("no-preamble")
    if end == start:
        oddities.append("no-file-meta")
    elif _group_length_is_wrong(values, start, end):
        oddities.append("wrong-group-length")
    if end >= source.size and start < end:
        raise BrokenDataset("truncated", "the file ends with its meta group")
    return FileMeta(
        transfer_syntax_uid=declared or guess_transfer_syntax(source, end, lenient=end > start),
        media_storage_sop_class_uid=_uid_text(values.get(0x0002, b"")),
        media_storage_sop_instance_uid=_uid_text(values.get(0x0003, b"")),
        dataset_offset=end,
        has_preamble=has_preamble,
        executable_preamble=_is_executable(preamble),
        tiff_preamble=preamble.startswith(_TIFF),
        guessed=not declared,
        group_start=start if end > start else -1,
        oddities=tuple(oddities),
    )


def _uid_text(raw: bytes) -> str:
    return raw.rstrip(b"\0 ").lstrip(b" ").decode("latin-1")


def _is_executable(preamble: bytes) -> bool:
    text = preamble.lstrip(b"\xef\xbb\xbf \t\r\n\0").lower()
    return preamble.startswith(_EXECUTABLE) or text.startswith(_MARKUP)


def _group_length_is_wrong(values: dict[int, bytes], start: int, end: int) -> bool:
    raw = values.get(0x0000, b"")
    # Group, element, VR, length and value of the group length itself take 12 bytes.
    return len(raw) != len(b"gggg") or int.from_bytes(raw, "little") != end - start - 12


class _MetaElement(NamedTuple):
    number: int
    start: int
    value: int
    end: int


def _group_2(source: Source, start: int) -> Iterator[_MetaElement]:
    """Yield the elements of group 0002 from *start*, by their own lengths, till another group."""
    pos = start
    while True:
        head = source.read(pos, 12)
        if len(head) < _HEADER or head[:2] != b"\x02\x00":
            return
        number = head[2] | head[3] << 8
        code = head[4:6]
        if code in SHORT_VRS:
            value, length = pos + 8, head[6] | head[7] << 8
        elif code in LONG_VRS or (code.isalpha() and code.isupper()):
            value, length = pos + 12, int.from_bytes(head[8:12], "little")
        else:
            value, length = pos + 8, int.from_bytes(head[4:8], "little")
        end = value + length
        if end > source.size:
            raise BrokenDataset("truncated", f"file meta element {number:04x} ends after the file")
        if end - start > META_MAX_BYTES:
            raise BrokenDataset("wrong-length", "the file meta group is longer than 1 MiB")
        yield _MetaElement(number, pos, value, end)
        pos = end


def guess_transfer_syntax(source: Source, pos: int, *, lenient: bool = False) -> str:
    """Return which native transfer syntax the element at *pos* is written in.

    Args:
        source: the object.
        pos: where its data set begins.
        lenient: True where a file meta group has already shown that this is DICOM.

    Raises:
        BrokenDataset: it looks like none of them (``not-dicom``).
    """
    head = source.read(pos, 12)
    if len(head) >= _HEADER:
        explicit = head[4:6] in SHORT_VRS or head[4:6] in LONG_VRS
        little = head[0] | head[1] << 8
        big = head[0] << 8 | head[1]
        if explicit:
            return EXPLICIT_BE if big < little else EXPLICIT_LE
        tag = little << 16 | head[2] | head[3] << 8
        known = little in _GROUPS and (public_vr(tag) is not None or tag & 0xFFFF == 0)
        length = int.from_bytes(head[4:8], "little")
        if lenient or (known and (length == _UNDEFINED or length <= source.size - pos - 8)):
            return IMPLICIT_LE
    raise BrokenDataset("not-dicom", "no DICOM prefix, and no data element where one must be")


def _meta_element(number: int, vr: bytes, value: bytes) -> bytes:
    if vr in LONG_VRS:
        return struct.pack("<HH2sHI", 2, number, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def _padded_uid(uid: str) -> bytes:
    if not 0 < len(uid) <= _UID_MAX or not uid.isascii():
        raise BrokenDataset("bad-uid", f"a UID of {len(uid)} characters cannot stand in a file")
    raw = uid.encode("ascii")
    return raw + b"\0" * (len(raw) & 1)


def file_meta_bytes(
    *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae: str = ""
) -> bytes:
    """Return preamble, prefix and group 0002 for a data set that came without (PS3.10 7.1).

    Raises:
        BrokenDataset: a UID is empty, not ASCII or longer than 64 (``bad-uid``).
    """
    version = IMPLEMENTATION_VERSION_NAME.encode()
    body = [
        _meta_element(0x0001, b"OB", b"\0\1"),
        _meta_element(0x0002, b"UI", _padded_uid(sop_class_uid)),
        _meta_element(0x0003, b"UI", _padded_uid(sop_instance_uid)),
        _meta_element(_TRANSFER_SYNTAX, b"UI", _padded_uid(transfer_syntax_uid)),
        _meta_element(0x0012, b"UI", _padded_uid(IMPLEMENTATION_CLASS_UID)),
        _meta_element(0x0013, b"SH", version + b" " * (len(version) & 1)),
    ]
    if source_ae:
        title = source_ae.encode("ascii", "replace")[:16]
        body.append(_meta_element(0x0016, b"AE", title + b" " * (len(title) & 1)))
    return _with_group_length(b"".join(body))


def _with_group_length(body: bytes) -> bytes:
    length = _meta_element(0x0000, b"UL", struct.pack("<I", len(body)))
    return b"\0" * PREAMBLE_LENGTH + b"DICM" + length + body


def file_meta_with(source: Source, meta: FileMeta, *, transfer_syntax_uid: str) -> bytes:
    """Return the file head of *source* as it stands, but for another transfer syntax.

    The preamble stays unless it is executable; every element of group 0002 stays in order; the
    group length is put right.

    Raises:
        BrokenDataset: the object has no file meta group and its UIDs are not in *meta*
            (``bad-uid``).
    """
    if meta.group_start < 0:
        return file_meta_bytes(
            sop_class_uid=meta.media_storage_sop_class_uid,
            sop_instance_uid=meta.media_storage_sop_instance_uid,
            transfer_syntax_uid=transfer_syntax_uid,
        )
    wanted = _meta_element(_TRANSFER_SYNTAX, b"UI", _padded_uid(transfer_syntax_uid))
    before, after = [], []
    for element in _group_2(source, meta.group_start):
        raw = source.read(element.start, element.end - element.start)
        if element.number > _TRANSFER_SYNTAX:
            after.append(raw)
        elif element.number not in {0x0000, _TRANSFER_SYNTAX}:
            before.append(raw)
    head = _with_group_length(b"".join([*before, wanted, *after]))
    if meta.has_preamble and not meta.executable_preamble:
        head = source.read(0, PREAMBLE_LENGTH) + head[PREAMBLE_LENGTH:]
    return head
