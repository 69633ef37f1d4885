"""Reads along what a node sends up, and counts the bytes of an upload that crossed the line twice.

Sees only what any wire sees: HTTP/1.1 requests with Content-Length, one after the other on each
connection. An upload that goes on at an offset below the furthest byte that was put on the line
has the difference re-sent.
"""

from dataclasses import dataclass, field
from typing import Final

_HEAD_MAX: Final = 64 * 1024
_END: Final = b"\r\n\r\n"


@dataclass(slots=True)
class _Stream:
    """One connection's requests, as far as they came."""

    head: bytearray = field(default_factory=bytearray)
    left: int = 0
    upload: bytes = b""
    at: int = 0
    lost: bool = False
    """What comes cannot be read as requests; it is counted, but not as uploads."""


@dataclass
class TusWatch:
    """What crossed the line, by upload."""

    furthest: dict[bytes, int] = field(default_factory=dict)
    """By the upload's path: the furthest offset that was put on the line."""
    resent: list[int] = field(default_factory=list)
    """Of each resumption, the bytes that had been on the line before."""
    resumed: int = 0
    first_bytes: list[bytes] = field(default_factory=list)
    """Paths of uploads in the order of their first byte."""
    body_bytes: int = 0
    """All upload bytes, re-sent ones too."""
    _streams: dict[int, _Stream] = field(default_factory=dict)

    @property
    def resent_bytes(self) -> int:
        """Upload bytes that crossed the line more than once."""
        return sum(self.resent)

    @property
    def worst_bytes(self) -> int:
        """The most that one resumption re-sent."""
        return max(self.resent, default=0)

    def opened(self, connection: int) -> None:
        """Begin to read a connection."""
        self._streams[connection] = _Stream()

    def up(self, connection: int, data: bytes) -> None:
        """Read on."""
        stream = self._streams[connection]
        while data and not stream.lost:
            data = self._body(stream, data) if stream.left else self._head(stream, data)

    def _body(self, stream: _Stream, data: bytes) -> bytes:
        taken = min(stream.left, len(data))
        stream.left -= taken
        if stream.upload:
            if stream.upload not in self.furthest:
                self.first_bytes.append(stream.upload)
            stream.at += taken
            self.body_bytes += taken
            self.furthest[stream.upload] = max(self.furthest.get(stream.upload, 0), stream.at)
        return data[taken:]

    def _head(self, stream: _Stream, data: bytes) -> bytes:
        before = len(stream.head)
        stream.head += data
        end = stream.head.find(_END, max(0, before - len(_END)))
        if end < 0:
            stream.lost = len(stream.head) > _HEAD_MAX
            return b""
        head, rest = bytes(stream.head[:end]), bytes(stream.head[end + len(_END) :])
        stream.head.clear()
        self._request(stream, head)
        return rest

    def _request(self, stream: _Stream, head: bytes) -> None:
        line, *lines = head.split(b"\r\n")
        method, _, rest = line.partition(b" ")
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (each.partition(b":") for each in lines)
        }
        length = fields.get(b"content-length", b"0")
        offset = fields.get(b"upload-offset", b"")
        if not length.isdigit() or b"transfer-encoding" in fields:
            stream.lost = True
            return
        stream.left = int(length)
        stream.upload = b""
        if method == b"PATCH" and offset.isdigit():
            stream.upload = rest.partition(b" ")[0]
            stream.at = int(offset)
            known = self.furthest.get(stream.upload)
            if known is not None:
                self.resumed += 1
                self.resent.append(max(0, known - stream.at))
