"""The county's HL7 v2 door, in the gateway's process: the room of orders is there already."""

import asyncio
import datetime as dt
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import sqlalchemy as sa

from gateway.hl7 import store
from gateway.hl7.codec import Message, composed, segment_line
from gateway.hl7.model import Handled, PeerTable, Sender
from gateway.hl7.ports import Handlers, MessageHandler
from gateway.hl7.receiving import Names, Receiver
from gateway.hl7.sending import Sending
from gateway.hl7.server import DoorSettings, serve
from gateway.hl7.trail import DoorTrail
from kernel.settings import Settings
from referrals.hl7.merges import MergeMessages, PersonMerge
from referrals.hl7.model import OrderAnswer, Source, Taken
from referrals.hl7.orders import OrderMessages
from referrals.hl7.patients import PatientMessages
from referrals.orders.acts import Acts
from referrals.orders.gate import UncheckedGate
from referrals.orders.ledger import Ledger
from yilian.wiring.context import Context
from yilian.wiring.dicom_role import dicom_tls
from yilian.wiring.hl7_merges import PersonMerges

_PEERS_EVERY_S: Final = 2.0
_FINISH_EVERY_S: Final = 5.0
_FORGET_EVERY_S: Final = 3600.0


@asynccontextmanager
async def hl7_door(context: Context, written: Ledger) -> AsyncIterator[None]:
    """Serve the inherited doors ``hl7`` and ``hl7-tls`` while this is open.

    The table of peers is read again every two seconds, so that a new one is admitted without a
    restart.
    """
    settings, database, clock = context.settings, context.database, context.clock
    plain, secure = context.inherited.door("hl7"), context.inherited.door("hl7-tls")
    loopback = context.institution if settings.hl7.admit_loopback else ""
    peers = PeerTable(await database.read(store.all_peers), loopback=loopback)
    receiver = Receiver(
        database,
        clock,
        peers=peers,
        handlers=handlers(
            Acts(written, UncheckedGate(), clock), PersonMerges(clock, chain=f"{context.role}-hl7")
        ),
        trail=DoorTrail(database, clock, chain=f"{context.role}-hl7"),
        names=Names(settings.hl7.application, context.institution),
    )
    sending = Sending(database, clock, chance=random.random, tls=partial(calling_tls, settings))

    async def refresh() -> None:
        while True:
            await asyncio.sleep(_PEERS_EVERY_S)
            peers.replace(await database.read(store.all_peers))

    async def finish() -> None:
        while True:
            await receiver.finish_waiting()
            await asyncio.sleep(_FINISH_EVERY_S)

    async def forget() -> None:
        keep = dt.timedelta(days=settings.hl7.keep_days)
        while True:
            await database.write(partial(store.forget, before=clock.now() - keep))
            await asyncio.sleep(_FORGET_EVERY_S)

    limits = DoorSettings(
        connections=settings.hl7.max_connections,
        connections_per_address=settings.hl7.connections_per_address,
        idle_s=settings.hl7.idle_s,
        tls=dicom_tls(settings),
    )
    for name, work in (("peers", refresh), ("waiting", finish), ("old", forget)):
        context.owner.keep(f"hl7-{name}", work)
    context.owner.keep("hl7-sending", sending.run)
    async with serve(
        [plain] if plain else [], receiver, settings=limits, secure=[secure] if secure else []
    ):
        yield


def calling_tls(settings: Settings) -> ssl.SSLContext:
    """Return the TLS in which peers are called that ask for it, with the node's certificate."""
    made = ssl.create_default_context(cafile=settings.tls.client_ca_file or None)
    if settings.tls.on:
        made.load_cert_chain(settings.tls.cert_file, settings.tls.key_file)
    return made


def handlers(acts: Acts, merge: PersonMerge) -> Handlers:
    """Return what is done with which messages (HL7 table 0354)."""
    people = PatientMessages(acts)
    orders = OrderMessages(acts, people)
    patient, ordered = _bound(people), _bound(orders)
    merged = _bound(MergeMessages(acts, people, merge))
    return {
        "ADT^A01": patient,
        "ADT^A04": patient,
        "ADT^A08": patient,
        "ADT^A40": merged,
        "ORM^O01": ordered,
        "OMI^O23": ordered,
    }


def _bound(room: PatientMessages | OrderMessages | MergeMessages) -> MessageHandler:
    """Return what hands messages to a department and says what it did in the door's words."""

    def handle(conn: sa.Connection, message: Message, sender: Sender, /) -> Handled:
        source = Source(
            application=sender.application,
            facility=sender.facility,
            institution=sender.peer.institution,
            address=sender.address,
        )
        return _handled(message, room.take(conn, message, source))

    return handle


_ANSWERS: Final = {"ORM": ("ORR", "O02", "ORR_O02"), "OMI": ("ORI", "O24", "ORI_O24")}


def _handled(message: Message, taken: Taken) -> Handled:
    return Handled(
        patient=taken.patient,
        subject=taken.subject,
        response=_ANSWERS.get(message.header.text(9)),
        segments=tuple(map(_orc, taken.orders)),
    )


def _orc(order: OrderAnswer) -> str:
    fields = [order.control, composed(order.placer_number), composed(order.filler_number)]
    return segment_line("ORC", fields)
