"""Bundles that ask: a batch entry by entry, a transaction as one, all of it or nothing.

In a transaction entries refer to each other by the ``urn:uuid:`` they gave themselves, and to what
is there by a condition; both are replaced before a room looks at the resource (R4
http.html#trules).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from gateway.fhir.interactions import ROOT
from gateway.fhir.outcome import NotSupported
from gateway.fhir.search import Pair
from kernel.errors import PlatformError, TooLarge
from kernel.fhir.resource import InvalidResource, placed

T = TypeVar("T")
ENTRIES_MAX: Final = 100
_PAIRS_MAX: Final = 64
_ORDER: Final = ("POST", "PUT", "GET")
"""In which order a transaction does its acts, whatever their order in the Bundle."""
_LOCAL: Final = "urn:uuid:"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One act of a Bundle."""

    number: int
    method: str
    type: str
    key: str = ""
    version: str = ""
    query: tuple[Pair, ...] = ()
    full_url: str = ""
    resource: Mapping[str, Any] | None = None
    if_match: str = ""
    if_none_match: str = ""
    condition: tuple[Pair, ...] | None = None
    """Of a create that happens only where nothing fits."""

    @property
    def place(self) -> str:
        """Where in the Bundle it stands."""
        return f"Bundle.entry[{self.number}]"


def bundle_type(bundle: Json) -> str:
    """Return ``batch`` or ``transaction``.

    Raises:
        InvalidResource: it is no Bundle of these.
        TooLarge: over a hundred entries.
    """
    if bundle.get("resourceType") != "Bundle":
        raise InvalidResource("a Bundle is taken here", "resourceType", code="wrong-type")
    kind = bundle.get("type")
    if kind not in {"batch", "transaction"}:
        raise InvalidResource("batch or transaction", "Bundle.type")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise InvalidResource("not a list", "Bundle.entry")
    if len(entries) > ENTRIES_MAX:
        raise TooLarge(f"at most {ENTRIES_MAX} entries", code="too-many-entries")
    return str(kind)


def read_entry(raw: Any, number: int, origin: str) -> Entry:
    """Return the act an entry asks for.

    Raises:
        InvalidResource: it asks for none; the expression names the element.
        NotSupported: it asks for one this door has not.
    """
    place = f"Bundle.entry[{number}]"
    request = raw.get("request") if isinstance(raw, dict) else None
    if not isinstance(request, dict):
        raise InvalidResource("an entry here has a request", f"{place}.request")
    method, url = _text(request, "method", place), _text(request, "url", place)
    if method not in _ORDER:
        if method in {"DELETE", "PATCH", "HEAD"}:
            raise placed(NotSupported(f"no {method} here"), place)
        raise InvalidResource("no method of HTTP", f"{place}.request.method")
    path, _, query = url.removeprefix(f"{origin}{ROOT}/").lstrip("/").partition("?")
    parts = path.split("/")
    resource = raw.get("resource")
    if (method == "GET") == isinstance(resource, dict):
        raise InvalidResource("a resource comes with POST and PUT", f"{place}.resource")
    shapes = {"POST": {1}, "PUT": {2}, "GET": {1, 2, 4}}
    if len(parts) not in shapes[method] or (len(parts) == 4 and parts[2] != "_history"):  # noqa: PLR2004
        raise InvalidResource("no address of this door", f"{place}.request.url")
    if query and (method, len(parts)) != ("GET", 1):
        raise placed(NotSupported("conditions stand in ifNoneExist"), f"{place}")
    padded = [*parts, "", "", ""]
    condition = request.get("ifNoneExist")
    return Entry(
        number=number,
        method=method,
        type=padded[0],
        key=padded[1],
        version=padded[3],
        query=_pairs(query, f"{place}.request.url"),
        full_url=str(raw.get("fullUrl", "")),
        resource=resource,
        if_match=str(request.get("ifMatch", "")),
        if_none_match=str(request.get("ifNoneMatch", "")),
        condition=None if condition is None else _pairs(str(condition), f"{place}.request"),
    )


def _text(request: Mapping[str, Any], name: str, place: str) -> str:
    value = request.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidResource("a text", f"{place}.request.{name}")
    return value


def _pairs(query: str, place: str) -> tuple[Pair, ...]:
    try:
        return tuple(parse_qsl(query, keep_blank_values=True, max_num_fields=_PAIRS_MAX))
    except ValueError as exc:
        raise InvalidResource(f"at most {_PAIRS_MAX} parameters", place) from exc


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Return the acts of a transaction as they are done: what is referred to before what refers.

    Raises:
        InvalidResource: two entries are one resource, or refer to each other in a circle.
    """
    _check_apart(entries)
    made = {each.full_url: each for each in entries if each.method == "POST" and each.full_url}
    graph: TopologicalSorter[int] = TopologicalSorter()
    for each in entries:
        if each.method == "POST":
            needed = [made[url].number for url in local_references(each.resource) if url in made]
            graph.add(each.number, *needed)
    try:
        posts = list(graph.static_order())
    except CycleError as exc:
        first = min(exc.args[1])
        raise InvalidResource("entries refer to each other", f"Bundle.entry[{first}]") from exc
    by_number = {each.number: each for each in entries}
    rest = [each for method in _ORDER[1:] for each in entries if each.method == method]
    return [*(by_number[number] for number in posts), *rest]


def _check_apart(entries: Sequence[Entry]) -> None:
    seen: set[str] = set()
    for each in entries:
        names = {each.full_url} if each.method == "POST" else set()
        names |= {f"{each.type}/{each.key}"} if each.method == "PUT" else set()
        if (names - {""}) & seen:
            raise InvalidResource("another entry is the same resource", each.place)
        seen |= names - {""}


def local_references(value: Any) -> set[str]:
    """Return every ``urn:uuid:`` a resource refers to."""
    found: set[str] = set()

    def note(text: str) -> str:
        if text.startswith(_LOCAL):
            found.add(text)
        return text

    with_references(value, note)
    return found


def with_references(value: Any, change: Callable[[str], str]) -> Any:
    """Return *value* with each ``Reference.reference`` in it as *change* gives it back."""
    if isinstance(value, list):
        return [with_references(each, change) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: change(inner)
        if name == "reference" and isinstance(inner, str)
        else with_references(inner, change)
        for name, inner in value.items()
    }


def resolved(
    entry: Entry, made: Mapping[str, str], find: Callable[[str, tuple[Pair, ...]], str | None]
) -> Json:
    """Return the resource of *entry* with the references it could not know yet.

    Args:
        entry: a POST or PUT.
        made: by the name an entry gave itself, the address of what became of it.
        find: returns the address of the one resource a condition fits.

    Raises:
        InvalidResource: a reference leads nowhere.
    """

    def change(text: str) -> str:
        if text in made:
            return made[text]
        if text.startswith(_LOCAL):
            raise InvalidResource("no entry has that fullUrl", f"{entry.type}", code="no-target")
        kind, question, query = text.partition("?")
        if not question:
            return text
        there = find(kind, _pairs(query, entry.place))
        if there is None:
            raise InvalidResource("nothing fits the condition", f"{entry.type}", code="no-target")
        return there

    found: Json = with_references(dict(entry.resource or {}), change)
    return found


def at_entry(entry: Entry, act: Callable[[], T]) -> T:
    """Return what *act* returns; what it raises says where in the Bundle it happened."""
    try:
        return act()
    except PlatformError as error:
        raise placed(error, entry.place) from error
