"""Who is told what, when, and after which trouble."""

import datetime as dt
import logging

import pytest

from gateway.commitment import store
from gateway.commitment.machine import State
from gateway.commitment.model import NO_ADDRESS, Verdict
from gateway.commitment.reporter import ReporterSettings
from gateway.dimse.ports import CommitmentResult, FailedReference
from kernel.errors import Unavailable
from kernel.identifiers import Uid
from kernel.sql.db import Database
from tests.commitment.desk import TRANSACTION, Desk, Line, peer, references, unreachable


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def result(committed: tuple[int, ...] = (), **failed: int) -> CommitmentResult:
    reasons = {"never": 0x0112, "other": 0x0119, "aside": 0x0110, "twice": 0x0131}
    return CommitmentResult(
        transaction_uid=TRANSACTION.value,
        committed=references(*committed),
        failed=tuple(
            FailedReference(references(number)[0], reasons[why]) for why, number in failed.items()
        ),
    )


async def test_all_that_is_safe_is_committed(desk: Desk) -> None:
    desk.shelf.put(Verdict.COMMITTED, 1, 2)
    await desk.ask(1, 2)
    await desk.work()
    assert desk.phone.told == [("CT1", result((1, 2)))]
    await desk.work_for(30)
    assert len(desk.phone.told) == 1


async def test_every_instance_that_is_not_safe_is_told_with_its_reason(desk: Desk) -> None:
    desk.shelf.put(Verdict.COMMITTED, 1)
    desk.shelf.put(Verdict.OTHER_CLASS, 2)
    desk.shelf.put(Verdict.FAILED, 3)
    await desk.ask(1, 2, 3, 4)
    await desk.work()
    assert desk.phone.told == [("CT1", result((1,), other=2, aside=3, never=4))]


async def test_waits_for_the_county_however_long_the_line_is_down(desk: Desk) -> None:
    desk.shelf.put(Verdict.WAITING, 1)
    desk.shelf.put(Verdict.COMMITTED, 2)
    await desk.ask(1, 2)
    await desk.work_for(72 * 3600, step=3600)
    assert desk.phone.told == []
    desk.shelf.put(Verdict.COMMITTED, 1)
    await desk.work(600)
    assert desk.phone.told == [("CT1", result((1, 2)))]


async def test_what_the_journal_may_still_hold_is_not_called_missing(desk: Desk) -> None:
    desk.shelf.filed = False
    await desk.ask(1)
    await desk.work_for(120, step=10)
    assert desk.phone.told == []
    desk.shelf.put(Verdict.COMMITTED, 1)
    desk.shelf.filed = True
    await desk.work_for(10)
    assert desk.phone.told == [("CT1", result((1,)))]


async def test_a_door_that_took_nothing_yet_waits_some_seconds_before_it_says_missing(
    desk: Desk,
) -> None:
    desk.mark = None
    await desk.ask(1)
    await desk.work_for(9)
    assert desk.phone.told == []
    await desk.work_for(2)
    assert desk.phone.told == [("CT1", result(never=1))]


async def test_another_institutions_instances_are_not_here(desk: Desk) -> None:
    desk.shelf.put(Verdict.COMMITTED, 1)
    await desk.ask(1, who=peer("another-township"))
    await desk.work()
    assert desk.phone.told == [("CT1", result(never=1))]


async def test_the_result_goes_out_on_the_association_it_was_asked_on(desk: Desk) -> None:
    desk.shelf.put(Verdict.COMMITTED, 1)
    line = Line(is_open=True)
    await desk.ask(1, line=line)
    await desk.work()
    assert line.told == []
    await desk.work(0.5)
    assert line.told == [result((1,))]
    assert desk.phone.told == []


async def test_a_peer_that_leaves_at_once_is_called_back(desk: Desk) -> None:
    desk.shelf.put(Verdict.COMMITTED, 1)
    line = Line(is_open=True)
    await desk.ask(1, line=line)
    await desk.work()
    line.is_open = False
    await desk.work(0.5)
    assert line.told == []
    assert desk.phone.told == [("CT1", result((1,)))]


@pytest.mark.parametrize("status", [None, 0x0110])
async def test_a_peer_that_takes_nothing_there_is_called_back(
    desk: Desk, status: int | None
) -> None:
    desk.shelf.put(Verdict.COMMITTED, 1)
    line = Line(is_open=True, status=status)
    await desk.ask(1, line=line)
    await desk.work(0.5)
    assert len(line.told) == 1
    assert len(desk.phone.told) == 1


async def test_tries_again_for_days_and_after_a_restart(desk: Desk) -> None:
    desk.shelf.put(Verdict.COMMITTED, 1)
    desk.phone.error = unreachable()
    await desk.ask(1)
    await desk.work_for(80 * 3600, step=3600)
    desk.phone.error = None
    desk.restart()
    await desk.work(900)
    assert desk.phone.told == [("CT1", result((1,)))]


