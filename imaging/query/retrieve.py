"""The filed instances a retrieve identifier means, study by study, in the order they are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.correction import Correction
from imaging.archive.locations import correction_of, native_of
from imaging.archive.tables import instance, series, study, study_reach
from imaging.query.attributes import Level
from imaging.query.conditions import compare
from imaging.query.model import Query
from imaging.query.ways import lasting, within_reach
from kernel.arrival import NativeForm
from kernel.policy import Granted, Reach, Reason, Subject


@dataclass(frozen=True, slots=True)
class RetrievedStudy:
    """A study something is retrieved of."""

    study_instance_uid: str
    patient_id: str
    subject: Subject
    correction: Correction | None = None
    """Whose it is since a person put that right; every object of it leaves so."""


@dataclass(frozen=True, slots=True)
class RetrievedInstance:
    """One instance, and how it lies."""

    study: RetrievedStudy
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    native: NativeForm | None
    object_key: str
    dataset_offset: int
    has_pixels: bool


_TABLES: Final = {Level.STUDY: study, Level.SERIES: series, Level.INSTANCE: instance}
_ROWS: Final = (
    sa.select(
        study.c.id.label("study_row"),
        instance.c.sop_instance_uid,
        instance.c.sop_class_uid,
        instance.c.transfer_syntax_uid,
        instance.c.native_transfer_syntax_uid,
        instance.c.native_photometric_interpretation,
        instance.c.native_planar_configuration,
        instance.c.native_pixel_vr,
        instance.c.object_key,
        instance.c.dataset_offset,
        instance.c.pixel_length,
    )
    .select_from(instance)
    .join(series, series.c.id == instance.c.series)
    .join(study, study.c.id == instance.c.study)
)
_READING_ORDER: Final = (
    series.c.series_number,
    series.c.id,
    instance.c.instance_number,
    instance.c.id,
)
_NOBODY: Final = Reach("", nothing=True)


def instances_of(conn: sa.Connection, query: Query, reach: Reach) -> list[RetrievedInstance]:
    """Return what *query*, at the level of instances, finds in *reach*: at most its limit.

    Newest study first, within a study by the numbers of series and instances.
    """
    if reach.nothing:
        return []
    dialect = conn.dialect.name
    # Each has an index that finds few rows, so no other way to them has to be looked for.
    unique = [
        compare(_TABLES[key.attribute.level].c[key.attribute.column], key.match, dialect)
        for key in query.keys
    ]
    statement = _ROWS.where(within_reach(reach), *unique).order_by(
        study.c.id.desc(), *_READING_ORDER
    )
    return _found(conn, conn.execute(statement.limit(query.limit)).all(), reach)


def instances_named(
    conn: sa.Connection, study_instance_uid: str, sop_instance_uids: Sequence[str]
) -> list[RetrievedInstance]:
    """Return those of *sop_instance_uids* that the study has, in the order they are read.

    For the county's own work; whoever asks for somebody takes ``instances_of``.
    """
    wanted = _ROWS.where(
        study.c.study_instance_uid == study_instance_uid,
        instance.c.sop_instance_uid.in_(sop_instance_uids),
    )
    rows = conn.execute(wanted.order_by(*_READING_ORDER)).all()
    return _found(conn, rows, _NOBODY)


def _found(conn: sa.Connection, rows: Sequence[Any], reach: Reach) -> list[RetrievedInstance]:
    studies = _studies(conn, list(dict.fromkeys(row.study_row for row in rows)), reach)
    # A study's many instances have the same few texts; one of each is enough.
    kept: dict[str, str] = {}
    natives: dict[NativeForm | None, NativeForm | None] = {}
    found = []
    for row in rows:
        native = native_of(row)
        found.append(
            RetrievedInstance(
                study=studies[row.study_row],
                sop_class_uid=kept.setdefault(row.sop_class_uid, row.sop_class_uid),
                sop_instance_uid=row.sop_instance_uid,
                transfer_syntax_uid=kept.setdefault(
                    row.transfer_syntax_uid, row.transfer_syntax_uid
                ),
                native=natives.setdefault(native, native),
                object_key=row.object_key,
                dataset_offset=row.dataset_offset,
                has_pixels=row.pixel_length != 0,
            )
        )
    return found


_STUDIES_AT_ONCE: Final = 500


def _studies(conn: sa.Connection, rows: Sequence[int], reach: Reach) -> dict[int, RetrievedStudy]:
    columns, may = study.c, study_reach.c
    found: dict[int, RetrievedStudy] = {}
    for start in range(0, len(rows), _STUDIES_AT_ONCE):
        some = rows[start : start + _STUDIES_AT_ONCE]
        given: dict[int, list[tuple[str, str]]] = {}
        reached = sa.select(may.study, may.institution, may.reason).where(
            may.study.in_(some), lasting(may.until, reach)
        )
        for study_row, holder, reason in conn.execute(reached):
            given.setdefault(study_row, []).append((holder, reason))
        wanted = sa.select(
            columns.id,
            columns.study_instance_uid,
            columns.patient_id,
            columns.institution,
            columns.correction,
        ).where(columns.id.in_(some))
        for row in conn.execute(wanted):
            theirs = given.get(row.id, [])
            routed = {holder for holder, reason in theirs if not reason} - {row.institution}
            granted = {Granted(holder, Reason(reason)) for holder, reason in theirs if reason}
            subject = Subject(row.institution, frozenset(routed), frozenset(granted))
            found[row.id] = RetrievedStudy(
                row.study_instance_uid, row.patient_id, subject, correction_of(row.correction)
            )
    return found
