"""Answers that viewers and archives can parse: multipart framing, streams, caching, refusals."""

import asyncio
import contextlib
import functools
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeAlias, TypeVar

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from imaging.dicomweb.multipart import closing, part_head
from imaging.dicomweb.negotiate import JSON, XML, MediaRange, NotAcceptable, accepted, choose
from kernel.dicom.codecs import DecodeFailed
from kernel.dicom.part10 import BrokenDataset
from kernel.errors import Category, PlatformError
from kernel.web import json_response

S = TypeVar("S")
_JSON_OFFERS: Final = (JSON, "application/json")
Handler: TypeAlias = Callable[[S, web.Request], Coroutine[Any, Any, web.StreamResponse]]

_INNER_SPACE: Final = re.compile(r"(?<=[a-z0-9]) (?=[a-z])")
WRITE_WITHIN_S: Final = 60.0
"""A client that takes nothing for this long has gone."""

_LARGE_BYTES: Final = 64 << 10
_AT_ONCE_BYTES: Final = 1 << 20

FRESH: Final = "private, no-cache"
"""Kept by the browser, asked about each time: who may see it may have changed."""
SETTLED: Final = "private, max-age=3600, immutable"
"""The bytes behind such an address change only where a person decides between two contents."""


def answered(handler: Handler[S]) -> Handler[S]:
    """Give what only this door knows its status: 406 for the form, 422 for the pixels."""

    @functools.wraps(handler)
    async def wrapped(door: S, request: web.Request) -> web.StreamResponse:
        try:
            return await handler(door, request)
        except PlatformError as exc:
            status = _status(exc)
            if status is None:
                raise
            return refusal(exc, status)

    return wrapped


def _status(error: PlatformError) -> int | None:
    """Return the status that only this door gives *error*, None for everybody's."""
    if isinstance(error, DecodeFailed | BrokenDataset):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    # What is asked for is there, but not in that form.
    return HTTPStatus.NOT_ACCEPTABLE if error.category is Category.UNSUPPORTED else None


def refusal(error: PlatformError, status: int) -> web.Response:
    """Answer *error* as problem details with a status of its own."""
    body: dict[str, Any] = {
        "type": f"urn:yilian:problem:{error.code}",
        "title": error.category.value,
        "status": status,
        "code": error.code,
        "detail": error.detail,
    }
    return json_response(body, status=status, content_type="application/problem+json")


def accepts(request: web.Request) -> Sequence[MediaRange]:
    """Return what the client accepts, best first; the ``accept`` parameter wins."""
    # A plus sign that nobody encoded reads as a space; no media type has one inside.
    query = _INNER_SPACE.sub("+", request.query.get("accept", ""))
    return accepted(",".join(request.headers.getall("Accept", [])), query)


def json_form(request: web.Request) -> str:
    """Return which of the names of DICOM JSON (PS3.18 F) to answer with.

    Raises:
        NotAcceptable: the client accepts neither.
    """
    ranges = [each for each in accepts(request) if not each.multipart or "*" in each.essence]
    return choose(ranges, _JSON_OFFERS)[0]


def dataset_form(request: web.Request) -> str:
    """Return how to answer data sets: a name of DICOM JSON, or ``XML`` as multipart/related.

    Raises:
        NotAcceptable: the client accepts none of them.
    """
    for wanted in accepts(request):
        if wanted.multipart and wanted.essence == XML:
            return XML
        if not wanted.multipart or "*" in wanted.essence:
            for offer in _JSON_OFFERS:
                if wanted.covers(offer):
                    return offer
    raise NotAcceptable(
        f'data sets come as {", ".join(_JSON_OFFERS)}, multipart/related; type="{XML}"'
    )


def new_boundary() -> str:
    """Return a boundary no content can guess."""
    return f"yilian-{secrets.token_hex(16)}"


def multipart_type(content_type: str, boundary: str) -> str:
    """Return the Content-Type of a multipart answer whose parts are *content_type*."""
    essence = content_type.partition(";")[0]
    return f'multipart/related; type="{essence}"; boundary={boundary}'


