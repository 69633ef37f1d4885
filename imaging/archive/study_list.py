"""The study list: a page of rows, newest first, narrowed by what people type and tick."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from imaging.archive.conflicts import After, conflicts_page
from imaging.archive.locate import StudyRef
from imaging.archive.model import SeriesRow, StudyDetail, StudyPage, StudyRow
from imaging.archive.pinning import PINNED_FOR, PINNED_MOST
from imaging.archive.study_rows import rows_of
from imaging.archive.tables import (
    series,
    study,
    study_name,
)
from imaging.patients.names import SUFFIX_MAX, TermKind, fold
from imaging.patients.person_terms import of_persons
from imaging.query.attributes import ATTRIBUTES, MODALITIES_IN_STUDY, STUDY_DATE, Level
from imaging.query.conditions import Compiled, begins_with, compile_key, find_inside
from imaging.query.matching import Between, OneOf
from imaging.query.model import Key
from imaging.query.ways import newest, shortest_way, within_reach
from kernel.events import last_event_id
from kernel.policy import Reach

TOTAL_MAX: Final = 10_000
"""Matching studies are counted up to here; a list says "10000 or more" beyond."""
PAGE_MAX: Final = 200
_NUMBER_MAX: Final = 2**63 - 1
CONFLICTS_FIRST: Final = 50
"""How many conflicts come with a study itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """What the list is narrowed by; empty fields narrow nothing."""

    typed: str = ""
    """Part of a name, or the beginning of its pinyin or initials; beginning of a patient ID or
    accession number, or three and more characters from inside one; the beginning of a name or a
    number that the same person has as another patient. Cut to ``SUFFIX_MAX``."""
    modality: str = ""
    institution: str = ""
    date_from: str = ""
    """YYYYMMDD, included."""
    date_to: str = ""
    unidentified: bool = False
    conflicts: bool = False


def read_page(  # of what, whose, which part of it, when
    conn: sa.Connection,
    narrow: Narrow,
    reach: Reach,
    *,
    limit: int,
    before: int | None,
    at: dt.datetime | None = None,
) -> StudyPage:
    """Return at most *limit* rows of the list below the row *before*, newest first.

    Args:
        conn: a connection to read from, one snapshot.
        narrow: what the list is narrowed by.
        reach: whose studies the asker may find.
        limit: rows wanted.
        before: ``next_cursor`` of the page above; None for the first page.
        at: the present instant, for the emergencies that come with the first page; None for none.
    """
    # Read in the same snapshot: what happens after this event is not in the page.
    last_event = last_event_id(conn)
    if reach.nothing:
        return StudyPage(items=[], next_cursor=None, total=0, last_event_id=last_event)
    compiled = list(_compiled(conn, narrow))
    if compiled:
        found = _narrowed(conn, compiled, reach)
        number = found.selected_columns[0]
        page = found if before is None else found.where(number < before)
        page, counted = page.order_by(number.desc()).limit(limit + 1), found.limit(TOTAL_MAX)
    else:
        page = _top(newest(reach, below=_below(before), count=limit + 1), limit + 1)
        counted = newest(reach, below=_below(None), count=TOTAL_MAX).limit(TOTAL_MAX)
    ids = list(conn.scalars(page))
    total = conn.scalar(sa.select(sa.func.count()).select_from(counted.subquery()))
    pinned, elsewhere = list[StudyRow](), list[str]()
    if before is None and at is not None:
        pinned, elsewhere = _pinned(conn, compiled, reach, at)
    return StudyPage(
        items=rows_of(conn, ids[:limit]),
        next_cursor=str(ids[limit - 1]) if len(ids) > limit else None,
        total=total or 0,
        last_event_id=last_event,
        pinned=pinned,
        pinned_elsewhere=elsewhere,
    )


def _pinned(
    conn: sa.Connection, compiled: Sequence[Compiled], reach: Reach, at: dt.datetime
) -> tuple[list[StudyRow], list[str]]:
    """Return the emergencies at the top that meet the conditions, and the UIDs of the others."""
    columns = study.c
    some = (
        sa.select(columns.id)
        # As the index says it: a bound value would pass it by.
        .where(columns.priority == sa.literal_column("0"))
        .where(columns.received_at > at - PINNED_FOR, within_reach(reach))
        .order_by(columns.received_at.desc())
        .limit(PINNED_MOST)
    )
    ids = sorted(conn.scalars(some), reverse=True)
    fits = set(ids)
    if ids and compiled:
        narrowed = sa.select(columns.id).where(
            columns.id.in_(ids), *(each.condition for each in compiled)
        )
        fits = set(conn.scalars(narrowed))
    pinned: list[StudyRow] = []
    elsewhere: list[str] = []
    # Read in one transaction: none of them is missing.
    for number, row in zip(ids, rows_of(conn, ids), strict=True):
        if row.pinned_until is None or row.pinned_until <= at:
            continue
        if number in fits:
            pinned.append(row)
        else:
            elsewhere.append(row.study_instance_uid)
    return pinned, elsewhere


