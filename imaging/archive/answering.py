"""Another kept content answers for its UID: rows of the index change places, nothing is lost.

The study says afterwards what it would say had that content come in the place of the other, so
that taking it back brings back what stood there.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa
import zstandard

from imaging.access.settling import settle
from imaging.archive import series_metadata, unfile
from imaging.archive.correction import Correction, requested
from imaging.archive.examined import Examined
from imaging.archive.filing_rows import instance_row
from imaging.archive.filing_studies import Place, own_numbers
from imaging.archive.model import OTHER_PATIENT
from imaging.archive.stated import PUT_RIGHT, folded_name, series_told, study_told, told_by_json
from imaging.archive.study_index import forget_patient, index_patient, know_description
from imaging.archive.tables import instance, instance_conflict, series, study
from imaging.patients.model import Demographics, PatientIdentity
from imaging.patients.store import ensure_patient

_NUMBERS: Final = frozenset({"patient_id", "issuer_of_patient_id"})
_SEARCHED: Final = _NUMBERS | {"patient_name", "accession_number"}
_WILDCARDS: Final = frozenset("*?")
_HELD: Final = (
    "id",
    "study_instance_uid",
    "institution",
    "correction",
    "mixed_patients",
    "unidentified",
    *("patient_id", "issuer_of_patient_id", "patient_name", "patient_name_declared"),
    *("patient_sex", "patient_birth_date", "accession_number"),
)
_KEPT_BESIDE: Final = (
    *("transfer_syntax_uid", "sop_class_uid", "object_key", "size_bytes", "dataset_offset"),
    *("native_transfer_syntax_uid", "native_photometric_interpretation"),
    *("native_planar_configuration", "native_pixel_vr", "dataset_digest", "pixels_digest"),
    *("institution", "ae_title", "called_ae_title", "address", "door", "metadata_json"),
)
"""Columns both tables have, and which say the same in both."""


def answer_with(
    conn: sa.Connection, study_row: int, conflict: int, each: Examined, *, at: dt.datetime
) -> None:
    """Let the content kept in the row *conflict* answer, and keep in that row what did.

    Args:
        conn: the transaction.
        study_row: the study of both.
        conflict: a row of ``instance_conflict``.
        each: its object, as it was read from the store.
        at: the present instant.
    """
    held = dict(
        conn.execute(sa.select(*(study.c[name] for name in _HELD)).where(study.c.id == study_row))
        .one()
        ._mapping
    )
    beside = _row(conn, instance_conflict, conflict)
    first = _row(conn, instance, beside["instance"])
    place = _place(conn, held, each, at=at)
    values = instance_row(each, Place(study_row, place)) | {
        **{name: beside[name] for name in _KEPT_BESIDE},
        "oddities": _words(each.oddities, beside["oddities"].split()),
        "received_at": beside["received_at"] or beside["kept_at"],
        "duplicate_count": beside["seen_count"] - 1,
    }
    kept = {name: first[name] for name in _KEPT_BESIDE} | {
        "study_instance_uid": held["study_instance_uid"],
        "series_instance_uid": _series_uid(conn, first["series"]),
        "oddities": _words(first["oddities"].split()),
        "received_at": first["received_at"],
        "kept_at": first["received_at"],
        "seen_count": first["duplicate_count"] + 1,
    }
    conn.execute(
        sa.update(instance_conflict).where(instance_conflict.c.id == conflict).values(kept)
    )
    conn.execute(sa.update(instance).where(instance.c.id == first["id"]).values(values))
    if place == first["series"] and _is_first(conn, place, first["id"]):
        told = series_told(each) | _requested(held)
        conn.execute(sa.update(series).where(series.c.id == place).values(told))
    _restate(conn, held, first, each, at=at)
    touched = {place, first["series"]}
    series_metadata.changed(conn, sorted(touched))
    unfile.recount(conn, series_rows=touched, study_rows={study_row})


def _row(conn: sa.Connection, table: sa.Table, row: int) -> dict[str, Any]:
    return dict(conn.execute(sa.select(*table.c).where(table.c.id == row)).one()._mapping)


def _words(*oddities: Collection[str]) -> str:
    """Return what is odd of an object itself: where it stands is for its new place to say."""
    every = dict.fromkeys(word for words in oddities for word in words)
    return " ".join(word for word in every if word != OTHER_PATIENT)


def _requested(held: Mapping[str, Any]) -> dict[str, str]:
    if not held["correction"]:
        return {}
    return requested(msgspec.convert(held["correction"], Correction))


def _place(conn: sa.Connection, held: Mapping[str, Any], each: Examined, *, at: dt.datetime) -> int:
    """Return the row of the series *each* belongs to, made where the study has none."""
    uid = each.header.series_instance_uid
    there = conn.scalar(
        sa.select(series.c.id).where(
            series.c.study == held["id"], series.c.series_instance_uid == uid
        )
    )
    if there is not None:
        return int(there)
    made = conn.execute(
        sa.insert(series).values(
            {
                "study": held["id"],
                "series_instance_uid": uid,
                **series_told(each),
                **_requested(held),
                "received_at": each.arrival.received_at,
                "updated_at": at,
            }
        )
    )
    assert made.inserted_primary_key is not None  # noqa: S101  # for the type checker
    return int(made.inserted_primary_key[0])


def _series_uid(conn: sa.Connection, row: int) -> str:
    uid = sa.select(series.c.series_instance_uid).where(series.c.id == row)
    return str(conn.scalars(uid).one())


def _is_first(conn: sa.Connection, series_row: int, instance_row_id: int) -> bool:
    least = sa.select(sa.func.min(instance.c.id)).where(instance.c.series == series_row)
    return bool(conn.scalar(least) == instance_row_id)


def _restate(
    conn: sa.Connection,
    held: Mapping[str, Any],
    first: Mapping[str, Any],
    each: Examined,
    *,
    at: dt.datetime,
) -> None:
    """Let the study say what its objects say now that *each* stands where *first* stood."""
    before, after = _told(first["metadata_json"]), _told(each.metadata_json)
    moved = {name for name in before if before[name] != after[name]}
    if held["correction"]:
        moved -= PUT_RIGHT | _NUMBERS
    values: dict[str, Any] = {}
    stated: dict[int, str] = {}
    if moved & _NUMBERS:
        every = list(_every(conn, held["id"], first["id"], each))
        values = _first_said(every, moved - _NUMBERS) | _first_number(every)
        stated = {row: told["patient_id"] for row, told in every}
        values["patient"] = _patient(conn, {**held, **values}, at=at)
    elif moved:
        values = _first_said(_every(conn, held["id"], first["id"], each), moved)
    now = {**held, **values}
    own = own_numbers(now)
    if stated:
        strangers = {row for row, number in stated.items() if number not in own}
        values["mixed_patients"] = bool(strangers)
    else:
        strangers = set(_odd(conn, held["id"])) - {first["id"]}
        if after["patient_id"] not in own:
            strangers.add(first["id"])
            values["mixed_patients"] = True
        elif OTHER_PATIENT in first["oddities"].split():
            values["mixed_patients"] = held["mixed_patients"] and bool(strangers)
    _mark(conn, held["id"], strangers)
    conn.execute(sa.update(study).where(study.c.id == held["id"]).values(**values, updated_at=at))
    if moved & _SEARCHED:
        forget_patient(conn, held["id"])
        index_patient(conn, held["id"], now)
    if moved & _NUMBERS:
        settle(conn, [held["id"]], at=at)
    if "study_description" in moved:
        know_description(conn, values["study_description"])


def _told(metadata_json: bytes) -> dict[str, str]:
    plain = zstandard.ZstdDecompressor().decompress(metadata_json)
    return told_by_json(msgspec.json.decode(plain, type=dict[str, Any]))


def _every(
    conn: sa.Connection, study_row: int, mine: int, each: Examined
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield what each of the study's objects says, in the order in which they came."""
    columns = instance.c
    query = sa.select(columns.id, columns.metadata_json).where(columns.study == study_row)
    exact = study_told(each)
    for row in conn.execute(query.order_by(columns.id)):
        told = _told(row.metadata_json) | {"patient_name_declared": ""}
        # Of the one at hand more is known than its metadata say.
        yield row.id, told | {name: exact[name] for name in exact if row.id == mine}


