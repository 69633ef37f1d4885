"""An order goes where its patient turned out to be, whichever node hears of what first."""

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest

from kernel.events import events_after
from kernel.letter import Letter
from referrals.orders import store
from referrals.orders.asked import OrderChanges, PatientChanges
from referrals.orders.detail import history
from referrals.orders.ledger import ORDER_UPDATED
from referrals.orders.machine import Act
from referrals.orders.model import Order, Patient, PatientStatus, State
from referrals.orders.performing import Performed, matching
from referrals.orders.records import Change, RecordKind, to_letter
from referrals.orders.worklist import WorklistQuery, worklist
from tests.orders.desk import AT, COUNTY, LIU, QINGSHAN, Desk, ask, by, seen
from tests.orders.two_nodes import (
    UNKNOWN,
    VILLAGE,
    found_twice,
    hear_each_other,
    reconciled,
    rows,
    settle,
    tell,
    wiped,
)


async def ordered_meanwhile(township: Desk, county: Desk) -> tuple[str, Order, str, int]:
    """Order at the county for an unknown whom the township reconciles before either hears.

    Returns the unknown's id, the order, who that was, and how many letters the county has.
    """
    unknown = await township.desk.register(by(), UNKNOWN, ask())
    await tell(township.letters, county)
    here = len(township.letters)
    order = await county.order(unknown, who=VILLAGE)
    return unknown, order, await reconciled(township, unknown), here


async def on_the_worklist(desk: Desk) -> list[str]:
    found = await desk.read(lambda conn: worklist(conn, QINGSHAN, WorklistQuery(), now=AT, limit=9))
    return [str(item["PatientID"]) for _, item in found]


async def test_an_order_made_elsewhere_meanwhile_goes_to_who_it_was(
    township: Desk, county: Desk
) -> None:
    unknown, order, real, here = await ordered_meanwhile(township, county)
    # Now the line is back.
    await tell(county.letters, township)
    await tell(township.letters[here:], county)
    number = (await township.find_patient(real)).patient_id
    for desk in (township, county):
        moved = await desk.find_order(order.id)
        assert (moved.patient, moved.first_patient, moved.state) == (real, unknown, State.ORDERED)
        assert await on_the_worklist(desk) == [number]
        lines = await desk.read(lambda conn: history(conn, RecordKind.ORDER, order.id))
        assert [(line.act, line.by, line.node) for line in lines] == [
            ("order", "罗丽", COUNTY),
            ("reconcile", "罗丽", QINGSHAN),
        ]
        events = await desk.read(lambda conn: events_after(conn, 0, limit=99))
        told = [event.payload for event in events if event.topic == ORDER_UPDATED][-1]
        assert told["patient"]["id"] == real
    assert await rows(township) == await rows(county)


async def test_what_is_done_to_it_afterwards_is_done_for_who_it_was(
    township: Desk, county: Desk
) -> None:
    _, order, real, here = await ordered_meanwhile(township, county)
    await tell(county.letters, township)
    township.clock.advance(dt.timedelta(minutes=1))
    await township.desk.move(by(), seen(await township.find_order(order.id)), Act.BEGIN, "", ask())
    await tell(township.letters[here:], county)
    for desk in (township, county):
        lines = await desk.read(lambda conn: history(conn, RecordKind.ORDER, order.id))
        assert [line.act for line in lines] == ["order", "reconcile", "begin"]
        assert (await desk.find_order(order.id)).patient == real
    assert await rows(township) == await rows(county)


async def test_what_was_begun_elsewhere_under_the_first_name_does_not_go_back(
    township: Desk, county: Desk
) -> None:
    order = await township.order(UNKNOWN)
    await tell(township.letters, county)
    here = len(township.letters)
    real = await reconciled(township, order.patient)
    await county.desk.move(by(), seen(order), Act.BEGIN, "", ask())
    await tell(county.letters, township)
    await tell(township.letters[here:], county)
    for desk in (township, county):
        moved = await desk.find_order(order.id)
        assert (moved.patient, moved.state) == (real, State.IN_PROGRESS)
        lines = await desk.read(lambda conn: history(conn, RecordKind.ORDER, order.id))
        assert sorted(line.act for line in lines) == ["begin", "order", "reconcile"]
    assert await rows(township) == await rows(county)


