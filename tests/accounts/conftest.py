"""Accounts to sign in with."""

import datetime as dt
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from gateway.accounts.administration import OPERATOR, Administration, NewAccount
from gateway.accounts.passwords import Hasher
from gateway.accounts.service import SignIns
from kernel.clock import FrozenClock
from kernel.identity import Institution, InstitutionKind, Role
from kernel.sql.db import Database

AT = dt.datetime(2025, 5, 12, 8, 0, tzinfo=dt.UTC)
GOOD = "Kf7ma-x3Tpq-w9Rnc"
OTHER = "bV4zq-mm2Kd-u8Yhs"
COUNTY = Institution("county", "县人民医院", InstitutionKind.COUNTY)
TOWNSHIP = Institution("qingshan", "青山镇卫生院", InstitutionKind.TOWNSHIP, "county")


@dataclass
class House:
    """A node's accounts with a clock that stands still."""

    database: Database
    clock: FrozenClock
    sign_ins: SignIns
    admin: Administration


@pytest.fixture(scope="session")
def hasher() -> Iterator[Hasher]:
    made = Hasher(memory_kib=64, rounds=1)
    yield made
    made.close()


@pytest_asyncio.fixture
async def house(database: Database, hasher: Hasher) -> AsyncIterator[House]:
    clock = FrozenClock(AT)
    sign_ins = SignIns(database, hasher, clock, chain="gateway")
    admin = Administration(database, sign_ins, clock, chain="gateway")
    for institution in (COUNTY, TOWNSHIP):
        await admin.put_institution(OPERATOR, institution)
    await admin.create_account(
        OPERATOR,
        NewAccount("wang", "王医生", "county", frozenset({Role.RADIOLOGIST}), password=GOOD),
    )
    yield House(database, clock, sign_ins, admin)
