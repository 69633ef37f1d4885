"""Which uploads go on, who starts, how long failures wait, and what the line is found to carry."""

import asyncio
import datetime as dt

import pytest
from hypothesis import given, strategies as st

from gateway.township.backoff import Backoff
from gateway.township.clinic_hours import ClinicHours, Shares
from gateway.township.line import LineMeter
from gateway.township.parcel_queue import Board, ParcelRow, WaitingStudy, precedence
from gateway.township.queue_news import QueueNews
from gateway.township.schedule import Moves, OnTheLine, decide, idle_parcel_of
from gateway.township.traffic import BURST_BYTES, Traffic, TrafficState
from gateway.township.waits import Waits
from kernel.arrival import Priority
from kernel.clock import FrozenClock
from kernel.sql.db import Database

NINE = dt.datetime(2026, 3, 2, 1, tzinfo=dt.UTC)
ZONE = dt.timezone(dt.timedelta(hours=8))
ROUTINE, EMERGENCY = (2, 0.0), (0, 0.0)


def parcel(name: str, *, rank: int = 2, study: str = "") -> ParcelRow:
    return ParcelRow(name, study or f"study-{name}", 100, None, 0, rank)


def on_line(row: ParcelRow) -> OnTheLine:
    return OnTheLine(row.study_key, row.parcel_id, row.precedence)


def board(
    *parcels: ParcelRow, studies: tuple[WaitingStudy, ...] = (), held: dt.datetime | None = None
) -> Board:
    return Board(parcels, studies, held)


def test_what_is_more_urgent_has_the_line_for_itself() -> None:
    slow, other = parcel("a"), parcel("b")
    urgent = WaitingStudy("x", EMERGENCY)
    now = board(slow, other, studies=(urgent,))
    moves = decide(now, [on_line(slow), on_line(other)], parallel=2)
    assert moves.stop == {0, 1}
    assert moves.start == ("x",)
    begun = board(slow, other, parcel("c", rank=0, study="x"))
    moves = decide(begun, [OnTheLine("x", "c", EMERGENCY)], parallel=3)
    assert moves == Moves(frozenset(), ())


def test_what_is_held_or_gone_leaves_off_and_held_lines_carry_nothing() -> None:
    one, two = parcel("a"), parcel("b")
    moves = decide(board(one), [on_line(one), on_line(two)], parallel=3)
    assert moves == Moves(frozenset({1}), ())
    moves = decide(board(one, two, held=NINE), [on_line(one), on_line(two)], parallel=3)
    assert moves == Moves(frozenset({0, 1}), ())


def test_a_study_whose_parcel_is_being_made_is_not_made_twice() -> None:
    waiting = (WaitingStudy("a", ROUTINE), WaitingStudy("b", ROUTINE))
    moves = decide(board(studies=waiting), [OnTheLine("a", None, ROUTINE)], parallel=2)
    assert moves.start == ("b",)


def test_made_parcels_come_before_new_ones_and_blocked_studies_wait() -> None:
    made = parcel("p", study="b")
    now = board(made, studies=(WaitingStudy("a", ROUTINE), WaitingStudy("b", ROUTINE)))
    assert decide(now, [], parallel=1).start == ("b", "a")
    assert idle_parcel_of(now, [], "b") is made
    assert idle_parcel_of(now, [on_line(made)], "b") is None
    blocked = board(made, studies=(WaitingStudy("a", ROUTINE),))
    assert decide(blocked, [], parallel=1, blocked={"b"}).start == ("a",)


def test_of_studies_put_first_the_latest_goes_before_the_others_of_its_rank_only() -> None:
    order = [
        precedence(0, None),
        precedence(2, NINE + dt.timedelta(minutes=1)),
        precedence(2, NINE),
        precedence(2, None),
        precedence(3, NINE),
    ]
    assert order == sorted(order)


rows = st.lists(
    st.builds(parcel, st.text("abcdefgh", min_size=1, max_size=3), rank=st.integers(0, 3)),
    unique_by=lambda row: row.parcel_id,
    max_size=8,
)


