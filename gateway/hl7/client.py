"""One message to one peer, and its answer; never waits longer than it is told to."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from gateway.hl7.characters import UnreadableCharacters, decode
from gateway.hl7.codec import MalformedMessage, parse
from gateway.hl7.mllp import FrameReader, framed
from gateway.hl7.reading import read_header
from kernel.errors import PlatformError, Unavailable

_PIECE_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Answered:
    """What a peer said."""

    code: str
    """MSA-1."""
    control_id: str
    """MSA-2."""
    message: str
    """All of it."""

    @property
    def taken(self) -> bool:
        """Whether the peer has it, and whatever follows is its own business."""
        return self.code in ("AA", "CA")

    @property
    def never(self) -> bool:
        """Whether the peer says that the message is wrong, so that sending it again is no use."""
        return self.code in ("AE", "CE")


async def exchange(
    host: str,
    port: int,
    message: bytes,
    *,
    within_s: float,
    tls: ssl.SSLContext | None = None,
) -> Answered:
    """Send *message* and return what *host* answers.

    Raises:
        Unavailable: nothing listens there (``peer-unreachable``), no answer came in *within_s*
            seconds (``no-answer``), or one that is no answer to this message (``wrong-answer``).
        BrokenFrame: the message holds bytes that none may.
    """
    frame = framed(message)
    try:
        async with asyncio.timeout(within_s):
            raw = await _conversed(host, port, frame, tls)
    except TimeoutError as exc:
        raise Unavailable(f"nothing in {within_s:g} s", code="no-answer") from exc
    except OSError as exc:
        raise Unavailable(type(exc).__name__, code="peer-unreachable") from exc
    header = read_header(message).segment
    return _answered(raw, header.text(10) if header else "")


async def _conversed(host: str, port: int, frame: bytes, tls: ssl.SSLContext | None) -> bytes:
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        writer.write(frame)
        await writer.drain()
        frames = FrameReader()
        while True:
            try:
                found = frames.next()
            except PlatformError as error:
                raise Unavailable(error.code, code="wrong-answer") from error
            if found is not None:
                return found
            piece = await reader.read(_PIECE_BYTES)
            if not piece:
                raise Unavailable("closed without an answer", code="no-answer")
            frames.feed(piece)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _answered(raw: bytes, control_id: str) -> Answered:
    try:
        decoded = decode(raw)
        message = parse(decoded.text, codec=decoded.codec)
    except (MalformedMessage, UnreadableCharacters) as error:
        raise Unavailable(error.code, code="wrong-answer") from error
    msa = message.first("MSA")
    if msa is None or msa.text(2) != control_id:
        raise Unavailable("it answers another message", code="wrong-answer")
    return Answered(msa.text(1), msa.text(2), decoded.text)
