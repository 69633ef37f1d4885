"""The study list: a page of rows, newest first, narrowed by what people type and tick."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from imaging.archive.locate import StudyRef
from imaging.archive.model import OTHER_PATIENT, ConflictRow, SeriesRow, StudyDetail, StudyPage
from imaging.archive.study_rows import rows_of
from imaging.archive.tables import (
    instance,
    instance_conflict,
    series,
    study,
    study_gram,
    study_name,
)
from imaging.patients.names import TermKind, fold, grams
from imaging.query.attributes import ATTRIBUTES, MODALITIES_IN_STUDY, STUDY_DATE, Level
from imaging.query.conditions import Compiled, compile_key
from imaging.query.matching import Between, OneOf
from imaging.query.model import Key
from imaging.query.ways import shortest_way, within_reach
from kernel.events import last_event_id
from kernel.policy import Reach

TOTAL_MAX: Final = 10_000
"""Matching studies are counted up to here; a list says "10000 or more" beyond."""
PAGE_MAX: Final = 200
TYPED_MAX: Final = 64
_OTHER_PATIENTS_SHOWN: Final = 20
_LAST: Final = "\U0010ffff"
_GRAMS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """What the list is narrowed by; empty fields narrow nothing."""

    typed: str = ""
    """Part of a name, pinyin or initials; beginning of a patient ID or accession number, or any
    three and more characters of one."""
    modality: str = ""
    institution: str = ""
    date_from: str = ""
    """YYYYMMDD, included."""
    date_to: str = ""
    unidentified: bool = False
    conflicts: bool = False


def read_page(
    conn: sa.Connection, narrow: Narrow, reach: Reach, *, limit: int, before: int | None
) -> StudyPage:
    """Return at most *limit* rows of the list below the row *before*, newest first.

    Args:
        conn: a connection to read from, one snapshot.
        narrow: what the list is narrowed by.
        reach: whose studies the asker may find.
        limit: rows wanted.
        before: ``next_cursor`` of the page above; None for the first page.
    """
    # Read in the same snapshot: what happens after this event is not in the page.
    last_event = last_event_id(conn)
    if reach.nothing:
        return StudyPage(items=[], next_cursor=None, total=0, last_event_id=last_event)
    found = _narrowed(conn, narrow, reach)
    page = found if before is None else found.where(study.c.id < before)
    ids = list(conn.scalars(page.order_by(study.c.id.desc()).limit(limit + 1)))
    total = conn.scalar(sa.select(sa.func.count()).select_from(found.limit(TOTAL_MAX).subquery()))
    return StudyPage(
        items=rows_of(conn, ids[:limit]),
        next_cursor=str(ids[limit - 1]) if len(ids) > limit else None,
        total=total or 0,
        last_event_id=last_event,
    )


def _narrowed(conn: sa.Connection, narrow: Narrow, reach: Reach) -> sa.Select[int]:
    compiled = list(_compiled(conn, narrow))
    query = sa.select(study.c.id).where(within_reach(reach), *(each.condition for each in compiled))
    few = shortest_way(conn, compiled, reach)
    return query if few is None else query.where(study.c.id.in_(few))


def _compiled(conn: sa.Connection, narrow: Narrow) -> Iterator[Compiled]:
    columns, dialect = study.c, conn.dialect.name
    if narrow.typed:
        found = _typed(conn, narrow.typed)
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


def _typed(conn: sa.Connection, typed: str) -> sa.Select[int]:
    """Return the search for studies with something like *typed* in what people search by."""
    plain = typed.strip()[:TYPED_MAX]
    folded = fold(plain)
    terms = study_name.c
    finds: list[sa.Select[int]] = [
        sa.select(study.c.id).where(_begins(study.c.patient_id, plain)),
        sa.select(study.c.id).where(_begins(study.c.accession_number, plain)),
    ]
    if folded:
        # Pinyin is kept without spaces; the kinds are named for the index's sake.
        kinds = terms.kind.in_([kind.value for kind in TermKind])
        finds += [
            sa.select(terms.study).where(kinds, _begins(terms.text, text))
            for text in dict.fromkeys((folded, folded.replace(" ", "")))
        ]
    finds += _inside(conn, "n", folded) + _inside(conn, "i", plain) + _inside(conn, "a", plain)
    found = sa.union(*finds).subquery()
    return sa.select(found.c[0])


def _begins(column: sa.ColumnElement[str], text: str) -> sa.ColumnElement[bool]:
    return sa.and_(column >= text, column < text + _LAST)


def _inside(conn: sa.Connection, letter: str, text: str) -> list[sa.Select[int]]:
    """Return the search for *text* anywhere, where its grams tell enough."""
    wanted = sorted(grams(text), key=len, reverse=True)[:_GRAMS]
    if not wanted:
        return []
    found = sa.select(study_gram.c.study).where(study_gram.c.gram == letter + wanted[0])
    for gram in wanted[1:]:
        other = study_gram.alias()
        found = found.where(
            sa.exists()
            .where(other.c.gram == letter + gram, other.c.study == study_gram.c.study)
            .correlate(study_gram)
        )
    column = {
        "n": study_name.c.text,
        "i": study.c.patient_id,
        "a": study.c.accession_number,
    }[letter]
    holds = _contains(conn, column, text)
    if letter == "n":
        proof = sa.exists().where(study_name.c.study == study_gram.c.study, holds)
    else:
        proof = sa.exists().where(study.c.id == study_gram.c.study, holds)
    return [found.where(proof.correlate(study_gram))]


def _contains(
    conn: sa.Connection, column: sa.ColumnElement[str], text: str
) -> sa.ColumnElement[bool]:
    # What was typed is no pattern: its own wildcards stand for themselves.
    if conn.dialect.name == "sqlite":
        literal = "".join(f"[{c}]" if c in "*?[" else c for c in text)
        return column.op("GLOB", is_comparison=True)(f"*{literal}*")
    return column.contains(text, autoescape=True)


def read_detail(conn: sa.Connection, ref: StudyRef) -> StudyDetail:
    """Return the study with its series and what of it a person must decide."""
    (row,) = rows_of(conn, [ref.id])
    return StudyDetail(
        study=row,
        series=_series(conn, ref),
        conflicts=[*_conflicts(conn, ref), *_other_patients(conn, ref)],
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


def _conflicts(conn: sa.Connection, ref: StudyRef) -> list[ConflictRow]:
    columns = instance_conflict.c
    query = (
        sa.select(columns.id, columns.sop_instance_uid, columns.kept_at, columns.reason)
        .where(columns.study == ref.id)
        .order_by(columns.id)
    )
    return [
        ConflictRow(
            id=f"conflict-{row.id}",
            sop_instance_uid=row.sop_instance_uid,
            kept_at=row.kept_at,
            reason=row.reason,
        )
        for row in conn.execute(query)
    ]


def _other_patients(conn: sa.Connection, ref: StudyRef) -> list[ConflictRow]:
    columns = instance.c
    query = (
        sa.select(columns.id, columns.sop_instance_uid, columns.received_at)
        .where(columns.study == ref.id, columns.oddities.contains(OTHER_PATIENT))
        .order_by(columns.id)
        .limit(_OTHER_PATIENTS_SHOWN)
    )
    return [
        ConflictRow(
            id=f"instance-{row.id}",
            sop_instance_uid=row.sop_instance_uid,
            kept_at=row.received_at,
            reason=OTHER_PATIENT,
        )
        for row in conn.execute(query)
    ]