async def test_an_order_goes_to_whom_a_person_chose_where_two_nodes_said_who_it_is(
    township: Desk, county: Desk
) -> None:
    found = await found_twice(township, county)
    await hear_each_other(township, county)
    for keep, real in ((f"2.{QINGSHAN}", found.liu), (f"2.{COUNTY}", found.wang)):
        await settle(county, found.unknown, keep)
        await hear_each_other(township, county)
        for desk in (township, county):
            order = await desk.find_order(found.order.id)
            assert (order.patient, order.first_patient) == (real, found.unknown)
            assert (await desk.find_patient(found.unknown)).reconciled_with == real
            lines = await desk.read(partial(history, kind=RecordKind.ORDER, record=found.order.id))
            said = keep.removeprefix("2.")
            assert [(line.act, line.node) for line in lines] == [
                ("order", COUNTY),
                ("reconcile", said),
            ]
            conflicts = partial(store.conflicts_of, kind=RecordKind.ORDER, record=order.id)
            assert await desk.read(conflicts) == 0
        assert await rows(township) == await rows(county)


async def test_an_order_goes_back_to_the_unknown_where_a_person_chose_that(
    township: Desk, county: Desk
) -> None:
    order = await township.order(UNKNOWN)
    await tell(township.letters, county)
    await reconciled(township, order.patient)
    # The county knows nothing of that and writes down who called.
    nobody = await county.find_patient(order.patient)
    called = PatientChanges(phone="13900000009")
    await county.desk.correct(by(), seen(nobody), called, ask())
    await hear_each_other(township, county)
    await settle(county, order.patient, f"2.{COUNTY}")
    await hear_each_other(township, county)
    for desk in (township, county):
        back = await desk.find_order(order.id)
        assert (back.patient, back.first_patient) == (order.patient, "")
        assert await on_the_worklist(desk) == [nobody.patient_id]
    assert await rows(township) == await rows(county)


async def test_what_is_done_for_two_persons_meanwhile_is_done_for_one(
    township: Desk, county: Desk
) -> None:
    found = await found_twice(township, county)
    # The order comes over before the county says who that was.
    await tell(found.letters[-3:-2], township)
    for desk in (township, county):
        order = await desk.find_order(found.order.id)
        await desk.desk.move(by(), seen(order), Act.BEGIN, "", ask())
    await hear_each_other(township, county)
    for desk in (township, county):
        conflicts = partial(store.conflicts_of, kind=RecordKind.ORDER, record=found.order.id)
        assert await desk.read(conflicts) == 0
    await settle(county, found.unknown, f"2.{QINGSHAN}")
    await hear_each_other(township, county)
    for desk in (township, county):
        order = await desk.find_order(found.order.id)
        assert (order.patient, order.state) == (found.liu, State.IN_PROGRESS)


async def test_a_version_that_pins_somebody_is_followed_from_whom_it_was_ordered_for(
    township: Desk, county: Desk
) -> None:
    found = await found_twice(township, county)
    # As nodes wrote it that said of each order whose it is.
    pinned = replace(found.order, patient=found.wang, first_patient=found.unknown, version=2)
    change = Change(act="reconcile", at=AT, by_username="luoli", by_name="罗丽")
    await tell([to_letter(pinned, change)], county)
    await hear_each_other(township, county)
    await settle(county, found.unknown, f"2.{QINGSHAN}")
    assert (await county.find_order(found.order.id)).patient == found.liu


async def arrivals_end_alike(
    county: Desk, letters: Sequence[Letter], thinned: int, *, server: int
) -> None:
    """Fail unless the county shows the same, in whatever order *letters* come.

    Tried with each *thinned*-th order; what decides is the same code on both databases, so that
    PostgreSQL is tried with fewer by *server*.
    """
    every = thinned * (1 if county.database.dialect == "sqlite" else server)
    first = None
    for arrival in itertools.islice(itertools.permutations(letters), 0, None, every):
        await wiped(county)
        await tell(arrival, county)
        end = [sorted(map(repr, table)) for table in await rows(county)]
        first = first or end
        assert end == first


