"""Read a routing rules file: TOML, typed, every fault named with its line.

The form is in docs/reference/routing.md.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from gateway.routing.conditions import AnyOf, Between, Condition, Like, OneOf, Present
from gateway.routing.engine import Rule, RuleSet
from gateway.routing.model import Destination, DestinationKind, Field, Matching
from kernel.arrival import Priority
from kernel.errors import Category, PlatformError

_Choice = TypeVar("_Choice", Matching, Priority)
_TOP: Final = ("version", "matching", "fallback", "rule")
_RULE: Final = ("name", "when", "any", "to")
_TO: Final = ("reading-list", "priority")
_OPERATORS: Final = ("is", "in", "not", "not-in", "like", "not-like", "present", "from", "to")


class RulesFileError(PlatformError):
    """The rules file cannot be used; the detail begins with ``line N:``."""

    code = "routing-rules-invalid"
    category = Category.INVALID

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


@dataclass(frozen=True, slots=True)
class _Place:
    """Finds the line a fault stands on, since the TOML reader does not keep lines."""

    lines: tuple[str, ...]
    first: int
    end: int

    def line(self, key: str = "") -> int:
        pattern = re.compile(rf'(?:^|[\s.{{,"\']){re.escape(key)}["\']?\s*[=.\]]')
        for number in range(self.first, self.end + 1):
            if key and pattern.search(self.lines[number - 1].split("#")[0]):
                return number
        return self.first

    def fail(self, key: str, message: str) -> RulesFileError:
        return RulesFileError(self.line(key), message)


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
        raise RulesFileError(line, f"not TOML: {exc}") from exc
    lines = tuple(text.splitlines()) or ("",)
    heads = [n for n, row in enumerate(lines, 1) if re.match(r"\s*\[\[\s*rule\s*\]\]", row)]
    top = _Place(lines, 1, (heads[0] - 1 if heads else len(lines)) or 1)
    _known(document, _TOP, top, "key")
    if document.get("version", 1) != 1:
        raise top.fail("version", "this program reads version 1")
    matching = _choice(Matching, document.get("matching", "first"), top, "matching")
    rows = document.get("rule", [])
    if not isinstance(rows, list) or len(heads) != len(rows):
        raise top.fail("rule", "each rule begins with a line [[rule]]")
    rules: list[Rule] = []
    for head, end, row in zip(heads, [*(h - 1 for h in heads[1:]), len(lines)], rows, strict=True):
        rule = _rule(row, _Place(lines, head, end), keywords)
        if rule.name in {other.name for other in rules}:
            raise RulesFileError(head, f"a rule named {rule.name!r} stands above")
        rules.append(rule)
    fallback = _destinations(document.get("fallback", []), top, "fallback")
    return RuleSet(matching, tuple(rules), fallback)


def _rule(row: Mapping[str, Any], place: _Place, keywords: Collection[str]) -> Rule:
    _known(row, _RULE, place, "key")
    name = row.get("name")
    if not isinstance(name, str) or not name.strip():
        raise place.fail("name", "a rule needs a name")
    conditions = _conditions(row.get("when", {}), place, keywords, "when")
    groups = row.get("any", [])
    if not isinstance(groups, list) or not all(isinstance(g, dict) for g in groups):
        raise place.fail("any", "any is a list of tables of conditions")
    if groups:
        conditions = (
            *conditions,
            AnyOf(tuple(_conditions(g, place, keywords, "any") for g in groups)),
        )
    destinations = _destinations(row.get("to", []), place, "to")
    if not destinations:
        raise place.fail("to", f"rule {name!r} has no destination")
    return Rule(name, place.first, conditions, destinations)


def _conditions(
    table: object, place: _Place, keywords: Collection[str], key: str
) -> tuple[Condition, ...]:
    if not isinstance(table, dict):
        raise place.fail(key, f"{key} is a table of conditions")
    found: list[Condition] = []
    for name, value in table.items():
        if name == "sender" and isinstance(value, dict):
            for inner, wanted in value.items():
                found += _field(f"sender.{inner}", wanted, place, keywords)
        else:
            found += _field(name, value, place, keywords)
    return tuple(found)


def _field(name: str, value: object, place: _Place, keywords: Collection[str]) -> list[Condition]:
    key = name.rsplit(".", 1)[-1]
    if name not in keywords and name not in set(Field):
        near = get_close_matches(name, [*keywords, *Field], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise place.fail(key, f"{name!r} is neither a DICOM keyword nor a sender field{hint}")
    if not isinstance(value, dict):
        return [OneOf(name, _texts(value, place, key))]
    _known(value, _OPERATORS, place, "operator")
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


def _pattern(operand: object, place: _Place, key: str) -> str:
    if not isinstance(operand, str):
        raise place.fail(key, f"{key}: a pattern is text")
    return operand


def _flag(operand: object, place: _Place, key: str) -> bool:
    if not isinstance(operand, bool):
        raise place.fail(key, f"{key}: present is true or false")
    return operand


def _between(name: str, low: object, high: object, place: _Place, key: str) -> Condition:
    ends = [end for end in (low, high) if end is not None]
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    if not numbers and not all(isinstance(end, str) for end in ends):
        raise place.fail(key, f"{name}: from and to are both numbers or both text such as 20260131")
    return Between(name, low, high)  # type: ignore[arg-type]  # checked above


_OPERATOR: Final[Mapping[str, Callable[[str, Any, _Place, str], Condition]]] = {
    "is": lambda n, v, p, k: OneOf(n, _texts(v, p, k)),
    "in": lambda n, v, p, k: OneOf(n, _texts(v, p, k)),
    "not": lambda n, v, p, k: OneOf(n, _texts(v, p, k), negated=True),
    "not-in": lambda n, v, p, k: OneOf(n, _texts(v, p, k), negated=True),
    "like": lambda n, v, p, k: Like(n, _pattern(v, p, k)),
    "not-like": lambda n, v, p, k: Like(n, _pattern(v, p, k), negated=True),
    "present": lambda n, v, p, k: Present(n, _flag(v, p, k)),
}


def _texts(value: object, place: _Place, key: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or any(
        isinstance(v, bool) or not isinstance(v, str | int | float) for v in values
    ):
        raise place.fail(key, f"{key}: expected text or a list of texts")
    return tuple(str(v) for v in values)


def _destinations(value: object, place: _Place, key: str) -> tuple[Destination, ...]:
    rows = value if isinstance(value, list) else [value]
    made: list[Destination] = []
    for row in rows:
        if not isinstance(row, dict):
            raise place.fail(key, f'{key} is a table such as {{ reading-list = "county" }}')
        _known(row, _TO, place, "key")
        name = row.get("reading-list")
        if not isinstance(name, str) or not name:
            raise place.fail(key, f"{key} names no reading-list")
        given = row.get("priority")
        priority = None if given is None else _choice(Priority, given, place, "priority")
        made.append(Destination(DestinationKind.READING_LIST, name, priority))
    return tuple(made)


def _choice(kind: type[_Choice], value: object, place: _Place, key: str) -> _Choice:
    if not isinstance(value, str) or value not in set(kind):
        raise place.fail(key, f"{key} is one of {', '.join(kind)}")
    return kind(value)


def _known(table: Mapping[str, Any], allowed: Collection[str], place: _Place, what: str) -> None:
    for key in table:
        if key not in allowed:
            near = get_close_matches(key, allowed, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(allowed)}"
            raise place.fail(key, f"unknown {what} {key!r}{hint}")
