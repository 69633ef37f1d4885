"""What is scheduled, as a modality worklist tells it (PS3.4 K.6): plain values by DICOM keyword."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from kernel.arrival import Priority
from kernel.dicom.shown import LEGAL_TIME
from referrals.orders import store
from referrals.orders.model import OPEN, Order, Patient, State
from referrals.orders.search import midnight
from referrals.orders.store import ORDER_COLUMNS, named
from referrals.orders.tables import orders, patients

WorklistItem: TypeAlias = Mapping[str, Any]
"""Text by keyword; ``ScheduledProcedureStepSequence`` and codes as tuples of such."""
SCHEME: Final = "99YILIAN"
"""Coding Scheme Designator of the local catalogue."""
KEEP_FOR: Final = dt.timedelta(days=30)
"""What was planned longer ago and never begun stands on no worklist any more."""
_URGENCY: Final = {Priority.EMERGENCY: "STAT", Priority.URGENT: "HIGH"}
_STEP: Final = {State.ORDERED: "SCHEDULED", State.IN_PROGRESS: "STARTED"}
_LO: Final = 64
_SH: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistQuery:
    """What a modality asks for, as far as the database narrows it; empty narrows nothing.

    Whoever asks matches each item again by the rules of its service.
    """

    modalities: tuple[str, ...] = ()
    station_ae_titles: tuple[str, ...] = ()
    """Orders for any station match each of them."""
    asking_ae_title: str = ""
    """Named as the station of an order for any station, unless one was asked for."""
    patient_ids: tuple[str, ...] = ()
    accession_numbers: tuple[str, ...] = ()
    study_instance_uids: tuple[str, ...] = ()
    date_from: dt.date | None = None
    """First day in legal time, included."""
    date_to: dt.date | None = None


def worklist(  # a page of a query
    conn: sa.Connection,
    institution: str,
    query: WorklistQuery,
    *,
    now: dt.datetime,
    limit: int,
    after: tuple[dt.datetime, str] | None = None,
) -> list[tuple[tuple[dt.datetime, str], WorklistItem]]:
    """Return at most *limit* items of *institution*, the earliest first, each with its place.

    An order whose patient has not reached this node stands on no worklist yet.

    Args:
        conn: any connection.
        institution: whose; nothing of others comes.
        query: what is asked for.
        now: the present instant.
        limit: most items to return.
        after: place of the last item before; None to begin.
    """
    columns = orders.c
    asked = (
        sa.select(*ORDER_COLUMNS)
        .join(
            patients,
            sa.and_(
                patients.c.id == columns.patient, patients.c.institution == columns.institution
            ),
        )
        .where(
            columns.institution == institution,
            columns.state.in_(sorted(OPEN)),
            columns.scheduled_at >= now - KEEP_FOR,
            *_conditions(query),
        )
        .order_by(columns.scheduled_at, columns.id)
        .limit(limit)
    )
    if after is not None:
        at, key = after
        later = sa.and_(columns.scheduled_at == at, columns.id > key)
        asked = asked.where(sa.or_(columns.scheduled_at > at, later))
    found = [store.order_of(named(row)) for row in conn.execute(asked).mappings()]
    people = store.patients_by_id(conn, (order.patient for order in found))
    return [
        (
            (order.scheduled_at, order.id),
            item_of(_stationed(order, query), people[order.patient]),
        )
        for order in found
    ]


def _conditions(query: WorklistQuery) -> list[sa.ColumnElement[bool]]:
    columns = orders.c
    found: list[sa.ColumnElement[bool]] = []
    for column, values in (
        (columns.modality, query.modalities),
        (patients.c.patient_id, query.patient_ids),
        (columns.accession_number, query.accession_numbers),
        (columns.study_instance_uid, query.study_instance_uids),
    ):
        if values:
            found.append(column.in_(values))
    if query.station_ae_titles:
        found.append(columns.station_ae_title.in_([*query.station_ae_titles, ""]))
    if query.date_from is not None:
        found.append(columns.scheduled_at >= midnight(query.date_from))
    if query.date_to is not None:
        found.append(columns.scheduled_at < midnight(query.date_to + dt.timedelta(days=1)))
    return found


def _stationed(order: Order, query: WorklistQuery) -> Order:
    if order.station_ae_title:
        return order
    named_ones = query.station_ae_titles
    station = named_ones[0] if named_ones else query.asking_ae_title
    return replace(order, station_ae_title=station)


def item_of(order: Order, patient: Patient) -> WorklistItem:
    """Return *order* as a worklist entry (PS3.4 Table K.6-1)."""
    local = order.scheduled_at.astimezone(LEGAL_TIME)
    code = {
        "CodeValue": order.examination.code[:_SH],
        "CodingSchemeDesignator": SCHEME,
        "CodeMeaning": order.examination.name[:_LO],
    }
    description = order.examination.name[:_LO]
    return {
        "PatientName": person_name(patient.name, patient.name_pinyin),
        "PatientID": patient.patient_id,
        "PatientBirthDate": f"{patient.birth_date:%Y%m%d}" if patient.birth_date else "",
        "PatientSex": patient.sex.value,
        "PatientAge": _estimated_age(patient),
        "AccessionNumber": order.accession_number,
        "StudyInstanceUID": order.study_instance_uid,
        "RequestedProcedureID": order.requested_procedure_id,
        "RequestedProcedureDescription": description,
        "RequestedProcedurePriority": _URGENCY.get(order.priority, "ROUTINE"),
        "RequestedProcedureCodeSequence": (code,),
        "RequestingPhysician": order.ordered_by_name[:_LO],
        "ReferringPhysicianName": order.ordered_by_name[:_LO],
        "ReasonForTheRequestedProcedure": " ".join(order.clinical_question.split())[:_LO],
        "ScheduledProcedureStepSequence": (
            {
                "Modality": order.examination.modality,
                "ScheduledStationAETitle": order.station_ae_title,
                "ScheduledProcedureStepStartDate": f"{local:%Y%m%d}",
                "ScheduledProcedureStepStartTime": f"{local:%H%M%S}",
                "ScheduledProcedureStepID": order.scheduled_procedure_step_id,
                "ScheduledProcedureStepDescription": description,
                "ScheduledProcedureStepStatus": _STEP.get(order.state, ""),
                "ScheduledProtocolCodeSequence": (code,),
                "ScheduledPerformingPhysicianName": "",
            },
        ),
    }


def _estimated_age(patient: Patient) -> str:
    known = patient.temporary.estimated_age_years if patient.temporary else None
    return "" if known is None or patient.birth_date else f"{known:03}Y"


_HIDDEN: Final = re.compile(r"[\\^=]")


def person_name(name: str, latin: str) -> str:
    r"""Return a PN value: Latin letters, and the name as it is written where it has others.

    ``Liu^Xiaofeng=刘小凤``; the first word of the Latin letters is the family name.
    """
    plain = _HIDDEN.sub(" ", latin if latin.isascii() else "")
    alphabetic = "^".join(plain.split(" ", 1))[:_LO]
    if name.isascii():
        return alphabetic or name[:_LO]
    return f"{alphabetic}={name[:_LO]}"
