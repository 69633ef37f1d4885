"""What the door says when no handler did: to what is no HTTP, and to who is no longer there.

The library's own words would name it and its versions, and repeat what was sent.
"""

import logging
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from kernel.errors import Invalid, PlatformError
from kernel.web import problem

_log = logging.getLogger("yilian.http")
_FIRST_FAULT: Final = 500


class LastWord(web.RequestHandler):
    """The library's protocol, quiet where a peer is at fault and silent about what it is."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # it quotes what was sent
    ) -> web.StreamResponse:
        """Write the answer and end the connection.

        Raises:
            ConnectionResetError: always; the library then closes without a word.
        """
        if isinstance(exc, ConnectionError):
            raise ConnectionResetError from exc
        error: PlatformError
        if status < _FIRST_FAULT or isinstance(exc, HttpProcessingError):
            _log.info("http.bad-request", extra={"kind": type(exc).__name__})
            error = Invalid("this is no HTTP request this door reads", code="bad-request")
        else:
            _log.error("http.fault", extra={"kind": type(exc).__name__})
            error = PlatformError("", code="internal-error")
        if self.transport is not None and request.writer.output_size == 0:
            self.transport.write(_bytes(problem(error)))
        raise ConnectionResetError


def _bytes(answer: web.Response) -> bytes:
    body = answer.body if isinstance(answer.body, bytes) else b""
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'; sandbox",
        "Connection: close",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body
