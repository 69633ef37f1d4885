"""Runs a query on the index: at most one page of rows, newest first, in stable order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.tables import instance, series, study
from imaging.query.attributes import ATTRIBUTES, REQUEST_ATTRIBUTES, Level
from imaging.query.conditions import Studies, compile_key, compile_moment
from imaging.query.matching import Between, OneOf
from imaging.query.model import Query
from imaging.query.ways import newest, shortest_way, within_reach
from kernel.policy import Reach

_KEY_COLUMNS: Final = {
    Level.STUDY: (study.c.id, study.c.study_instance_uid),
    Level.SERIES: (series.c.id, study.c.study_instance_uid, series.c.series_instance_uid),
    Level.INSTANCE: (
        instance.c.id,
        study.c.study_instance_uid,
        series.c.series_instance_uid,
        instance.c.sop_instance_uid,
    ),
}
_TABLES: Final = {Level.STUDY: study, Level.SERIES: series, Level.INSTANCE: instance}


@dataclass(frozen=True, slots=True)
class Page:
    """What a query found."""

    rows: Sequence[Mapping[str, Any]]
    """Column values by the attribute's tag in hex, and ``id``, ``study_instance_uid``, ...."""
    more: bool
    """There are rows after this page."""
    bound: int
    """Rows numbered above this were not looked at; the next page must not either."""


def run_query(conn: sa.Connection, query: Query, reach: Reach, *, bound: int | None = None) -> Page:
    """Return the page of *query* that lies in *reach*.

    Args:
        conn: a connection to read from.
        query: what is asked for.
        reach: whose studies the asker may find.
        bound: what the first page said, so that later pages go on where it ended although new
            objects have arrived since; None for a first page.
    """
    table = _TABLES[query.level]
    if bound is None:
        bound = conn.scalar(sa.select(sa.func.max(table.c.id))) or 0
    if reach.nothing:
        return Page([], more=False, bound=bound)
    dialect = conn.dialect.name
    compiled = [compile_key(key, query.level, dialect) for key in query.keys]
    conditions = [within_reach(reach), *(each.condition for each in compiled)]
    conditions += [compile_moment(each) for each in query.moments]
    rows = EVERY_ROW[query.level]
    statement = rows.where(table.c.id <= bound, *conditions)
    if query.level is Level.STUDY and not query.keys:
        wanted = query.offset + query.limit + 1
        few: Studies | None = newest(reach, below=bound, count=wanted)
    else:
        few = shortest_way(conn, compiled, reach)
    if few is not None:
        statement = statement.where(study.c.id.in_(few))
    elif query.level is Level.STUDY and (span := _span(conn, query)) is not None:
        # SQLite goes by one bound at each end only.
        statement = rows.where(
            study.c.id <= min(bound, span[1]), study.c.id >= span[0], *conditions
        )
    statement = statement.order_by(*_order(query)).limit(query.limit + 1).offset(query.offset)
    found = [dict(row) for row in conn.execute(statement).mappings()]
    return Page(found[: query.limit], more=len(found) > query.limit, bound=bound)


def _every_row(level: Level) -> sa.Select[Any]:
    columns: list[sa.ColumnElement[Any]] = list(_KEY_COLUMNS[level])
    for tag, attribute in (*ATTRIBUTES.items(), *REQUEST_ATTRIBUTES.items()):
        if attribute.level <= level:
            column = _TABLES[attribute.level].c[attribute.column]
            columns.append(column.label(f"{tag:08X}"))
    joined: sa.FromClause = study
    if level >= Level.SERIES:
        joined = joined.join(series, series.c.study == study.c.id)
    if level >= Level.INSTANCE:
        joined = joined.join(instance, instance.c.series == series.c.id)
    return sa.select(*columns).select_from(joined)


# Made once: putting forty columns together costs as much as reading a row.
EVERY_ROW: Final = {level: _every_row(level) for level in _TABLES}
"""By level, the rows of all entities with their attributes and those above; not of patients."""


def _order(query: Query) -> Sequence[sa.ColumnElement[Any]]:
    """Return a total order, in which rows that arrive later lie beyond the page's bound."""
    if query.level is Level.STUDY:
        return (study.c.id.desc(),)
    one_study = any(key.attribute.column == "study_instance_uid" for key in query.keys)
    if query.level is Level.SERIES:
        if one_study:
            return (series.c.series_number, series.c.id)
        return (series.c.id.desc(),)
    if one_study:
        return (series.c.series_number, series.c.id, instance.c.instance_number, instance.c.id)
    return (instance.c.id.desc(),)


def _span(conn: sa.Connection, query: Query) -> tuple[int, int] | None:
    """Return between which numbers the studies of the asked dates lie.

    A year's studies lie together; without this, all newer ones would be walked before them.
    """
    for key in query.keys:
        if key.attribute.column != "study_date":
            continue
        match key.match:
            case Between(first, last):
                dates = [study.c.study_date >= (first or "0")]
                if last is not None:
                    dates.append(study.c.study_date <= last)
            case OneOf(values):
                dates = [study.c.study_date.in_(values)]
            case _:
                continue
        lowest, highest = conn.execute(
            sa.select(sa.func.min(study.c.id), sa.func.max(study.c.id)).where(*dates)
        ).one()
        return lowest or 0, highest or 0
    return None