def _first_said(
    every: Iterable[tuple[int, dict[str, str]]], wanted: Collection[str]
) -> dict[str, Any]:
    """Return, of *wanted*, what the first object says that says anything."""
    values = dict.fromkeys(wanted, "")
    declared = ""
    for _, told in every:
        if "patient_name" in values and not values["patient_name"]:
            declared = told["patient_name_declared"]
        values = {name: value or told[name] for name, value in values.items()}
        if all(values.values()):
            break
    if "patient_name" in values:
        values["patient_name_declared"] = declared
    if "referring_physician_name" in values:
        values["referring_physician_folded"] = folded_name(values["referring_physician_name"])
    return values


def _first_number(every: Iterable[tuple[int, dict[str, str]]]) -> dict[str, Any]:
    """Return whose the study is: whom its first object names, or the first that names anybody."""
    numbers = [(told["patient_id"], told["issuer_of_patient_id"]) for _, told in every]
    named = [each for each in numbers if not _unidentified(each[0])]
    number, issuer = (named or numbers)[0]
    return {
        "patient_id": number,
        "issuer_of_patient_id": issuer,
        "unidentified": _unidentified(number),
    }


def _unidentified(number: str) -> bool:
    return not number or not _WILDCARDS.isdisjoint(number)


def _patient(conn: sa.Connection, now: Mapping[str, Any], *, at: dt.datetime) -> int | None:
    if now["unidentified"]:
        return None
    identity = PatientIdentity.of(
        patient_id=now["patient_id"],
        issuer=now["issuer_of_patient_id"],
        institution=now["institution"],
    )
    told = Demographics(now["patient_name"], now["patient_sex"], now["patient_birth_date"])
    return ensure_patient(conn, identity, told, at=at)


def _odd(conn: sa.Connection, study_row: int) -> dict[int, str]:
    """Return what is odd of those of the study's objects that are marked as another patient's."""
    columns = instance.c
    query = sa.select(columns.id, columns.oddities).where(
        columns.study == study_row, columns.oddities.contains(OTHER_PATIENT)
    )
    return {row.id: row.oddities for row in conn.execute(query)}


def _mark(conn: sa.Connection, study_row: int, strangers: Collection[int]) -> None:
    """Mark *strangers*, and no other object of the study, as another patient's."""
    marked = _odd(conn, study_row)
    for row, oddities in marked.items():
        if row not in strangers:
            words = _words(oddities.split())
            conn.execute(sa.update(instance).where(instance.c.id == row).values(oddities=words))
    for row in sorted(set(strangers) - marked.keys()):
        conn.execute(
            sa.update(instance)
            .where(instance.c.id == row)
            .values(oddities=sa.func.trim(instance.c.oddities + f" {OTHER_PATIENT}"))
        )
