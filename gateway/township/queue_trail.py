"""What people do to the queue, as the audit trail says it: who let which study go or wait."""

import datetime as dt
from collections.abc import Mapping

import sqlalchemy as sa

from gateway.township.tables import studies
from kernel.audit.trail import AuditEntry, AuditEvent
from kernel.identity import Principal


def patient_of(conn: sa.Connection, study_key: str) -> str | None:
    """Return the number of the study's patient; None where no such study is or was here."""
    columns = studies.c
    query = sa.select(columns.patient_id).where(columns.study_instance_uid == study_key)
    return conn.scalar(query)


def queue_act(
    who: Principal,
    detail: Mapping[str, str],
    study_key: str,
    patient: str,
    *,
    at: dt.datetime,
    address: str,
) -> AuditEntry:
    """Return the row of an act, to be written before it is done.

    Args:
        who: does it.
        detail: ``act``, its name, such as ``pause``, and what more there is to say of it.
        study_key: of the queue's row.
        patient: number of the patient it is about.
        at: now.
        address: where *who* asks from.
    """
    return AuditEntry(
        at=at,
        event=AuditEvent.CHANGED,
        user_id=who.user_id,
        username=who.username,
        institution=who.institution,
        address=address,
        subject=f"study:{study_key}",
        patient=patient,
        detail=dict(detail),
    )
