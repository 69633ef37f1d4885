"""A query over the archive, whatever language it was asked in."""

from dataclasses import dataclass, field

from imaging.query.attributes import Attribute, Level
from imaging.query.matching import Match, NothingMatches


@dataclass(frozen=True, slots=True)
class Key:
    """One matching key."""

    attribute: Attribute
    match: Match
    fuzzy: bool = False
    """Names: a literal may begin any word, and pinyin counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked for."""

    level: Level
    keys: tuple[Key, ...] = ()
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
