"""A study is put right: another patient's, or an order's; and taken back. One transaction each.

The index says at once what is right, so every list, query and peer does; stored objects and their
kept metadata stay as they came, and what is read of them goes through ``correction``.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
import sqlalchemy as sa

from imaging.access.settling import settle
from imaging.archive import series_metadata
from imaging.archive.amending import STUDY_CORRECTED, Hand, tell, write_down
from imaging.archive.amendment_tables import study_corrections
from imaging.archive.correction import Correction, requested
from imaging.archive.study_index import forget_patient, index_patient
from imaging.archive.tables import series, study
from imaging.patients.model import Demographics, PatientIdentity
from imaging.patients.store import ensure_patient
from kernel.errors import Conflict, Missing, Stale

_INDEX: Final = (
    "patient",
    "patient_id",
    "issuer_of_patient_id",
    "patient_name",
    "patient_name_declared",
    "patient_sex",
    "patient_birth_date",
    "patient_age",
    "accession_number",
    "unidentified",
    "mixed_patients",
    "correction",
)
"""Columns of a study a correction may change."""
NONE_YET: Final = "0"
"""The version of a study nobody has corrected."""


class CorrectionMissing(Missing):
    """The study has no such correction."""

    code = "correction-not-found"


class AlreadyUndone(Conflict):
    """It was taken back before."""

    code = "already-undone"


class LaterCorrection(Conflict):
    """Another correction stands on this one, and must be taken back first."""

    code = "later-correction-stands"


class TargetMissing(Missing):
    """The institution has no such patient or order."""

    code = "target-not-found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whose a study can be said to be: somebody registered, perhaps with an order."""

    key: str
    """``patient:`` or ``order:`` and the id in the register."""
    patient_id: str
    name: str
    """PN with ``=`` between its groups."""
    sex: str
    birth_date: str
    """YYYYMMDD, or empty."""
    accession_number: str = ""
    requested_procedure_id: str = ""
    scheduled_procedure_step_id: str = ""
    examination: str = ""
    scheduled_at: dt.datetime | None = None
    state: str = ""


class Register(Protocol):
    """Knows who is registered and what is ordered."""

    def find(
        self, conn: sa.Connection, institution: str, typed: str, /, *, limit: int
    ) -> Sequence[Target]:
        """Return whom and what *institution* has of that number or name, orders first."""
        ...

    def get(self, conn: sa.Connection, institution: str, key: str, /) -> Target | None:
        """Return the one called *key*, None where the institution has none of it."""
        ...


def version_of(conn: sa.Connection, study_instance_uid: str) -> str:
    """Return what names the state of the study's corrections, for an ETag."""
    columns = study_corrections.c
    newest = conn.execute(
        sa.select(columns.id, columns.undone_at)
        .where(columns.study_instance_uid == study_instance_uid)
        .order_by(columns.id.desc())
    ).all()
    if not newest:
        return NONE_YET
    undone = sum(row.undone_at is not None for row in newest)
    return f"{newest[0].id}.{undone}"


def correct(  # the study, whose it is, who says so
    conn: sa.Connection,
    study_row: int,
    target: Target,
    hand: Hand,
    *,
    seen: str,
    system: str,
) -> int:
    """Say that the study belongs to *target*; returns the row of the correction.

    Args:
        conn: the transaction.
        study_row: the study.
        target: of the study's own institution.
        hand: who says so.
        seen: ``version_of`` when they looked.
        system: what Modifying System says.

    Raises:
        Stale: somebody corrected it meanwhile.
    """
    before = _index_of(conn, study_row)
    uid = before["study_instance_uid"]
    _check_seen(conn, uid, seen)
    made = _correction(before, target, hand.at, system)
    series_before = _requests(conn, study_row)
    identity = PatientIdentity.of(
        patient_id=target.patient_id, issuer="", institution=before["institution"]
    )
    told = Demographics(target.name, target.sex, target.birth_date)
    values = {
        "patient": ensure_patient(conn, identity, told, at=hand.at),
        "patient_id": target.patient_id,
        "issuer_of_patient_id": "",
        "patient_name": target.name,
        "patient_name_declared": "",
        "patient_sex": target.sex,
        "patient_birth_date": target.birth_date,
        "patient_age": "",
        "accession_number": target.accession_number or before["accession_number"],
        "unidentified": False,
        "mixed_patients": False,
        "correction": msgspec.to_builtins(made),
    }
    stood = {name: before[name] for name in _INDEX}
    kept = conn.execute(
        sa.insert(study_corrections).values(
            study_instance_uid=uid,
            institution=before["institution"],
            target=target.key,
            correction=values["correction"],
            before={"study": stood, "series": series_before},
            reason=hand.reason,
            made_by=hand.username,
            made_by_name=hand.name,
            made_at=hand.at,
        )
    )
    assert kept.inserted_primary_key is not None  # noqa: S101  # for the type checker
    row = int(kept.inserted_primary_key[0])
    _show(conn, study_row, values, hand.at)
    if request := requested(made):
        conn.execute(sa.update(series).where(series.c.study == study_row).values(request))
    write_down(
        conn,
        hand,
        subject=f"study:{uid}",
        patient=target.patient_id,
        detail={
            "act": "correct",
            "correction": row,
            "before": before["patient_id"],
            "reason": hand.reason,
        },
    )
    _tell(conn, study_row, before, row, hand, undone=False)
    return row


