"""What every room's ``http.py`` needs: keys, JSON in and out, problems, and what a route declares.

A route without a declared permission does not start: whoever forgets it gets an error at start-up,
never an open door. The declaration also feeds /api/openapi.json.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from kernel.audit.access_log import Access, AccessLog
from kernel.audit.trail import AuditEvent
from kernel.clock import Clock
from kernel.errors import (
    Category,
    Invalid,
    PlatformError,
    TooLarge,
    Unavailable,
    Unsupported,
    Unversioned,
)
from kernel.idempotency import Ask
from kernel.identity import Principal, Role
from kernel.policy import Act, Reach, reach
from kernel.sql.db import Database

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
H = TypeVar("H", bound=Callable[..., Awaitable[web.StreamResponse]])

PRINCIPAL: Final = web.RequestKey("principal", Principal)
"""Who is asking; set before every handler whose route is not public."""
ADDRESS: Final = web.RequestKey("address", str)
"""Where the request comes from, trusted proxies looked through."""
SIGN_IN_ID: Final = web.RequestKey("sign-in id", str)
"""Names the session or token without being it."""
ACCESS_LOG: Final = web.AppKey("access log", AccessLog)
DATABASE: Final = web.AppKey("database", Database)
CLOCK: Final = web.AppKey("clock", Clock)

KIB: Final = 1024
JSON_LIMIT_BYTES: Final = 256 * KIB
JSON_DEPTH_MAX: Final = 64
_STRONG_TAG: Final = re.compile(r'"([\x21\x23-\x7e]{1,256})"', re.ASCII)
BODY_WITHIN_S: Final = 30.0

STATUS: Final[Mapping[Category, int]] = MappingProxyType(
    {
        Category.INVALID: 400,
        Category.UNAUTHENTICATED: 401,
        Category.FORBIDDEN: 403,
        Category.MISSING: 404,
        Category.CONFLICT: 409,
        Category.STALE: 412,
        Category.UNVERSIONED: 428,
        Category.TOO_LARGE: 413,
        Category.UNSUPPORTED: 415,
        Category.BUSY: 429,
        Category.FULL: 507,
        Category.UNAVAILABLE: 503,
        Category.BROKEN: 500,
    }
)
"""HTTP's word for each kind of trouble (RFC 9110, 6585, 4918)."""


class BrokenBody(Invalid):
    """The body is not the JSON this route asks for; the detail names the place, not the content."""

    code = "invalid-body"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a route says about itself."""

    public: bool = False
    """Anybody may ask, signed in or not."""
    roles: frozenset[Role] | None = None
    """Any of these; None for everybody who is signed in."""
    machines: bool = True
    """Whether a machine's token opens it."""
    body_bytes: int = JSON_LIMIT_BYTES
    """Largest request body; what streams counts for itself up to this."""
    summary: str = ""
    query: type[Any] | None = None
    body: Any = None
    answer: Any = None


_DECLARED: Final = "__yilian_declaration__"


def permit(
    *,
    roles: Iterable[Role] | None = None,
    public: bool = False,
    machines: bool = True,
    body_bytes: int = JSON_LIMIT_BYTES,
) -> Callable[[H], H]:
    """Declare who may call the handler below; without arguments, everybody who is signed in.

    Args:
        roles: any one of these is enough.
        public: no sign-in is asked for.
        machines: False where only a person at a page may.
        body_bytes: largest request body; a larger one is answered 413 unread.
    """
    declared = Declaration(
        public=public,
        roles=None if roles is None else frozenset(roles),
        machines=machines,
        body_bytes=body_bytes,
    )

    def mark(handler: H) -> H:
        setattr(handler, _DECLARED, declared)
        return handler

    return mark


def describe(
    summary: str, *, query: type[Any] | None = None, body: Any = None, answer: Any = None
) -> Callable[[H], H]:
    """Say what the handler below is for; stands above ``permit``.

    Args:
        summary: one line for the reader of the API's description.
        query: a ``msgspec.Struct`` whose fields are the query parameters.
        body: type of the JSON body.
        answer: type of the JSON answer.
    """

    def mark(handler: H) -> H:
        declared = declaration(handler)
        if declared is None:
            msg = "describe() stands above permit()"
            raise TypeError(msg)
        setattr(
            handler,
            _DECLARED,
            replace(declared, summary=summary, query=query, body=body, answer=answer),
        )
        return handler

    return mark


def declaration(handler: object) -> Declaration | None:
    """Return what *handler* declared, or None."""
    found = getattr(handler, _DECLARED, None)
    return found if isinstance(found, Declaration) else None


