"""Messages as bytes: JSON in Zstandard, never larger unpacked than was agreed. Pure."""

from typing import Any, Final, TypeVar

import msgspec
import zstandard

from gateway.exchange.model import LETTER_MAX_BYTES, POST_MAX_BYTES
from kernel.errors import Invalid, TooLarge

T = TypeVar("T")

MESSAGE_MAX_BYTES: Final = 2 * POST_MAX_BYTES
"""Most that is unpacked: one full post, with room for its heartbeat."""
_LEVEL: Final = 6
_WINDOW_MAX_BYTES: Final = 8 << 20


class BrokenMessage(Invalid):
    """Not a message of the exchange."""

    code = "letters-broken"


def pack(message: object) -> bytes:
    """Return *message* for the line."""
    return zstandard.compress(msgspec.json.encode(message), _LEVEL)


def unpack(raw: bytes, kind: type[T]) -> T:
    """Return the *kind* in *raw*.

    Raises:
        BrokenMessage: it is none.
        TooLarge: it would be more than ``MESSAGE_MAX_BYTES``.
    """
    engine = zstandard.ZstdDecompressor(max_window_size=_WINDOW_MAX_BYTES)
    plain = bytearray()
    try:
        with engine.stream_reader(raw) as reader:
            while len(plain) <= MESSAGE_MAX_BYTES and (piece := reader.read(64 * 1024)):
                plain += piece
    except zstandard.ZstdError as exc:
        raise BrokenMessage("not Zstandard") from exc
    if len(plain) > MESSAGE_MAX_BYTES:
        raise TooLarge(f"unpacks to more than {MESSAGE_MAX_BYTES} bytes", code="letters-too-large")
    try:
        return msgspec.json.decode(bytes(plain), type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise BrokenMessage("not a message of the exchange") from exc


def body_size(body: Any) -> int:
    """Return how many bytes *body* has as JSON.

    Raises:
        TooLarge: more than one letter may have (``letter-too-large``).
    """
    size = len(msgspec.json.encode(body))
    if size > LETTER_MAX_BYTES:
        raise TooLarge(f"a letter has at most {LETTER_MAX_BYTES} bytes", code="letter-too-large")
    return size