@given(rows, st.integers(1, 3), st.data())
def test_only_the_best_precedence_is_ever_on_the_line(
    parcels: list[ParcelRow], parallel: int, data: st.DataObject
) -> None:
    ordered = sorted(parcels, key=lambda row: row.precedence)
    running = data.draw(st.lists(st.sampled_from(ordered), unique=True)) if ordered else []
    moves = decide(board(*ordered), [on_line(row) for row in running], parallel=parallel)
    going = [row for place, row in enumerate(running) if place not in moves.stop]
    best = min((row.precedence for row in ordered), default=None)
    assert all(row.precedence == best for row in going)
    assert bool(moves.start) <= (len(going) < parallel)
    if ordered and not going:
        assert moves.start


def test_failures_of_one_cut_count_once_and_a_wait_that_runs_is_kept() -> None:
    waits = Waits(Backoff(first_s=1.0, cap_s=8.0), lambda: 0.5)
    assert waits.add("", 0.0) == 0.5
    assert waits.add("", 0.1) == pytest.approx(0.4)
    assert waits.waiting(0.4) == {""}
    assert waits.waiting(0.6) == frozenset()
    assert waits.add("", 1.0) == 1.0
    assert waits.add("study", 1.0) == 0.5
    waits.over("", "study")
    assert waits.waiting(1.2) == {"", "study"}
    assert waits.add("", 3.0) == 0.5


