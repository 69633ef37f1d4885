"""What this service does, for machines: WADL, or the same as JSON (PS3.18 8.9, Annex H).

Made from the very routes that are served: one that nobody described keeps the door from starting.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree as ET

import msgspec
from aiohttp import web

from imaging.dicomweb.answers import accepts, answered
from imaging.dicomweb.compression import encoded_response
from imaging.dicomweb.negotiate import choose
from imaging.dicomweb.resources import ROOT
from imaging.dicomweb.transactions import TRANSACTIONS, Transaction
from kernel.web import declaration, describe, permit

WADL: Final = "application/vnd.sun.wadl+xml"
JSON: Final = "application/json"
_NAMESPACE: Final = "http://wadl.dev.java.net/2009/02"
_METHODS: Final = "GET, OPTIONS"


class UndescribedRoute(ValueError):
    """A route under the service's root has no row in ``transactions.TRANSACTIONS``."""


@dataclass(frozen=True, slots=True)
class _Method:
    path: str
    """Below the service's root."""
    name: str
    summary: str
    told: Transaction


class CapabilitiesDoor:
    """The description of the service."""

    def __init__(self, routes: Iterable[web.RouteDef]) -> None:
        """Describe *routes*; those that are not under the service's root are none of its own.

        Raises:
            UndescribedRoute: nobody said what one of them takes and gives.
        """
        self._methods = [each for route in routes if (each := _method(route)) is not None]

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the root, with and without its slash."""
        return [
            route
            for path in (ROOT, f"{ROOT}/")
            for route in (web.options(path, self.tell), web.get(path, self.tell, allow_head=False))
        ]

    @describe("What the DICOMweb service does (WADL, JSON)")
    @permit()
    @answered
    async def tell(self, request: web.Request) -> web.StreamResponse:
        """Answer the description, with absolute addresses."""
        media, _ = choose(accepts(request), (WADL, JSON))
        base = f"{request.url.origin()}{ROOT}"
        made = wadl if media == WADL else as_json
        headers = {"Content-Type": media, "Cache-Control": "private, no-cache", "Allow": _METHODS}
        return await encoded_response(request, made(self._methods, base), headers)


def _method(route: web.RouteDef) -> _Method | None:
    if not route.path.startswith(f"{ROOT}/"):
        return None
    path = route.path.removeprefix(ROOT)
    told = TRANSACTIONS.get((route.method, path))
    declared = declaration(route.handler)
    if told is None or declared is None:
        raise UndescribedRoute(f"{route.method} {route.path}")
    # A pattern behind a name is ours, not the client's.
    return _Method(path.replace(":.+}", "}"), route.method, declared.summary, told)


def wadl(methods: Sequence[_Method], base: str) -> bytes:
    """Return *methods* as a WADL document whose resources nest like their addresses."""
    root = ET.Element(f"{{{_NAMESPACE}}}application")
    top = ET.SubElement(root, _tag("resources"), base=f"{base}/")
    nodes: dict[tuple[str, ...], ET.Element] = {(): top}
    for each in methods:
        segments = tuple(each.path.strip("/").split("/"))
        for depth in range(1, len(segments) + 1):
            if segments[:depth] not in nodes:
                above = nodes[segments[: depth - 1]]
                path = segments[depth - 1]
                nodes[segments[:depth]] = ET.SubElement(above, _tag("resource"), path=path)
        _described(nodes[segments], each)
    ET.register_namespace("", _NAMESPACE)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _described(resource: ET.Element, each: _Method) -> None:
    method = ET.SubElement(resource, _tag("method"), name=each.name, id=each.told.id)
    ET.SubElement(method, _tag("doc")).text = each.summary
    request = ET.SubElement(method, _tag("request"))
    for name in each.told.parameters:
        ET.SubElement(request, _tag("param"), name=name, style="query")
    accept = ET.SubElement(request, _tag("param"), name="Accept", style="header")
    for media in each.told.gives:
        ET.SubElement(accept, _tag("option"), value=media)
    for media in each.told.takes:
        ET.SubElement(request, _tag("representation"), mediaType=media)
    response = ET.SubElement(method, _tag("response"), status=each.told.statuses)
    for media in each.told.gives:
        ET.SubElement(response, _tag("representation"), mediaType=media)


@functools.cache
def _tag(name: str) -> str:
    return f"{{{_NAMESPACE}}}{name}"


def as_json(methods: Sequence[_Method], base: str) -> bytes:
    """Return *methods* as one JSON object, a row for each."""
    rows: list[dict[str, Any]] = [
        {
            "method": each.name,
            "path": each.path,
            "id": each.told.id,
            "summary": each.summary,
            "parameters": list(each.told.parameters),
            "takes": list(each.told.takes),
            "gives": list(each.told.gives),
            "statuses": [int(status) for status in each.told.statuses.split()],
        }
        for each in methods
    ]
    return msgspec.json.encode({"base": base, "transactions": rows})
