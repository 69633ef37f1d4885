"""Typed conditions over a study's facts. Nothing here is ever evaluated as code."""

import re
from dataclasses import dataclass
from typing import Protocol

from gateway.routing.model import Answer, Facts


class Condition(Protocol):
    """A question about a study that answers with its reason."""

    def ask(self, facts: Facts) -> Answer:
        """Return whether it holds for *facts*, and what was found there."""
        ...


def _shown(values: tuple[str, ...] | None) -> str:
    if values is None:
        return "absent"
    return "empty" if not any(values) else "\\".join(values)


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any value of the field equals one of the wanted ones; letter case does not matter."""

    name: str
    wanted: tuple[str, ...]
    negated: bool = False

    def ask(self, facts: Facts) -> Answer:
        """See ``Condition``; a negated one also holds where the field is absent."""
        found = facts.of(self.name)
        wanted = {value.casefold() for value in self.wanted}
        hit = any(value.casefold() in wanted for value in found or ())
        word = "not in" if self.negated else "in"
        return Answer(
            hit is not self.negated, f"{self.name} {word} {list(self.wanted)}", _shown(found)
        )


@dataclass(frozen=True, slots=True)
class Like:
    """Any value matches a pattern where ``*`` is any run and ``?`` any one character."""

    name: str
    pattern: str
    negated: bool = False

    def ask(self, facts: Facts) -> Answer:
        """See ``Condition``; letter case does not matter."""
        found = facts.of(self.name)
        hit = any(wildcard_match(self.pattern.casefold(), v.casefold()) for v in found or ())
        word = "not like" if self.negated else "like"
        return Answer(
            hit is not self.negated, f"{self.name} {word} {self.pattern!r}", _shown(found)
        )


@dataclass(frozen=True, slots=True)
class Present:
    """The field has a value, or has none."""

    name: str
    wanted: bool

    def ask(self, facts: Facts) -> Answer:
        """See ``Condition``; an empty field counts as not present."""
        found = facts.of(self.name)
        hit = any(found or ())
        return Answer(
            hit is self.wanted,
            f"{self.name} {'present' if self.wanted else 'absent'}",
            _shown(found),
        )


@dataclass(frozen=True, slots=True)
class Between:
    """Any value lies between two ends, both included; numbers as numbers, dates as YYYYMMDD."""

    name: str
    low: str | float | None
    high: str | float | None

    def ask(self, facts: Facts) -> Answer:
        """See ``Condition``; a value of the other kind does not hold."""
        found = facts.of(self.name)
        hit = any(self._inside(value) for value in found or ())
        return Answer(hit, f"{self.name} from {self.low} to {self.high}", _shown(found))

    def _inside(self, text: str) -> bool:
        ends = [end for end in (self.low, self.high) if end is not None]
        if all(isinstance(end, str) for end in ends):
            value: str | float = text
        elif re.fullmatch(r"\s*[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?\s*", text):
            value = float(text)
        else:
            return False
        above = self.low is None or value >= self.low  # type: ignore[operator]  # same kind by now
        return above and (self.high is None or value <= self.high)  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of several groups holds, each group in all its conditions."""

    groups: tuple[tuple[Condition, ...], ...]

    def ask(self, facts: Facts) -> Answer:
        """See ``Condition``; the reason lists every group."""
        asked = [[condition.ask(facts) for condition in group] for group in self.groups]
        text = " or ".join(" and ".join(a.condition for a in group) for group in asked)
        found = "; ".join(a.found for group in asked for a in group)
        return Answer(
            any(all(a.holds for a in group) for group in asked), f"any of ({text})", found
        )


def wildcard_match(pattern: str, text: str) -> bool:
    """Return whether the whole of *text* matches *pattern* in time linear in their product.

    ``*`` stands for any run, ``?`` for one character; nothing else is special.
    """
    at_text = at_pattern = 0
    star, resume = -1, 0
    while at_text < len(text):
        if at_pattern < len(pattern) and pattern[at_pattern] == "*":
            star, resume = at_pattern, at_text
            at_pattern += 1
        elif at_pattern < len(pattern) and pattern[at_pattern] in ("?", text[at_text]):
            at_pattern += 1
            at_text += 1
        elif star >= 0:
            resume += 1
            at_pattern, at_text = star + 1, resume
        else:
            return False
    return set(pattern[at_pattern:]) <= {"*"}
