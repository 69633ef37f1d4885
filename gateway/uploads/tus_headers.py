"""The header fields of tus 1.0.0, parsed at the door."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hashlib import _Hash

TUS_VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,creation-with-upload,checksum,expiration,termination"
CHECKSUM_ALGORITHMS: Final = ("sha1", "sha256")
OFFSET_OCTETS: Final = "application/offset+octet-stream"
MAX_METADATA_BYTES: Final = 8192
MAX_LENGTH_DIGITS: Final = 19


class TusStatus(IntEnum):
    """The one status tus 1.0.0 adds to HTTP's."""

    CHECKSUM_MISMATCH = 460


class TusFault(Exception):
    """A request the protocol refuses.

    Attributes:
        status: HTTP status, 460 included.
        code: stable kebab-case name.
        detail: one English line.
        headers: further header fields of the answer.
    """

    def __init__(
        self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the client says the bytes of this one request hash to."""

    algorithm: str
    digest: bytes

    def start(self) -> "_Hash":
        """Return a fresh hash object of this algorithm."""
        return hashlib.new(self.algorithm, usedforsecurity=False)


def reason_of(status: int) -> str:
    """Return the reason phrase of *status*; ``http.HTTPStatus`` does not know 460."""
    if status == TusStatus.CHECKSUM_MISMATCH:
        return "Checksum Mismatch"
    return HTTPStatus(status).phrase


def parse_length(raw: str | None, *, field: str) -> int:
    """Return the non-negative number in *raw*, ASCII digits only.

    Raises:
        TusFault: 400 when it is absent or anything else.
    """
    if raw is None:
        raise TusFault(400, "header-missing", f"{field} is required")
    if not (raw.isascii() and raw.isdigit()) or len(raw) > MAX_LENGTH_DIGITS:
        raise TusFault(400, "header-invalid", f"{field} is not a non-negative number")
    return int(raw)


def parse_metadata(raw: str | None) -> dict[str, str]:
    """Return the pairs of ``Upload-Metadata``: keys to decoded UTF-8, a key alone to ``""``.

    Raises:
        TusFault: 400 for a repeated or empty key, a value that is not base64 of UTF-8, or more
            than 8 KiB in all.
    """
    if not raw or not raw.strip():
        return {}
    if len(raw) > MAX_METADATA_BYTES:
        raise TusFault(400, "metadata-too-long", "Upload-Metadata is longer than 8 KiB")
    pairs: dict[str, str] = {}
    for part in raw.split(","):
        key, _, value = part.strip().partition(" ")
        if not key or key in pairs or not key.isascii():
            raise TusFault(400, "metadata-invalid", "Upload-Metadata has an empty or repeated key")
        try:
            pairs[key] = base64.b64decode(value.strip(), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as exc:
            raise TusFault(
                400, "metadata-invalid", "Upload-Metadata has a value that is not base64 UTF-8"
            ) from exc
    return pairs


def format_metadata(pairs: Mapping[str, str]) -> str:
    """Return *pairs* as the value of ``Upload-Metadata``."""
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}" if value else key
        for key, value in pairs.items()
    )


def parse_checksum(raw: str | None) -> Checksum | None:
    """Return the checksum asked for, ``None`` when the field is absent.

    Raises:
        TusFault: 400 for an algorithm not on offer or a digest of another length.
    """
    if raw is None:
        return None
    algorithm, _, encoded = raw.strip().partition(" ")
    if algorithm not in CHECKSUM_ALGORITHMS:
        raise TusFault(400, "checksum-unsupported", "use sha1 or sha256 in Upload-Checksum")
    try:
        digest = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error as exc:
        raise TusFault(400, "header-invalid", "Upload-Checksum is not base64") from exc
    checksum = Checksum(algorithm, digest)
    if len(digest) != checksum.start().digest_size:
        raise TusFault(400, "header-invalid", "Upload-Checksum has the wrong length")
    return checksum


def refuse_unoffered(headers: Mapping[str, str]) -> None:
    """Refuse what this server does not offer but HTTP would silently let pass.

    A trailing checksum never reaches a handler (the HTTP library drops trailers), so a client
    that sends one would believe its bytes were checked.

    Raises:
        TusFault: 400 for trailers, deferred length, concatenation; 415 for an encoded body.
    """
    for field in ("Trailer", "Upload-Defer-Length", "Upload-Concat"):
        if field in headers:
            raise TusFault(400, "extension-unsupported", f"{field} is not supported")
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise TusFault(415, "content-encoding", "the body of an upload must not be encoded")
