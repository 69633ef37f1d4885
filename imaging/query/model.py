"""A query over the archive, whatever language it was asked in."""

from dataclasses import dataclass, field

from imaging.query.attributes import Attribute, Level
from imaging.query.matching import Match


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

    def within(self) -> Level:
        """Return the lowest level above the asked one that a key names one entity of."""
        found = Level.STUDY
        for key in self.keys:
            if key.attribute.column == "series_instance_uid":
                found = Level.SERIES
        return found
