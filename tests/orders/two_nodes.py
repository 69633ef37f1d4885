"""A township and its county with an order book each, and what goes over the line between them."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest_asyncio
import sqlalchemy as sa

from kernel.letter import Letter
from kernel.sql.db import Database
from referrals.orders.ledger import Applied
from referrals.orders.tables import (
    accession_claims,
    accession_former,
    orders,
    patient_terms,
    patients,
    versions,
)
from tests.databases import open_filled
from tests.orders.desk import COUNTY, Desk, open_desk


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
