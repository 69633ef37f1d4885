"""OHIF and the county under one origin: files from the package, /dicom-web from the county."""

import http.client
import json
import mimetypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.demo.running import RunningDemo

_SOURCE: Final[dict[str, Any]] = {
    "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
    "sourceName": "county",
    "configuration": {
        "friendlyName": "county",
        "name": "county",
        "wadoUriRoot": "/dicom-web",
        "qidoRoot": "/dicom-web",
        "wadoRoot": "/dicom-web",
        "qidoSupportsIncludeField": True,
        "imageRendering": "wadors",
        "thumbnailRendering": "wadors",
        "enableStudyLazyLoad": True,
        "supportsWildcard": True,
        "supportsFuzzyMatching": False,
        "singlepart": "pdf,video",
        "omitQuotationForMultipartRequest": True,
        "bulkDataURI": {"enabled": True, "relativeResolution": "studies"},
    },
}
_SETTINGS: Final[dict[str, Any]] = {
    "routerBasename": None,
    "extensions": [],
    "modes": [],
    "showStudyList": True,
    "maxNumberOfWebWorkers": 2,
    "defaultDataSourceName": "county",
    "dataSources": [_SOURCE],
}
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_ASKED: Final = ("Accept", "Accept-Encoding", "If-None-Match", "Range")


@dataclass
class Asked:
    """One request for the county and its answer."""

    path: str
    status: int


@dataclass
class Beside:
    """The server's address, and what the viewer asked of the county."""

    address: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def served(viewer: Path, demo: RunningDemo) -> Iterator[Beside]:
    """Serve *viewer* and the county's DICOMweb as a radiologist sees it, on loopback."""
    token = demo.account("radiologist")["token"]
    county = urlsplit(demo.http("")).netloc
    beside = Beside("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path.startswith("/dicom-web"):
                self._from_county()
            else:
                self._from_package()

        def _from_county(self) -> None:
            line = http.client.HTTPConnection(county, timeout=30)
            try:
                headers = {name: self.headers[name] for name in _ASKED if name in self.headers}
                line.request(
                    "GET", self.path, headers={**headers, "Authorization": f"Bearer {token}"}
                )
                answer = line.getresponse()
                body = answer.read()
            finally:
                line.close()
            beside.asked.append(Asked(self.path, answer.status))
            kept = {n: v for n, v in answer.getheaders() if n.lower() not in _HOP_BY_HOP}
            self._answer(answer.status, kept, body)

        def _from_package(self) -> None:
            name = urlsplit(self.path).path.lstrip("/")
            if name == "app-config.js":
                script = f"window.config = {json.dumps(_SETTINGS)};".encode()
                self._answer(200, {"Content-Type": "text/javascript"}, script)
                return
            file = (viewer / name).resolve()
            # A page of the viewer has no file of its own.
            if not file.is_file() or not file.is_relative_to(viewer.resolve()):
                file = viewer / "index.html"
            kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
            self._answer(200, {"Content-Type": kind}, file.read_bytes())

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    beside.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield beside
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
