"""What was set aside leaves the node as a file: found, and written down before it does."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from gateway.township.model import InstanceState
from gateway.township.tables import instances, studies
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.errors import Missing

_CHAIN: Final = "command-line"
_OPERATOR: Final = "operator"
_NO_UID: Final = re.compile(r"[^0-9.]")
_ID_DIGITS: Final = 18


class NothingSetAside(Missing):
    """Nothing of that name is set aside with its bytes."""

    code = "nothing-set-aside"


@dataclass(frozen=True, slots=True)
class GivenOut:
    """One object whoever runs the machine may copy now."""

    object_key: str
    filename: str


def give_out(conn: sa.Connection, which: str, at: dt.datetime) -> list[GivenOut]:
    """Return what is set aside under *which*, once the trail says that it leaves.

    Args:
        conn: a transaction; the objects are copied only after it is committed.
        which: id of the set-aside row, or a SOP Instance UID, of which there may be several.
        at: now.

    Raises:
        NothingSetAside: there is none, or its bytes were lost before they came here.
    """
    columns = instances.c
    is_id = which.isascii() and which.isdigit() and len(which) <= _ID_DIGITS
    named = columns.id == int(which) if is_id else columns.sop_instance_uid == which
    found = conn.execute(
        sa.select(
            columns.id,
            columns.sop_instance_uid,
            columns.study_instance_uid,
            columns.object_key,
            columns.reason_code,
            studies.c.patient_id,
        )
        .join(studies, studies.c.study_instance_uid == columns.study_instance_uid)
        .where(named, columns.state == InstanceState.SET_ASIDE, columns.object_key != "")
        .order_by(columns.id)
    ).all()
    if not found:
        raise NothingSetAside("nothing of that id or UID is set aside here")
    for row in found:
        entry = AuditEntry(
            at=at,
            event=AuditEvent.EXPORTED,
            username=_OPERATOR,
            subject=f"study:{row.study_instance_uid}",
            patient=row.patient_id,
            reason="set-aside",
            detail={"sop_instance_uid": row.sop_instance_uid, "code": row.reason_code},
        )
        record(conn, _CHAIN, entry)
    return [
        GivenOut(row.object_key, f"{_NO_UID.sub('_', row.sop_instance_uid)}-{row.id}.dcm")
        for row in found
    ]
