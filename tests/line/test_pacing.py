"""One direction of a line, by arithmetic."""

import pytest
from hypothesis import given, strategies as st

from bench.line.model import AtByte, AtTime, Fault, LineShape, every, seeded
from bench.line.pacing import Way, Window

RATE = 250_000.0


def test_a_piece_takes_its_time_and_half_a_round_trip() -> None:
    passage = Way(RATE, delay_s=0.1).pass_on(25_000, now_s=3.0)
    assert passage.leaves_s == pytest.approx(3.1)
    assert passage.arrives_s == pytest.approx(3.2)
    assert passage.known_s == pytest.approx(3.3)


@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 8192)), min_size=1, max_size=60))
def test_pieces_arrive_in_order_and_never_faster_than_the_rate(
    pieces: list[tuple[float, int]],
) -> None:
    way, now = Way(RATE, delay_s=0.1), 0.0
    last, sent, busy_since = 0.0, 0, 0.0
    for later, size in pieces:
        now += later
        if now >= last:
            sent, busy_since = 0, now
        passage = way.pass_on(size, now_s=now)
        sent += size
        assert passage.leaves_s >= last
        assert passage.leaves_s - busy_since == pytest.approx(sent / RATE)
        last = passage.leaves_s


def test_what_is_held_leaves_only_afterwards() -> None:
    way = Way(RATE, delay_s=0.0)
    way.hold(5.0)
    assert way.pass_on(250, now_s=1.0).leaves_s == pytest.approx(5.001)


def test_what_was_dropped_takes_no_time() -> None:
    way = Way(RATE, delay_s=0.0)
    way.pass_on(2_500_000, now_s=0.0)
    way.drop(now_s=1.0)
    assert way.pass_on(250, now_s=1.0).leaves_s == pytest.approx(1.001)


def test_a_window_opens_when_its_first_piece_is_known_to_have_arrived() -> None:
    way, window = Way(RATE, delay_s=0.1), Window(10_000)
    window.add(way.pass_on(10_000, now_s=0.0))
    assert window.room(now_s=0.2) == 0
    assert window.opens_s() == pytest.approx(0.24)
    assert window.room(now_s=0.25) == 10_000


def test_a_window_is_twice_what_the_line_holds() -> None:
    shape = LineShape(2_000_000, 8_000_000, rtt_s=0.2)
    assert shape.window(up=True) == 100_000
    assert shape.window(up=False) == 400_000
    assert LineShape(64_000, 64_000, rtt_s=0.1).window(up=True) == 65_536


def test_the_same_seed_draws_the_same_troubles() -> None:
    drawn = list(seeded(5, 400, most_bytes=1000))
    assert drawn == list(seeded(5, 400, most_bytes=1000))
    assert {each.fault for each in drawn} == set(Fault)
    assert all(1 <= each.after_up < 1000 for each in drawn)
    answers = [each for each in drawn if each.before_answer]
    assert 20 < len(answers) < 120
    assert {each.fault for each in answers} == {Fault.RST, Fault.FIN, Fault.BLACK_HOLE}


def test_a_schedule_keeps_its_interval() -> None:
    assert [each.at_s for each in every(20, until_s=65)] == [20, 40, 60]


@pytest.mark.parametrize(
    "made",
    [
        lambda: LineShape(0, 1, rtt_s=0),
        lambda: LineShape(1, 1, rtt_s=-1),
        lambda: every(0, until_s=1),
        lambda: AtTime(1, Fault.FLIP),
        lambda: AtByte(1, Fault.FLIP, before_answer=True),
    ],
    ids=["no-rate", "negative-round-trip", "no-interval", "flip-at-a-time", "flip-of-an-answer"],
)
def test_a_line_that_cannot_be_is_refused(made: object) -> None:
    assert callable(made)
    with pytest.raises(ValueError, match=r"line|interval|bit"):
        made()
