"""SQL of what is sent on from the township to a DICOM node of the house."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import sqlalchemy as sa

from gateway.exchange.tables import return_sends
from kernel.identifiers import new_id


class SendState(StrEnum):
    """How far a study is on its way to a DICOM node of the house."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    """The peer refused some of it for good, or a file is gone; ``code`` says how."""


class SendView(msgspec.Struct, frozen=True, kw_only=True):
    """One sending on."""

    id: str
    ae_title: str
    state: SendState
    sent: int
    code: str
    asked_at: dt.datetime


def sends_of(conn: sa.Connection, studies: Sequence[str]) -> dict[str, list[SendView]]:
    """Return by study where it was, or is to be, sent on."""
    columns = return_sends.c
    query = (
        sa.select(
            columns.study_instance_uid,
            columns.id,
            columns.ae_title,
            columns.state,
            columns.sent,
            columns.code,
            columns.asked_at,
        )
        .where(columns.study_instance_uid.in_(list(studies)))
        .order_by(columns.id)
    )
    found: dict[str, list[SendView]] = {}
    for row in conn.execute(query):
        view = SendView(
            id=row.id,
            ae_title=row.ae_title,
            state=SendState(row.state),
            sent=row.sent,
            code=row.code,
            asked_at=row.asked_at,
        )
        found.setdefault(row.study_instance_uid, []).append(view)
    return found


@dataclass(frozen=True, slots=True)
class SendJob:
    """A study to be sent on."""

    id: str
    study_instance_uid: str
    ae_title: str


def ask_send(conn: sa.Connection, study: str, ae_title: str, by: str, *, at: dt.datetime) -> None:
    """Queue *study* for a DICOM node of the house; one that waits already waits once."""
    columns = return_sends.c
    waits = conn.scalar(
        sa.select(columns.id).where(
            columns.study_instance_uid == study,
            columns.ae_title == ae_title,
            columns.state == SendState.WAITING.value,
        )
    )
    if waits is None:
        conn.execute(
            sa.insert(return_sends).values(
                id=new_id(),
                study_instance_uid=study,
                ae_title=ae_title,
                state=SendState.WAITING.value,
                asked_by=by,
                asked_at=at,
                changed_at=at,
            )
        )


def waiting_sends(conn: sa.Connection) -> list[SendJob]:
    """Return what is to be sent on, oldest first."""
    columns = return_sends.c
    query = (
        sa.select(columns.id, columns.study_instance_uid, columns.ae_title)
        .where(columns.state == SendState.WAITING.value)
        .order_by(columns.id)
    )
    return [SendJob(*row) for row in conn.execute(query)]


def note_send(
    conn: sa.Connection, job: SendJob, state: SendState, *, sent: int, code: str, at: dt.datetime
) -> None:
    """Note how far a sending is."""
    conn.execute(
        sa.update(return_sends)
        .where(return_sends.c.id == job.id)
        .values(state=state.value, sent=sent, code=code, changed_at=at)
    )
