"""multipart/related as DICOMweb uses it (RFC 2046 5.1, RFC 2387, PS3.18 8.6.1.2).

The reader is bytes in, events out; it copies nothing of a part but where a boundary may begin at
the end of a piece, and holds no more than one header block or one boundary's length back. The
writer gives the framing that viewers parse: CRLF lines and ``Content-Type`` in exactly that case.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from kernel.errors import Category, PlatformError

MAX_HEADER_BYTES: Final = 8192
MAX_PARTS: Final = 10_000
MAX_BOUNDARY: Final = 70
_MAX_LINE: Final = 256
_CRLF: Final = b"\r\n"
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]", re.ASCII)
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)


class BrokenMultipart(PlatformError):
    """The body is not the multipart it says it is; the code says how."""

    code = "broken-multipart"
    category = Category.INVALID


@dataclass(frozen=True, slots=True)
class PartBegins:
    """A part's header block is complete; names are in lower case."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    """The next bytes of the part; a view of what was fed."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class PartEnds:
    """The part is whole."""


@dataclass(frozen=True, slots=True)
class BodyEnds:
    """The closing boundary was seen; what follows it is ignored."""


Event: TypeAlias = PartBegins | PartData | PartEnds | BodyEnds


class _Where(Enum):
    PREAMBLE = "preamble"
    HEADERS = "headers"
    DATA = "data"
    DONE = "done"


class MultipartReader:
    """Takes a body in pieces of any size and tells its parts.

    Args:
        boundary: the ``boundary`` parameter of the Content-Type.

    Raises:
        BrokenMultipart: ``bad-boundary`` for a boundary RFC 2046 does not allow.
    """

    def __init__(self, boundary: str) -> None:
        if len(boundary) > MAX_BOUNDARY or not _BOUNDARY.fullmatch(boundary):
            raise BrokenMultipart("not a boundary of RFC 2046", code="bad-boundary")
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        # The first boundary may stand at the very start of the body, without the line end before.
        self._held = _CRLF
        self._where = _Where.PREAMBLE
        self._parts = 0

    @property
    def complete(self) -> bool:
        """Whether the closing boundary has been seen."""
        return self._where is _Where.DONE

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Event]:
        """Yield what *data* completes; consume it before the next call.

        Raises:
            BrokenMultipart: a malformed boundary line, header block or too many parts.
        """
        self._held = self._held + data if self._held else bytes(data)
        position = 0
        try:
            while True:
                before = position
                events, position = self._step(position)
                yield from events
                if position == before and not events:
                    return
        finally:
            self._held = self._held[position:]

    def finish(self) -> None:
        """Say that the body has ended.

        Raises:
            BrokenMultipart: ``truncated-multipart`` when the closing boundary did not come.
        """
        if not self.complete:
            raise BrokenMultipart("the closing boundary is missing", code="truncated-multipart")

    def _step(self, position: int) -> tuple[list[Event], int]:
        match self._where:
            case _Where.PREAMBLE | _Where.DATA:
                return self._to_boundary(position)
            case _Where.HEADERS:
                return self._headers(position)
            case _Where.DONE:
                return [], len(self._held)

    def _to_boundary(self, position: int) -> tuple[list[Event], int]:
        in_part = self._where is _Where.DATA
        found = self._held.find(self._delimiter, position)
        if found < 0:
            safe = max(position, len(self._held) - self._begun())
            return self._data(position, safe) if in_part else [], safe
        line = self._boundary_line(found + len(self._delimiter))
        if line is None:
            return self._data(position, found) if in_part else [], found
        end, closing = line
        events = self._data(position, found) if in_part else []
        if in_part:
            events.append(PartEnds())
        if closing:
            self._where = _Where.DONE
            return [*events, BodyEnds()], end
        self._where = _Where.HEADERS
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise BrokenMultipart(f"more than {MAX_PARTS} parts", code="too-many-parts")
        return events, end

    def _begun(self) -> int:
        """Return how many of the last bytes may be the beginning of a delimiter."""
        tail = self._held[1 - len(self._delimiter) :]
        at = tail.find(b"\r")
        while at >= 0:
            if self._delimiter.startswith(tail[at:]):
                return len(tail) - at
            at = tail.find(b"\r", at + 1)
        return 0

    def _boundary_line(self, start: int) -> tuple[int, bool] | None:
        """Return where the line behind a delimiter ends and whether it closes; None: not yet."""
        tail = self._held[start : start + 2]
        if tail == b"--":
            return start + 2, True
        end = self._held.find(_CRLF, start, start + _MAX_LINE)
        if end < 0:
            if len(self._held) - start > _MAX_LINE:
                raise BrokenMultipart("a boundary line without end")
            return None
        if self._held[start:end].strip(b" \t"):
            raise BrokenMultipart("text behind a boundary")
        # The line end stays: an empty header block is told by a second one.
        return end, False

    def _headers(self, position: int) -> tuple[list[Event], int]:
        end = self._held.find(b"\r\n\r\n", position)
        if end < 0 or end - position > MAX_HEADER_BYTES:
            if len(self._held) - position > MAX_HEADER_BYTES + 4:
                raise BrokenMultipart("a part's header is too long", code="part-header-too-long")
            return [], position
        self._where = _Where.DATA
        return [PartBegins(_fields(self._held[position:end]))], end + 4

    def _data(self, start: int, end: int) -> list[Event]:
        if end <= start:
            return []
        return [PartData(memoryview(self._held)[start:end])]


def _fields(block: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in block.split(_CRLF):
        if not line:
            continue
        found = _FIELD.fullmatch(line)
        if not found:
            raise BrokenMultipart("a part's header line is malformed")
        name = found[1].decode("ascii").lower()
        if name in fields:
            raise BrokenMultipart(f"a part names {name} twice")
        fields[name] = found[2].decode("latin-1")
    return fields


def part_head(boundary: str, content_type: str, location: str = "", *, first: bool) -> bytes:
    """Return the bytes before a part's body.

    Args:
        boundary: of the whole answer.
        content_type: with its parameters, e.g. ``application/octet-stream; transfer-syntax=1.2``.
        location: value of Content-Location, or empty.
        first: whether no part came before; later ones begin with a line end.
    """
    lines = [f"--{boundary}", f"Content-Type: {content_type}"]
    if location:
        lines.append(f"Content-Location: {location}")
    return ("" if first else "\r\n").encode() + "\r\n".join(lines).encode("ascii") + b"\r\n\r\n"


def closing(boundary: str) -> bytes:
    """Return the bytes behind the last part."""
    return f"\r\n--{boundary}--\r\n".encode("ascii")