def meter_of_a_line(clock: FrozenClock, meter: LineMeter, rate: int, seconds: int) -> None:
    meter.began("u1", clock.monotonic_s())
    for _ in range(seconds * 10):
        clock.advance(dt.timedelta(milliseconds=100))
        meter.sent(rate // 10, clock.monotonic_s())


def test_a_cut_is_counted_once_and_does_not_wipe_out_what_is_known_of_the_line() -> None:
    clock, meter = FrozenClock(NINE), LineMeter()
    meter.reached(clock.now())
    meter.answered(0.25, clock.monotonic_s())
    meter.answered(0.2, clock.monotonic_s())
    meter_of_a_line(clock, meter, 250_000, 20)
    for _ in range(3):
        meter.lost(clock.now(), "line-down", clock.monotonic_s())
    window = meter.window(clock.monotonic_s())
    assert (window.cuts, window.rtt_s, window.lost_share) == (1, 0.2, 0.0)
    assert window.bytes_per_s == pytest.approx(250_000, rel=0.05)
    assert meter.bytes_per_s(clock.monotonic_s()) is None
    clock.advance(dt.timedelta(hours=1))
    window = meter.window(clock.monotonic_s())
    assert (window.cuts, window.rtt_s, window.bytes_per_s) == (0, None, None)


def test_a_line_that_waits_for_parcels_is_as_fast_as_it_carries_them() -> None:
    clock, meter = FrozenClock(NINE), LineMeter()
    meter.reached(clock.now())
    for within_s in (0.1, 2.0, 0.1, 0.1):
        # A second to make a mebibyte, a tenth of one to send it.
        clock.advance(dt.timedelta(seconds=1))
        meter.began("u1", clock.monotonic_s())
        meter.sent(1 << 20, clock.monotonic_s())
        meter.handed("u1")
        meter.delivered(1 << 20, within_s, clock.monotonic_s())
    meter.delivered(200_000, 1.0, clock.monotonic_s())
    assert meter.line(clock.monotonic_s()).rate_bits_per_s == 8 * 10 << 20
    assert meter.window(clock.monotonic_s()).bytes_per_s == pytest.approx(10 << 20)
    # Once it carries less, that holds from the second parcel on.
    for _ in range(2):
        meter.delivered(1 << 20, 0.5, clock.monotonic_s())
    assert meter.window(clock.monotonic_s()).bytes_per_s == pytest.approx(2 << 20)
    clock.advance(dt.timedelta(hours=1))
    assert meter.window(clock.monotonic_s()).bytes_per_s is None


async def test_arrival_is_told_by_what_the_line_was_found_to_carry(
    database: Database,
) -> None:
    clock, meter = FrozenClock(NINE), LineMeter()
    news = QueueNews(database, meter, clock, institution="qingshan", zone=ZONE)
    meter.reached(clock.now())
    assert news.now().bytes_per_s is None
    meter.delivered(1 << 20, 2.0, clock.monotonic_s())
    assert news.now().bytes_per_s == pytest.approx(1 << 19)
    # In clinic hours images get their share of it.
    news.traffic = lambda: TrafficState(100_000.0, clinic_hours=True)
    assert news.now().bytes_per_s == pytest.approx(100_000)
    meter.lost(clock.now(), "line-down", clock.monotonic_s())
    assert news.now().bytes_per_s is None


def test_a_line_that_stands_still_in_the_middle_of_an_upload_is_slow() -> None:
    clock, meter = FrozenClock(NINE), LineMeter()
    meter.reached(clock.now())
    meter.began("u1", clock.monotonic_s())
    for _ in range(3):
        meter.sent(100_000, clock.monotonic_s())
        clock.advance(dt.timedelta(seconds=4))
    assert meter.bytes_per_s(clock.monotonic_s()) == pytest.approx(25_000)


def test_half_of_what_the_line_was_found_to_carry_is_left_to_the_clinic() -> None:
    clock, meter = FrozenClock(NINE), LineMeter()
    hours = ClinicHours.parse("08:00-12:00")
    traffic = Traffic(Shares(hours, 0.5), meter, clock, zone=ZONE)
    meter.reached(clock.now())
    meter.began("u1", clock.monotonic_s())
    for _ in range(80):
        assert traffic.reserve(25_000, lane=Priority.ROUTINE) == 0
        clock.advance(dt.timedelta(milliseconds=100))
        meter.sent(25_000, clock.monotonic_s())
        if traffic.state().limit_bytes_per_s is not None:
            break
    limit = traffic.state().limit_bytes_per_s
    assert limit == pytest.approx(125_000, rel=0.05)
    assert traffic.reserve(BURST_BYTES, lane=Priority.ROUTINE) == 0
    assert traffic.reserve(125_000, lane=Priority.ROUTINE) == pytest.approx(1.0, rel=0.06)
    assert traffic.reserve(125_000, lane=Priority.EMERGENCY) == 0
    clock.advance(dt.timedelta(hours=3))
    assert traffic.reserve(10_000_000, lane=Priority.ROUTINE) == 0


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        pytest.param(250_000, 125_000, id="slower-than-given"),
        pytest.param(2_500_000, 625_000, id="faster-than-given"),
    ],
)
def test_half_of_a_line_is_left_to_the_clinic_whatever_the_operator_gave(
    line: int, limit: int
) -> None:
    clock, meter = FrozenClock(NINE), LineMeter()
    traffic = Traffic(
        Shares(ClinicHours.parse("08:00-12:00"), 0.5, 1_250_000), meter, clock, zone=ZONE
    )
    meter.reached(clock.now())
    meter.began("u1", clock.monotonic_s())
    for _ in range(300):
        wait_s = traffic.reserve(16_384, lane=Priority.ROUTINE)
        clock.advance(dt.timedelta(seconds=wait_s + 16_384 / line))
        meter.sent(16_384, clock.monotonic_s())
    assert traffic.state().limit_bytes_per_s == pytest.approx(limit, rel=0.05)


async def test_what_comes_down_waits_for_an_emergency_and_for_a_held_line() -> None:
    clock = FrozenClock(NINE)
    traffic = Traffic(Shares(), LineMeter(), clock, zone=ZONE)
    await traffic.pass_bytes(10**9)
    traffic.note(held=False, emergency=True)
    await traffic.pass_bytes(1000, lane=Priority.EMERGENCY)
    passing = asyncio.ensure_future(traffic.pass_bytes(1000))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not passing.done()
    traffic.note(held=False, emergency=False)
    await passing
    traffic.note(held=True, emergency=False)
    passing = asyncio.ensure_future(traffic.pass_bytes(1000, lane=Priority.EMERGENCY))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not passing.done()
    traffic.note(held=False, emergency=False)
    await passing
