"""What no request may do, whichever route it asks for, and the headers every answer carries."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from gateway.http.errors import STARTED
from kernel.errors import Invalid, TooLarge, Unsupported
from kernel.web import JSON_LIMIT_BYTES, declaration

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SECRET_PARAMETERS: Final = frozenset(
    {
        "token",
        "access_token",
        "id_token",
        "refresh_token",
        "bearer",
        "authorization",
        "api_key",
        "apikey",
        "jwt",
        "password",
        "passwd",
        "secret",
        "session",
        "sid",
        "csrf",
    }
)

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    # What is no page runs nothing, wherever it is opened.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cache-Control": "no-store",
}
_HSTS: Final = "max-age=31536000"


@web.middleware
async def limits(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse secrets and NULs in the address, compressed bodies, bodies over the route's limit."""
    if "\0" in request.path or any("\0" in text for pair in request.query.items() for text in pair):
        # Nothing is named so, and PostgreSQL takes no such text.
        raise Invalid("no address holds U+0000", code="bad-address")
    for name in request.query:
        if name.lower() in _SECRET_PARAMETERS:
            # Addresses are kept in logs and histories (ASVS 14.2.1).
            raise Invalid("send it in a header, never in the address", code="secret-in-address")
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise Unsupported("send the body as it is", code="unsupported-encoding")
    declared = declaration(request.match_info.handler)
    limit = declared.body_bytes if declared is not None else JSON_LIMIT_BYTES
    if request.content_length is not None and request.content_length > limit:
        answer_first = TooLarge(f"at most {limit} bytes")
        request.protocol.keep_alive(val=False)
        raise answer_first
    return await handler(request)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers on that every answer has, where it has none of its own."""
    request[STARTED] = True
    for name, value in _HEADERS.items():
        if name not in response.headers:
            response.headers[name] = value
    transport = request.transport
    if transport is not None and transport.get_extra_info("sslcontext") is not None:
        response.headers["Strict-Transport-Security"] = _HSTS
    response.headers.pop("Server", None)