def _below(before: int | None) -> int:
    return _NUMBER_MAX if before is None else before - 1


def _top(found: sa.Select[int], most: int) -> sa.Select[int]:
    return found.order_by(found.selected_columns[0].desc()).limit(most)


def _narrowed(conn: sa.Connection, compiled: Sequence[Compiled], reach: Reach) -> sa.Select[int]:
    query = sa.select(study.c.id).where(within_reach(reach), *(each.condition for each in compiled))
    few = shortest_way(conn, compiled, reach)
    return query if few is None else query.where(study.c.id.in_(few))


def _compiled(conn: sa.Connection, narrow: Narrow) -> Iterator[Compiled]:
    columns, dialect = study.c, conn.dialect.name
    if narrow.typed:
        found = _typed(narrow.typed)
        yield Compiled(columns.id.in_(found), (found,))
    if narrow.modality:
        modality = Key(ATTRIBUTES[MODALITIES_IN_STUDY], OneOf((narrow.modality,)))
        yield compile_key(modality, Level.STUDY, dialect)
    if narrow.institution:
        own = columns.institution == narrow.institution
        yield Compiled(own, (sa.select(columns.id).where(own),))
    if narrow.date_from or narrow.date_to:
        dates = Between(narrow.date_from or None, narrow.date_to or None)
        yield compile_key(Key(ATTRIBUTES[STUDY_DATE], dates), Level.STUDY, dialect)
    if narrow.unidentified:
        yield Compiled(columns.unidentified, (sa.select(columns.id).where(columns.unidentified),))
    if narrow.conflicts:
        either = sa.or_(columns.conflict_count > 0, columns.mixed_patients)
        parts = sa.union(
            sa.select(columns.id).where(columns.conflict_count > 0),
            sa.select(columns.id).where(columns.mixed_patients),
        ).subquery()
        yield Compiled(either, (sa.select(parts.c.id),))


def _typed(typed: str) -> sa.Select[int]:
    """Return the search for studies with something like *typed* in what people search by."""
    plain = typed.strip()[:SUFFIX_MAX]
    folded = fold(plain)
    terms = study_name.c
    finds: list[sa.Select[int]] = [
        sa.select(study.c.id).where(begins_with(study.c.patient_id, plain)),
        sa.select(study.c.id).where(begins_with(study.c.accession_number, plain)),
        find_inside(["i", "a"], plain),
    ]
    if folded:
        # Pinyin is kept without spaces; the kinds are named for the index's sake.
        kinds = terms.kind.in_([kind.value for kind in TermKind])
        finds += [
            sa.select(terms.study).where(kinds, begins_with(terms.text, text))
            for text in dict.fromkeys((folded, folded.replace(" ", "")))
        ]
        finds.append(find_inside(["n"], folded))
    if plain:
        finds.append(of_persons(plain))
    found = sa.union(*finds).subquery()
    return sa.select(found.c[0])


def read_detail(conn: sa.Connection, ref: StudyRef) -> StudyDetail:
    """Return the study with its series and the first of what of it a person must decide."""
    (row,) = rows_of(conn, [ref.id])
    first = conflicts_page(conn, ref, limit=CONFLICTS_FIRST, after=After())
    return StudyDetail(
        study=row,
        series=_series(conn, ref),
        conflicts=first.items,
        conflicts_cursor=first.next_cursor,
        conflicts_total=first.total,
    )


def _series(conn: sa.Connection, ref: StudyRef) -> list[SeriesRow]:
    columns = series.c
    query = (
        sa.select(
            columns.series_instance_uid,
            columns.modality,
            columns.series_description,
            columns.series_number,
            columns.instance_count,
            columns.body_part_examined,
        )
        .where(columns.study == ref.id)
        .order_by(columns.series_number, columns.id)
    )
    return [
        SeriesRow(
            series_instance_uid=row.series_instance_uid,
            modality=row.modality,
            description=row.series_description,
            number=row.series_number,
            instance_count=row.instance_count,
            body_part=row.body_part_examined,
            thumbnail=f"/dicom-web/studies/{ref.study_instance_uid}"
            f"/series/{row.series_instance_uid}/thumbnail",
        )
        for row in conn.execute(query)
    ]
