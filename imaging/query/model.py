"""A query over the archive, whatever language it was asked in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from imaging.query.attributes import Attribute, Level
from imaging.query.matching import Between, Match, NothingMatches

Value: TypeAlias = "str | tuple[Attributes, ...]"
r"""Text (numbers in decimal, values separated by ``\``), or the items of a sequence."""
Attributes: TypeAlias = Mapping[str, Value]
"""Attributes by keyword; one the dictionary has no keyword for by its eight hex digits."""


@dataclass(frozen=True, slots=True)
class Key:
    """One matching key."""

    attribute: Attribute
    match: Match
    fuzzy: bool = False
    """Names: a literal may begin any word, and pinyin counts."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A range of dates and a range of times that are one interval (PS3.4 C.2.2.2.5.4)."""

    date: Attribute
    time: Attribute
    dates: Between
    times: Between


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for."""

    level: Level
    keys: tuple[Key, ...] = ()
    moments: tuple[Moment, ...] = ()
    """Their dates are among the keys as well, their times are not."""
    include: tuple[tuple[int, ...], ...] = ()
    """Attributes to return besides the usual ones, as paths of tags."""
    include_all: bool = False
    limit: int
    """Most rows to return, at least 1."""
    limited_by_us: bool = True
    """The asker wanted more rows than ``limit``, or named no limit."""
    offset: int = 0
    ignored: tuple[str, ...] = field(default=())
    """Keys that are no attributes, or cannot be matched here; as they were asked, shortened."""

    def hopeless(self) -> tuple[str, ...]:
        """Return why keys that are no value of their kind match nothing, each with its keyword."""
        return tuple(
            f"{key.attribute.keyword}: {key.match.why}"
            for key in self.keys
            if isinstance(key.match, NothingMatches)
        )