def caching(etag: str, policy: str) -> dict[str, str]:
    """Return the headers of an answer that may be kept; *etag* without quotes."""
    return {"ETag": f'"{etag}"', "Cache-Control": policy, "Vary": "Accept, Accept-Encoding"}


def unchanged(request: web.Request, etag: str) -> bool:
    """Return whether the client says that it has *etag* (RFC 9110 13.1.2)."""
    given = request.headers.get("If-None-Match", "")
    if not given:
        return False
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in given.split(","))
    return any(tag in ("*", etag) for tag in tags)


def not_modified(headers: Mapping[str, str]) -> web.Response:
    """Answer 304 with the headers the whole answer would have."""
    return web.Response(status=304, headers=headers)


def whole(body: bytes, content_type: str, headers: Mapping[str, str]) -> web.Response:
    """Answer *body* by itself."""
    if len(body) < _LARGE_BYTES:
        return web.Response(body=body, headers={**headers, "Content-Type": content_type})
    return _pieces((body,), content_type, headers)


def one_part(body: bytes, content_type: str, headers: Mapping[str, str]) -> web.Response:
    """Answer *body* as the only part of a multipart."""
    boundary = new_boundary()
    pieces = (part_head(boundary, content_type, first=True), body, closing(boundary))
    return _pieces(pieces, multipart_type(content_type, boundary), headers)


def _pieces(
    pieces: tuple[bytes, ...], content_type: str, headers: Mapping[str, str]
) -> web.Response:
    return web.Response(body=Pieces(pieces), headers={**headers, "Content-Type": content_type})


class Pieces(Payload):
    """A body in memory that leaves piece by piece, without a joined copy of it."""

    _autoclose = True

    def __init__(self, pieces: tuple[bytes, ...]) -> None:
        """Answer *pieces* in their order."""
        super().__init__(pieces)
        self._pieces = pieces
        self._size = sum(map(len, pieces))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        return b"".join(self._pieces).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write every piece; raises ``TimeoutError`` when the client takes none of it for long."""
        for piece in self._pieces:
            if len(piece) <= _AT_ONCE_BYTES:
                # Not waited for: the pieces of a usual frame leave in one system call.
                await writer.write(piece, drain=False)  # type: ignore[call-arg]
                continue
            view = memoryview(piece)
            for at in range(0, len(view), _AT_ONCE_BYTES):
                async with asyncio.timeout(WRITE_WITHIN_S):
                    await writer.write(view[at : at + _AT_ONCE_BYTES])
        async with asyncio.timeout(WRITE_WITHIN_S):
            await writer.drain()


async def stream(
    request: web.Request,
    pieces: AsyncGenerator[bytes, None],
    content_type: str,
    headers: Mapping[str, str],
    *,
    length: int | None = None,
    status: int = 200,
) -> web.StreamResponse:
    """Answer *pieces* as they come; *length* where it is known before.

    The first of them is at hand before the headers leave: what cannot be read is answered as that.

    Raises:
        PlatformError: the first piece cannot be had; nothing has left.
        TimeoutError: the client took nothing for ``WRITE_WITHIN_S``.
    """
    answer = web.StreamResponse(status=status, headers={**headers, "Content-Type": content_type})
    if length is not None:
        answer.content_length = length
    async with contextlib.aclosing(pieces):
        piece = await anext(pieces, b"")
        await answer.prepare(request)
        while piece:
            async with asyncio.timeout(WRITE_WITHIN_S):
                await answer.write(piece)
            piece = await anext(pieces, b"")
    await answer.write_eof()
    return answer


def framed_length(boundary: str, parts: Sequence[tuple[str, str, int]]) -> int:
    """Return how long a multipart body is, of parts of (content type, location, length)."""
    heads = sum(
        len(part_head(boundary, content_type, location, first=index == 0)) + length
        for index, (content_type, location, length) in enumerate(parts)
    )
    return heads + len(closing(boundary))
