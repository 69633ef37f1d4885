"""Viewers served from another origin (Fetch standard, CORS): only those a setting names.

They read, with a bearer token; a cookie of ours is never theirs to use, and nothing is stored.
"""

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from imaging.dicomweb.resources import ROOT
from kernel.web import describe, permit

_METHODS: Final = "GET, HEAD, OPTIONS"
_HEADERS: Final = "Accept, Authorization, If-None-Match, Range"
_EXPOSED: Final = (
    "Accept-Ranges, Content-Disposition, Content-Encoding, Content-Location, Content-Range, "
    "Content-Type, ETag, Retry-After, Warning"
)
_KEPT_S: Final = 600


class Cors:
    """What browsers are told about requests of other origins."""

    def __init__(self, origins: Iterable[str]) -> None:
        """Admit pages of *origins*, such as ``https://viewer.example``; none where it is empty."""
        self._origins = frozenset(origins)

    def routes(self) -> list[web.RouteDef]:
        """Return the preflight route, where any origin is admitted."""
        if not self._origins:
            return []
        return [web.options(f"{ROOT}/{{path:.*}}", self._preflight)]

    @describe("Whether a page of another origin may read here (CORS)")
    @permit(public=True)
    async def _preflight(self, request: web.Request) -> web.StreamResponse:
        """Answer what may be sent; ``add_headers`` says to whom."""
        headers = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": str(_KEPT_S),
        }
        return web.Response(status=204, headers=headers)

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Say on every answer of this door, refusals too, who may read it.

        A signal handler for ``Application.on_response_prepare``.
        """
        if not request.path.startswith(f"{ROOT}/"):
            return
        response.headers["Vary"] = ", ".join(
            dict.fromkeys([*response.headers.get("Vary", "").split(", "), "Origin"])
        ).removeprefix(", ")
        origin = request.headers.get("Origin", "")
        if origin in self._origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
