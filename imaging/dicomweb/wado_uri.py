"""WADO-URI: one instance by an address of query parameters (PS3.18 9), for older systems."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from aiohttp import web

from imaging.archive.model import InstanceLocation
from imaging.dicomweb.admission import Admission
from imaging.dicomweb.answers import answered
from imaging.dicomweb.negotiate import DICOM, MediaRange, NotAcceptable, accepted
from imaging.dicomweb.rendering import parse_quality, parse_window
from imaging.dicomweb.resources import Resource
from imaging.dicomweb.showing import Showing, shown_as
from imaging.dicomweb.wado import WadoDoor
from imaging.pixels.render import SIDE_MAX, BadRendering, Viewport, Wish
from kernel.errors import Invalid
from kernel.web import describe, permit

PATH: Final = "/wado"
_UIDS: Final = {"study": "studyUID", "series": "seriesUID", "instance": "objectUID"}
_FRAME_DIGITS: Final = 9
_CORNERS: Final = 4


class InvalidUriRequest(Invalid):
    """A parameter of the URI service is missing or is no value of its kind."""

    code = "invalid-wado-request"


@dataclass(frozen=True, slots=True)
class UriRequest:
    """What an address of the URI service names."""

    resource: Resource
    ranges: Sequence[MediaRange]
    """What the client takes, best first."""
    frame: int | None
    """From 1; None for the one that stands for the instance."""


class UriDoor:
    """The URI service; who may see what, and the audit trail, are those of the other doors."""

    def __init__(self, admission: Admission, objects: WadoDoor, showing: Showing) -> None:
        """Give what *admission* lets out: files by *objects*, all else by *showing*."""
        self._admission = admission
        self._objects = objects
        self._showing = showing

    def routes(self) -> list[web.RouteDef]:
        """Return the one route."""
        return [web.get(PATH, self.tell, allow_head=False)]

    @describe("One instance by query parameters (WADO-URI)")
    @permit()
    @answered
    async def tell(self, request: web.Request) -> web.StreamResponse:
        """Answer the instance as a file, or as it is looked at."""
        accept = ",".join(request.headers.getall("Accept", []))
        asked = parse_uri(request.query, accept)
        wish_for = partial(parse_uri_wish, request.query)
        # What is malformed is so for everybody, whether the instance is there or not.
        wish_for("")
        _, location = await self._admission.instance(request, asked.resource)
        wanted = _as_file(asked, location)
        if wanted is not None:
            return await self._objects.one(request, location, [wanted])
        return await self._showing.show(request, location, asked.ranges, wish_for, asked.frame)


def _as_file(asked: UriRequest, location: InstanceLocation) -> MediaRange | None:
    """Return the range that is met by the file itself, None where it is to be shown."""
    shown = shown_as(location)
    for each in asked.ranges:
        if each.essence == DICOM or (not shown and each.covers(DICOM)):
            return replace(each, essence=DICOM)
        if any(each.covers(media) for media in shown):
            return None
    return None


def parse_uri(query: Mapping[str, str], accept: str = "") -> UriRequest:
    """Return what *query* names; ``contentType`` comes before the Accept header (*accept*).

    Raises:
        InvalidUriRequest: it is no such request, or lacks a UID.
        InvalidIdentifier: a UID is none.
        NotAcceptable: it asks for what is not done here: another's data made nameless, a
            presentation state applied.
    """
    if query.get("requestType", "").upper() != "WADO":
        raise InvalidUriRequest("requestType is WADO")
    missing = [name for name in _UIDS.values() if not query.get(name)]
    if missing:
        raise InvalidUriRequest(f"{', '.join(missing)} must be given")
    if query.get("anonymize", "no") != "no":
        raise NotAcceptable("objects are not made nameless here")
    if query.get("presentationUID") or query.get("presentationSeriesUID"):
        raise NotAcceptable("presentation states are not applied here")
    resource = Resource.parse({part: query[name] for part, name in _UIDS.items()})
    ranges = [
        replace(each, multipart=False) for each in accepted(accept, query.get("contentType", ""))
    ]
    syntax = query.get("transferSyntax", "")
    if syntax:
        ranges = [replace(each, parameters={"transfer-syntax": syntax}) for each in ranges]
    return UriRequest(resource, ranges, _frame(query))


def _frame(query: Mapping[str, str]) -> int | None:
    text = query.get("frameNumber") or query.get("frame") or ""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _FRAME_DIGITS and int(text)):
        raise InvalidUriRequest("frameNumber is a number from 1")
    return int(text)


def parse_uri_wish(query: Mapping[str, str], media: str) -> Wish:
    """Return what *query* asks of a picture of type *media* (PS3.18 9.5.1).

    Raises:
        BadRendering: a window without its other half, a size, region or quality that is none.
    """
    centre, width = query.get("windowCenter", ""), query.get("windowWidth", "")
    if bool(centre) != bool(width):
        raise BadRendering("windowCenter and windowWidth come together")
    rows, columns = _side(query, "rows"), _side(query, "columns")
    wish = Wish(
        media=media,
        window=parse_window(f"{centre},{width}") if centre else None,
        shares=_region(query.get("region", "")),
        viewport=Viewport(columns or SIDE_MAX, rows or SIDE_MAX) if rows or columns else None,
    )
    quality = parse_quality(query.get("imageQuality", ""))
    return wish if quality is None else replace(wish, quality=quality)


def _side(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= SIDE_MAX):
        raise BadRendering(f"{name} is a number from 1 to {SIDE_MAX}")
    return int(text)


def _region(text: str) -> tuple[float, float, float, float] | None:
    if not text:
        return None
    parts = text.split(",")
    try:
        corners = [float(part) for part in parts if len(part) <= _FRAME_DIGITS * 2]
    except ValueError:
        corners = []
    if len(parts) != _CORNERS or len(corners) != _CORNERS:
        raise BadRendering("a region is xmin,ymin,xmax,ymax")
    left, top, right, bottom = corners
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise BadRendering("a region lies between 0 and 1 and has a size")
    return left, top, right, bottom
