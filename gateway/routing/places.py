"""How objects are sent to a destination: the ``[[destination]]`` parts of the rules file.

No address of a server ever comes from anywhere else (S22). A peer of the table needs no part of
its own here: its host and port are the table's.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.routing.model import DestinationKind
from gateway.routing.toml_lines import Place, refuse_unknown

_COMMON: Final = ("parallel", "bits-per-s", "warnings")
_SERVER: Final = ("url", "token-file", "user", "password-file", "ca-file")
_KINDS: Final = (DestinationKind.DICOM, DestinationKind.DICOMWEB)
PARALLEL_MAX: Final = 8
_WARNINGS: Final = {"taken": True, "set-aside": False}
_TITLE_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Sending:
    """How objects are sent to one destination.

    Attributes:
        kind: by C-STORE or by STOW-RS.
        name: AE title of the peer, or what this file calls the server.
        parallel: associations or connections at a time.
        bits_per_s: of all of them together; 0 without limit.
        warned_is_taken: whether what it took with a warning counts as sent; else it is set aside.
        url: base of the server's DICOMweb, without trailing slash; empty for a peer.
        token_file: holds a bearer token; empty without.
        user: for HTTP Basic; empty without.
        password_file: holds that user's password.
        ca_file: PEM of the authority of its certificate; empty for the system's own.
    """

    kind: DestinationKind
    name: str
    parallel: int = 1
    bits_per_s: int = 0
    warned_is_taken: bool = True
    url: str = ""
    token_file: str = ""
    user: str = ""
    password_file: str = ""
    ca_file: str = ""

    @property
    def address(self) -> str:
        """As ``Destination.address``."""
        return f"{self.kind}:{self.name}"


def read_places(rows: Iterable[tuple[Mapping[str, Any], Place]]) -> Mapping[str, Sending]:
    """Return what *rows*, each with its lines, say, by address.

    Raises:
        RulesFileError: an unknown key, an impossible value, or one destination twice.
    """
    made: dict[str, Sending] = {}
    for row, place in rows:
        one = _place(row, place)
        if one.address in made:
            raise place.fail(one.kind, f"{one.kind} {one.name!r} stands above")
        made[one.address] = one
    return made


def _place(row: Mapping[str, Any], place: Place) -> Sending:
    named = [kind for kind in _KINDS if kind.value in row]
    if len(named) != 1:
        raise place.fail("", "a destination is one of dicom = AE title, dicomweb = name")
    (kind,) = named
    of_server = _SERVER if kind is DestinationKind.DICOMWEB else ()
    refuse_unknown(row, (kind.value, *_COMMON, *of_server), place, "key")
    name = _text(row, kind.value, place)
    if not name or ":" in name:
        raise place.fail(kind, f"{kind} needs a name without colon")
    if kind is DestinationKind.DICOM and len(name) > _TITLE_MAX:
        raise place.fail(kind, f"an AE title has at most {_TITLE_MAX} characters")
    warnings = row.get("warnings", "taken")
    if warnings not in _WARNINGS:
        raise place.fail("warnings", f"warnings is one of {', '.join(_WARNINGS)}")
    files = {key: _text(row, key, place) for key in _SERVER[1:]}
    if files["token-file"] and files["user"]:
        raise place.fail("token-file", "give a token, or a user with a password, not both")
    if bool(files["user"]) is not bool(files["password-file"]):
        raise place.fail("user", "a user needs password-file, and that a user")
    return Sending(
        kind=kind,
        name=name,
        parallel=_count(row, "parallel", 1, place, least=1, most=PARALLEL_MAX),
        bits_per_s=_count(row, "bits-per-s", 0, place, least=0, most=10**12),
        warned_is_taken=_WARNINGS[warnings],
        url=_base(_text(row, "url", place), place) if of_server else "",
        token_file=files["token-file"],
        user=files["user"],
        password_file=files["password-file"],
        ca_file=files["ca-file"],
    )


def _text(row: Mapping[str, Any], key: str, place: Place) -> str:
    value = row.get(key, "")
    if not isinstance(value, str):
        raise place.fail(key, f"{key} is text")
    return value


def _count(
    row: Mapping[str, Any], key: str, default: int, place: Place, *, least: int, most: int
) -> int:
    value = row.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise place.fail(key, f"{key} is a whole number from {least} to {most}")
    return value


def _base(url: str, place: Place) -> str:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise place.fail("url", "url is no address") from exc
    if parts.username is not None or parts.query or parts.fragment or not host:
        raise place.fail("url", "url is https://HOST/PATH, without user, ? and #")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise place.fail("url", "url begins with https://; http:// is for 127.0.0.1 alone")
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Return whether *host* is written as an address of this machine itself, or localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
