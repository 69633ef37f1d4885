"""The door's lines in the audit trail: every message about a patient, every sender nobody knows."""

import datetime as dt
from functools import partial
from typing import Final

import sqlalchemy as sa

from gateway.hl7.model import Handled, Sender
from kernel.audit.trail import AuditEntry, AuditEvent, record
from kernel.clock import Clock
from kernel.policy import Reason
from kernel.sql.db import Database

_AGAIN_S: Final = 60.0
_REMEMBERED: Final = 256
_REFUSED: Final = 8
_NAME_MAX: Final = 64


class DoorTrail:
    """Writes to one chain, in one process."""

    def __init__(self, database: Database, clock: Clock, *, chain: str) -> None:
        self._database = database
        self._clock = clock
        self._chain = chain
        self._told: dict[str, float] = {}

    def handled(
        self, conn: sa.Connection, sender: Sender, kind: str, done: Handled, *, at: dt.datetime
    ) -> None:
        """Write, in the transaction that does it, what a message of type *kind* did."""
        entry = AuditEntry(
            at=at,
            event=AuditEvent.CHANGED,
            username=f"hl7:{sender.application}",
            institution=sender.peer.institution,
            address=sender.address,
            subject=done.subject,
            patient=done.patient,
            reason=Reason.OWN_INSTITUTION,
            detail={"message": kind, "facility": sender.facility},
        )
        record(conn, self._chain, entry)

    def refused(
        self, conn: sa.Connection, sender: Sender, kind: str, code: str, *, at: dt.datetime
    ) -> None:
        """Write that a message of a known sender asked for what cannot be."""
        entry = AuditEntry(
            at=at,
            event=AuditEvent.CHANGED,
            outcome=_REFUSED,
            username=f"hl7:{sender.application}",
            institution=sender.peer.institution,
            address=sender.address,
            reason=code,
            detail={"message": kind, "facility": sender.facility},
        )
        record(conn, self._chain, entry)

    async def unknown(self, application: str, facility: str, address: str) -> None:
        """Write that somebody unknown tried, once a minute for each address."""
        now_s = self._clock.monotonic_s()
        before_s = self._told.get(address)
        if before_s is not None and now_s - before_s < _AGAIN_S:
            return
        self._told.pop(address, None)
        self._told[address] = now_s
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        entry = AuditEntry(
            at=self._clock.now(),
            event=AuditEvent.ACCESS_REFUSED,
            outcome=_REFUSED,
            username=f"hl7:{_shown(application)}",
            address=address,
            reason="unknown-sender",
            detail={"facility": _shown(facility)},
        )
        await self._database.write(partial(record, chain=self._chain, entry=entry))


def _shown(name: str) -> str:
    """Return a stranger's *name* short and on one line; it is theirs to choose."""
    return "".join(char for char in name[:_NAME_MAX] if char.isprintable())
