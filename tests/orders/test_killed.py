"""The power goes in the middle of registering: all of it is there, or nothing."""

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from tests.databases import open_filled
from tests.orders.desk import open_desk

ROOT = Path(__file__).parents[2]
TABLES = (
    "order_patients",
    "order_patient_terms",
    "orders",
    "order_versions",
    "accession_claims",
    "audit_entries",
    "outbox",
    "idempotency_keys",
)
STATEMENTS_MAX = 80


@pytest_asyncio.fixture
async def url(sqlite_url: str) -> AsyncIterator[str]:
    database = await open_filled(sqlite_url)
    await open_desk(database)
    await database.close()
    yield sqlite_url


async def register(url: str, number: int, how: str) -> bool:
    """Register in another process; returns whether it lived."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.orders.programs.register", url, str(number), how),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert (process.returncode == 0) == (said == b"done\n")
    return process.returncode == 0


def halves(url: str) -> dict[str, int]:
    """How many rows each table has; none or each of them some is a whole."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as conn:
        return {name: conn.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}  # noqa: S608


def is_whole(rows: dict[str, int]) -> bool:
    return all(rows.values()) or not any(rows.values())


@pytest.mark.timeout(240)
@pytest.mark.parametrize("step", [pytest.param(4), pytest.param(1, marks=pytest.mark.torture)])
async def test_killed_before_any_statement_nothing_is_left_in_half(url: str, step: int) -> None:
    killed = 0
    for number in range(2, STATEMENTS_MAX, step):
        if await register(url, number, "whole"):
            break
        killed += 1
        assert halves(url) == dict.fromkeys(TABLES, 0), f"killed before statement {number}"
    else:
        pytest.fail("it never lived")
    assert killed > 40 // step
    rows = halves(url)
    assert is_whole(rows)
    assert rows["orders"] == rows["order_patients"] == 1
    # Tried again under the same key it does nothing more.
    assert await register(url, STATEMENTS_MAX * 10, "whole")
    assert halves(url) == rows


@pytest.mark.timeout(120)
async def test_the_control_that_orders_in_a_second_transaction_is_found_out(url: str) -> None:
    for number in range(20, STATEMENTS_MAX, 8):
        lived = await register(url, number, "apart")
        if not is_whole(halves(url)):
            assert not lived
            return
    pytest.fail("a desk that registers and orders apart looked whole")
