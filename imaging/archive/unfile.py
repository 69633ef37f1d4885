"""Objects that have gone from the store leave the index: rows away, counts right, nothing else.

Only a node whose index stands over objects that another room keeps for a while does ``unfile``; an
archive forgets nothing here, but counts anew after a rejection.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from imaging.archive.tables import (
    instance,
    instance_conflict,
    patient,
    series,
    series_metadata,
    study,
)

_IN_MAX: Final = 500


KeptObject: TypeAlias = tuple[str, str]
"""SOP Instance UID of an object, and the key it is kept under."""


def unfile(conn: sa.Connection, gone: Sequence[KeptObject]) -> list[KeptObject]:
    """Take *gone* out of the index; what was never in it changes nothing.

    Returns:
        the other contents of UIDs whose first content has gone: they are out of the index as well,
        and each may be filed again as the one that answers.
    """
    freed: list[KeptObject] = []
    for at in range(0, len(gone), _IN_MAX):
        freed += _unfile(conn, dict(gone[at : at + _IN_MAX]))
    return freed


def _unfile(conn: sa.Connection, gone: dict[str, str]) -> list[KeptObject]:
    second = instance_conflict.c
    others = conn.execute(
        sa.select(second.id, second.study, second.sop_instance_uid, second.object_key).where(
            second.sop_instance_uid.in_(gone)
        )
    ).all()
    away = [row for row in others if gone[row.sop_instance_uid] == row.object_key]
    columns = instance.c
    firsts = [
        row
        for row in conn.execute(
            sa.select(
                columns.id,
                columns.study,
                columns.series,
                columns.sop_instance_uid,
                columns.object_key,
            ).where(columns.sop_instance_uid.in_(gone))
        )
        if gone[row.sop_instance_uid] == row.object_key
    ]
    left = {row.sop_instance_uid for row in firsts}
    freed = [row for row in others if row.sop_instance_uid in left and row not in away]
    _delete(conn, instance_conflict, [row.id for row in (*away, *freed)])
    _delete(conn, instance, [row.id for row in firsts])
    _count_series(conn, {row.series for row in firsts})
    _count_studies(conn, {row.study for row in (*firsts, *away, *freed)})
    return [(row.sop_instance_uid, row.object_key) for row in freed]


def recount(
    conn: sa.Connection, *, series_rows: Collection[int], study_rows: Collection[int]
) -> None:
    """Make the counts of *series_rows* and *study_rows* right; what holds nothing goes."""
    _count_series(conn, series_rows)
    _count_studies(conn, study_rows, patients_too=False)


def _delete(conn: sa.Connection, table: sa.Table, ids: Sequence[int]) -> None:
    if ids:
        conn.execute(sa.delete(table).where(table.c.id.in_(ids)))


def _totals(conn: sa.Connection, owner: sa.Column[int], rows: Collection[int]) -> dict[int, Any]:
    columns = instance.c
    query = (
        sa.select(
            owner.label("owner"),
            sa.func.count().label("count"),
            sa.func.sum(columns.size_bytes).label("bytes"),
        )
        .where(owner.in_(list(rows)))
        .group_by(owner)
    )
    return {row.owner: row for row in conn.execute(query)}


def _count_series(conn: sa.Connection, touched: Collection[int]) -> None:
    if not touched:
        return
    # Its count may be right again after one went and another came.
    conn.execute(sa.delete(series_metadata).where(series_metadata.c.series.in_(list(touched))))
    totals = _totals(conn, instance.c.series, touched)
    _delete(conn, series, [row for row in touched if row not in totals])
    for row, total in totals.items():
        conn.execute(
            sa.update(series)
            .where(series.c.id == row)
            .values(instance_count=total.count, size_bytes=total.bytes)
        )


def _count_studies(
    conn: sa.Connection, touched: Collection[int], *, patients_too: bool = True
) -> None:
    if not touched:
        return
    totals = _totals(conn, instance.c.study, touched)
    empty = [row for row in touched if row not in totals]
    patients = list(conn.scalars(sa.select(study.c.patient).where(study.c.id.in_(empty))))
    _delete(conn, study, empty)
    if patients_too:
        _forget_patients(conn, [row for row in patients if row is not None])
    for row, total in totals.items():
        of_study = series.c.study == row
        conflicts = sa.select(sa.func.count()).where(
            instance_conflict.c.study == row, instance_conflict.c.decision.is_(None)
        )
        modalities = set(conn.scalars(sa.select(series.c.modality).where(of_study)))
        conn.execute(
            sa.update(study)
            .where(study.c.id == row)
            .values(
                instance_count=total.count,
                size_bytes=total.bytes,
                series_count=sa.select(sa.func.count())
                .select_from(series)
                .where(of_study)
                .scalar_subquery(),
                conflict_count=conflicts.scalar_subquery(),
                modalities="\\".join(sorted(modalities - {""})),
            )
        )


def _forget_patients(conn: sa.Connection, rows: Sequence[int]) -> None:
    used = sa.exists().where(study.c.patient == patient.c.id)
    conn.execute(sa.delete(patient).where(patient.c.id.in_(rows), ~used))
