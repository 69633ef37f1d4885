"""What devices say of their steps goes up, and the county counts as they do."""

import datetime as dt
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.exchange.completeness import QUIET
from gateway.exchange.model import Sent, Source
from gateway.exchange.nodes import Node, add_node
from gateway.exchange.steps_up import step_letter, take_steps, told_by_steps
from gateway.exchange.taking import take_letters
from gateway.procedure_steps.machine import State
from gateway.procedure_steps.model import PerformedStep
from gateway.procedure_steps.service import StepBook
from imaging.archive.tables import study as studies
from kernel.clock import FrozenClock
from kernel.events import events_after
from kernel.identifiers import Uid
from kernel.identity import Institution, InstitutionKind, put_institution
from kernel.letter import Letter
from kernel.sql.db import Database
from tests.exchange.test_heartbeats import STUDY, beaten, stored
from tests.exchange.two_nodes import county_in, township_in, until
from tests.procedure_steps.steps import COMPLETION, CREATION, peer
from yilian.wiring import tables
from yilian.wiring.dicom_services import orders_and_counts
from yilian.wiring.study_arrivals import arrivals

tables.load()

AT = dt.datetime(2026, 5, 12, 2, 0, tzinfo=dt.UTC)
NODE = "n" * 26


def step(
    state: State,
    count: int,
    *,
    uid: str = "2.25.1",
    version: int = 2,
    institution: str = "qingshan",
) -> PerformedStep:
    references = tuple({"ReferencedSOPInstanceUID": f"{uid}.{n}"} for n in range(count))
    return PerformedStep(
        sop_instance_uid=uid,
        institution=institution,
        ae_title="CT1",
        state=state,
        attributes={
            "ScheduledStepAttributesSequence": ({"StudyInstanceUID": STUDY},),
            "PerformedSeriesSequence": ({"ReferencedImageSequence": references},),
        },
        version=version,
        changed_at=AT,
    )


def written(*steps: PerformedStep) -> list[Letter]:
    return [letter for each in steps if (letter := step_letter(each)) is not None]


async def county_of(database: Database) -> Database:

    def fill(conn: sa.Connection) -> None:
        for code in ("county", "qingshan", "shiqiao"):
            put_institution(conn, Institution(code, code, InstitutionKind.TOWNSHIP), at=AT)
        add_node(conn, Node(NODE, "qingshan", "qingshan", "k" * 64, AT, None))

    await database.write(fill)
    return database


async def take(
    database: Database, letters: list[Letter], *, institution: str = "qingshan"
) -> list[str]:
    """Take them as they come over the line; returns the codes of those refused."""
    sent = [
        Sent(
            sequence=number,
            id="i" * 26,
            kind=letter.kind,
            key=letter.key,
            version=letter.version,
            body=dict(letter.body),
        )
        for number, letter in enumerate(letters, 1)
    ]
    source = Source(NODE, institution, AT)
    handlers = {"procedure-step": take_steps("county")}
    refused = await database.write(
        lambda conn: take_letters(conn, sent, handlers, source, epoch="e" * 26)
    )
    return [each.code for each in refused]


async def told(database: Database) -> dict[str, int]:
    found = await database.read(lambda conn: told_by_steps(conn, [STUDY]))
    return {uid: each.instances for uid, each in found.items()}


def test_a_step_is_told_of_when_it_begins_and_when_it_ends() -> None:
    begun = step(State.IN_PROGRESS, 0, version=1)
    assert step_letter(begun) is not None
    assert step_letter(step(State.IN_PROGRESS, 7, version=2)) is None
    [letter] = written(step(State.COMPLETED, 60, version=3))
    assert letter.body["instances"] == 60
    # However many images it names, it fits into a letter.
    [letter] = written(step(State.COMPLETED, 20_000, version=3))
    assert len(str(letter.body)) < 400


async def test_every_order_of_arrival_counts_alike_and_twice_is_as_once(
    database: Database,
) -> None:
    await county_of(database)
    letters = written(
        step(State.IN_PROGRESS, 0, version=1),
        step(State.COMPLETED, 60, version=2),
        step(State.IN_PROGRESS, 0, uid="2.25.2", version=1),
    )
    assert await take(database, letters) == []
    # The second step of the study runs: nobody knows yet.
    assert await told(database) == {}
    ended = written(step(State.DISCONTINUED, 3, uid="2.25.2", version=2))
    for more in (ended, letters, list(reversed([*letters, *ended]))):
        assert await take(database, more) == []
        assert await told(database) == {STUDY: 63}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"institution": "shiqiao"}, "other-institution"),
        ({"instances": -1}, "letter-invalid"),
        ({"ae_title": "A" * 17}, "letter-invalid"),
        ({"study_instance_uid": "1" * 65}, "letter-invalid"),
        ({"state": "DONE"}, "letter-malformed"),
        ({"instances": None}, "letter-malformed"),
    ],
)
async def test_what_no_device_says_is_kept_and_refused(
    database: Database, more: dict[str, Any], code: str
) -> None:
    await county_of(database)
    [letter] = written(step(State.COMPLETED, 60))
    bad = Letter(letter.kind, letter.key, letter.version, {**letter.body, **more})
    assert await take(database, [bad]) == [code]
    assert await told(database) == {}


