"""A study's expected number of images is known once its steps are over."""

import datetime as dt

import sqlalchemy as sa

from gateway.exchange.node_facts import read_expected
from gateway.procedure_steps.model import PerformedStep
from gateway.procedure_steps.service import StepBook
from kernel.clock import FrozenClock
from kernel.identifiers import Uid
from kernel.sql.db import Database
from tests.procedure_steps.steps import COMPLETION, CREATION, STUDY, peer
from yilian.wiring import tables
from yilian.wiring.dicom_services import orders_and_counts

# The wiring names rooms whose tables refer to those of others.
tables.load()

STEP = Uid("2.25.990010")


async def test_a_completed_step_says_how_many_images_there_are(database: Database) -> None:
    told: list[str] = []

    def orders(conn: sa.Connection, step: PerformedStep) -> None:
        del conn
        told.append(step.state.value)

    clock = FrozenClock(dt.datetime(2026, 1, 5, tzinfo=dt.UTC))
    book = StepBook(database, clock, orders_and_counts(orders, clock, tell_county=False))
    await book.create(STEP, CREATION, peer())
    assert await database.read(lambda conn: read_expected(conn, [STUDY])) == {}
    await book.set(STEP, COMPLETION, peer())
    assert await database.read(lambda conn: read_expected(conn, [STUDY])) == {STUDY: 3}
    assert told == ["IN PROGRESS", "COMPLETED"]