@pytest.mark.parametrize("thinned", [7, pytest.param(1, marks=pytest.mark.torture)])
@pytest.mark.timeout(120)
async def test_every_order_of_arrival_ends_alike(
    township: Desk, county: Desk, thinned: int
) -> None:
    unknown = await township.desk.register(by(), UNKNOWN, ask())
    await tell(township.letters, county)
    order = await county.order(unknown, who=VILLAGE)
    questions = OrderChanges(clinical_question="跌倒")
    await county.desk.change(VILLAGE, seen(order), questions, ask())
    real = await reconciled(township, unknown)
    letters = [*township.letters, *county.letters]
    assert len(letters) == 5
    await arrivals_end_alike(county, letters, thinned, server=5)
    shown = await county.find_order(order.id)
    assert (shown.patient, shown.first_patient) == (real, unknown)
    assert shown.clinical_question == "跌倒"


@pytest.mark.parametrize("thinned", [7, pytest.param(1, marks=pytest.mark.torture)])
@pytest.mark.timeout(120)
async def test_every_order_of_arrival_of_two_answers_and_a_choice_ends_alike(
    township: Desk, county: Desk, thinned: int
) -> None:
    found = await found_twice(township, county)
    await hear_each_other(township, county)
    await settle(county, found.unknown, f"2.{QINGSHAN}")
    # The two real patients are there or not, which decides nothing.
    real = {found.wang, found.liu}
    letters = [each for each in [*township.letters, *county.letters] if each.key not in real]
    assert len(letters) == 5
    await arrivals_end_alike(county, letters, thinned, server=5)
    assert (await county.find_order(found.order.id)).patient == found.liu


def found_to_be(patient: Patient, whom: str) -> Letter:
    """What a node tells that found *patient* to be *whom*."""
    gone = replace(patient, status=PatientStatus.RECONCILED, reconciled_with=whom, version=2)
    return to_letter(gone, Change(act="reconcile", at=AT, by_username="luoli", by_name="罗丽"))


@pytest.mark.parametrize("thinned", [41, pytest.param(7, marks=pytest.mark.torture)])
@pytest.mark.timeout(120)
async def test_who_turns_out_to_be_somebody_else_again_is_followed_to_the_end(
    township: Desk, county: Desk, thinned: int
) -> None:
    order = await township.order(UNKNOWN)
    first = await township.find_patient(order.patient)
    second, third = [
        await township.find_patient(await township.desk.register(by(), new, ask()))
        for new in (UNKNOWN, LIU)
    ]
    letters = [*township.letters, found_to_be(first, second.id), found_to_be(second, third.id)]
    assert len(letters) == 6
    await arrivals_end_alike(county, letters, thinned, server=5)
    shown = await county.find_order(order.id)
    assert (shown.patient, shown.first_patient) == (third.id, first.id)
    lines = await county.read(lambda conn: history(conn, RecordKind.ORDER, order.id))
    assert [line.act for line in lines] == ["order", "reconcile", "reconcile"]
    # Images made while it was the second one's are no other patient's.
    performed = Performed(
        institution=QINGSHAN,
        accession_number=order.accession_number,
        patient_id=second.patient_id,
    )
    match = await county.read(lambda conn: matching(conn, performed))
    assert match is not None
    assert match.same_patient


@pytest.mark.parametrize("thinned", [41, pytest.param(7, marks=pytest.mark.torture)])
@pytest.mark.timeout(120)
async def test_two_found_to_be_each_other_are_whoever_was_registered_first(
    township: Desk, county: Desk, thinned: int
) -> None:
    order = await township.order(UNKNOWN)
    first = await township.find_patient(order.patient)
    second = await township.find_patient(await township.desk.register(by(), UNKNOWN, ask()))
    other = await township.order(second.id)
    letters = [
        *township.letters,
        found_to_be(first, second.id),
        found_to_be(second, first.id),
    ]
    assert len(letters) == 6
    await arrivals_end_alike(county, letters, thinned, server=5)
    for one in (order, other):
        assert (await county.find_order(one.id)).patient == min(first.id, second.id)
