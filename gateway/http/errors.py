"""Every trouble becomes one answer: problem details with a stable code, and no inner workings."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

from kernel.errors import (
    Category,
    Invalid,
    Missing,
    PlatformError,
    TooLarge,
    Unavailable,
    Unsupported,
)
from kernel.web import problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STARTED: Final = web.RequestKey("answer started", bool)
"""Set once the head of the answer is out; nothing can be taken back after that."""
ErrorForm = Callable[[PlatformError, int | None], web.Response]
"""How a door answers trouble: the error, and a status where it is HTTP's own."""
ERROR_FORMS: Final = web.AppKey("error forms", Mapping[str, ErrorForm])
"""By root of their paths, the doors whose language has a form of its own for errors."""

_log = logging.getLogger("yilian.http")


class MethodNotAllowed(PlatformError):
    """The address exists, but not for this method."""

    code = "method-not-allowed"
    category = Category.INVALID


_FROM_AIOHTTP: Final[Mapping[int, type[PlatformError]]] = MappingProxyType(
    {404: Missing, 405: MethodNotAllowed, 413: TooLarge, 415: Unsupported}
)


def _form(request: web.Request) -> ErrorForm:
    forms = request.app.get(ERROR_FORMS, {})
    path = f"{request.path}/"
    return next((form for root, form in forms.items() if path.startswith(f"{root}/")), _problem)


def _problem(error: PlatformError, status: int | None) -> web.Response:
    answer = problem(error)
    if status is not None:
        answer.set_status(status)
    return answer


def _from_http(request: web.Request, exc: web.HTTPException) -> web.StreamResponse:
    if exc.status < 400:  # noqa: PLR2004  # a redirect is an answer
        return exc
    kind = _FROM_AIOHTTP.get(exc.status, Invalid)
    if exc.status == 405:  # noqa: PLR2004
        answer = _form(request)(kind(), 405)
        answer.headers["Allow"] = exc.headers.get("Allow", "")
        return answer
    return _form(request)(kind(), None)


def _answer(request: web.Request, error: PlatformError) -> web.Response:
    answer = _form(request)(error, None)
    if error.category is Category.UNAUTHENTICATED:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer whatever goes wrong further in; cut the connection when the answer has begun."""
    try:
        return await handler(request)
    except web.HTTPException as exc:
        return _from_http(request, exc)
    except (ConnectionResetError, ConnectionAbortedError):
        raise  # the peer is gone, there is nobody to tell
    except PlatformError as exc:
        if exc.category is Category.BROKEN:
            _log.error("http.broken", extra={"code": exc.code, "method": request.method})
        error: PlatformError = exc
    except web.RequestPayloadError:
        error = Invalid("the body broke off or is malformed", code="body-broken")
    except TimeoutError:
        error = Unavailable("it took too long", code="too-slow")
    except Exception as exc:  # noqa: BLE001  # the door: whatever it is, it ends here
        # The text of a foreign exception may quote what it failed on.
        _log.error(
            "http.fault",
            extra={"kind": type(exc).__name__, "method": request.method, "where": _where(exc)},
        )
        error = PlatformError("", code="internal-error")
    if request.get(STARTED):
        # Half an answer must not look like a whole one.
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError
    return _answer(request, error)


def _where(exc: BaseException) -> str:
    """Return file and line of the innermost frame, which hold no data."""
    trace = exc.__traceback__
    place = ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
