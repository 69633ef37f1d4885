"""What people decided about the archive, out of one index and into another made anew.

Row numbers of the one mean nothing in the other, but for the order they give.
"""

import datetime as dt
import zlib
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from imaging.access.settling import settle
from imaging.archive import unfile
from imaging.archive.amendment_tables import rejected_contents, rejections, study_corrections
from imaging.archive.correction import Correction, requested
from imaging.archive.register import Decisions
from imaging.archive.rejected_rows import as_json, from_json
from imaging.archive.study_index import forget_patient, index_patient
from imaging.archive.tables import instance, series, study
from imaging.patients.model import Demographics, PatientIdentity
from imaging.patients.store import ensure_patient

_SAID: Final = (
    *("patient_id", "issuer_of_patient_id", "patient_name", "patient_name_declared"),
    *("patient_sex", "patient_birth_date", "patient_age", "accession_number", "unidentified"),
    *("mixed_patients", "correction"),
)
"""What the index says of a study since somebody put it right."""
_IN_MAX: Final = 500
_REQUESTS: Final = ("requested_procedure_id", "scheduled_procedure_step_id")


def decided(
    conn: sa.Connection,
    *,
    hints: Callable[[sa.Connection], Mapping[str, str]],
    seen: list[int],
) -> Decisions | None:
    """Return all that people decided; None while its version is *seen*."""
    told = dict(hints(conn))
    version = [zlib.crc32(msgspec.json.encode(told, order="deterministic"))]
    hidden = rejected_contents.c
    for query in (
        _counted(study_corrections, study_corrections.c.undone_at),
        _counted(rejections, rejections.c.undone_at),
        # Not how often something came again: all of it would be written for that.
        sa.select(sa.func.count(), sa.func.max(hidden.id), sa.func.count(hidden.metadata_json)),
    ):
        version += [int(number or 0) for number in conn.execute(query).one()]
    if version == seen:
        return None
    rows = _rows(conn, study_corrections)
    standing = [row["study_instance_uid"] for row in rows if row["undone_at"] is None]
    return Decisions(
        version=version,
        hints=told,
        corrections=rows,
        corrected={uid: found for uid in standing if (found := _said(conn, uid)) is not None},
        rejections=_rows(conn, rejections),
        hidden=_rows(conn, rejected_contents),
    )


def _counted(table: sa.Table, undone: sa.Column[dt.datetime]) -> sa.Select[int, Any, int]:
    return sa.select(sa.func.count(), sa.func.max(table.c.id), sa.func.count(undone))


def _rows(conn: sa.Connection, table: sa.Table) -> list[dict[str, Any]]:
    columns = [column for column in table.c if column.name != "metadata_json"]
    found = conn.execute(sa.select(*columns).order_by(table.c.id))
    return [as_json(dict(row._mapping)) for row in found]


def _said(conn: sa.Connection, uid: str) -> dict[str, Any] | None:
    columns = study.c
    names = ("id", "institution", *_SAID)
    query = sa.select(*(columns[name] for name in names)).where(columns.study_instance_uid == uid)
    row = conn.execute(query).mappings().one_or_none()
    if row is None:
        return None
    asked = sa.select(series.c.series_instance_uid, *(series.c[name] for name in _REQUESTS))
    return {
        **{name: row[name] for name in names if name != "id"},
        "series": {
            each["series_instance_uid"]: {name: each[name] for name in _REQUESTS}
            for each in conn.execute(asked.where(series.c.study == row["id"])).mappings()
        },
    }


def take_away(conn: sa.Connection, keys: Collection[str]) -> int:
    """Take the objects *keys* out of the index, with studies that hold nothing then.

    Returns:
        How many were in it.
    """
    rows: list[Any] = []
    wanted = sorted(keys)
    columns = instance.c
    for at in range(0, len(wanted), _IN_MAX):
        query = sa.select(columns.id, columns.series, columns.study)
        rows += conn.execute(query.where(columns.object_key.in_(wanted[at : at + _IN_MAX])))
    for row in rows:
        conn.execute(sa.delete(instance).where(columns.id == row.id))
    series_rows, study_rows = {row.series for row in rows}, {row.study for row in rows}
    unfile.recount(conn, series_rows=series_rows, study_rows=study_rows)
    return len(rows)


def decide_again(
    conn: sa.Connection,
    told: Decisions,
    metadata: Mapping[str, bytes | None],
    *,
    at: dt.datetime,
) -> None:
    """Write *told* into an index that holds the contents which count, and nothing else.

    Args:
        conn: the transaction.
        told: what people decided.
        metadata: by object key, ``metadata_json`` of what does not count.
        at: the present instant.
    """
    numbers: dict[int, int] = {}
    for row in told.rejections:
        values = from_json(rejections, row)
        old = values.pop("id")
        if shelf := values["shelf"]:
            values["shelf"] = shelf | {"study": _with_patient(conn, shelf["study"], at)}
        made = conn.execute(sa.insert(rejections).values(values))
        assert made.inserted_primary_key is not None  # noqa: S101  # for the type checker
        numbers[old] = int(made.inserted_primary_key[0])
    for row in told.hidden:
        values = from_json(rejected_contents, row)
        del values["id"]
        values["rejection"] = numbers[values["rejection"]]
        values["metadata_json"] = metadata.get(values["object_key"])
        conn.execute(sa.insert(rejected_contents).values(values))
    for row in told.corrections:
        values = from_json(study_corrections, row)
        del values["id"]
        stood = values["before"]["study"] | {"institution": values["institution"]}
        before = _with_patient(conn, stood, at)
        del before["institution"]
        values["before"] = values["before"] | {"study": before}
        conn.execute(sa.insert(study_corrections).values(values))
    for uid, said in told.corrected.items():
        _say_again(conn, uid, said, at)


def _with_patient(conn: sa.Connection, stood: Mapping[str, Any], at: dt.datetime) -> dict[str, Any]:
    """Return *stood* with the patient's row as it is in this index."""
    if stood["unidentified"] or not stood["patient_id"]:
        return {**stood, "patient": None}
    identity = PatientIdentity.of(
        patient_id=stood["patient_id"],
        issuer=stood["issuer_of_patient_id"],
        institution=stood["institution"],
    )
    told = Demographics(stood["patient_name"], stood["patient_sex"], stood["patient_birth_date"])
    return {**stood, "patient": ensure_patient(conn, identity, told, at=at)}


def _say_again(conn: sa.Connection, uid: str, said: Mapping[str, Any], at: dt.datetime) -> None:
    row = conn.scalar(sa.select(study.c.id).where(study.c.study_instance_uid == uid))
    if row is None:
        return
    whole = _with_patient(conn, said, at)
    values = {name: whole[name] for name in (*_SAID, "patient")}
    conn.execute(sa.update(study).where(study.c.id == row).values(values))
    forget_patient(conn, row)
    index_patient(conn, row, values)
    settle(conn, [row], at=at)
    made = msgspec.convert(values["correction"], Correction)
    if request := requested(made):
        # Also those that came after it was written down.
        conn.execute(sa.update(series).where(series.c.study == row).values(request))
    for series_uid, request in said["series"].items():
        conn.execute(
            sa.update(series)
            .where(series.c.study == row, series.c.series_instance_uid == series_uid)
            .values(request)
        )
