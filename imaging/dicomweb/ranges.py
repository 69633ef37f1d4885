"""Parts of a representation by their bytes (RFC 9110 14), so that a client goes on where it was."""

import re
from typing import Final

from aiohttp import web

_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


def asked_range(request: web.Request, etag: str, size: int) -> tuple[int, int] | None:
    """Return which bytes of *size* are asked for, as ``parse_range``; None for the whole.

    Another representation than the one the client has a part of comes whole (RFC 9110 13.1.5).
    """
    if request.headers.get("If-Range", f'"{etag}"') != f'"{etag}"':
        return None
    return parse_range(request.headers.get("Range", ""), size)


def outside(size: int) -> web.Response:
    """Answer 416: nothing of *size* bytes is in the range."""
    return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})


def part_of(asked: tuple[int, int], size: int) -> dict[str, str]:
    """Return the headers of the bytes *asked* of *size*."""
    return {"Content-Range": f"bytes {asked[0]}-{asked[1] - 1}/{size}"}


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return start and end (not included) of one byte range; None where the whole is to be sent.

    An empty range says that nothing of *size* bytes is in it. Several ranges are not made: the
    whole is an allowed answer to them (RFC 9110 14.2).
    """
    found = _RANGE.fullmatch(header.replace(" ", ""))
    if not found or found[1] == found[2] == "":
        return None
    if not found[1]:
        return max(0, size - int(found[2])), size
    start = int(found[1])
    stop = min(size, int(found[2]) + 1) if found[2] else size
    if found[2] and int(found[2]) < start:
        return None
    return (start, stop) if start < size else (size, size)
