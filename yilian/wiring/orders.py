"""Orders bound to a node: its database, its own numbers, its events, its doors."""

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from aiohttp import web

from gateway.exchange.unread import unread_keys
from gateway.township.tables import studies
from kernel.events import Event
from kernel.idempotency import KEEP, forget
from kernel.settings import NodeKind
from referrals.orders import http
from referrals.orders.arrivals import ArrivalWatch, StudyIdentity
from referrals.orders.counter import Counter
from referrals.orders.gate import UncheckedGate
from referrals.orders.ledger import Ledger
from referrals.orders.performing import Performed
from referrals.orders.ports import NotRead, nobody_reads
from referrals.orders.records import RecordKind
from referrals.orders.service import OrderDesk
from yilian.wiring.context import Context, follow_outbox

_FORGET_EVERY_S: Final = 3600.0
STUDY_UPDATED: Final = "study.updated"
QUEUE_UPDATED: Final = "queue.updated"


def order_routes(context: Context, written: Ledger) -> list[web.RouteDef]:
    """Return the routes of patients and orders."""
    centre = context.institution if context.kind is NodeKind.COUNTY else ""
    desk = OrderDesk(
        context.database, context.clock, ledger=written, gate=UncheckedGate(), centre=centre
    )
    counter = Counter(
        context.database,
        context.clock,
        desk,
        written.numbers,
        written.spellings,
        centre,
        unread=partial(unread_orders, centre=centre) if centre else nobody_reads,
    )
    return http.routes(counter)


def unread_orders(conn: sa.Connection, institution: str, /, *, centre: str) -> NotRead | None:
    """Return, at the county, the orders the machines of *institution* have not read yet.

    What the county's own house, *centre*, ordered is performed where it stands.
    """
    if institution == centre:
        return None
    found = unread_keys(conn, institution, RecordKind.ORDER.value)
    return NotRead(found.keys, machine=found.nodes > 0)


def watch_arrivals(context: Context, written: Ledger) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return what moves orders when their images come in, until cancelled."""
    county = context.kind is NodeKind.COUNTY
    identity: StudyIdentity = archived_study if county else queued_study
    topic = STUDY_UPDATED if county else QUEUE_UPDATED
    watch = ArrivalWatch(context.database, context.clock, written, identity, topic=topic)
    return partial(follow_outbox, context, watch.note_new)


def archived_study(conn: sa.Connection, event: Event) -> Performed | None:
    """Return which study the archive tells of."""
    del conn
    study = event.payload
    return Performed(
        institution=event.institution,
        study_instance_uid=str(study["study_instance_uid"]),
        accession_number=str(study["accession_number"]),
        patient_id=str(study["patient"]["patient_id"]),
    )


def queued_study(conn: sa.Connection, event: Event) -> Performed | None:
    """Return which study the township's queue tells of."""
    columns = studies.c
    row = conn.execute(
        sa.select(columns.accession_number, columns.patient_id).where(
            columns.study_instance_uid == str(event.payload["study_instance_uid"])
        )
    ).one_or_none()
    if row is None:
        return None
    return Performed(
        institution=event.institution,
        study_instance_uid=str(event.payload["study_instance_uid"]),
        accession_number=row.accession_number,
        patient_id=row.patient_id,
    )


async def forget_old_asks(context: Context) -> None:
    """Drop the keys of acts nobody tries again, once an hour, until cancelled."""
    while True:
        before: dt.datetime = context.clock.now() - KEEP
        await context.database.write(partial(forget, before=before))
        await asyncio.sleep(_FORGET_EVERY_S)
