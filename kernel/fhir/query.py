"""A search after its text was read: values of parameters, and how much of the answer is wanted."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Token:
    """A code or number."""

    code: str
    """Empty for any of the system."""
    system: str | None = None
    """None for any; empty for one without a system."""

    def fits(self, system: str, code: str) -> bool:
        """Tell whether this asks for *code* of *system*."""
        return self.system in {None, system} and self.code in {"", code}


@dataclass(frozen=True, slots=True)
class Text:
    """What a string begins with, or is where the modifier says so."""

    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time; the first instant is in it, the last is not."""

    first: dt.datetime | None
    last: dt.datetime | None
    outside: bool = False
    """Whatever does not lie in it is asked for."""


@dataclass(frozen=True, slots=True)
class Target:
    """A resource somebody's reference names."""

    type: str
    """Empty where the parameter has one type only."""
    id: str


Value: TypeAlias = Token | Text | Span | Target


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter with its values, of which one has to fit."""

    name: str
    """With its chain: ``patient.identifier``."""
    values: tuple[Value, ...]
    modifier: str = ""

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The values of a token parameter."""
        return tuple(value for value in self.values if isinstance(value, Token))

    @property
    def texts(self) -> tuple[str, ...]:
        """The values of a string parameter."""
        return tuple(value.text for value in self.values if isinstance(value, Text))

    @property
    def spans(self) -> tuple[Span, ...]:
        """The values of a date parameter."""
        return tuple(value for value in self.values if isinstance(value, Span))

    @property
    def targets(self) -> tuple[Target, ...]:
        """The values of a reference parameter."""
        return tuple(value for value in self.values if isinstance(value, Target))


class Total(StrEnum):
    """How exactly the matches are counted (``_total``)."""

    NONE = "none"
    ESTIMATE = "estimate"
    """To 10,000; no total beyond."""
    ACCURATE = "accurate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a room is asked to find."""

    criteria: tuple[Criterion, ...] = ()
    """All have to be met."""
    count: int
    """Most resources of a page, from 0 on."""
    after: tuple[str, ...] | None = None
    """``Page.after`` of the page before."""
    sort: str = ""
    """A parameter of ``ResourceDefinition.sorts``; empty for the newest first."""
    descending: bool = False
    total: Total = Total.ESTIMATE
