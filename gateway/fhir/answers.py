"""Answers of this door: which form, which elements, which version, and the searchset."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from gateway.fhir.outcome import MEDIA_TYPE, NotAcceptable, OperationOutcome
from kernel.fhir.resource import Found, ResourceDefinition

FHIR_VERSION: Final = "4.0.1"
_JSON: Final = frozenset(
    {MEDIA_TYPE, "application/json", "text/json", "json", "*/*", "application/*"}
)
_ALWAYS: Final = frozenset({"resourceType", "id", "meta"})
_SUBSETTED: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}
Json = dict[str, Any]


def check_form(request: web.Request) -> None:
    """Raise ``NotAcceptable`` where the asker takes neither FHIR's JSON nor any.

    ``_format`` goes before Accept (R4 http.html#parameters).
    """
    told = request.query.get("_format")
    ranges = [told.replace(" ", "+")] if told else request.headers.getall("Accept", ["*/*"])
    if not any(_takes(part) for line in ranges for part in line.split(",")):
        raise NotAcceptable(f"answers are {MEDIA_TYPE}, version {FHIR_VERSION}; there is no XML")


def _takes(media_range: str) -> bool:
    essence, *parameters = (part.strip().lower() for part in media_range.split(";"))
    told = dict(part.partition("=")[::2] for part in parameters)
    version = told.get("fhirversion", "4.0").strip('"')
    return essence in _JSON and told.get("q", "1").strip("0.") != "" and version == "4.0"


def preferences(request: web.Request) -> Mapping[str, str]:
    """Return what ``Prefer`` says (RFC 7240): ``handling``, ``return``."""
    told = ",".join(request.headers.getall("Prefer", [])).replace(";", ",")
    pairs = (part.strip().partition("=") for part in told.split(","))
    return {name.strip().lower(): value.strip().strip('"').lower() for name, _, value in pairs}


def etag(version: str) -> str:
    """Return the ETag of a version."""
    return f'W/"{version}"'


def last_modified(at: dt.datetime) -> str:
    """Return an instant as headers have it."""
    return format_datetime(at.astimezone(dt.UTC), usegmt=True)


def headers_of(found: Found) -> dict[str, str]:
    """Return the headers that tell a resource's version."""
    headers = {"ETag": etag(found.version), "Cache-Control": "no-store"}
    if found.last_updated is not None:
        headers["Last-Modified"] = last_modified(found.last_updated)
    return headers


def answer(
    value: Any, *, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer *value* as FHIR JSON that no cache keeps."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type=MEDIA_TYPE,
        charset="utf-8",
        headers={"Cache-Control": "no-store"} | dict(headers or {}),
    )


def unchanged(request: web.Request, version: str) -> bool:
    """Tell whether the asker says they have *version* (If-None-Match)."""
    given = request.headers.get("If-None-Match", "")
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in given.split(",") if tag.strip())
    return any(tag in {"*", version} for tag in tags)


def to_json(found: Found) -> Json:
    """Return a resource as it is sent."""
    made: Json = msgspec.to_builtins(found.resource)
    return made


def shortened(
    resource: Json, definition: ResourceDefinition, *, summary: str, elements: Collection[str]
) -> Json:
    """Return what of *resource* is asked for, marked as not being the whole.

    Args:
        resource: the whole.
        definition: of its type.
        summary: of ``_summary``: ``false``, ``true``, ``text`` or ``data``.
        elements: of ``_elements``; empty for all.
    """
    if elements:
        kept = frozenset(elements) | definition.mandatory
    elif summary == "true":
        kept = definition.summary | definition.mandatory
    elif summary == "text":
        # No resource here has a narrative.
        kept = definition.mandatory
    else:
        return resource
    if "endpoint" in kept:
        kept |= {"contained"}  # what it points to
    found = {name: value for name, value in resource.items() if name in kept | _ALWAYS}
    found["meta"] = {**resource.get("meta", {}), "tag": [_SUBSETTED]}
    return found


def searchset(
    links: Sequence[tuple[str, str]],
    total: int | None,
    matches: Sequence[tuple[str, Json]],
    included: Sequence[tuple[str, Json]],
    beside: OperationOutcome | None,
) -> Json:
    """Return the Bundle of a search.

    Args:
        links: relations with their addresses.
        total: how many match; None where nobody counted.
        matches: resources with their own addresses.
        included: the same, of what they refer to.
        beside: what is to be said of the search itself.
    """
    entries: list[Json] = [
        {"fullUrl": url, "resource": resource, "search": {"mode": mode}}
        for mode, found in (("match", matches), ("include", included))
        for url, resource in found
    ]
    if beside is not None:
        entries.append({"resource": msgspec.to_builtins(beside), "search": {"mode": "outcome"}})
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": relation, "url": url} for relation, url in links],
    }
    if total is not None:
        bundle["total"] = total
    if entries:
        bundle["entry"] = entries
    return bundle
