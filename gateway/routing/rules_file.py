"""Read a routing rules file: TOML, typed, every fault named with its line.

The form is in docs/reference/routing.md.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any, Final

from gateway.routing import prior_rules
from gateway.routing.conditions import AnyOf, Between, Condition, Like, OneOf, Present
from gateway.routing.engine import Rule, RuleSet
from gateway.routing.model import Destination, DestinationKind, Field, Matching
from gateway.routing.places import Sending, read_places
from gateway.routing.prior_rules import PriorRule
from gateway.routing.toml_lines import Faults, Place, RulesFileError, choice, refuse_unknown
from kernel.arrival import Priority

_TOP: Final = ("version", "matching", "fallback", "rule", "destination", "prior")
_RULE: Final = ("name", "when", "any", "to")
_KINDS: Final = tuple(kind.value for kind in DestinationKind)
_TO: Final = (*_KINDS, "priority")
_OPERATORS: Final = ("is", "in", "not", "not-in", "like", "not-like", "present", "from", "to")


def read_rules(text: str, *, keywords: Collection[str]) -> RuleSet:
    """Return the rules in *text*.

    Args:
        text: a TOML document.
        keywords: the DICOM keywords a condition may name.

    Raises:
        RulesFileError: not TOML, an unknown key or keyword, a value of the wrong kind, a rule
            without name or destination, two rules of one name; always with its line.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        at = re.search(r"line (\d+)", str(exc))
        line = int(at.group(1)) if at else text.count("\n") + 1
        raise RulesFileError((line, f"not TOML: {exc}")) from exc
    lines = tuple(text.splitlines()) or ("",)
    parts = _parts(lines)
    top = Place(lines, 1, (parts[0][1].first - 1 if parts else len(lines)) or 1)
    if document.get("version", 1) != 1:
        raise top.fail("version", "this program reads version 1")
    faults = Faults()
    matching, fallback = Matching.FIRST, tuple[Destination, ...]()
    places: Mapping[str, Sending] | None = None
    rules: list[Rule] = []
    priors: list[PriorRule] = []
    with faults.noted():
        refuse_unknown(document, _TOP, top, "key")
    with faults.noted():
        matching = choice(Matching, document.get("matching", "first"), top, "matching")
    with faults.noted():
        places = read_places(_rows(document, "destination", parts, top))
    with faults.noted():
        fallback = _destinations(document.get("fallback", []), top, "fallback")
        _servers_are_named(fallback, places, top, "fallback")
    with faults.noted():
        for row, place in _rows(document, "rule", parts, top):
            with faults.noted():
                rule = _rule(row, place, keywords)
                if rule.name in {other.name for other in rules}:
                    raise place.fail("", f"a rule named {rule.name!r} stands above")
                rules.append(rule)
                _servers_are_named(rule.destinations, places, place, "to")
    with faults.noted():
        for row, place in _rows(document, "prior", parts, top):
            with faults.noted():
                priors.append(_prior(row, place, keywords))
    faults.check()
    return RuleSet(matching, tuple(rules), fallback, places or {}, tuple(priors))


def _prior(row: Mapping[str, Any], place: Place, keywords: Collection[str]) -> PriorRule:
    refuse_unknown(row, (*prior_rules.KEYS, prior_rules.HOURS), place, "key")
    conditions = _conditions(row.get("when", {}), place, keywords, "when")
    return prior_rules.prior_rule(row, place, conditions)


def _parts(lines: tuple[str, ...]) -> list[tuple[str, Place]]:
    """Return what each ``[[...]]`` of the file is called, and its lines."""
    head = re.compile(r"\s*\[\[\s*(rule|destination|prior)\s*\]\]")
    found = [(number, head.match(row)) for number, row in enumerate(lines, 1)]
    heads = [(n, match[1]) for n, match in found if match]
    ends = [*(n - 1 for n, _ in heads), len(lines)][1:]
    return [(name, Place(lines, n, end)) for (n, name), end in zip(heads, ends, strict=True)]


def _rows(
    document: Mapping[str, Any], name: str, parts: list[tuple[str, Place]], top: Place
) -> list[tuple[Mapping[str, Any], Place]]:
    rows = document.get(name, [])
    places = [place for part, place in parts if part == name]
    if not isinstance(rows, list) or len(places) != len(rows):
        raise top.fail(name, f"each {name} begins with a line [[{name}]]")
    return list(zip(rows, places, strict=True))


def _servers_are_named(
    destinations: Collection[Destination],
    places: Mapping[str, Sending] | None,
    place: Place,
    key: str,
) -> None:
    """Raise where a server stands in no *places*; these are None where their own part is wrong."""
    for one in destinations if places is not None else ():
        if one.kind is DestinationKind.DICOMWEB and one.address not in (places or ()):
            raise place.fail(key, f"no [[destination]] says where dicomweb {one.name!r} is")


