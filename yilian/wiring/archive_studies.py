"""Studies of the archive for the queues of other nodes: what there is, and the objects to send."""

import datetime as dt
from functools import partial
from typing import Final

import sqlalchemy as sa

from gateway.deliveries import queue
from gateway.deliveries.model import Contents, Turn
from gateway.deliveries.ports import Picked
from gateway.routing.model import DestinationKind, Routed
from imaging.archive.model import PRIORITY_ORDER
from imaging.archive.tables import instance, series, study
from imaging.query.retrieve import instances_named
from kernel.audit.access_log import Access, AccessLog
from kernel.audit.trail import AuditEvent
from kernel.identity import Principal, PrincipalKind
from kernel.policy import Reason
from kernel.sql.db import Database
from yilian.wiring.archive_pixels import ArchivedObject, ArchivePixels
from yilian.wiring.county_routing import put_on_reading_lists

_FALLBACK: Final = "fallback"


def contents(conn: sa.Connection, study_instance_uid: str) -> Contents | None:
    """Return a study as it is (``gateway.deliveries.ports.Studies``)."""
    columns = study.c
    row = conn.execute(
        sa.select(columns.id, columns.institution, columns.priority).where(
            columns.study_instance_uid == study_instance_uid
        )
    ).one_or_none()
    if row is None:
        return None
    uids = conn.scalars(
        sa.select(instance.c.sop_instance_uid)
        .join(series, series.c.id == instance.c.series)
        .where(instance.c.study == row.id)
        .order_by(series.c.series_number, series.c.id, instance.c.instance_number, instance.c.id)
    )
    return Contents(row.institution, row.priority, list(uids))


def put_where_rules_say(
    conn: sa.Connection, study_instance_uid: str, routed: Routed, at: dt.datetime
) -> None:
    """Put a study on reading lists and into queues (``gateway.routing.service.Places``)."""
    put_on_reading_lists(conn, study_instance_uid, routed, at)
    sent_to = [d for d in routed.destinations if d.kind is not DestinationKind.READING_LIST]
    found = contents(conn, study_instance_uid) if sent_to else None
    if found is None:
        return
    for destination in sent_to:
        given = destination.priority
        queue.join(
            conn,
            destination.address,
            study_instance_uid,
            found,
            rule=", ".join(routed.rules) or _FALLBACK,
            priority=None if given is None else PRIORITY_ORDER.index(given),
            at=at,
        )


def let_grow(conn: sa.Connection, study_instance_uid: str, at: dt.datetime) -> None:
    """Let what came to a study join its queues (``gateway.routing.service.Grown``)."""
    if not queue.is_queued(conn, study_instance_uid):
        return
    found = contents(conn, study_instance_uid)
    if found is not None:
        queue.grown(conn, study_instance_uid, found, at=at)


class ArchiveObjects:
    """The archive's objects for a turn (``gateway.deliveries.ports.Objects``)."""

    def __init__(
        self, database: Database, log: AccessLog, pixels: ArchivePixels, *, institution: str
    ) -> None:
        """Find in *database*, write into *log* what leaves, read from *pixels*.

        Args:
            database: of the county.
            log: of this process.
            pixels: of its store.
            institution: of the county, in whose name rules send.
        """
        self._database = database
        self._log = log
        self._pixels = pixels
        self._institution = institution

    async def pick(self, turn: Turn) -> Picked:
        """Return the turn's objects once they stand in the trail."""
        found = await self._database.read(
            partial(
                instances_named,
                study_instance_uid=turn.study_instance_uid,
                sop_instance_uids=turn.sop_instance_uids,
            )
        )
        there = {one.sop_instance_uid for one in found}
        gone = tuple(uid for uid in turn.sop_instance_uids if uid not in there)
        if found:
            await self._pixels.load()
            await self._log.saw(self._access(turn, found[0].study.patient_id))
        return Picked([ArchivedObject(one, self._pixels) for one in found], gone)

    def _access(self, turn: Turn, patient_id: str) -> Access:
        name = turn.asked_by or "router"
        principal = Principal(
            user_id=f"deliveries:{name}",
            username=name,
            display_name=name,
            roles=frozenset(),
            institution=self._institution,
            kind=PrincipalKind.PERSON if turn.asked_by else PrincipalKind.MACHINE,
        )
        return Access(
            principal,
            f"study:{turn.study_instance_uid}",
            patient_id,
            Reason.OWN_DUTY if turn.asked_by else Reason.ROUTED_HERE,
            event=AuditEvent.EXPORTED,
            to=turn.destination,
        )
