"""The studies and series a batch touches: found or made once, counted, saved once.

A study says what its first object said; what that left empty is filled by later ones, and nothing
is overwritten, so a list does not flicker while a study arrives.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from imaging.access.settling import settle
from imaging.archive.correction import Correction, requested
from imaging.archive.examined import Examined
from imaging.archive.model import OTHER_PATIENT, PRIORITY_ORDER
from imaging.archive.stated import PUT_RIGHT, STUDY_TOLD, series_told, study_told
from imaging.archive.study_index import (
    index_name,
    index_patient,
    index_text,
    know_description,
)
from imaging.archive.tables import series, study, study_reach
from imaging.patients.model import Demographics, PatientIdentity
from imaging.patients.store import ensure_patient

_IN_MAX: Final = 500
_MORE_URGENT: Final = {priority: number for number, priority in enumerate(PRIORITY_ORDER)}
_STUDY_NUMBERS: Final = (
    "series_count",
    "instance_count",
    "duplicate_count",
    "conflict_count",
    "size_bytes",
)
_STUDY_SAVED: Final = (
    *STUDY_TOLD,
    *_STUDY_NUMBERS,
    "patient",
    "patient_id",
    "issuer_of_patient_id",
    "unidentified",
    "modalities",
    "charset_repaired",
    "mixed_patients",
    "priority",
    "updated_at",
)
_STUDY_COLUMNS: Final = (
    "id",
    "study_instance_uid",
    "institution",
    "correction",
    *_STUDY_SAVED,
)


@dataclass(slots=True)
class _Series:
    """A series in the hands of the transaction."""

    id: int
    study: int
    modality: str
    instances: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a new instance stands."""

    study: int
    series: int
    oddities: tuple[str, ...] = ()
    """What is odd about it there."""