async def test_a_step_that_counts_no_images_does_not_say_that_there_are_none(
    database: Database,
) -> None:
    await county_of(database)
    assert await take(database, written(step(State.COMPLETED, 0))) == []
    assert await told(database) == {}
    assert await take(database, written(step(State.COMPLETED, 12, uid="2.25.2"))) == []
    assert await told(database) == {}
    assert await take(database, written(step(State.COMPLETED, 60, version=3))) == []
    assert await told(database) == {STUDY: 72}


async def test_a_step_of_another_house_is_not_written_over(database: Database) -> None:
    await county_of(database)
    assert await take(database, written(step(State.COMPLETED, 60))) == []
    theirs = written(step(State.COMPLETED, 1, version=9, institution="shiqiao"))
    assert await take(database, theirs, institution="shiqiao") == ["other-institution"]
    assert await told(database) == {STUDY: 60}


async def test_after_a_spell_offline_the_county_counts_what_the_modality_said(
    tmp_path: Path,
) -> None:
    """The heartbeat went before the modality was done; then the line was down for days."""
    async with county_in(tmp_path, {"procedure-step": take_steps("county")}) as county:
        enrolled, key = await county.new_node()
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            at = node.clock.now()
            await node.database.write(partial(stored, at=at, here=12, arrived=12))
            await beaten(node)
        counted = arrivals(county.clock)
        uids = [STUDY]
        before = (await county.database.read(lambda conn: counted(conn, uids)))[STUDY]
        assert (before.expected, before.basis) == (None, "")
        async with township_in(tmp_path, county.port, enrolled, key) as node:
            # Nothing but the step's letter comes up: the node does not tell of the study again.
            await node.database.write(
                lambda conn: conn.execute(sa.text("DELETE FROM township_instances"))
            )
            await node.database.write(
                lambda conn: conn.execute(sa.text("DELETE FROM township_studies"))
            )
            node.start()
            await node.write(*written(step(State.COMPLETED, 60)))

            async def answered() -> bool:
                return await node.waiting() == 0

            await until(answered)
        after = (await county.database.read(lambda conn: counted(conn, uids)))[STUDY]
        assert (after.expected, after.basis, after.arrived) == (60, "mpps", 12)
        assert after.state == "growing"
        county.clock.ahead = QUIET
        late = (await county.database.read(lambda conn: counted(conn, uids)))[STUDY]
        assert late.state == "short"
        async with (
            county.page("wang") as page,
            page.get(f"/api/v1/nodes/{enrolled.node}") as answer,
        ):
            [shown] = (await answer.json())["studies"]
        assert (shown["completeness"]["expected"], shown["completeness"]["basis"]) == (60, "mpps")
        events = await county.database.read(partial(events_after, after_id=0))
        [event] = [
            each
            for each in events
            if each.topic == "study.completeness" and each.payload["completeness"]["expected"]
        ]
        assert event.payload["completeness"]["expected"] == 60
        assert event.routed_to == frozenset({"county"})


async def test_a_study_no_heartbeat_tells_of_is_counted_by_steps_and_archive(
    database: Database,
) -> None:
    await county_of(database)
    await take(database, written(step(State.COMPLETED, 60)))

    def file(conn: sa.Connection) -> None:
        conn.execute(
            sa.insert(studies).values(
                study_instance_uid=STUDY,
                institution="qingshan",
                instance_count=59,
                priority=2,
                received_at=AT,
                updated_at=AT,
            )
        )

    await database.write(file)
    counted = arrivals(FrozenClock(AT + QUIET))
    found = (await database.read(lambda conn: counted(conn, [STUDY])))[STUDY]
    assert (found.expected, found.basis, found.arrived, found.state) == (60, "mpps", 59, "short")


async def test_the_dicom_door_of_a_township_writes_the_letters_with_the_step(
    database: Database,
) -> None:
    clock = FrozenClock(AT)

    def orders(conn: sa.Connection, step: PerformedStep) -> None:
        del conn, step

    book = StepBook(database, clock, orders_and_counts(orders, clock, tell_county=True))
    await book.create(Uid("2.25.990010"), CREATION, peer())
    await book.set(Uid("2.25.990010"), COMPLETION, peer())
    rows = await database.read(
        lambda conn: conn.execute(
            sa.text("SELECT kind, key, version FROM exchange_out ORDER BY sequence")
        ).all()
    )
    assert [tuple(row) for row in rows] == [
        ("procedure-step", "2.25.990010", 1),
        ("procedure-step", "2.25.990010", 2),
    ]
