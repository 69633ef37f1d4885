"""A resource from the bytes of a request, before any room looks at it (security row S26).

Size and depth are known before a parser runs, so neither can cost more than reading the bytes; what
two parsers would read differently is refused: a key given twice, a number without end, half a
surrogate pair.
"""

import json
import re
from typing import Any, Final, NoReturn

from aiohttp import web

from kernel.errors import Invalid, TooLarge, Unsupported
from kernel.fhir.resource import InvalidResource
from kernel.web import JSON_DEPTH_MAX, KIB, read_body

RESOURCE_BYTES: Final = 256 * KIB
BUNDLE_BYTES: Final = 1024 * KIB
_TYPES: Final = frozenset({"application/fhir+json", "application/json", "text/json"})
# A string without an end is one match, too: else each quote in it would be looked at to the end.
_SIGNS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_DIGITS_MAX: Final = 18
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


class BrokenJson(Invalid):
    """The body is no JSON, or not one that everybody reads the same."""

    code = "invalid-json"


async def read_resource(request: web.Request, *, limit: int = RESOURCE_BYTES) -> dict[str, Any]:
    """Return the JSON object of the request's body.

    Raises:
        Unsupported: it does not say that it is JSON.
        TooLarge: more than *limit* bytes, or nested deeper than 64.
        BrokenJson: no JSON object; a key twice, a number of over 18 digits or without end, control
            characters or half a surrogate pair in a text.
    """
    if request.content_type not in _TYPES:
        raise Unsupported("send application/fhir+json", code="unsupported-media-type")
    return parse_resource(await read_body(request, limit=limit))


def parse_resource(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in *raw*; raises as ``read_resource``."""
    _check_depth(raw)
    try:
        found = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_once,
            parse_int=_whole,
            parse_float=_decimal,
            parse_constant=_constant,
        )
    except (ValueError, RecursionError) as exc:
        raise BrokenJson("not JSON") from exc
    if not isinstance(found, dict):
        raise BrokenJson("not a JSON object")
    _check_texts(found)
    return found


def _check_depth(raw: bytes) -> None:
    depth = 0
    for found in _SIGNS.finditer(raw):
        sign = found[0]
        if sign in {b"[", b"{"}:
            depth += 1
            if depth > JSON_DEPTH_MAX:
                raise TooLarge(f"nested deeper than {JSON_DEPTH_MAX}", code="too-deep")
        elif sign in {b"]", b"}"}:
            depth -= 1


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BrokenJson("a key is given twice")
    return found


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > _DIGITS_MAX:
        raise BrokenJson(f"a number of over {_DIGITS_MAX} digits")
    return int(digits)


def _decimal(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise BrokenJson("a number without end")
    return number


def _constant(_name: str) -> NoReturn:
    raise BrokenJson("a number without end")


def _check_texts(value: Any) -> None:
    match value:
        case str():
            if _CONTROL.search(value):
                raise BrokenJson("a text with control characters or half a surrogate pair")
        case dict():
            for key, inner in value.items():
                _check_texts(key)
                _check_texts(inner)
        case list():
            for inner in value:
                _check_texts(inner)
        case _:
            pass  # numbers, true, false and null


def check_type(resource: dict[str, Any], wanted: str, key: str | None = None) -> None:
    """Raise ``InvalidResource`` where *resource* is no *wanted*, or is not called *key*."""
    if resource.get("resourceType") != wanted:
        raise InvalidResource(f"a {wanted} is taken here", "resourceType", code="wrong-type")
    if key is not None and resource.get("id") != key:
        raise InvalidResource("id is the one in the address", f"{wanted}.id", code="wrong-id")
