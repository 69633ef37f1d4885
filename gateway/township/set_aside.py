"""What was set aside leaves the node as a file: found, and written down before it does."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, Final

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


@dataclass(frozen=True, slots=True)
class AsideInstance:
    """One instance that is set aside, or was and is released."""

    id: int
    study_key: str
    sop_instance_uid: str
    object_key: str
    """Empty where its bytes were lost before they came here."""
    reason_code: str
    patient_id: str

    @property
    def filename(self) -> str:
        """A name for its file that no other has."""
        return f"{_NO_UID.sub('_', self.sop_instance_uid)}-{self.id}.dcm"


def find_aside(conn: sa.Connection, instance_id: int) -> AsideInstance | None:
    """Return the instance of that id where it is set aside or released."""
    row = conn.execute(_aside().where(instances.c.id == instance_id)).one_or_none()
    return AsideInstance(*row) if row else None


def _aside() -> sa.Select[Any]:
    columns = instances.c
    return (
        sa.select(
            columns.id,
            columns.study_instance_uid,
            columns.sop_instance_uid,
            columns.object_key,
            columns.reason_code,
            studies.c.patient_id,
        )
        .join(studies, studies.c.study_instance_uid == columns.study_instance_uid)
        .where(columns.state.in_((InstanceState.SET_ASIDE, InstanceState.RELEASED)))
        .order_by(columns.id)
    )


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
    rows = conn.execute(_aside().where(named, columns.object_key != ""))
    found = [AsideInstance(*row) for row in rows]
    if not found:
        raise NothingSetAside("nothing of that id or UID is set aside here")
    for row in found:
        entry = AuditEntry(
            at=at,
            event=AuditEvent.EXPORTED,
            username=_OPERATOR,
            subject=f"study:{row.study_key}",
            patient=row.patient_id,
            detail={
                "act": "export-aside",
                "sop_instance_uid": row.sop_instance_uid,
                "code": row.reason_code,
            },
        )
        record(conn, _CHAIN, entry)
    return [GivenOut(row.object_key, row.filename) for row in found]
