"""Where studies, series and instances lie, and whose they are: the reads behind WADO-RS."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.model import InstanceLocation
from imaging.archive.tables import instance, series, study, study_reach
from imaging.dicomweb.resources import Resource
from kernel.arrival import NativeForm
from kernel.policy import Subject


@dataclass(frozen=True, slots=True)
class Shelf:
    """A study or a part of it: its rows, and what policy and audit trail ask about it."""

    study_row: int
    series_row: int | None
    subject: Subject
    patient_id: str


_asker: Final[sa.BindParameter[str]] = sa.bindparam("asker")
_of_study: Final = study.c.study_instance_uid == sa.bindparam("study_uid")
_of_series: Final = series.c.series_instance_uid == sa.bindparam("series_uid")
_routed: Final = (
    sa.exists()
    .where(study_reach.c.study == study.c.id, study_reach.c.institution == _asker)
    .label("routed")
)
_study_columns: Final = (study.c.id.label("study_row"), study.c.institution, study.c.patient_id)
_instance_columns: Final = (
    study.c.study_instance_uid,
    series.c.series_instance_uid,
    instance.c.sop_instance_uid,
    instance.c.sop_class_uid,
    instance.c.transfer_syntax_uid,
    instance.c.native_transfer_syntax_uid,
    instance.c.native_photometric_interpretation,
    instance.c.native_planar_configuration,
    instance.c.native_pixel_vr,
    instance.c.object_key,
    instance.c.size_bytes,
    instance.c.dataset_offset,
    instance.c.pixel_offset,
    instance.c.pixel_length,
    instance.c.number_of_frames,
    instance.c.instance_number,
    instance.c.dataset_digest,
    instance.c.pixels_digest,
    instance.c.institution.label("instance_institution"),
)
_find_study: Final = sa.select(*_study_columns, _routed).where(_of_study)
_find_series: Final = (
    sa.select(*_study_columns, series.c.id.label("series_row"), _routed)
    .join(series, series.c.study == study.c.id)
    .where(_of_study, _of_series)
)
_find_instance: Final = (
    sa.select(*_study_columns, series.c.id.label("series_row"), _routed, *_instance_columns)
    .select_from(instance)
    .join(study, study.c.id == instance.c.study)
    .join(series, series.c.id == instance.c.series)
    .where(instance.c.sop_instance_uid == sa.bindparam("instance_uid"), _of_study, _of_series)
)
_list: Final = (
    sa.select(*_instance_columns)
    .select_from(instance)
    .join(study, study.c.id == instance.c.study)
    .join(series, series.c.id == instance.c.series)
)
_in_study: Final = _list.where(instance.c.study == sa.bindparam("study_row")).order_by(
    series.c.series_number, series.c.id, instance.c.instance_number, instance.c.id
)
_in_series: Final = _list.where(instance.c.series == sa.bindparam("series_row")).order_by(
    instance.c.instance_number, instance.c.id
)
_largest: Final = (
    sa.select(series.c.id)
    .where(series.c.study == sa.bindparam("study_row"))
    # Reports, keys and presentation states stand for a study only where there is nothing else.
    .order_by(
        sa.case((series.c.modality.in_(("SR", "KO", "PR", "DOC", "SEG", "REG")), 1), else_=0),
        series.c.instance_count.desc(),
        series.c.id,
    )
    .limit(1)
)
_nth: Final = _in_series.limit(1).offset(sa.bindparam("number"))


def find(conn: sa.Connection, resource: Resource, *, asker: str) -> Shelf | None:
    """Return where *resource*, a study or series, lies; None where it is not there.

    Args:
        conn: the transaction.
        resource: a study or a series.
        asker: code of the institution that asks.
    """
    values = {"study_uid": resource.study.value, "asker": asker}
    query = _find_study
    if resource.series is not None:
        query = _find_series
        values["series_uid"] = resource.series.value
    row = conn.execute(query, values).one_or_none()
    return None if row is None else _shelf(row, asker)


def find_instance(
    conn: sa.Connection, resource: Resource, *, asker: str
) -> tuple[Shelf, InstanceLocation] | None:
    """Return where the instance lies; None unless it is in that series of that study."""
    if resource.series is None or resource.instance is None:
        raise ValueError("not an instance")
    row = conn.execute(
        _find_instance,
        {
            "study_uid": resource.study.value,
            "series_uid": resource.series.value,
            "instance_uid": resource.instance.value,
            "asker": asker,
        },
    ).one_or_none()
    return None if row is None else (_shelf(row, asker), _location(row))


def instances(conn: sa.Connection, shelf: Shelf) -> list[InstanceLocation]:
    """Return every instance of the study or series, in the order of their numbers."""
    if shelf.series_row is None:
        rows = conn.execute(_in_study, {"study_row": shelf.study_row})
    else:
        rows = conn.execute(_in_series, {"series_row": shelf.series_row})
    return [_location(row) for row in rows]


def report_objects(
    conn: sa.Connection, study_instance_uid: str, sop_classes: Collection[str]
) -> tuple[str, list[InstanceLocation]] | None:
    """Return whose study it is, and its objects of *sop_classes* in the order they were filed."""
    owner = conn.scalar(
        sa.select(study.c.institution).where(study.c.study_instance_uid == study_instance_uid)
    )
    if owner is None:
        return None
    query = (
        _list.where(study.c.study_instance_uid == study_instance_uid)
        .where(instance.c.sop_class_uid.in_(list(sop_classes)))
        .order_by(instance.c.id)
    )
    return owner, [_location(row) for row in conn.execute(query)]


def series_rows(conn: sa.Connection, shelf: Shelf) -> Sequence[int]:
    """Return the rows of the study's series, in the order of their numbers."""
    query = (
        sa.select(series.c.id)
        .where(series.c.study == shelf.study_row)
        .order_by(series.c.series_number, series.c.id)
    )
    return conn.scalars(query).all()


