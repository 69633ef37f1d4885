"""Where studies, series and instances lie, and whose they are: the reads behind WADO-RS."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.locations import LOCATION_COLUMNS, location_of
from imaging.archive.model import InstanceLocation
from imaging.archive.tables import instance, series, study, study_reach
from imaging.dicomweb.resources import Resource
from kernel.policy import Granted, Reach, Reason, Subject
from kernel.sql.columns import UtcDateTime


@dataclass(frozen=True, slots=True)
class Shelf:
    """A study or a part of it: its rows, and what policy and audit trail ask about it."""

    study_row: int
    series_row: int | None
    subject: Subject
    patient_id: str


_now: Final[sa.BindParameter[dt.datetime]] = sa.bindparam("now", type_=UtcDateTime)
_EVER: Final = dt.datetime.max.replace(tzinfo=dt.UTC)
_of_study: Final = study.c.study_instance_uid == sa.bindparam("study_uid")
_of_series: Final = series.c.series_instance_uid == sa.bindparam("series_uid")


def _reason_of(holder: str) -> sa.Label[str | None]:
    """Return why *holder* has the study, empty where it was routed there; NULL where not at all."""
    may = study_reach.alias().c
    lasting = sa.or_(may.until.is_(None), may.until > _now)
    held = (may.study == study.c.id, may.institution == sa.bindparam(holder), lasting)
    return sa.select(may.reason).where(*held).scalar_subquery().label(f"of_{holder}")


_given: Final = (_reason_of("asker"), _reason_of("person"))
_study_columns: Final = (study.c.id.label("study_row"), study.c.institution, study.c.patient_id)
_find_study: Final = sa.select(*_study_columns, *_given).where(_of_study)
_find_series: Final = (
    sa.select(*_study_columns, series.c.id.label("series_row"), *_given)
    .join(series, series.c.study == study.c.id)
    .where(_of_study, _of_series)
)
_find_instance: Final = (
    sa.select(*_study_columns, series.c.id.label("series_row"), *_given, *LOCATION_COLUMNS)
    .select_from(instance)
    .join(study, study.c.id == instance.c.study)
    .join(series, series.c.id == instance.c.series)
    .where(instance.c.sop_instance_uid == sa.bindparam("instance_uid"), _of_study, _of_series)
)
_list: Final = (
    sa.select(*LOCATION_COLUMNS)
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


def find(conn: sa.Connection, resource: Resource, *, reach: Reach) -> Shelf | None:
    """Return where *resource*, a study or series, lies; None where it is not there.

    Args:
        conn: the transaction.
        resource: a study or a series.
        reach: who asks, and when; what the shelf says of who may see it is of them alone.
    """
    values = {"study_uid": resource.study.value, **_asker(reach)}
    query = _find_study
    if resource.series is not None:
        query = _find_series
        values["series_uid"] = resource.series.value
    row = conn.execute(query, values).one_or_none()
    return None if row is None else _shelf(row, reach)


def find_instance(
    conn: sa.Connection, resource: Resource, *, reach: Reach
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
            **_asker(reach),
        },
    ).one_or_none()
    return None if row is None else (_shelf(row, reach), location_of(row))


def instances(conn: sa.Connection, shelf: Shelf) -> list[InstanceLocation]:
    """Return every instance of the study or series, in the order of their numbers."""
    if shelf.series_row is None:
        rows = conn.execute(_in_study, {"study_row": shelf.study_row})
    else:
        rows = conn.execute(_in_series, {"series_row": shelf.series_row})
    return [location_of(row) for row in rows]


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
    return owner, [location_of(row) for row in conn.execute(query)]


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
    return None if row is None else location_of(row)


def instance_metadata(conn: sa.Connection, resource: Resource) -> bytes | None:
    """Return the instance's ``metadata_json`` as it is kept."""
    if resource.instance is None:
        raise ValueError("not an instance")
    columns = instance.c
    found: bytes | None = conn.scalar(
        sa.select(columns.metadata_json).where(columns.sop_instance_uid == resource.instance.value)
    )
    return found


def _asker(reach: Reach) -> dict[str, Any]:
    # What ends one day has ended for who does not say when they ask.
    return {"asker": reach.institution, "person": reach.person, "now": reach.at or _EVER}


def _shelf(row: Any, reach: Reach) -> Shelf:
    told = row._mapping
    routed, granted = set[str](), set[Granted]()
    for holder, reason in zip(
        (reach.institution, reach.person), (told["of_asker"], told["of_person"]), strict=True
    ):
        if reason:
            granted.add(Granted(holder, Reason(reason)))
        elif reason is not None:
            routed.add(holder)
    return Shelf(
        told["study_row"],
        told.get("series_row"),
        Subject(told["institution"], frozenset(routed), frozenset(granted)),
        told["patient_id"],
    )
