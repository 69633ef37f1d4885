"""A study's expected number of images is known once its steps are over."""

import datetime as dt

import pytest
import sqlalchemy as sa

from gateway.dimse.attributes import Attributes
from gateway.exchange.node_facts import read_expected
from gateway.procedure_steps.model import PerformedStep
from gateway.procedure_steps.service import StepBook
from kernel.clock import FrozenClock
from kernel.identifiers import Uid
from kernel.sql.db import Database
from tests.procedure_steps.steps import COMPLETION, CREATION, DISCONTINUATION, SERIES, STUDY, peer
from yilian.wiring import tables
from yilian.wiring.dicom_services import orders_and_counts

# The wiring names rooms whose tables refer to those of others.
tables.load()

STEP = Uid("2.25.990010")


def completion(*series: Attributes) -> Attributes:
    return {**COMPLETION, "PerformedSeriesSequence": series}


UNCOUNTED = {**SERIES, "ReferencedImageSequence": ()}


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param([completion(UNCOUNTED)], id="no-reference"),
        pytest.param([completion(SERIES, UNCOUNTED)], id="one-series-without"),
        pytest.param([COMPLETION, completion(UNCOUNTED)], id="one-step-without"),
        pytest.param([DISCONTINUATION], id="broken-off"),
    ],
)
async def test_a_step_that_names_no_image_does_not_say_that_there_are_none(
    database: Database, ends: list[Attributes]
) -> None:
    clock = FrozenClock(dt.datetime(2026, 1, 5, tzinfo=dt.UTC))
    book = StepBook(
        database, clock, orders_and_counts(lambda _conn, _step: None, clock, tell_county=False)
    )
    for number, end in enumerate(ends):
        uid = Uid(f"2.25.99001{number}")
        await book.create(uid, CREATION, peer())
        assert (await book.set(uid, end, peer())).status == 0
    assert await database.read(lambda conn: read_expected(conn, [STUDY])) == {}


async def test_a_step_that_is_broken_off_takes_nothing_from_what_another_counted(
    database: Database,
) -> None:
    clock = FrozenClock(dt.datetime(2026, 1, 5, tzinfo=dt.UTC))
    book = StepBook(
        database, clock, orders_and_counts(lambda _conn, _step: None, clock, tell_county=False)
    )
    for uid, end in ((STEP, COMPLETION), (Uid("2.25.990013"), DISCONTINUATION)):
        await book.create(uid, CREATION, peer())
        await book.set(uid, end, peer())
    assert await database.read(lambda conn: read_expected(conn, [STUDY])) == {STUDY: 3}


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