class Shelves:
    """Studies and series of one transaction."""

    def __init__(self, conn: sa.Connection, at: dt.datetime) -> None:
        self._conn = conn
        self._at = at
        self._studies: dict[str, dict[str, Any]] = {}
        self._by_id: dict[int, dict[str, Any]] = {}
        self._series: dict[tuple[int, str], _Series] = {}
        self._changed: set[int] = set()
        self._counted: set[int] = set()
        self._identified: set[int] = set()

    def load(self, examined: Sequence[Examined]) -> None:
        """Fetch what is already there of the studies and series of *examined*."""
        uids = sorted({each.header.study_instance_uid for each in examined})
        for at in range(0, len(uids), _IN_MAX):
            self._keep_studies(study.c.study_instance_uid.in_(uids[at : at + _IN_MAX]))
        wanted = sorted({each.header.series_instance_uid for each in examined})
        columns = series.c
        query = sa.select(columns.id, columns.study, columns.series_instance_uid, columns.modality)
        for at in range(0, len(wanted), _IN_MAX):
            part = wanted[at : at + _IN_MAX]
            for row in self._conn.execute(query.where(columns.series_instance_uid.in_(part))):
                found = _Series(row.id, row.study, row.modality)
                self._series[(row.study, row.series_instance_uid)] = found

    def _keep_studies(self, which: sa.ColumnElement[bool]) -> None:
        query = sa.select(*(study.c[name] for name in _STUDY_COLUMNS)).where(which)
        for row in self._conn.execute(query):
            kept = dict(row._mapping)
            self._studies[kept["study_instance_uid"]] = kept
            self._by_id[kept["id"]] = kept

    def place(self, each: Examined) -> Place:
        """Count *each* as a new instance of its study and series, made where there are none."""
        header = each.header
        held = self._studies.get(header.study_instance_uid)
        if held is None:
            held = self._new_study(each)
        else:
            self._fill(held, each)
        shelf = self._series.get((held["id"], header.series_instance_uid))
        if shelf is None:
            shelf = self._new_series(held, each)
        shelf.instances += 1
        shelf.size_bytes += each.size_bytes
        held["instance_count"] += 1
        held["size_bytes"] += each.size_bytes
        held["priority"] = min(held["priority"], _MORE_URGENT[each.arrival.priority])
        self._changed.add(held["id"])
        other = header.patient_id not in own_numbers(held)
        return Place(held["id"], shelf.id, (OTHER_PATIENT,) if other else ())

    def count_duplicate(self, study_row: int) -> None:
        """Count an object that changed nothing; nobody is told."""
        held = self._held(study_row)
        held["duplicate_count"] += 1
        self._counted.add(study_row)

    def count_conflict(self, study_row: int) -> None:
        """Count a content kept beside the first."""
        held = self._held(study_row)
        held["conflict_count"] += 1
        self._changed.add(study_row)

    def _held(self, study_row: int) -> dict[str, Any]:
        if study_row not in self._by_id:
            self._keep_studies(study.c.id == study_row)
        return self._by_id[study_row]

    def save(self) -> list[int]:
        """Write every touched study and series.

        Returns the studies somebody must hear of, oldest first; one that was only sent again is
        not among them.
        """
        if not self._changed and not self._counted:
            return []
        for study_row in self._changed:
            self._by_id[study_row]["updated_at"] = self._at
        self._conn.execute(
            sa.update(study)
            .where(study.c.id == sa.bindparam("row"))
            .values({name: _new_value(name) for name in _STUDY_SAVED}),
            [
                {"row": row, **{f"new_{name}": self._by_id[row][name] for name in _STUDY_SAVED}}
                for row in sorted(self._changed | self._counted)
            ],
        )
        # Who holds a grant of the patient finds the new study as well.
        settle(self._conn, sorted(self._identified), at=self._at)
        grown = [shelf for shelf in self._series.values() if shelf.instances]
        if grown:
            self._conn.execute(
                sa.update(series)
                .where(series.c.id == sa.bindparam("row"))
                .values(
                    instance_count=series.c.instance_count + sa.bindparam("more"),
                    size_bytes=series.c.size_bytes + sa.bindparam("bytes"),
                    updated_at=sa.bindparam("now"),
                ),
                [
                    {"row": s.id, "more": s.instances, "bytes": s.size_bytes, "now": self._at}
                    for s in grown
                ],
            )
        return sorted(self._changed)

    def grown_series(self) -> frozenset[int]:
        """Return the rows of the series that have new instances."""
        return frozenset(shelf.id for shelf in self._series.values() if shelf.instances)

    def _new_study(self, each: Examined) -> dict[str, Any]:
        header, institution = each.header, each.arrival.sender.institution
        values = {
            "study_instance_uid": header.study_instance_uid,
            "institution": institution,
            "correction": None,
            **self._patient(each),
            "charset_repaired": header.charset_repaired,
            "mixed_patients": False,
            "modalities": "",
            "priority": _MORE_URGENT[each.arrival.priority],
            "received_at": each.arrival.received_at,
            "updated_at": self._at,
            **dict.fromkeys(_STUDY_NUMBERS, 0),
            **study_told(each),
        }
        made = self._conn.execute(sa.insert(study).values(values))
        assert made.inserted_primary_key is not None  # noqa: S101  # for the type checker
        values["id"] = row = int(made.inserted_primary_key[0])
        if values["patient"] is not None:
            self._identified.add(row)
        self._conn.execute(
            sa.insert(study_reach).values(institution=institution, study=row, since=self._at)
        )
        index_patient(self._conn, row, values)
        know_description(self._conn, values["study_description"])
        self._studies[header.study_instance_uid] = self._by_id[row] = values
        return values

    def _patient(self, each: Examined) -> dict[str, Any]:
        header = each.header
        patient = None
        if not header.unidentified:
            identity = PatientIdentity.of(
                patient_id=header.patient_id,
                issuer=header.issuer_of_patient_id,
                institution=each.arrival.sender.institution,
            )
            told = Demographics(header.patient_name, header.patient_sex, header.patient_birth_date)
            patient = ensure_patient(self._conn, identity, told, at=self._at)
        return {
            "patient": patient,
            "patient_id": header.patient_id,
            "issuer_of_patient_id": header.issuer_of_patient_id,
            "unidentified": header.unidentified,
        }

    def _fill(self, held: dict[str, Any], each: Examined) -> None:
        header = each.header
        told = study_told(each)
        settled = PUT_RIGHT if held["correction"] else frozenset[str]()
        gaps = [n for n in STUDY_TOLD if told[n] and not held[n] and n not in settled]
        for name in gaps:
            held[name] = told[name]
        if "patient_name" in gaps:
            index_name(self._conn, held["id"], held)
        if "accession_number" in gaps:
            index_text(self._conn, held["id"], "accession_number", [held["accession_number"]])
        if "study_description" in gaps:
            know_description(self._conn, held["study_description"])
        held["charset_repaired"] = held["charset_repaired"] or header.charset_repaired
        if header.patient_id in own_numbers(held):
            return
        if held["unidentified"] and not header.unidentified:
            held.update(self._patient(each))
            self._identified.add(held["id"])
            index_text(self._conn, held["id"], "patient_id", [header.patient_id])
        else:
            held["mixed_patients"] = True

    def _new_series(self, held: dict[str, Any], each: Examined) -> _Series:
        header = each.header
        values = {
            "study": held["id"],
            "series_instance_uid": header.series_instance_uid,
            **series_told(each),
            "received_at": each.arrival.received_at,
            "updated_at": self._at,
        }
        if held["correction"]:
            values |= requested(msgspec.convert(held["correction"], Correction))
        made = self._conn.execute(sa.insert(series).values(values))
        assert made.inserted_primary_key is not None  # noqa: S101  # for the type checker
        shelf = _Series(int(made.inserted_primary_key[0]), held["id"], header.modality)
        self._series[(held["id"], header.series_instance_uid)] = shelf
        held["series_count"] += 1
        modalities = {*held["modalities"].split("\\"), header.modality} - {""}
        held["modalities"] = "\\".join(sorted(modalities))
        return shelf


def own_numbers(held: Mapping[str, Any]) -> set[str]:
    """Return what an object of the study may state as its patient ID."""
    stated = held["correction"]["stated"] if held["correction"] else ()
    return {"", held["patient_id"], *stated}


def _new_value(name: str) -> sa.ColumnElement[Any]:
    """Return what a saved column becomes; nobody who raised the priority meanwhile is undone."""
    new = sa.bindparam(f"new_{name}", type_=study.c[name].type)
    if name != "priority":
        return new
    return sa.case((study.c.priority < new, study.c.priority), else_=new)
