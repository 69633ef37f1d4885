"""Content-Encoding of JSON and XML: Brotli or gzip, as the client prefers (RFC 9110 12.5.3)."""

import asyncio
import gzip
import zlib
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

import brotli  # type: ignore[import-untyped]
from aiohttp import web

_SMALLEST_BYTES: Final = 1024
"""Less is not worth the work."""
_ON_THE_LOOP_BYTES: Final = 32 << 10
_GZIP_LEVEL: Final = 4
_BROTLI_QUALITY: Final = 4


class Encoding(StrEnum):
    """A Content-Encoding that is made here."""

    BROTLI = "br"
    GZIP = "gzip"
    PLAIN = "identity"


ALL: Final = (Encoding.BROTLI, Encoding.GZIP)


def encoding_for(accept_encoding: str, offers: Sequence[Encoding] = ALL) -> Encoding:
    """Return what of *offers*, best first, the client likes best; plain where it names none.

    Args:
        accept_encoding: the Accept-Encoding header; without one nothing is compressed.
        offers: what there is besides plain; the first of equals is taken.
    """
    wanted = _qualities(accept_encoding)
    rest = wanted.get("*", 0.0)
    best, most = Encoding.PLAIN, 0.0
    for offer in offers:
        quality = wanted.get(offer.value, rest)
        if quality > most:
            best, most = offer, quality
    return best


def _qualities(header: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in header.lower().split(","):
        name, _, parameter = each.replace(" ", "").partition(";")
        if not name:
            continue
        try:
            quality = float(parameter.removeprefix("q=")) if parameter else 1.0
        except ValueError:
            quality = 1.0
        found[name.replace("x-gzip", "gzip")] = quality
    return found


def compressed(body: bytes, encoding: Encoding) -> bytes:
    """Return *body* in *encoding*; the same body gives the same bytes."""
    match encoding:
        case Encoding.BROTLI:
            packed: bytes = brotli.compress(body, quality=_BROTLI_QUALITY)
            return packed
        case Encoding.GZIP:
            return gzip.compress(body, _GZIP_LEVEL, mtime=0)
        case Encoding.PLAIN:
            return body


class Compressor:
    """Compresses a body piece by piece."""

    def __init__(self, encoding: Encoding) -> None:
        self._take: Callable[[bytes], bytes] = bytes
        self._end: Callable[[], bytes] = bytes
        match encoding:
            case Encoding.BROTLI:
                packer = brotli.Compressor(quality=_BROTLI_QUALITY)
                self._take, self._end = packer.process, packer.finish
            case Encoding.GZIP:
                machine = zlib.compressobj(_GZIP_LEVEL, wbits=zlib.MAX_WBITS | 16)
                self._take, self._end = machine.compress, machine.flush
            case Encoding.PLAIN:
                pass

    def compress(self, piece: bytes) -> bytes:
        """Return what of the body is ready once *piece* has come; perhaps nothing."""
        return self._take(piece)

    def finish(self) -> bytes:
        """Return the rest."""
        return self._end()


async def encoded_response(
    request: web.Request, body: bytes, headers: dict[str, str]
) -> web.Response:
    """Answer *body* in the encoding the client likes best; a large one is packed in a thread."""
    headers = {**headers, "Vary": "Accept, Accept-Encoding"}
    encoding = encoding_for(request.headers.get("Accept-Encoding", ""))
    if encoding is Encoding.PLAIN or len(body) < _SMALLEST_BYTES:
        return web.Response(body=body, headers=headers)
    if len(body) <= _ON_THE_LOOP_BYTES:
        body = compressed(body, encoding)
    else:
        body = await asyncio.to_thread(compressed, body, encoding)
    return web.Response(body=body, headers={**headers, "Content-Encoding": encoding.value})
