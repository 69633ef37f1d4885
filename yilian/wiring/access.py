"""Access bound to the county: what registers and orders know, doors, and what runs beside them."""

import asyncio
import datetime as dt
from collections.abc import Callable, Collection, Coroutine, Sequence
from functools import partial
from typing import Any, Final

import sqlalchemy as sa

from gateway.exchange.node_trail import looks_up
from imaging.access.emergency import EmergencyDesk
from imaging.access.grants import sweep
from imaging.access.http import AccessDoor
from imaging.access.lookers import Trails
from imaging.access.model import Looker
from imaging.access.treating import Encounter, TreatingWatch, identity_of
from imaging.archive.locate import find_study
from imaging.archive.model import STUDY_UPDATED, InstitutionRow
from imaging.archive.study_rows import institution_names
from imaging.patients.model import PatientIdentity
from kernel.audit.access_log import AccessLog
from kernel.events import Event
from kernel.identity import Principal
from kernel.policy import Act, decide, reach
from referrals.orders import store
from referrals.orders.ledger import ORDER_UPDATED
from referrals.orders.model import OPEN, Order, Patient
from referrals.orders.register import numbered, patients_of_resident_id
from yilian.wiring.context import Context, follow_outbox

_CHAIN: Final = "gateway-emergency"
_SWEEP_EVERY_S: Final = 300.0
_REVEALED: Final = ("resident_id", "phone", "patient_id")


def access_door(context: Context) -> AccessDoor:
    """Return the county's doors of emergency looks and of who looked."""
    desk = EmergencyDesk(
        context.database,
        AccessLog(context.database, context.clock, chain=_CHAIN),
        context.clock,
        registered=registered,
        centre=context.institution,
    )
    return AccessDoor(desk, Trails(recorded, looks_at_nodes))


def registered(conn: sa.Connection, resident_id: str, /) -> Sequence[PatientIdentity]:
    """Return by what houses know who has *resident_id* (``imaging.access.numbers.Registered``)."""
    found = patients_of_resident_id(conn, resident_id)
    return [PatientIdentity(each.patient_id, "", each.institution) for each in found]


def recorded(conn: sa.Connection, identities: Sequence[PatientIdentity], /) -> Collection[str]:
    """Return by what the trail names registers and orders (``imaging.access.lookers.Records``)."""
    subjects: set[str] = set()
    for identity in identities:
        for each in numbered(conn, identity.assigner, identity.patient_id):
            subjects.add(f"patient:{each.id}")
            subjects.update(f"patient:{each.id}:{name}" for name in _REVEALED)
            subjects.update(f"order:{order.id}" for order in store.orders_of_patient(conn, each.id))
    return subjects


def looks_at_nodes(
    conn: sa.Connection, identities: Sequence[PatientIdentity], limit: int, /
) -> list[Looker]:
    """Return who looked at townships' machines (``imaging.access.lookers.NodeTrails``)."""
    whose = {(each.assigner, each.patient_id) for each in identities}
    found = looks_up(conn, whose, limit=limit)
    names = institution_names(conn, {line.institution for _, line in found})
    return [
        Looker(
            id=line.number,
            at=line.at,
            last_at=line.at,
            times=1,
            username=line.username,
            institution=InstitutionRow(
                line.institution, names.get(line.institution, line.institution)
            ),
            event=line.event,
            reason=line.reason,
            purpose=str(line.detail.get("purpose_of_use", "")),
            subject=line.subject,
            node=house,
        )
        for house, line in found
    ]


def still_given(
    conn: sa.Connection, principal: Principal, event: Event, at: dt.datetime, /
) -> bool:
    """Tell whether somebody finds the study of an event (``gateway.http.sse.StillGiven``)."""
    uid = event.payload.get("study_instance_uid")
    if event.topic != STUDY_UPDATED or not isinstance(uid, str):
        return False
    ref = find_study(conn, uid, reach(principal, at=at))
    return ref is not None and decide(principal, Act.READ_LIST, ref.subject).allowed


async def sweep_ended(context: Context) -> None:
    """Drop from the searches' table what has ended by itself, until cancelled."""
    while True:
        at = context.clock.now()
        await context.database.write(partial(sweep, at=at))
        await asyncio.sleep(_SWEEP_EVERY_S)


def watch_treating(context: Context) -> Callable[[], Coroutine[Any, Any, None]]:
    """Return what lets houses see what others made of whom they treat, until cancelled."""
    watch = TreatingWatch(
        context.database,
        context.clock,
        registered,
        {ORDER_UPDATED: ordered, STUDY_UPDATED: examined},
    )
    return partial(follow_outbox, context, watch.look)


def ordered(conn: sa.Connection, event: Event) -> list[Encounter]:
    """Return the encounter of the order an event is about (``Concerned``)."""
    order = store.find_order(conn, str(event.payload["id"]))
    if order is None:
        return []
    patient = store.find_patient(conn, order.patient)
    return [] if patient is None else [_encounter(order, patient)]


def examined(conn: sa.Connection, event: Event) -> list[Encounter]:
    """Return the open encounters of the patient of the study an event is about (``Concerned``)."""
    identity = identity_of(conn, str(event.payload["study_instance_uid"]))
    if identity is None:
        return []
    residents = {
        each.resident_id
        for each in numbered(conn, identity.assigner, identity.patient_id)
        if each.resident_id
    }
    # Where a house uses the resident number as its own, no register has to be asked.
    residents.add(identity.patient_id)
    return [
        _encounter(order, patient)
        for resident in sorted(residents)
        for patient in patients_of_resident_id(conn, resident)
        for order in store.orders_of_patient(conn, patient.id)
        if order.state in OPEN
    ]


def _encounter(order: Order, patient: Patient) -> Encounter:
    return Encounter(
        key=f"order:{order.id}",
        institution=order.institution,
        resident_id=patient.resident_id,
        is_open=order.state in OPEN,
    )
