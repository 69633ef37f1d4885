"""Frames of the Minimal Lower Layer Protocol, in and out. Pure.

A frame is ``0x0B``, a message, ``0x1C 0x0D``. Neither byte may stand in a message, so one inside
means that a message was cut or that two were run together; nothing of it is believed then.
"""

from dataclasses import dataclass, field
from typing import Final

from kernel.errors import Invalid, TooLarge

START: Final = b"\x0b"
END: Final = b"\x1c\r"
MAX_MESSAGE_BYTES: Final = 1 << 20
_JUNK_MAX_BYTES: Final = 1024
_BLANK: Final = b"\r\n \t\0"


class BrokenFrame(Invalid):
    """Bytes that are no frame; nothing of the connection can be believed any more.

    Attributes:
        head: what of a message had come, at most 1 MiB, empty where none had begun.
    """

    code = "broken-frame"

    def __init__(self, detail: str, head: bytes = b"") -> None:
        super().__init__(detail)
        self.head = head


class FrameTooLong(TooLarge):
    """A message over the limit; what was left of it is not read.

    Attributes:
        head: its beginning.
    """

    code = "frame-too-long"

    def __init__(self, detail: str, head: bytes) -> None:
        super().__init__(detail)
        self.head = head


def framed(message: bytes) -> bytes:
    """Return *message* as a frame.

    Raises:
        BrokenFrame: it holds a byte that begins or ends a frame.
    """
    if START in message or END[:1] in message:
        raise BrokenFrame("a message holds no 0x0B and no 0x1C")
    return START + message + END


@dataclass(slots=True)
class FrameReader:
    """Cuts a stream into messages; holds at most one message and one piece of the stream."""

    longest: int = MAX_MESSAGE_BYTES
    _buffer: bytearray = field(default_factory=bytearray)
    _seen: int = 0
    """How much of the buffer holds no end of a frame."""
    _junk: int = 0

    @property
    def begun(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take the next piece of the stream."""
        self._buffer += data

    def next(self) -> bytes | None:
        """Return the next whole message, None until more of the stream is there.

        Blanks and line ends between frames are passed over, and up to 1 KiB of anything else.

        Raises:
            BrokenFrame: too much that is no frame, a frame that begins inside another, or an end
                of a frame inside a message.
            FrameTooLong: a message over ``longest`` bytes.
        """
        if not self._skip_to_start():
            return None
        buffer = self._buffer
        end = buffer.find(END, max(self._seen, 1))
        if (again := buffer.find(START, 1, end if end >= 0 else len(buffer))) >= 0:
            raise BrokenFrame("a frame begins inside another", bytes(buffer[1:again]))
        if (end if end >= 0 else len(buffer)) - 1 > self.longest:
            raise FrameTooLong(f"over {self.longest} bytes", bytes(buffer[1 : self.longest + 1]))
        if end < 0:
            # The second byte of an end may be the first of the next piece.
            self._seen = len(buffer) - 1
            return None
        message = bytes(buffer[1:end])
        rest = buffer[end + len(END) :].lstrip(_BLANK)
        if END[:1] in message or (rest and not rest.startswith(START)):
            raise BrokenFrame("the end of a frame stands inside a message", message)
        self._buffer, self._seen, self._junk = rest, 0, 0
        return message

    def _skip_to_start(self) -> bool:
        buffer = self._buffer
        if buffer.startswith(START):
            return True
        start = buffer.find(START)
        skipped = bytes(buffer[:start] if start >= 0 else buffer)
        self._junk += len(skipped.strip(_BLANK))
        if self._junk > _JUNK_MAX_BYTES:
            raise BrokenFrame("no frame begins")
        del buffer[: len(skipped)]
        return start >= 0
