"""One HTTP client, kept open, as a viewer's requests in turn."""

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

_ANSWER_S: Final = 300.0
MANY_PARTS: Final = "bench-boundary-7f3a"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long it took from the first byte asked to the last byte read."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    took_s: float


class WebClient:
    """Asks one server over one connection."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=_ANSWER_S, blocksize=1 << 20
        )
        self._headers = dict(headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for *path*; an underscore in a header's name stands for a hyphen.

        Raises:
            RuntimeError: the answer is not 200.
        """
        return self._ask("GET", path, None, headers)

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        """Send *body* to *path*; as ``get``."""
        return self._ask("POST", path, body, headers)

    def _ask(self, method: str, path: str, body: bytes | None, more: Mapping[str, str]) -> Answer:
        headers = {**self._headers, **{k.replace("_", "-"): v for k, v in more.items()}}
        began = time.perf_counter()
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        read = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            told = read[:300].decode(errors="replace")
            raise RuntimeError(f"{method} {path} was answered {answer.status}: {told}")
        return Answer(answer.status, read, dict(answer.getheaders()), took)


def stow_body(parts: list[bytes]) -> bytes:
    """Return *parts*, each a Part 10 file, as one multipart/related body."""
    head = f"--{MANY_PARTS}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    end = f"--{MANY_PARTS}--\r\n".encode()
    return b"".join([piece for part in parts for piece in (head, part, b"\r\n")]) + end


STOW_TYPE: Final = f'multipart/related; type="application/dicom"; boundary={MANY_PARTS}'