def json_response(
    value: Any,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> web.Response:
    """Answer *value* as compact JSON that no cache keeps, unless *headers* say otherwise."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type=content_type,
        headers={"Cache-Control": "no-store"} | dict(headers or {}),
    )


async def saw(
    request: web.Request,
    *,
    subject: str,
    patient: str,
    reason: str,
    event: AuditEvent = AuditEvent.STUDY_SEEN,
) -> None:
    """Return once this look is in the trail; every handler that shows a patient waits for it.

    Args:
        request: who looks.
        subject: what at, such as ``study:1.2.3``.
        patient: whose it is, or empty where nobody knows.
        reason: why it is allowed (``kernel.policy.Decision.reason``).
        event: what kind of look.
    """
    access = Access(
        principal=request[PRINCIPAL],
        subject=subject,
        patient=patient,
        reason=reason,
        address=request[ADDRESS],
        sign_in=request[SIGN_IN_ID],
        event=event,
    )
    await request.app[ACCESS_LOG].saw(access)


def asked_reach(request: web.Request, act: Act = Act.READ_LIST) -> Reach:
    """Return the rows that whoever asks may do *act* to now."""
    return reach(request[PRINCIPAL], act, at=request.app[CLOCK].now())


def problem(error: PlatformError) -> web.Response:
    """Answer *error* as RFC 9457 problem details, with its stable code."""
    status = STATUS[error.category]
    body: dict[str, Any] = {
        "type": f"urn:yilian:problem:{error.code}",
        "title": error.category.value,
        "status": status,
        "code": error.code,
        # Our own fault stays our own: the log has it.
        "detail": "" if error.category is Category.BROKEN else error.detail,
    } | dict(error.members)
    headers: dict[str, str] = {}
    retry_after_s = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        body["retry_after_s"] = retry_after_s
        headers["Retry-After"] = str(max(1, round(retry_after_s)))
    elif error.category in {Category.BUSY, Category.UNAVAILABLE}:
        headers["Retry-After"] = "1"
    return json_response(
        body, status=status, headers=headers, content_type="application/problem+json"
    )


def read_ask(request: web.Request, body: Any = None) -> Ask:
    """Return whose write this is, by its Idempotency-Key; *body* is what was decoded of it.

    Raises:
        Invalid: there is no key (``idempotency-key-missing``), or it is not 1 to 128 visible
            characters (``invalid-idempotency-key``).
    """
    key = request.headers.get("Idempotency-Key", "")
    if not key:
        raise Invalid(
            "send Idempotency-Key, a new random value for each act and the same when it is tried "
            "again",
            code="idempotency-key-missing",
        )
    version = request.headers.get("If-Match", "")
    content = [request.method, request.path, version, body]
    return Ask.parse(request[PRINCIPAL].user_id, key, msgspec.json.encode(content, order="sorted"))


def read_version(request: web.Request) -> str:
    """Return the version the change is made from: the one strong ETag of If-Match, unquoted.

    Raises:
        Unversioned: there is none.
        Invalid: it is weak, a list, or ``*`` (``invalid-if-match``).
    """
    raw = request.headers.get("If-Match", "").strip()
    if not raw:
        raise Unversioned("send the ETag of what was seen as If-Match")
    found = _STRONG_TAG.fullmatch(raw)
    if found is None:
        raise Invalid("If-Match is one strong ETag", code="invalid-if-match")
    return found[1]


async def read_body(request: web.Request, *, limit: int, within_s: float = BODY_WITHIN_S) -> bytes:
    """Return the whole body, counting what really comes.

    Raises:
        TooLarge: more than *limit* bytes were announced or came.
        Unavailable: it was not there within *within_s* seconds (``body-too-slow``).
        Invalid: the peer broke off (``body-broken``).
    """
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(f"at most {limit} bytes")
    taken = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for chunk in request.content.iter_any():
                taken += chunk
                if len(taken) > limit:
                    raise TooLarge(f"at most {limit} bytes")
    except TimeoutError as exc:
        raise Unavailable(
            f"the body did not come within {within_s:g} s", code="body-too-slow"
        ) from exc
    except web.RequestPayloadError as exc:
        raise Invalid("the body broke off or is malformed", code="body-broken") from exc
    return bytes(taken)


async def read_json(request: web.Request, kind: type[T], *, limit: int = JSON_LIMIT_BYTES) -> T:
    """Return the request's JSON body as a *kind*.

    Raises:
        Unsupported: the content type is not JSON, which a form on a foreign page cannot send.
        TooLarge: more than *limit* bytes.
        BrokenBody: no JSON, deeper than 64, with U+0000 in a text (PostgreSQL keeps none), or not
            a *kind*.
    """
    content_type = request.content_type
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise Unsupported("send application/json")
    raw = await read_body(request, limit=limit)
    if _depth(raw) > JSON_DEPTH_MAX:
        raise BrokenBody(f"nested deeper than {JSON_DEPTH_MAX}")
    if b"\\u0000" in raw and _NUL.search(raw) is not None:
        raise BrokenBody("no text here holds U+0000")
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as exc:
        raise BrokenBody(_without_content(str(exc))) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BrokenBody("not JSON") from exc


def read_query(request: web.Request, kind: type[T]) -> T:
    """Return the query parameters as a *kind* (a flat ``msgspec.Struct``), numbers from text.

    Raises:
        BrokenBody: a parameter is missing, unknown to its type, or given twice.
    """
    if len(request.query) != len(set(request.query)):
        raise BrokenBody("a query parameter is given twice", code="invalid-query")
    try:
        return msgspec.convert(dict(request.query), kind, strict=False)
    except msgspec.ValidationError as exc:
        raise BrokenBody(_without_content(str(exc)), code="invalid-query") from exc


# An escape is one behind an even number of backslashes.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_QUOTE, _ESCAPE = ord('"'), ord("\\")
_OPEN, _CLOSE = frozenset(b"[{"), frozenset(b"]}")


def _depth(raw: bytes) -> int:
    """Return how deep brackets nest outside strings, before any parser recurses."""
    if raw.count(b"[") + raw.count(b"{") <= JSON_DEPTH_MAX:
        return 0
    depth = deepest = 0
    in_string = escaped = False
    for byte in raw:
        if in_string:
            in_string = escaped or byte != _QUOTE
            escaped = byte == _ESCAPE and not escaped
        elif byte == _QUOTE:
            in_string = True
        elif byte in _OPEN:
            depth += 1
            deepest = max(deepest, depth)
        elif byte in _CLOSE:
            depth -= 1
    return deepest


def _without_content(message: str) -> str:
    """Return msgspec's *message* when it only names types and places, which all but enums do."""
    if message.startswith(("Expected", "Object missing", "Object contains")):
        return message
    place = message.rpartition(" - at ")[2] if " - at " in message else ""
    return f"not one of the allowed values{' - at ' + place if place else ''}"
