"""N-CREATE and N-SET over real databases."""

import asyncio
import datetime as dt

import pytest
import sqlalchemy as sa

from gateway.dimse.attributes import Attributes
from gateway.dimse.ports import StepAnswer
from gateway.procedure_steps import store
from gateway.procedure_steps.machine import State
from gateway.procedure_steps.model import PerformedStep
from gateway.procedure_steps.service import StepBook
from kernel.clock import FrozenClock
from kernel.errors import Unavailable
from kernel.identifiers import Uid
from kernel.sql.db import Database
from tests.procedure_steps.steps import (
    COMPLETION,
    CREATION,
    DISCONTINUATION,
    SCHEDULED,
    SERIES,
    STUDY,
    peer,
    without,
)

STEP = Uid("2.25.990010")
OTHER = Uid("2.25.990019")


class Heard:
    """What whoever keeps the orders was told."""

    def __init__(self) -> None:
        self.steps: list[PerformedStep] = []
        self.fails = False

    def __call__(self, conn: sa.Connection, step: PerformedStep) -> None:
        del conn
        if self.fails:
            raise Unavailable("orders are down")
        self.steps.append(step)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def book(database: Database, heard: Heard) -> StepBook:
    return StepBook(database, FrozenClock(dt.datetime(2026, 1, 5, tzinfo=dt.UTC)), heard)


async def kept(database: Database, uid: Uid = STEP) -> PerformedStep | None:
    return await database.read(lambda conn: store.find(conn, uid.value))


async def test_a_step_is_created_changed_and_completed(
    book: StepBook, database: Database, heard: Heard
) -> None:
    assert (await book.create(STEP, CREATION, peer())).status == 0
    assert (await book.set(STEP, {"PerformedSeriesSequence": (SERIES,)}, peer())).status == 0
    assert (await book.set(STEP, COMPLETION, peer())).status == 0
    step = await kept(database)
    assert step is not None
    assert step.state is State.COMPLETED
    assert step.version == 3
    assert step.attributes["PatientName"] == "Zhang^San=张^三"
    assert step.scheduled == (SCHEDULED,)
    assert step.study_instance_uid == STUDY
    assert [told.state for told in heard.steps] == [
        State.IN_PROGRESS,
        State.IN_PROGRESS,
        State.COMPLETED,
    ]


@pytest.mark.parametrize("end", [COMPLETION, DISCONTINUATION], ids=["completed", "discontinued"])
async def test_nothing_changes_a_step_that_is_over(
    book: StepBook, database: Database, end: Attributes
) -> None:
    await book.create(STEP, CREATION, peer())
    await book.set(STEP, end, peer())
    before = await kept(database)
    for modifications in (COMPLETION, DISCONTINUATION, {"CommentsOnThePerformedProcedureStep": ""}):
        answer = await book.set(STEP, modifications, peer())
        assert answer == StepAnswer(
            status=0x0110,
            comment="Performed Procedure Step Object may no longer be updated",
            error_id=0xA710,
        )
    assert await kept(database) == before


async def test_a_second_step_of_one_uid_is_refused(book: StepBook, database: Database) -> None:
    await book.create(STEP, CREATION, peer())
    answer = await book.create(STEP, without(CREATION, Modality="DX"), peer())
    assert answer.status == 0x0111
    step = await kept(database)
    assert step is not None
    assert step.attributes["Modality"] == "CT"


