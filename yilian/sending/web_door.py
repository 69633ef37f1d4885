"""A DICOMweb root as people type it, who answers there, and what went wrong in one line."""

import asyncio
import errno
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from kernel.errors import Invalid
from yilian.sending.greeting import NotReached

_ROOT: Final = "/dicom-web"
_SESSION: Final = "/api/v1/session"
REFUSALS: Final = {
    401: "the token is not accepted: give the right one in YILIAN_TOKEN or --token-file",
    403: "this account may not do it: ask for a role that may store, or for another token",
    404: "there is no DICOMweb: give the node's address, or the root its vendor names",
    405: "there is no DICOMweb: give the node's address, or the root its vendor names",
    406: "it does not answer in DICOM JSON (PS3.18 10.5.3)",
    415: "it takes no DICOM files by STOW-RS (PS3.18 10.5)",
}


def dicomweb_root(typed: str) -> str:
    """Return the DICOMweb root *typed* means; a node's base URL gets ``/dicom-web``.

    Raises:
        Invalid: it is no http or https URL (``bad-destination``).
    """
    try:
        parts = urlsplit(typed)
        port_possible = parts.port is None or parts.port > 0
    except ValueError:
        port_possible, parts = False, urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_possible:
        raise Invalid(
            f"{typed} is no address: --to takes HOST:PORT, or a URL such as "
            "https://yilian.example/dicom-web",
            code="bad-destination",
        )
    path = parts.path.rstrip("/").removesuffix("/studies") or _ROOT
    return f"{parts.scheme}://{parts.netloc}{path}"


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Return what believes the system's authorities, or those of *ca_file* alone.

    Raises:
        Invalid: the file cannot be read or holds no certificate (``bad-ca-file``).
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as exc:
        why = "holds no PEM certificate" if isinstance(exc, ssl.SSLError) else exc.strerror
        raise Invalid(f"--ca-file {ca_file}: {why}", code="bad-ca-file") from exc


@dataclass(frozen=True, slots=True)
class WebGreeting:
    """Who answers at a root."""

    node_id: str
    """Of a Yilian node that accepts our token; empty for others."""


async def greet(http: aiohttp.ClientSession, root: str, *, with_token: bool) -> WebGreeting:
    """Ask who answers at *root*.

    Raises:
        NotReached: nobody does, or it is a Yilian node that does not accept the token.
    """
    url = f"{root.removesuffix(_ROOT)}{_SESSION}" if root.endswith(_ROOT) else root
    try:
        async with http.get(url, headers={"Accept": "application/json"}) as answer:
            said = await answer.json(content_type=None) if answer.ok else None
    except (ValueError, aiohttp.ClientPayloadError):
        said = None
    except (aiohttp.ClientError, TimeoutError, OSError) as exc:
        raise explained(root, exc) from exc
    if not isinstance(said, dict) or "authenticated" not in said:
        return WebGreeting("")
    if not said["authenticated"]:
        need = REFUSALS[401] if with_token else "a token is needed: YILIAN_TOKEN or --token-file"
        raise NotReached(f"{root}: {need}", again=False)
    return WebGreeting(str(said.get("node_id", "")))


def explained(root: str, exc: Exception) -> NotReached:
    """Return why nothing came back from *root*, and what to do."""
    host = urlsplit(root).netloc
    match exc:
        case aiohttp.ClientConnectorCertificateError():
            cause: Any = exc.certificate_error
            why = getattr(cause, "verify_message", "") or "not trusted"
            said = f"its certificate is not trusted ({why}): name its authority with --ca-file"
            return NotReached(f"{host}: {said}", again=False)
        case aiohttp.ClientSSLError():
            return NotReached(f"{host} speaks no TLS on this port: is it http://?", again=False)
        case aiohttp.ClientConnectorDNSError():
            return NotReached(f"no machine is called {host}: check --to", again=False)
        case aiohttp.ClientConnectorError() if exc.os_error.errno == errno.ECONNREFUSED:
            said = "connection refused: nothing listens there; check the port, and that it runs"
        case TimeoutError():
            said = "no answer: check the address, the line and firewalls between"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            said = "it closed the connection; where the port speaks TLS, give https://"
        case aiohttp.ClientResponseError():
            said = "what answers there is no HTTP server"
        case _:
            said = str(exc) or type(exc).__name__
    return NotReached(f"{host}: {said}", again=True)


def refused(root: str, status: int) -> NotReached:
    """Return what an HTTP *status* of *root* means for a run, and what to do."""
    said = REFUSALS.get(status, f"it answers {status}")
    return NotReached(f"{root}: {said}", again=status >= 500)  # noqa: PLR2004  # RFC 9110 15.6


async def pause(stop_asked: Any, seconds: float) -> None:
    """Wait, but not on after a stop was asked for."""
    end = asyncio.get_running_loop().time() + seconds
    while not stop_asked.is_set() and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
