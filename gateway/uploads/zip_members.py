"""What a zip holds, read within bounds: no member is ever written by the name it gives itself.

A zip states its own sizes and can lie about every one of them. What counts here is the bytes that
really come out, held against the bytes that really are in the file.
"""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from kernel.errors import Invalid, TooLarge

_END: Final = b"PK\x05\x06"
_END_STRUCT: Final = struct.Struct("<4s4H2LH")
_END64_LOCATOR: Final = struct.Struct("<4sLQL")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_COMMENT_MAX: Final = 65_535
_ARCHIVES: Final = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
)
_UTF8_NAME: Final = 0x800
_ENCRYPTED: Final = 0x1
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class ZipLimits:
    """How much a zip may hold."""

    files: int = 50_000
    directory_bytes: int = 8 * 1024 * 1024
    """Length of its table of contents."""
    inflated_bytes: int = 64 * 1024 * 1024 * 1024
    ratio: int = 100
    """Bytes out for each byte in, of one member and of the whole."""
    slack_bytes: int = 16 * 1024 * 1024
    """What may always come out, however small the member."""


class BrokenZip(Invalid):
    """The file is no zip, or a damaged or hostile one; the code says how."""

    code = "zip-broken"


class ZipTooLarge(TooLarge):
    """The zip holds more than its limits; what was taken before stays taken."""

    code = "zip-bomb"


class MemberRefused(Invalid):
    """One member cannot be taken; the others can."""

    code = "zip-member"


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside a zip."""

    name: str
    """For people only; never a path."""
    info: zipfile.ZipInfo


class ZipFolder:
    """The members of one zip file. Blocking; for one thread at a time."""

    def __init__(self, source: BinaryIO, limits: ZipLimits) -> None:
        """Read the table of contents of *source*.

        Raises:
            BrokenZip: it is no zip, or a damaged one.
            ZipTooLarge: it lists too many files (``zip-too-many-files``).
        """
        self._limits = limits
        self._size = source.seek(0, os.SEEK_END)
        _check_directory(source, self._size, limits)
        try:
            self._zip = zipfile.ZipFile(source)
        except (zipfile.BadZipFile, struct.error, ValueError, OSError, EOFError) as exc:
            raise BrokenZip("not a zip, or a damaged one") from exc
        if len(self._zip.infolist()) > limits.files:
            raise ZipTooLarge(f"more than {limits.files} files", code="zip-too-many-files")
        self._inflated = 0

    def members(self) -> Iterator[Member]:
        """Yield every file, folders left out."""
        for info in self._zip.infolist():
            if not info.is_dir():
                yield Member(_readable(info), info)

    def chunks(self, member: Member) -> Iterator[bytes]:
        """Yield the bytes of a member as they really come out, never gathered.

        Raises:
            MemberRefused: its name leaves the zip (``zip-traversal``), it is a link
                (``zip-link``), encrypted (``zip-encrypted``), packed in a way not known
                (``zip-method``), an archive itself (``zip-nested``), or damaged (``zip-damaged``).
            ZipTooLarge: it, or the whole, inflates too far.
        """
        _check_member(member)
        room = max(self._limits.slack_bytes, self._limits.ratio * member.info.compress_size)
        whole = min(
            self._limits.inflated_bytes,
            max(self._limits.slack_bytes, self._limits.ratio * self._size),
        )
        out = 0
        try:
            with self._zip.open(member.info) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    if out == 0 and chunk.startswith(_ARCHIVES):
                        raise MemberRefused("an archive in an archive", code="zip-nested")
                    out += len(chunk)
                    self._inflated += len(chunk)
                    if out > room or self._inflated > whole:
                        raise ZipTooLarge("it inflates out of all proportion")
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError) as exc:
            raise MemberRefused("the member is damaged", code="zip-damaged") from exc


def _check_member(member: Member) -> None:
    info = member.info
    parts = info.filename.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or ":" in parts[0] or "\0" in info.filename:
        raise MemberRefused("its name leaves the folder", code="zip-traversal")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise MemberRefused("a link", code="zip-link")
    if info.flag_bits & _ENCRYPTED:
        raise MemberRefused("encrypted", code="zip-encrypted")
    if info.compress_type not in _METHODS:
        raise MemberRefused("packed in a way not known here", code="zip-method")


def _readable(info: zipfile.ZipInfo) -> str:
    """Return the name as the one who packed it meant it: UTF-8, else most likely GBK."""
    if info.flag_bits & _UTF8_NAME:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return info.filename


def _check_directory(source: BinaryIO, size: int, limits: ZipLimits) -> None:
    """Refuse a table of contents that is too long before anything reads it into memory."""
    span = min(size, _COMMENT_MAX + _END_STRUCT.size)
    source.seek(size - span)
    tail = source.read(span)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_STRUCT.size:
        raise BrokenZip("no table of contents")
    _, _, _, _, files, length, _, _ = _END_STRUCT.unpack_from(tail, at)
    locator_at = size - span + at - _END64_LOCATOR.size
    if locator_at >= 0:
        source.seek(locator_at)
        signature, _, end64_at, _ = _END64_LOCATOR.unpack(source.read(_END64_LOCATOR.size))
        if signature == b"PK\x06\x07":
            source.seek(min(end64_at, size))
            raw = source.read(_END64.size)
            if len(raw) == _END64.size:
                _, _, _, _, _, _, _, files, length, _ = _END64.unpack(raw)
    if files > limits.files or length > limits.directory_bytes:
        raise ZipTooLarge(f"more than {limits.files} files", code="zip-too-many-files")
