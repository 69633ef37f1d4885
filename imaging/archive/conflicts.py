"""What of a study a person must decide: second contents under a UID, and strange patients."""

from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.locate import StudyRef
from imaging.archive.model import OTHER_PATIENT, ConflictRow, FirstContent
from imaging.archive.study_rows import institution_names
from imaging.archive.tables import instance, instance_conflict, series

_OTHER_PATIENTS_SHOWN: Final = 20


def conflicts_of(conn: sa.Connection, ref: StudyRef) -> list[ConflictRow]:
    """Return the second contents of the study, oldest first, then objects of other patients."""
    contents = conn.execute(_second_contents(ref)).all()
    strangers = conn.execute(_other_patients(ref)).all()
    codes = {row.institution for row in (*contents, *strangers)}
    names = institution_names(conn, codes | {row.first_institution for row in contents})
    return [
        *(_second_content(ref, row, names) for row in contents),
        *(_other_patient(ref, row, names) for row in strangers),
    ]


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
        id=f"conflict-{row.id}",
        sop_instance_uid=row.sop_instance_uid,
        kept_at=row.kept_at,
        reason=row.reason,
        differs=[part for part, other in parts if other],
        institution=row.institution,
        institution_name=names.get(row.institution, row.institution),
        ae_title=row.ae_title,
        seen_count=row.seen_count,
        size_bytes=row.size_bytes,
        content=f"/api/v1/studies/{ref.study_instance_uid}/conflicts/conflict-{row.id}/instance",
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
        .limit(_OTHER_PATIENTS_SHOWN)
    )


def _other_patient(ref: StudyRef, row: Any, names: dict[str, str]) -> ConflictRow:
    return ConflictRow(
        id=f"instance-{row.id}",
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