def _rule(row: Mapping[str, Any], place: Place, keywords: Collection[str]) -> Rule:
    faults = Faults()
    name = row.get("name")
    conditions: tuple[Condition, ...] = ()
    destinations: tuple[Destination, ...] = ()
    with faults.noted():
        refuse_unknown(row, _RULE, place, "key")
    with faults.noted():
        if not isinstance(name, str) or not name.strip():
            raise place.fail("name", "a rule needs a name")
    with faults.noted():
        conditions = _conditions(row.get("when", {}), place, keywords, "when")
    with faults.noted():
        conditions += _groups(row.get("any", []), place, keywords)
    with faults.noted():
        destinations = _destinations(row.get("to", []), place, "to")
        if not destinations:
            raise place.fail("to", f"rule {name or ''!r} has no destination")
    faults.check()
    return Rule(str(name), place.first, conditions, destinations)


def _groups(groups: object, place: Place, keywords: Collection[str]) -> tuple[Condition, ...]:
    if not isinstance(groups, list) or not all(isinstance(g, dict) for g in groups):
        raise place.fail("any", "any is a list of tables of conditions")
    if not groups:
        return ()
    return (AnyOf(tuple(_conditions(g, place, keywords, "any") for g in groups)),)


def _conditions(
    table: object, place: Place, keywords: Collection[str], key: str
) -> tuple[Condition, ...]:
    if not isinstance(table, dict):
        raise place.fail(key, f"{key} is a table of conditions")
    fields: dict[str, object] = {}
    for name, value in table.items():
        if name == "sender" and isinstance(value, dict):
            fields |= {f"sender.{inner}": wanted for inner, wanted in value.items()}
        else:
            fields[name] = value
    found: list[Condition] = []
    faults = Faults()
    for name, value in fields.items():
        with faults.noted():
            found += _field(name, value, place, keywords)
    faults.check()
    return tuple(found)


def _field(name: str, value: object, place: Place, keywords: Collection[str]) -> list[Condition]:
    key = name.rsplit(".", 1)[-1]
    if name not in keywords and name not in set(Field):
        near = get_close_matches(name, [*keywords, *Field], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise place.fail(key, f"{name!r} is neither a DICOM keyword nor a sender field{hint}")
    if not isinstance(value, dict):
        return [OneOf(name, _texts(value, place, key))]
    refuse_unknown(value, _OPERATORS, place, "operator")
    made: list[Condition] = [
        _OPERATOR[operator](name, operand, place, key)
        for operator, operand in value.items()
        if operator in _OPERATOR
    ]
    if "from" in value or "to" in value:
        made.append(_between(name, value.get("from"), value.get("to"), place, key))
    if not made:
        raise place.fail(key, f"{name}: an empty condition")
    return made


def _pattern(operand: object, place: Place, key: str) -> str:
    if not isinstance(operand, str):
        raise place.fail(key, f"{key}: a pattern is text")
    return operand


def _flag(operand: object, place: Place, key: str) -> bool:
    if not isinstance(operand, bool):
        raise place.fail(key, f"{key}: present is true or false")
    return operand


def _between(name: str, low: object, high: object, place: Place, key: str) -> Condition:
    ends = [end for end in (low, high) if end is not None]
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    if not numbers and not all(isinstance(end, str) for end in ends):
        raise place.fail(key, f"{name}: from and to are both numbers or both text such as 20260131")
    return Between(name, low, high)  # type: ignore[arg-type]  # checked above


_OPERATOR: Final[Mapping[str, Callable[[str, Any, Place, str], Condition]]] = {
    "is": lambda n, v, p, k: OneOf(n, _texts(v, p, k)),
    "in": lambda n, v, p, k: OneOf(n, _texts(v, p, k)),
    "not": lambda n, v, p, k: OneOf(n, _texts(v, p, k), negated=True),
    "not-in": lambda n, v, p, k: OneOf(n, _texts(v, p, k), negated=True),
    "like": lambda n, v, p, k: Like(n, _pattern(v, p, k)),
    "not-like": lambda n, v, p, k: Like(n, _pattern(v, p, k), negated=True),
    "present": lambda n, v, p, k: Present(n, _flag(v, p, k)),
}


def _texts(value: object, place: Place, key: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or any(
        isinstance(v, bool) or not isinstance(v, str | int | float) for v in values
    ):
        raise place.fail(key, f"{key}: expected text or a list of texts")
    return tuple(str(v) for v in values)


def _destinations(value: object, place: Place, key: str) -> tuple[Destination, ...]:
    rows = value if isinstance(value, list) else [value]
    made: list[Destination] = []
    for row in rows:
        if not isinstance(row, dict):
            raise place.fail(key, f'{key} is a table such as {{ reading-list = "county" }}')
        refuse_unknown(row, _TO, place, "key")
        named = [kind for kind in DestinationKind if kind.value in row]
        if len(named) != 1:
            raise place.fail(key, f"{key} names one of {', '.join(_KINDS)}")
        name = row[named[0].value]
        if not isinstance(name, str) or not name:
            raise place.fail(key, f"{key} names no {named[0]}")
        given = row.get("priority")
        priority = None if given is None else choice(Priority, given, place, "priority")
        made.append(Destination(named[0], name, priority))
    return tuple(made)
