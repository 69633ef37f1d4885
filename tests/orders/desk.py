"""A node's desk, without its doors: its people, its clock, its numbers."""

import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import sqlalchemy as sa

from kernel.clock import FrozenClock
from kernel.idempotency import Ask
from kernel.identity import Principal, Role
from kernel.letter import Letter
from kernel.sql.db import Database
from referrals.orders import numbers, store
from referrals.orders.asked import NewOrder, NewPatient
from referrals.orders.examinations import replace_catalogue
from referrals.orders.gate import OrderGate, UncheckedGate
from referrals.orders.ledger import Applied, By, Ledger, Page
from referrals.orders.model import Examination, Order, Patient, version_tag
from referrals.orders.numbers import Numbers
from referrals.orders.records import Record, RecordKind
from referrals.orders.service import OrderDesk, Seen
from yilian.wiring.spellings import NameSpellings

T = TypeVar("T")
AT = dt.datetime(2026, 5, 12, 2, 0, tzinfo=dt.UTC)
"""Ten in the morning in legal time."""
QINGSHAN = "qingshan"
COUNTY = "county-hospital"
HEAD = Examination(
    code="EX-CT-HEAD", name="头颅CT平扫（示例）", modality="CT", body_part="HEAD", example=True
)
CHEST = Examination(
    code="EX-DR-CHEST", name="胸部正位（示例）", modality="DX", body_part="CHEST", example=True
)
LIU = NewPatient(name="刘小凤", resident_id="99000019850702004X", phone="13800000000")
_keys = itertools.count(1)


def ask(content: bytes = b"", owner: str = "u1") -> Ask:
    """The key of an act nobody asked for before."""
    return Ask.parse(owner, f"key-{next(_keys)}", content)


def by(role: Role = Role.REGISTRAR, institution: str = QINGSHAN, username: str = "luoli") -> By:
    """Somebody of an institution."""
    who = Principal(f"id-{username}", username, "罗丽", frozenset({role}), institution)
    return By(principal=who, address="127.0.0.1")


@dataclass
class Desk:
    """One node."""

    database: Database
    clock: FrozenClock
    ledger: Ledger
    desk: OrderDesk
    letters: list[Letter] = field(default_factory=list)
    """All that was posted, also by transactions that came to nothing."""
    centre: str = ""

    async def order(
        self, patient: str | NewPatient = LIU, new: NewOrder | None = None, who: By | None = None
    ) -> Order:
        """Order an examination, of Liu's head unless told otherwise."""
        key = await self.desk.order(
            who or by(), patient, new or NewOrder(examination=HEAD.code), ask()
        )
        return await self.find_order(key)

    async def find_order(self, key: str) -> Order:
        found = await self.database.read(lambda conn: store.find_order(conn, key))
        assert found is not None
        return found

    async def find_patient(self, key: str) -> Patient:
        found = await self.database.read(lambda conn: store.find_patient(conn, key))
        assert found is not None
        return found

    async def versions(self, kind: RecordKind, key: str) -> list[store.KeptVersion]:
        return await self.database.read(lambda conn: store.versions_of(conn, kind, key))

    async def hear(self, letter: Letter) -> Applied:
        """Apply another node's letter."""

        def apply(conn: sa.Connection) -> Applied:
            page = Page(conn)
            applied = self.ledger.apply(page, letter, institution=QINGSHAN)
            self.ledger.end(page, at=self.clock.now())
            return applied

        return await self.database.write(apply)

    async def count(self, table: sa.Table) -> int:
        query = sa.select(sa.func.count()).select_from(table)
        return await self.read(lambda conn: conn.execute(query).scalar_one())

    async def read(self, fn: Callable[[sa.Connection], T]) -> T:
        return await self.database.read(fn)


def seen(record: Record) -> Seen:
    """What somebody changes who has just read *record*."""
    return Seen(record.id, version_tag(record))


async def open_desk(
    database: Database,
    *,
    node: str = QINGSHAN,
    allots: bool = False,
    gate: OrderGate | None = None,
    clock: FrozenClock | None = None,
    centre: str = "",
) -> Desk:
    """Open a node's desk on an empty database; a township has one block of numbers."""
    clock = clock or FrozenClock(AT)
    letters: list[Letter] = []
    ledger = Ledger(
        numbers=Numbers(node, allots=allots),
        spellings=NameSpellings(),
        chain="orders",
        post=lambda _conn, posted, _institution, _at: letters.extend(posted),
        centre=centre,
    )

    def fill(conn: sa.Connection) -> None:
        for institution in (QINGSHAN, COUNTY):
            replace_catalogue(conn, institution, [HEAD, CHEST], ledger.spellings)
        if not allots:
            numbers.allot(conn, QINGSHAN, node, at=AT, size=20)

    await database.write(fill)
    desk = OrderDesk(database, clock, ledger=ledger, gate=gate or UncheckedGate(), centre=centre)
    return Desk(database, clock, ledger, desk, letters, centre)