def representative(conn: sa.Connection, shelf: Shelf) -> InstanceLocation | None:
    """Return the middle instance of the series, or of the study's largest series of images."""
    series_row = shelf.series_row
    if series_row is None:
        series_row = conn.scalar(_largest, {"study_row": shelf.study_row})
    count = sa.select(series.c.instance_count).where(series.c.id == series_row)
    number = (conn.scalar(count) or 0) // 2
    row = conn.execute(_nth, {"series_row": series_row, "number": number}).one_or_none()
    return None if row is None else _location(row)


def instance_metadata(conn: sa.Connection, resource: Resource) -> bytes | None:
    """Return the instance's ``metadata_json`` as it is kept."""
    if resource.instance is None:
        raise ValueError("not an instance")
    columns = instance.c
    found: bytes | None = conn.scalar(
        sa.select(columns.metadata_json).where(columns.sop_instance_uid == resource.instance.value)
    )
    return found


def _shelf(row: Any, asker: str) -> Shelf:
    told = row._mapping
    routed = frozenset({asker}) if told["routed"] else frozenset[str]()
    return Shelf(
        told["study_row"],
        told.get("series_row"),
        Subject(told["institution"], routed),
        told["patient_id"],
    )


def _location(row: Any) -> InstanceLocation:
    native = None
    if row.native_transfer_syntax_uid:
        native = NativeForm(
            transfer_syntax_uid=row.native_transfer_syntax_uid,
            photometric_interpretation=row.native_photometric_interpretation,
            planar_configuration=row.native_planar_configuration,
            pixel_vr=row.native_pixel_vr,
        )
    return InstanceLocation(
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=row.sop_class_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        native=native,
        object_key=row.object_key,
        size_bytes=row.size_bytes,
        dataset_offset=row.dataset_offset,
        pixel_offset=row.pixel_offset,
        pixel_length=row.pixel_length,
        number_of_frames=row.number_of_frames or 0,
        instance_number=row.instance_number,
        dataset_digest=row.dataset_digest,
        pixels_digest=row.pixels_digest,
        institution=row.instance_institution,
    )
