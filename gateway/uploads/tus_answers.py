"""The answers of the upload door: each says which tus it speaks."""

from collections.abc import Mapping

import msgspec
from aiohttp import web

from gateway.uploads.tus_headers import TUS_VERSION, TusFault, reason_of


def check_version(request: web.Request) -> None:
    """Raise ``TusFault`` unless *request* speaks our version."""
    if request.headers.get("Tus-Resumable") != TUS_VERSION:
        raise TusFault(412, "tus-version", "speak tus 1.0.0", {"Tus-Version": TUS_VERSION})


def reply(status: int, headers: Mapping[str, str]) -> web.Response:
    """Return an answer without a body."""
    return web.Response(
        status=status,
        reason=reason_of(status),
        headers={"Tus-Resumable": TUS_VERSION, "X-Content-Type-Options": "nosniff", **headers},
    )


def problem(status: int, code: str, detail: str, headers: Mapping[str, str]) -> web.Response:
    """Return an answer that says what is wrong (RFC 9457)."""
    reason = reason_of(status)
    body = {
        "type": f"urn:yilian:problem:{code}",
        "title": reason,
        "status": status,
        "code": code,
        "detail": detail,
    }
    return web.Response(
        status=status,
        reason=reason,
        body=msgspec.json.encode(body),
        content_type="application/problem+json",
        headers={"Tus-Resumable": TUS_VERSION, "X-Content-Type-Options": "nosniff", **headers},
    )