async def test_a_peer_without_an_address_is_tried_once_an_hour_and_warned_of_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.commitment.reporter")
    desk.shelf.put(Verdict.COMMITTED, 1)
    desk.phone.error = Unavailable("no port to call back at", code=NO_ADDRESS)
    await desk.ask(1)
    await desk.work_for(24 * 3600, step=300)
    told = [one for one in caplog.records if one.message == "commitment.not-taken"]
    assert len(told) == 24
    assert [one.levelno for one in told].count(logging.WARNING) == 1
    assert await desk.database.read(store.without_address) == [("CT1", 1)]
    # Somebody writes down where it listens.
    desk.phone.error = None
    await desk.work_for(3600, step=300)
    assert desk.phone.told == [("CT1", result((1,)))]
    assert await desk.database.read(store.without_address) == []


async def test_survives_a_restart_at_every_step(desk: Desk) -> None:
    desk.shelf.put(Verdict.WAITING, 1)
    await desk.ask(1)
    desk.restart()
    await desk.work(1)
    desk.restart()
    desk.shelf.put(Verdict.COMMITTED, 1)
    await desk.reporter.look_at_due()
    desk.clock.advance(dt.timedelta(seconds=10))
    await desk.reporter.look_at_due()
    desk.restart()
    await desk.work()
    assert desk.phone.told == [("CT1", result((1,)))]


async def test_a_reporter_that_died_in_the_middle_is_followed_by_another(
    desk: Desk, database: Database
) -> None:
    desk.shelf.put(Verdict.COMMITTED, 1)
    await desk.ask(1)
    await desk.reporter.look_at_due()
    now = desk.clock.now()
    until = now + dt.timedelta(minutes=3)
    claimed = await database.write(lambda conn: store.claim(conn, now, until=until))
    assert claimed is not None
    await desk.work_for(120, step=10)
    assert desk.phone.told == []
    await desk.work_for(90, step=10)
    assert desk.phone.told == [("CT1", result((1,)))]


async def test_a_peer_that_refuses_the_report_is_asked_again_later(desk: Desk) -> None:
    desk.shelf.put(Verdict.COMMITTED, 1)
    desk.phone.status = 0x0110
    await desk.ask(1)
    await desk.work()
    desk.phone.status = 0
    await desk.work_for(10)
    assert len(desk.phone.told) == 2


async def test_gives_up_only_where_the_settings_say_when(database: Database) -> None:
    settings = ReporterSettings(give_up_after=dt.timedelta(hours=72))
    desk = Desk(database, settings)
    desk.shelf.put(Verdict.COMMITTED, 1)
    desk.phone.error = unreachable()
    await desk.ask(1)
    await desk.work_for(71 * 3600, step=3600)
    desk.phone.error = None
    await desk.work(900)
    assert len(desk.phone.told) == 1
    desk.phone.error = unreachable()
    await desk.ask(1, transaction_uid=Uid("2.25.990101"))
    await desk.work_for(73 * 3600, step=3600)
    desk.phone.error = None
    await desk.work_for(2 * 3600, step=600)
    assert len(desk.phone.told) == 1


async def test_the_same_question_again_is_answered_again(desk: Desk) -> None:
    await desk.ask(1)
    await desk.work()
    desk.shelf.put(Verdict.COMMITTED, 1)
    await desk.ask(1)
    await desk.ask(1)
    await desk.work()
    assert desk.phone.told == [("CT1", result(never=1)), ("CT1", result((1,)))]


async def test_another_question_under_the_same_transaction_fails_as_a_whole(desk: Desk) -> None:
    desk.shelf.put(Verdict.COMMITTED, 1, 2)
    await desk.ask(1)
    await desk.ask(2)
    await desk.work()
    assert sorted(desk.phone.told, key=lambda told: len(told[1].failed)) == [
        ("CT1", result((1,))),
        ("CT1", result(twice=2)),
    ]


async def test_two_devices_may_use_one_transaction_uid(desk: Desk) -> None:
    desk.shelf.put(Verdict.COMMITTED, 1, 2)
    await desk.ask(1)
    await desk.ask(2, who=peer(ae_title="CT2"))
    await desk.work()
    assert {ae: told.committed for ae, told in desk.phone.told} == {
        "CT1": references(1),
        "CT2": references(2),
    }


async def test_thousands_of_instances_are_one_request(desk: Desk) -> None:
    desk.shelf.put(Verdict.COMMITTED, *range(3000))
    await desk.ask(*range(3000))
    await desk.work()
    assert len(desk.phone.told[0][1].committed) == 3000


async def test_what_ended_long_ago_is_forgotten(desk: Desk, database: Database) -> None:
    await desk.ask(1)
    await desk.work()
    kept = await database.read(lambda conn: store.next_due(conn, State.DELIVERED))
    assert kept is None
    desk.clock.advance(dt.timedelta(days=29))
    await desk.reporter.forget_old()
    await desk.ask(1)
    await desk.work()
    desk.clock.advance(dt.timedelta(days=31))
    await desk.reporter.forget_old()
    before = desk.clock.now()
    assert await database.write(lambda conn: store.forget(conn, before)) == 0
