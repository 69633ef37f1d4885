"""A township and its county with an order book each, and what goes over the line between them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest_asyncio
import sqlalchemy as sa

from kernel.identity import Role
from kernel.letter import Letter
from kernel.sql.db import Database
from referrals.orders.asked import NewPatient
from referrals.orders.ledger import Applied
from referrals.orders.model import Order, Sex, Temporary
from referrals.orders.records import RecordKind
from referrals.orders.tables import (
    accession_claims,
    accession_former,
    orders,
    patient_terms,
    patients,
    versions,
)
from tests.databases import open_filled
from tests.orders.desk import COUNTY, LIU, Desk, ask, by, open_desk, seen

UNKNOWN = NewPatient(sex=Sex.FEMALE, temporary=Temporary(estimated_age_years=45))
WANG = NewPatient(name="王芳", sex=Sex.FEMALE, phone="13800000001")
VILLAGE = by(Role.VILLAGE_DOCTOR, username="tianshui")


@pytest_asyncio.fixture
async def county(database: Database) -> Desk:
    """The county's desk, once on each kind of database."""
    return await open_desk(database, node=COUNTY, allots=True)


@pytest_asyncio.fixture
async def township(tmp_path: Path) -> AsyncIterator[Desk]:
    """The desk of a township, on a file."""
    database = await open_filled(f"sqlite:///{tmp_path / 'township.sqlite'}")
    yield await open_desk(database)
    await database.close()


def over_the_line(letter: Letter) -> Letter:
    """The letter as JSON brings it."""
    body = msgspec.json.decode(msgspec.json.encode(letter.body))
    return Letter.parse(letter.kind, letter.key, letter.version, body)


async def tell(letters: Sequence[Letter], to: Desk) -> list[Applied]:
    """Let *to* hear *letters*; returns what became of each."""
    return [await to.hear(over_the_line(letter)) for letter in letters]


async def wiped(desk: Desk) -> Desk:
    """*desk*, which knows of no patient and no order any more."""

    def wipe(conn: sa.Connection) -> None:
        for table in (
            accession_claims,
            accession_former,
            versions,
            orders,
            patient_terms,
            patients,
        ):
            conn.execute(sa.delete(table))

    await desk.database.write(wipe)
    return desk


async def rows(desk: Desk) -> tuple[Any, ...]:
    """What *desk* shows of orders, patients and numbers."""

    def read(conn: sa.Connection) -> tuple[Any, ...]:
        return tuple(
            [tuple(row) for row in conn.execute(sa.select(*columns).order_by(columns[0]))]
            for columns in (
                list(orders.c),
                list(patients.c),
                [patient_terms.c.text, patient_terms.c.patient],
                [accession_claims.c.accession_number, accession_claims.c.order],
            )
        )

    return await desk.read(read)


async def reconciled(desk: Desk, unknown: str) -> str:
    """The id of whom *unknown* turned out to be."""
    real = await desk.desk.register(by(), LIU, ask())
    await desk.desk.reconcile(by(), seen(await desk.find_patient(unknown)), real, ask())
    return real


@dataclass
class FoundTwice:
    """An order for an unknown of whom two nodes, that did not hear of each other, say who it is."""

    unknown: str
    order: Order
    """Made at the county before it found out, and unheard of at the township."""
    wang: str
    """Whom the county says it is."""
    liu: str
    """Whom the township says it is."""
    letters: list[Letter]
    """All that either wrote, the patient's registration first, which both know."""


async def found_twice(township: Desk, county: Desk) -> FoundTwice:
    unknown = await township.desk.register(by(), UNKNOWN, ask())
    await tell(township.letters, county)
    order = await county.order(unknown, who=VILLAGE)
    wang = await county.desk.register(by(), WANG, ask())
    await county.desk.reconcile(by(), seen(await county.find_patient(unknown)), wang, ask())
    liu = await reconciled(township, unknown)
    return FoundTwice(unknown, order, wang, liu, [*township.letters, *county.letters])


async def hear_each_other(township: Desk, county: Desk) -> None:
    """Tell both all that either wrote; what they know already changes nothing."""
    letters = [*township.letters, *county.letters]
    for desk in (township, county):
        await tell(letters, desk)


async def settle(county: Desk, patient: str, keep: str) -> None:
    shown = await county.find_patient(patient)
    await county.desk.settle(by(), RecordKind.PATIENT, seen(shown), keep, ask())
