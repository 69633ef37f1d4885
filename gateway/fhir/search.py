"""A search from its parameters: what is asked for, what is left out, and what was not known."""

import base64
import binascii
import datetime as dt
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import msgspec

from gateway.fhir.outcome import UnknownParameter
from gateway.fhir.values import InvalidValue, values_of
from kernel.errors import Invalid
from kernel.fhir.query import Criterion, Query, Total
from kernel.fhir.resource import ParameterType, ResourceDefinition, SearchParameter
from kernel.fhir.select import BrokenCursor

CURSOR: Final = "_cursor"
COUNT: Final = 50
"""Resources of a page where nobody says how many."""
COUNT_MAX: Final = 200
_PAIRS_MAX: Final = 64
_TEXT_MAX: Final = 4096
_TOKEN_MAX: Final = 7168
_SUMMARIES: Final = ("true", "text", "data", "count", "false")
_SILENT: Final = frozenset({"_format", "_pretty"})
"""Parameters of every request, which say nothing of the search."""
Pair = tuple[str, str]


class InvalidParameter(Invalid):
    """A parameter that is known has a modifier or a value that is not."""

    code = "invalid-parameter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One search."""

    query: Query
    includes: tuple[str, ...] = ()
    """Elements whose references are followed."""
    summary: str = "false"
    elements: frozenset[str] = frozenset()
    """Top-level elements to answer with; empty for all."""
    used: tuple[Pair, ...] = ()
    """The parameters that were followed, as they came."""
    ignored: tuple[str, ...] = ()
    """Names of the parameters that were not."""

    @property
    def counts_only(self) -> bool:
        """Nothing but the number of matches is asked for."""
        return self.query.count == 0


def parse_search(
    definition: ResourceDefinition, pairs: Sequence[Pair], now: dt.datetime, *, strict: bool
) -> Asked:
    """Return the search of *pairs*, names and values percent-decoded.

    Args:
        definition: of the type that is searched.
        pairs: all parameters in their order.
        now: what relative values go by.
        strict: an unknown parameter is an error (``Prefer: handling=strict``).

    Raises:
        UnknownParameter: *strict*, and there is one.
        InvalidParameter, InvalidValue: a known parameter cannot be followed; leaving that out would
            answer something else than was asked for.
    """
    after = None
    cursors = [value for name, value in pairs if name == CURSOR]
    if cursors:
        after, pairs = read_cursor(cursors[-1])
    if len(pairs) > _PAIRS_MAX or len(_bytes(pairs)) > _TEXT_MAX:
        raise InvalidParameter(f"at most {_PAIRS_MAX} parameters of {_TEXT_MAX} bytes together")
    reading = _Reading(definition, now)
    for name, value in pairs:
        if name in _SILENT or reading.take(name, value):
            continue
        reading.ignored.append(name)
    if strict and reading.ignored:
        raise UnknownParameter(f"not known here: {', '.join(_printable(reading.ignored))}")
    return reading.asked(after)