def undo(conn: sa.Connection, study_row: int, correction: int, hand: Hand, *, seen: str) -> None:
    """Take the study's newest standing correction back.

    Raises:
        CorrectionMissing: the study has no such correction.
        AlreadyUndone: it was taken back.
        LaterCorrection: one made after it stands.
        Stale: somebody did something to it meanwhile.
    """
    now = _index_of(conn, study_row)
    uid, columns = now["study_instance_uid"], study_corrections.c
    found = conn.execute(
        sa.select(columns.id, columns.before, columns.undone_at).where(
            columns.id == correction, columns.study_instance_uid == uid
        )
    ).one_or_none()
    if found is None:
        raise CorrectionMissing
    if found.undone_at is not None:
        raise AlreadyUndone("it was taken back before")
    later = sa.select(columns.id).where(
        columns.study_instance_uid == uid, columns.id > found.id, columns.undone_at.is_(None)
    )
    if conn.scalar(later.limit(1)) is not None:
        raise LaterCorrection("take the later correction back first")
    _check_seen(conn, uid, seen)
    conn.execute(
        sa.update(study_corrections)
        .where(columns.id == found.id)
        .values(
            undone_at=hand.at,
            undone_by=hand.username,
            undone_by_name=hand.name,
            undone_reason=hand.reason,
        )
    )
    _show(conn, study_row, found.before["study"], hand.at)
    for series_uid, request in found.before["series"].items():
        conn.execute(
            sa.update(series)
            .where(series.c.study == study_row, series.c.series_instance_uid == series_uid)
            .values(request)
        )
    write_down(
        conn,
        hand,
        subject=f"study:{uid}",
        patient=found.before["study"]["patient_id"],
        detail={"act": "undo-correction", "correction": correction, "reason": hand.reason},
    )
    _tell(conn, study_row, now, correction, hand, undone=True)


def _check_seen(conn: sa.Connection, uid: str, seen: str) -> None:
    if version_of(conn, uid) != seen:
        raise Stale("somebody corrected it meanwhile; read it again")


def _correction(before: dict[str, Any], target: Target, at: dt.datetime, system: str) -> Correction:
    earlier = before["correction"]
    last = msgspec.convert(earlier, Correction) if earlier else None
    values = {
        "00100010": target.name,
        "00100020": target.patient_id,
        "00100021": "",
        "00100030": target.birth_date,
        "00100040": target.sex,
    }
    request = None if last is None else last.request
    if target.accession_number:
        values["00080050"] = target.accession_number
        request = {
            "00080050": target.accession_number,
            "00400009": target.scheduled_procedure_step_id,
            "00401001": target.requested_procedure_id,
        }
    elif last is not None and "00080050" in last.values:
        values["00080050"] = last.values["00080050"]
    stated = last.stated if last is not None else [before["patient_id"]]
    return Correction(
        values=values,
        request=request,
        stated=sorted({*stated, before["patient_id"]} - {""}),
        at=at,
        system=system,
    )


def _index_of(conn: sa.Connection, study_row: int) -> dict[str, Any]:
    names = ("study_instance_uid", "institution", *_INDEX)
    row = conn.execute(
        sa.select(*(study.c[name] for name in names)).where(study.c.id == study_row)
    ).one()
    return dict(row._mapping)


def _requests(conn: sa.Connection, study_row: int) -> dict[str, dict[str, str]]:
    columns = series.c
    query = sa.select(
        columns.series_instance_uid,
        columns.requested_procedure_id,
        columns.scheduled_procedure_step_id,
    ).where(columns.study == study_row)
    return {
        row.series_instance_uid: {
            "requested_procedure_id": row.requested_procedure_id,
            "scheduled_procedure_step_id": row.scheduled_procedure_step_id,
        }
        for row in conn.execute(query)
    }


def _show(conn: sa.Connection, study_row: int, values: dict[str, Any], at: dt.datetime) -> None:
    conn.execute(sa.update(study).where(study.c.id == study_row).values(**values, updated_at=at))
    forget_patient(conn, study_row)
    index_patient(conn, study_row, values)
    settle(conn, [study_row], at=at)
    rows = conn.scalars(sa.select(series.c.id).where(series.c.study == study_row)).all()
    series_metadata.changed(conn, rows)


def _tell(  # what happened to what
    conn: sa.Connection,
    study_row: int,
    before: dict[str, Any],
    correction: int,
    hand: Hand,
    *,
    undone: bool,
) -> None:
    told = {
        "study_instance_uid": before["study_instance_uid"],
        "correction": correction,
        "undone": undone,
        "by": hand.username,
    }
    tell(
        conn,
        STUDY_CORRECTED,
        told,
        study=study_row,
        institution=before["institution"],
        at=hand.at,
    )
