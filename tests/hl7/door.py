"""The door with the room of orders behind it, on a database of its own."""

from dataclasses import dataclass, field

import sqlalchemy as sa

from gateway.hl7 import store
from gateway.hl7.codec import Message, parse
from gateway.hl7.model import Peer, PeerTable
from gateway.hl7.receiving import Names, Receiver
from gateway.hl7.trail import DoorTrail
from kernel.audit.trail import audit_entries
from kernel.clock import FrozenClock
from kernel.identity import institutions
from kernel.sql.db import Database
from referrals.orders import store as records
from referrals.orders.acts import Acts
from referrals.orders.gate import UncheckedGate
from referrals.orders.model import Order, Patient
from referrals.orders.tables import orders, patients
from tests.orders.desk import AT, QINGSHAN, Desk, open_desk
from yilian.wiring.hl7_door import handlers
from yilian.wiring.hl7_merges import PersonMerges

HERE = "127.0.0.1"
HIS = Peer(application="HIS", institution=QINGSHAN, networks=("127.0.0.1",), processing="PT")
RESIDENT = "99000019850702004X"
OTHER_RESIDENT = "99000019900307003X"
LIU = f"PID|1||QS001^^^QS^MR~{RESIDENT}^^^^NI||刘小凤^^||19850702|F|||||13800000000"


def written(
    kind: str, *lines: str, number: str = "1", sent: str = "20260512100000", more: str = ""
) -> bytes:
    """A message of the township's HIS; *more* is MSH-13 and what follows."""
    header = f"MSH|^~\\&|HIS|QS|YILIAN|county|{sent}||{kind}|{number}|P|2.5{more}"
    return "\r".join([header, *lines, ""]).encode()


@dataclass
class Door:
    """The receiver, and what lies behind it."""

    desk: Desk
    receiver: Receiver
    peers: PeerTable
    told: list[bytes] = field(default_factory=list)

    @property
    def database(self) -> Database:
        return self.desk.database

    async def send(self, raw: bytes, address: str = HERE) -> list[Message]:
        """Bring a message; returns its answers."""
        answers = [told async for told in self.receiver.receive(raw, address)]
        self.told += answers
        return [parse(told.decode()) for told in answers]

    async def ask(self, raw: bytes, address: str = HERE) -> str:
        """Bring a message; returns MSA-1, and of an error its place, number and name."""
        (answer,) = await self.send(raw, address)
        msa, err = answer.first("MSA"), answer.first("ERR")
        assert msa is not None
        if err is None:
            return msa.text(1)
        return f"{msa.text(1)} {err.field(2)} {err.text(3)} {err.text(5)}"

    async def patients(self) -> list[Patient]:
        def read(conn: sa.Connection) -> list[Patient]:
            keys = list(conn.scalars(sa.select(patients.c.id).order_by(patients.c.id)))
            return list(records.patients_by_id(conn, keys).values())

        return await self.database.read(read)

    async def orders(self) -> list[Order]:
        def read(conn: sa.Connection) -> list[Order]:
            keys = conn.scalars(sa.select(orders.c.id).order_by(orders.c.id))
            return [one for key in list(keys) if (one := records.find_order(conn, key))]

        return await self.database.read(read)

    async def trail(self) -> list[sa.RowMapping]:
        """The door's own lines of the audit trail."""
        query = sa.select(audit_entries).where(audit_entries.c.chain == "test-hl7")
        ordered = query.order_by(audit_entries.c.number)
        return await self.database.read(lambda conn: list(conn.execute(ordered).mappings()))


async def open_door(database: Database, *peers: Peer, loopback: str = "") -> Door:
    """Open the door of a county where Qingshan's HIS may send."""
    desk = await open_desk(database, node="county-hospital", allots=True, clock=FrozenClock(AT))
    known = peers or (HIS,)

    def fill(conn: sa.Connection) -> None:
        row = {"code": QINGSHAN, "name": "青山", "kind": "township", "created_at": AT}
        conn.execute(sa.insert(institutions).values(row))
        for peer in known:
            store.put_peer(conn, peer, at=AT)

    await database.write(fill)
    table = PeerTable(await database.read(store.all_peers), loopback=loopback)
    receiver = Receiver(
        database,
        desk.clock,
        peers=table,
        handlers=handlers(
            Acts(desk.ledger, UncheckedGate(), desk.clock),
            PersonMerges(desk.clock, chain="test-merges"),
        ),
        trail=DoorTrail(database, desk.clock, chain="test-hl7"),
        names=Names("YILIAN", "county"),
    )
    return Door(desk, receiver, table)