class _Reading:
    """What the parameters so far say."""

    def __init__(self, definition: ResourceDefinition, now: dt.datetime) -> None:
        self._definition = definition
        self._parameters = {each.name: each for each in definition.parameters}
        self._now = now
        self._criteria: list[Criterion] = []
        self._asked = Asked(query=Query(count=COUNT))
        self._used: list[Pair] = []
        self.ignored: list[str] = []

    def take(self, name: str, value: str) -> bool:
        """Follow a parameter; returns False where it is not known."""
        result = _RESULT.get(name)
        known = self._criterion(name, value) if result is None else result(self, value)
        if known:
            self._used.append((name, value))
        return known

    def asked(self, after: tuple[str, ...] | None) -> Asked:
        """Return the whole."""
        asked = self._asked
        count = 0 if asked.summary == "count" else asked.query.count
        # Somebody who asks for the number only gets it exactly.
        total = Total.ACCURATE if count == 0 else asked.query.total
        query = replace(
            asked.query, criteria=tuple(self._criteria), count=count, total=total, after=after
        )
        return replace(
            asked, query=query, used=tuple(self._used), ignored=tuple(dict.fromkeys(self.ignored))
        )

    def _criterion(self, name: str, value: str) -> bool:
        whole, _, modifier = name.partition(":")
        base, dot, chain = whole.partition(".")
        if modifier and "." in modifier:
            # The type stands before the chain, as in R4 search.html#chaining.
            modifier, dot, chain = modifier.partition(".")
        found = self._parameters.get(base)
        if found is None or (dot and chain not in found.chains):
            return False
        if modifier in found.targets:
            modifier = ""
        if modifier == "identifier" and "identifier" in found.chains and not dot:
            modifier, dot, chain = "", ".", "identifier"
        if modifier and (modifier not in found.modifiers or dot):
            raise InvalidParameter(f"{base} has no such modifier")
        if not value:
            return True  # R4 3.1.1.3: a parameter without a value asks for nothing
        kind = ParameterType.TOKEN if dot else found.type
        values = values_of(found, kind, value, self._now)
        self._criteria.append(Criterion(f"{base}{dot}{chain}", values, modifier))
        return True

    def take_count(self, value: str) -> bool:
        """Most resources of a page; more than 200 are 200."""
        if not (value.isascii() and value.isdigit() and len(value) < 10):  # noqa: PLR2004
            raise InvalidValue("_count: not a number")
        query = replace(self._asked.query, count=min(int(value), COUNT_MAX))
        self._asked = replace(self._asked, query=query)
        return True

    def take_total(self, value: str) -> bool:
        """Whether the matches are counted."""
        try:
            query = replace(self._asked.query, total=Total(value))
        except ValueError as exc:
            raise InvalidValue("_total: none, estimate or accurate") from exc
        self._asked = replace(self._asked, query=query)
        return True

    def take_summary(self, value: str) -> bool:
        """Which elements are answered, by the standard's own lists."""
        if value not in _SUMMARIES:
            raise InvalidValue(f"_summary: {', '.join(_SUMMARIES)}")
        self._asked = replace(self._asked, summary=value)
        return True

    def take_elements(self, value: str) -> bool:
        """Which elements are answered, by name."""
        names = frozenset(name.strip().partition(".")[0] for name in value.split(","))
        self._asked = replace(self._asked, elements=self._asked.elements | (names - {""}))
        return True

    def take_sort(self, value: str) -> bool:
        """What the matches are sorted by; returns False for what cannot be."""
        name = value.removeprefix("-")
        if name not in self._definition.sorts:
            return False
        query = replace(self._asked.query, sort=name, descending=value.startswith("-"))
        self._asked = replace(self._asked, query=query)
        return True

    def take_include(self, value: str) -> bool:
        """What of the matches' references comes with them; returns False for what cannot."""
        source, _, rest = value.partition(":")
        name, _, target = rest.partition(":")
        element = self._definition.includes.get(name)
        if source != self._definition.type or element is None:
            return False
        if target and target not in self._targets(name):
            return False
        self._asked = replace(self._asked, includes=(*self._asked.includes, element))
        return True

    def _targets(self, name: str) -> tuple[str, ...]:
        found: SearchParameter | None = self._parameters.get(name)
        return () if found is None else found.targets


_RESULT: Final[Mapping[str, Callable[[_Reading, str], bool]]] = MappingProxyType(
    {
        "_count": _Reading.take_count,
        "_total": _Reading.take_total,
        "_summary": _Reading.take_summary,
        "_elements": _Reading.take_elements,
        "_sort": _Reading.take_sort,
        "_include": _Reading.take_include,
    }
)
RESULT_PARAMETERS: Final = tuple(_RESULT)
"""Parameters of every search that say how it is answered."""


def write_cursor(after: tuple[str, ...], used: Sequence[Pair]) -> str:
    """Return by what the next page is asked for; it holds the search itself."""
    packed = zlib.compress(msgspec.json.encode([after, used]))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def read_cursor(text: str) -> tuple[tuple[str, ...], list[Pair]]:
    """Return what ``write_cursor`` wrote; raises ``BrokenCursor``."""
    if len(text) > _TOKEN_MAX:
        raise BrokenCursor("follow the next link as it was given")
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        unpacking = zlib.decompressobj()
        raw = unpacking.decompress(packed, 4 * _TEXT_MAX)
        return msgspec.json.decode(raw, type=tuple[tuple[str, ...], list[Pair]])
    except (binascii.Error, zlib.error, ValueError, msgspec.MsgspecError) as exc:
        raise BrokenCursor("follow the next link as it was given") from exc


def _bytes(pairs: Sequence[Pair]) -> bytes:
    return "".join(text for pair in pairs for text in pair).encode("utf-8", "surrogatepass")


def _printable(names: Sequence[str]) -> list[str]:
    return [name[:64] for name in dict.fromkeys(names) if name.isprintable()][:8]
