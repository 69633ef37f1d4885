"""Keys as SQL: each a condition on rows, and, where an index can find them, a set of studies.

Everything a client sent is a bound parameter; tables and columns come from the fixed map of
attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

import sqlalchemy as sa

from imaging.archive.tables import (
    instance,
    series,
    study,
    study_description,
    study_name,
    study_suffix,
)
from imaging.patients.names import SUFFIX_MAX, TermKind
from imaging.query.attributes import SHORTEST_SUFFIX, Attribute, Kind, Level
from imaging.query.matching import (
    Absent,
    AnyOf,
    Between,
    Equals,
    Everything,
    Match,
    NothingMatches,
    OneOf,
    Wildcard,
    glob_pattern,
    like_pattern,
    literal_prefix,
    literal_runs,
)
from imaging.query.model import Key, Moment

_TABLES: Final = {Level.STUDY: study, Level.SERIES: series, Level.INSTANCE: instance}
_LAST: Final = "\U0010ffff"
"""Sorts after any character a value has."""
_INDEXED: Final = frozenset(
    {
        "study_instance_uid",
        "patient_id",
        "accession_number",
        "study_id",
        "study_date",
        "patient_birth_date",
        "study_description",
        "referring_physician_name",
    }
)

Condition = sa.ColumnElement[bool]
Studies = sa.Select[int]


@dataclass(frozen=True, slots=True)
class Compiled:
    """One key in SQL."""

    condition: Condition
    """Holds for the rows that match; needs no index of its own table."""
    studies: tuple[Studies, ...] = ()
    """Each finds, by an index, every study that can match, and perhaps more."""


def compile_key(key: Key, level: Level, dialect: str) -> Compiled:
    """Return *key* for rows at *level*, which lie in ``study``, ``series`` and ``instance``.

    A key below *level* asks whether the entity has such a part.
    """
    attribute, match = key.attribute, key.match
    if isinstance(match, AnyOf):
        return _any(key, match, level, dialect)
    if attribute.kind is Kind.NAME:
        return _name(key, match, dialect)
    if attribute.column == "modalities" or (
        attribute.column == "modality" and level is Level.STUDY
    ):
        return _modalities(match, dialect)
    if attribute.level > level:
        return _below(attribute, match, level, dialect)
    if attribute.level is Level.STUDY:
        return _study(attribute, match, dialect)
    column = _TABLES[attribute.level].c[attribute.column]
    return Compiled(compare(column, match, dialect))


def _any(key: Key, several: AnyOf, level: Level, dialect: str) -> Compiled:
    keys = [replace(key, match=each) for each in several.matches]
    conditions = [compile_key(each, level, dialect).condition for each in keys]
    return Compiled(sa.or_(sa.false(), *conditions))


def compile_moment(moment: Moment) -> Condition:
    """Return *moment* for rows at its attributes' level or below it.

    An absent time is the first of its day. The days themselves are a key as well.
    """
    columns = _TABLES[moment.date.level].c
    date, time = columns[moment.date.column], columns[moment.time.column]
    holds = []
    if moment.dates.first is not None and moment.times.first is not None:
        holds.append(sa.or_(date > moment.dates.first, time >= moment.times.first))
    if moment.dates.last is not None and moment.times.last is not None:
        holds.append(sa.or_(date < moment.dates.last, time <= moment.times.last))
    return sa.and_(sa.true(), *holds)


def compare(column: sa.ColumnElement[Any], match: Match, dialect: str) -> Condition:
    """Return the condition that *match* holds for the value in *column*."""
    if isinstance(match, AnyOf):
        return sa.or_(sa.false(), *(compare(column, each, dialect) for each in match.matches))
    if isinstance(match, Absent):
        missing = column.is_(None)
        return missing if isinstance(column.type, sa.Integer) else sa.or_(missing, column == "")
    return _compare(column, match, dialect)


def _compare(
    column: sa.ColumnElement[Any],
    match: Everything | NothingMatches | OneOf | Wildcard | Between | Equals,
    dialect: str,
) -> Condition:
    match match:
        case Everything():
            return sa.true()
        case NothingMatches():
            return sa.false()
        case OneOf(values):
            return column == values[0] if len(values) == 1 else column.in_(values)
        case Equals(value):
            return column == value
        case Between(first, last):
            bounds = [column != ""]
            if first is not None:
                bounds.append(column >= first)
            if last is not None:
                bounds.append(column <= last)
            return sa.and_(*bounds)
        case Wildcard(pattern):
            return _wildcard(column, pattern, dialect)
        case _:
            assert_never(match)


def _wildcard(column: sa.ColumnElement[Any], pattern: str, dialect: str) -> Condition:
    # SQLite's LIKE takes no notice of the case of ASCII letters; its GLOB does.
    if dialect == "sqlite":
        fits: Condition = column.op("GLOB", is_comparison=True)(glob_pattern(pattern))
    else:
        fits = column.like(like_pattern(pattern), escape="\\")
    prefix = literal_prefix(pattern)
    if not prefix:
        return fits
    return sa.and_(begins_with(column, prefix), fits)


def _unindexed(column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
    """Return *column* so that SQLite, which knows no distribution, does not take its index."""
    return column.concat("") if dialect == "sqlite" else column


def _study(attribute: Attribute, match: Match, dialect: str) -> Compiled:
    name = attribute.column
    if attribute.kind is Kind.FOLDED_NAME:
        name = "referring_physician_folded"
    column = study.c[name]
    if attribute.kind is Kind.NUMBER:
        return Compiled(compare(column, match, dialect))
    condition = compare(_unindexed(column, dialect), match, dialect)
    found: list[Studies] = []
    if name == "study_description" and isinstance(match, Wildcard):
        texts = study_description.c.text
        fitting = sa.select(texts).where(compare(texts, match, dialect))
        found.append(sa.select(study.c.id).where(column.in_(fitting)))
    elif attribute.column in _INDEXED and not _starts_open(match):
        found.append(sa.select(study.c.id).where(compare(column, match, dialect)))
    elif isinstance(match, Wildcard) and attribute.suffix:
        found.extend(_inside(attribute.suffix, match.pattern))
    return Compiled(condition, tuple(found))


def _starts_open(match: Match) -> bool:
    return isinstance(match, Wildcard) and not literal_prefix(match.pattern)


def _inside(field: str, pattern: str) -> list[Studies]:
    """Return the search for the longest run of *pattern* anywhere in the field."""
    run = max(literal_runs(pattern), key=len, default="")[:SUFFIX_MAX]
    return [find_inside([field], run)] if len(run) >= SHORTEST_SUFFIX[field] else []


def find_inside(fields: Sequence[str], text: str) -> Studies:
    """Return the search for studies with *text*, at most ``SUFFIX_MAX`` long, inside a field."""
    ends = study_suffix.c
    return sa.select(ends.study).where(ends.field.in_(fields), begins_with(ends.text, text))


def begins_with(column: sa.ColumnElement[str], text: str) -> Condition:
    """Return the condition that *column* begins with *text*, as a range an index can use."""
    return sa.and_(column >= text, column < text + _LAST)


def _name(key: Key, match: Match, dialect: str) -> Compiled:
    if isinstance(match, Absent):
        return Compiled(compare(study.c[key.attribute.column], match, dialect))
    terms = study_name.c
    kinds = [TermKind.WRITTEN]
    if key.fuzzy and isinstance(match, OneOf):
        # The beginning of any word, or of the pinyin: what people type.
        match = Wildcard(match.values[0] + "*")
        kinds = list(TermKind)
    fits = sa.and_(
        terms.kind.in_([kind.value for kind in kinds]), compare(terms.text, match, dialect)
    )
    condition = sa.exists().where(terms.study == study.c.id, fits).correlate(study)
    found: list[Studies] = []
    if not _starts_open(match):
        found.append(sa.select(terms.study).where(fits))
    elif isinstance(match, Wildcard):
        found.extend(_inside(key.attribute.suffix, match.pattern))
    return Compiled(condition, tuple(found))


def _modalities(match: Match, dialect: str) -> Compiled:
    if isinstance(match, Absent):
        return Compiled(compare(study.c.modalities, match, dialect))
    parts = series.alias()
    fits = compare(parts.c.modality, match, dialect)
    has = sa.exists().where(parts.c.study == study.c.id, fits).correlate(study)
    return Compiled(has, (sa.select(parts.c.study).where(fits),))


def _below(attribute: Attribute, match: Match, level: Level, dialect: str) -> Compiled:
    part = _TABLES[attribute.level].alias()
    fits = compare(part.c[attribute.column], match, dialect)
    if level is Level.SERIES:
        return Compiled(sa.exists().where(part.c.series == series.c.id, fits).correlate(series))
    has = sa.exists().where(part.c.study == study.c.id, fits).correlate(study)
    if attribute.kind is Kind.UID:
        return Compiled(has, (sa.select(part.c.study).where(fits),))
    return Compiled(has)
