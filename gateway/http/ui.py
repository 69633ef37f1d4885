"""The browser workstation: built files from one folder, compressed beforehand, and its one page.

What may be served is listed once at the start, so that no address can ever name a file outside.
"""

import mimetypes
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aiohttp import hdrs, web

from kernel.errors import Missing
from kernel.web import describe, permit

_TYPES: Final = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".mjs": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".json": "application/json",
        ".map": "application/json",
        ".svg": "image/svg+xml",
        ".wasm": "application/wasm",
        ".woff2": "font/woff2",
        ".webmanifest": "application/manifest+json",
        ".txt": "text/plain; charset=utf-8",
    }
)
_COMPRESSED: Final = (".br", ".gz")
_FOREVER: Final = "public, max-age=31536000, immutable"
_ASK_FIRST: Final = "no-cache"


def page_policy(websocket_url: str | None) -> str:
    """Return the content security policy of the workstation.

    WebAssembly is allowed everywhere, for the viewer is a part of the one page; styles may be
    inline because the component library writes them so.
    """
    connect = "connect-src 'self'"
    if websocket_url:
        scheme, _, rest = websocket_url.partition("://")
        connect += f" {scheme}://{rest.partition('/')[0]}"
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "worker-src 'self'",
            connect,
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    content_type: str
    cache: str


class UiFiles:
    """Everything in the built folder, by address."""

    def __init__(self, folder: Path | None, *, websocket_url: str | None = None) -> None:
        self._policy = page_policy(websocket_url)
        self._files = {} if folder is None else _list(folder)

    def routes(self) -> list[web.RouteDef]:
        """Return the route that takes what no other took; it comes last."""
        return [web.get("/{path:.*}", self.file)]

    @describe("The browser workstation")
    @permit(public=True)
    async def file(self, request: web.Request) -> web.StreamResponse:
        """Answer a built file, or the page for any address of the page's own."""
        path = request.match_info["path"]
        found = self._files.get(path or "index.html")
        if found is None and self._is_page(request, path):
            found = self._files.get("index.html")
        if found is None:
            raise Missing
        return web.FileResponse(
            found.path,
            headers={
                hdrs.CONTENT_TYPE: found.content_type,
                hdrs.CACHE_CONTROL: found.cache,
                hdrs.VARY: hdrs.ACCEPT_ENCODING,
                "Content-Security-Policy": self._policy,
            },
        )

    @staticmethod
    def _is_page(request: web.Request, path: str) -> bool:
        if path.startswith(("api/", "dicom-web/", "uploads/", "fhir/", "assets/", "health/")):
            return False
        return "text/html" in request.headers.get(hdrs.ACCEPT, "")


def _list(folder: Path) -> dict[str, _File]:
    root = folder.resolve()
    files = {}
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.is_symlink() or path.suffix in _COMPRESSED:
            continue
        name = path.relative_to(root).as_posix()
        guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
        files[name] = _File(
            path,
            _TYPES.get(path.suffix, guessed),
            # The build puts a hash of the content into the names of these, and only these.
            _FOREVER if name.startswith("assets/") else _ASK_FIRST,
        )
    return files
