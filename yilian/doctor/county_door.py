"""Asking the county over HTTP as the node itself goes: by no proxy of the environment."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from typing import Any, Final

from kernel.settings import Settings
from yilian.wiring.homes import Home

WITHIN_S: Final = 5.0
_ANSWER_MAX_BYTES: Final = 1 << 20
NO_ANSWER: Final = (OSError, ValueError, http.client.HTTPException)
"""What asking raises where nobody answers, or something else than a county does."""


class CountyRefused(Exception):
    """The county answered, and said no."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail or 'no reason given'} ({status} {code})")
        self.code = code


def opener(home: Home, settings: Settings) -> urllib.request.OpenerDirector:
    """Return what goes to the county and believes the authority that the settings name."""
    ca_file = settings.township.county_ca_file
    tls = ssl.create_default_context(cafile=str(home.root / ca_file) if ca_file else None)
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
    )


def ask(
    home: Home,
    settings: Settings,
    path: str,
    *,
    token: str = "",
    body: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the JSON object the county answers, to a GET or, with *body*, a POST.

    Raises:
        CountyRefused: with the county's code.
        OSError, ValueError, HTTPException: nobody answers, or something else does (``NO_ANSWER``).
    """
    request = urllib.request.Request(  # noqa: S310  # the caller has looked at the scheme
        settings.township.county_url.rstrip("/") + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"} if body is not None else {},
    )
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        with opener(home, settings).open(request, timeout=WITHIN_S) as answer:
            return _object(answer.read(_ANSWER_MAX_BYTES))
    except urllib.error.HTTPError as refused:
        with refused:
            said = _problem(refused.read(_ANSWER_MAX_BYTES))
        code = str(said.get("code") or f"http-{refused.code}")
        raise CountyRefused(refused.code, code, str(said.get("detail", ""))) from refused
    except urllib.error.URLError as exc:
        raise exc.reason if isinstance(exc.reason, OSError) else exc from exc


def _object(raw: bytes) -> dict[str, Any]:
    said = json.loads(raw)
    if not isinstance(said, dict):
        raise ValueError("something else than a county answers there")  # noqa: TRY004
    return said


def _problem(raw: bytes) -> dict[str, Any]:
    try:
        return _object(raw)
    except ValueError:
        return {}
