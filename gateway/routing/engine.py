"""Decide where a study goes. Pure: facts and rules in, destinations and reasons out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.routing.conditions import Condition
from gateway.routing.model import (
    Destination,
    DestinationKind,
    Facts,
    Matching,
    Routed,
    RuleTrace,
)
from gateway.routing.places import Sending
from gateway.routing.prior_rules import PriorRule


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the file: all its conditions must hold."""

    name: str
    line: int
    conditions: tuple[Condition, ...]
    destinations: tuple[Destination, ...]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A whole rules file.

    Attributes:
        fallback: where a study goes that no rule matches; may be empty, which keeps it in the
            archive only.
        places: how objects are sent, by the address of the destination; a peer of the table that
            is not there is sent to as ``Sending`` has it by default.
        priors: which earlier studies are asked for.
    """

    matching: Matching
    rules: tuple[Rule, ...]
    fallback: tuple[Destination, ...] = ()
    places: Mapping[str, Sending] = field(default_factory=dict)
    priors: tuple[PriorRule, ...] = ()

    def sent_to(self) -> dict[str, Sending]:
        """Return every destination objects are sent to, by its address, and how."""
        named = [*self.fallback, *(d for rule in self.rules for d in rule.destinations)]
        sent = {
            d.address: Sending(d.kind, d.name)
            for d in named
            if d.kind is not DestinationKind.READING_LIST
        }
        return sent | dict(self.places)


def route(rules: RuleSet, facts: Facts) -> Routed:
    """Return where *rules* send a study with these *facts*, with the answer of every condition.

    With ``Matching.FIRST`` rules behind the first match are listed as not reached. A destination
    named twice is kept once, in the first rule's form.
    """
    trace: list[RuleTrace] = []
    matched: list[Rule] = []
    for rule in rules.rules:
        decided = bool(matched) and rules.matching is Matching.FIRST
        answers = () if decided else tuple(c.ask(facts) for c in rule.conditions)
        hit = not decided and all(answer.holds for answer in answers)
        trace.append(RuleTrace(rule.name, rule.line, hit, answers, reached=not decided))
        if hit:
            matched.append(rule)
    found = [d for rule in matched for d in rule.destinations] if matched else rules.fallback
    return Routed(_once(found), tuple(rule.name for rule in matched), tuple(trace))


def _once(destinations: Sequence[Destination]) -> tuple[Destination, ...]:
    by_place = {(d.kind, d.name): d for d in reversed(destinations)}
    return tuple(by_place[key] for key in dict.fromkeys((d.kind, d.name) for d in destinations))