async def test_one_of_many_creations_at_once_wins(book: StepBook) -> None:
    answers = await asyncio.gather(*(book.create(STEP, CREATION, peer()) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [0] + [0x0111] * 7


@pytest.mark.parametrize(
    ("attributes", "status", "faulty"),
    [
        pytest.param(without(CREATION, "Modality"), 0x0120, ("Modality",), id="missing"),
        pytest.param(without(CREATION, Modality=""), 0x0121, ("Modality",), id="empty"),
        pytest.param(
            without(CREATION, "ScheduledStepAttributesSequence"),
            0x0120,
            ("ScheduledStepAttributesSequence",),
            id="no-scheduled-step",
        ),
        pytest.param(
            without(CREATION, ScheduledStepAttributesSequence=({"AccessionNumber": ""},)),
            0x0120,
            ("StudyInstanceUID",),
            id="no-study",
        ),
        pytest.param(
            without(CREATION, PerformedProcedureStepStatus="COMPLETED"),
            0x0106,
            ("PerformedProcedureStepStatus",),
            id="created-as-completed",
        ),
        pytest.param(
            {},
            0x0120,
            (
                "PerformedProcedureStepID",
                "PerformedStationAETitle",
                "PerformedProcedureStepStartDate",
                "PerformedProcedureStepStartTime",
                "PerformedProcedureStepStatus",
                "Modality",
                "ScheduledStepAttributesSequence",
            ),
            id="nothing-at-all",
        ),
    ],
)
async def test_a_creation_that_lacks_something_is_refused(
    book: StepBook,
    database: Database,
    attributes: Attributes,
    status: int,
    faulty: tuple[str, ...],
) -> None:
    answer = await book.create(STEP, attributes, peer())
    assert (answer.status, answer.faulty) == (status, faulty)
    assert await kept(database) is None


async def test_a_step_that_was_not_scheduled_is_kept(book: StepBook, database: Database) -> None:
    unscheduled = {
        "StudyInstanceUID": STUDY,
        "AccessionNumber": "",
        "RequestedProcedureID": "",
        "ScheduledProcedureStepID": "",
    }
    attributes = without(CREATION, ScheduledStepAttributesSequence=(unscheduled,))
    assert (await book.create(STEP, attributes, peer())).status == 0
    step = await kept(database)
    assert step is not None
    assert step.scheduled == (unscheduled,)


@pytest.mark.parametrize(
    ("modifications", "faulty"),
    [
        pytest.param(
            without(COMPLETION, "PerformedProcedureStepEndDate"),
            ("PerformedProcedureStepEndDate",),
            id="no-end",
        ),
        pytest.param(
            without(COMPLETION, "PerformedSeriesSequence"),
            ("PerformedSeriesSequence",),
            id="no-series",
        ),
        pytest.param(
            without(COMPLETION, PerformedSeriesSequence=({"ProtocolName": "x"},)),
            ("SeriesInstanceUID",),
            id="a-series-without-uid",
        ),
    ],
)
async def test_a_completion_that_lacks_something_changes_nothing(
    book: StepBook, database: Database, modifications: Attributes, faulty: tuple[str, ...]
) -> None:
    await book.create(STEP, CREATION, peer())
    answer = await book.set(STEP, modifications, peer())
    assert (answer.status, answer.faulty) == (0x0120, faulty)
    step = await kept(database)
    assert step is not None
    assert step.state is State.IN_PROGRESS


async def test_a_status_that_is_none_is_refused(book: StepBook) -> None:
    await book.create(STEP, CREATION, peer())
    answer = await book.set(STEP, {"PerformedProcedureStepStatus": "DONE"}, peer())
    assert (answer.status, answer.faulty) == (0x0106, ("PerformedProcedureStepStatus",))


async def test_what_is_settled_at_creation_stays_and_the_device_is_told(
    book: StepBook, database: Database
) -> None:
    await book.create(STEP, CREATION, peer())
    answer = await book.set(STEP, {**COMPLETION, "PatientID": "990000-2", "Modality": "CT"}, peer())
    assert (answer.status, answer.faulty) == (0x0107, ("PatientID",))
    step = await kept(database)
    assert step is not None
    assert step.attributes["PatientID"] == "990000-1"
    assert step.state is State.COMPLETED


async def test_a_step_of_another_institution_is_not_there(book: StepBook) -> None:
    await book.create(STEP, CREATION, peer())
    assert (await book.set(STEP, COMPLETION, peer("another-township"))).status == 0x0112
    assert (await book.set(OTHER, COMPLETION, peer())).status == 0x0112


async def test_what_the_orders_cannot_take_is_not_kept_either(
    book: StepBook, database: Database, heard: Heard
) -> None:
    heard.fails = True
    with pytest.raises(Unavailable):
        await book.create(STEP, CREATION, peer())
    assert await kept(database) is None


async def test_a_study_is_whole_when_all_its_steps_are_over(
    book: StepBook, database: Database
) -> None:
    assert await database.read(lambda conn: store.performed(conn, STUDY)) is None
    await book.create(STEP, CREATION, peer())
    await book.create(OTHER, CREATION, peer())
    await book.set(STEP, COMPLETION, peer())
    found = await database.read(lambda conn: store.performed(conn, STUDY))
    assert found is not None
    assert not found.is_over
    await book.set(OTHER, DISCONTINUATION, peer())
    found = await database.read(lambda conn: store.performed(conn, STUDY))
    assert found is not None
    assert found.is_over
    assert found.instances == {f"2.25.99002{number}" for number in range(3)}
