"""What of a study a person must decide: second contents under a UID, and strange patients."""

import re
from dataclasses import dataclass
from typing import Any, Final, Self

import sqlalchemy as sa

from imaging.archive.locate import StudyRef
from imaging.archive.model import OTHER_PATIENT, ConflictPage, ConflictRow, FirstContent
from imaging.archive.study_rows import institution_names
from imaging.archive.tables import instance, instance_conflict, series
from kernel.errors import Invalid

CONFLICTS_TOTAL_MAX: Final = 10_000
"""Conflicts of a study are counted up to here."""
_CONTENT: Final = "conflict"
_STRANGER: Final = "instance"
_ID: Final = re.compile(rf"({_CONTENT}|{_STRANGER})-([0-9]{{1,18}})", re.ASCII)


class InvalidCursor(Invalid):
    """Not what a page of conflicts gave as ``next_cursor``."""

    code = "invalid-query"


@dataclass(frozen=True, slots=True)
class After:
    """Where a page goes on: behind the last conflict of the page before."""

    content: int | None = 0
    """Second contents of a higher number come; None where all have been shown."""
    stranger: int = 0

    @classmethod
    def parse(cls, cursor: str) -> Self:
        """Return what the id of the last conflict shown means; empty for the first page.

        Raises:
            InvalidCursor: it is no such id.
        """
        if not cursor:
            return cls()
        found = _ID.fullmatch(cursor)
        if found is None:
            raise InvalidCursor("cursor is what an answer gave as next_cursor")
        number = int(found[2])
        return cls(number) if found[1] == _CONTENT else cls(None, number)


def conflicts_page(conn: sa.Connection, ref: StudyRef, *, limit: int, after: After) -> ConflictPage:
    """Return at most *limit* of the study's conflicts behind *after*.

    Second contents come first, oldest first; then objects of other patients.
    """
    contents: list[Any] = []
    if after.content is not None:
        query = _second_contents(ref).where(instance_conflict.c.id > after.content)
        contents = list(conn.execute(query.limit(limit + 1)))
    left = limit + 1 - len(contents)
    query = _other_patients(ref).where(instance.c.id > after.stranger)
    strangers = list(conn.execute(query.limit(left))) if left else []
    codes = {row.institution for row in (*contents, *strangers)}
    names = institution_names(conn, codes | {row.first_institution for row in contents})
    rows = [
        *(_second_content(ref, row, names) for row in contents),
        *(_other_patient(ref, row, names) for row in strangers),
    ]
    return ConflictPage(
        items=rows[:limit],
        next_cursor=rows[limit - 1].id if len(rows) > limit else None,
        total=_count(conn, _second_contents(ref)) + _count(conn, _other_patients(ref)),
    )


def _count(conn: sa.Connection, query: sa.Select[Any]) -> int:
    some = query.with_only_columns(sa.literal(1)).order_by(None).limit(CONFLICTS_TOTAL_MAX)
    return conn.scalar(sa.select(sa.func.count()).select_from(some.subquery())) or 0


def _second_contents(ref: StudyRef) -> sa.Select[Any]:
    columns, first = instance_conflict.c, instance.c
    return (
        sa.select(
            columns.id,
            columns.sop_instance_uid,
            columns.kept_at,
            columns.reason,
            columns.institution,
            columns.ae_title,
            columns.seen_count,
            columns.size_bytes,
            (columns.dataset_digest != first.dataset_digest).label("other_dataset"),
            (columns.pixels_digest != first.pixels_digest).label("other_pixels"),
            first.received_at.label("first_received_at"),
            first.institution.label("first_institution"),
            first.ae_title.label("first_ae_title"),
            first.size_bytes.label("first_size_bytes"),
            series.c.series_instance_uid.label("first_series"),
        )
        .join(instance, first.id == columns.instance)
        .join(series, series.c.id == first.series)
        .where(columns.study == ref.id)
        .order_by(columns.id)
    )


def _second_content(ref: StudyRef, row: Any, names: dict[str, str]) -> ConflictRow:
    parts = (("dataset", row.other_dataset), ("pixels", row.other_pixels))
    return ConflictRow(
        id=f"{_CONTENT}-{row.id}",
        sop_instance_uid=row.sop_instance_uid,
        kept_at=row.kept_at,
        reason=row.reason,
        differs=[part for part, other in parts if other],
        institution=row.institution,
        institution_name=names.get(row.institution, row.institution),
        ae_title=row.ae_title,
        seen_count=row.seen_count,
        size_bytes=row.size_bytes,
        content=f"/api/v1/studies/{ref.study_instance_uid}/conflicts/{_CONTENT}-{row.id}/instance",
        first=FirstContent(
            received_at=row.first_received_at,
            institution=row.first_institution,
            institution_name=names.get(row.first_institution, row.first_institution),
            ae_title=row.first_ae_title,
            size_bytes=row.first_size_bytes,
            content=_instance_path(ref, row.first_series, row.sop_instance_uid),
        ),
    )


def _other_patients(ref: StudyRef) -> sa.Select[Any]:
    columns = instance.c
    return (
        sa.select(
            columns.id,
            columns.sop_instance_uid,
            columns.received_at,
            columns.institution,
            columns.ae_title,
            columns.size_bytes,
            series.c.series_instance_uid,
        )
        .join(series, series.c.id == columns.series)
        .where(columns.study == ref.id, columns.oddities.contains(OTHER_PATIENT))
        .order_by(columns.id)
    )


def _other_patient(ref: StudyRef, row: Any, names: dict[str, str]) -> ConflictRow:
    return ConflictRow(
        id=f"{_STRANGER}-{row.id}",
        sop_instance_uid=row.sop_instance_uid,
        kept_at=row.received_at,
        reason=OTHER_PATIENT,
        institution=row.institution,
        institution_name=names.get(row.institution, row.institution),
        ae_title=row.ae_title,
        size_bytes=row.size_bytes,
        content=_instance_path(ref, row.series_instance_uid, row.sop_instance_uid),
    )


def _instance_path(ref: StudyRef, series_uid: str, sop_uid: str) -> str:
    return f"/dicom-web/studies/{ref.study_instance_uid}/series/{series_uid}/instances/{sop_uid}"
