"""What the line is found to carry is learnt of what filled it, and of no round trip."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st

from bench.line.model import LineShape
from bench.line.proxy import open_line
from gateway.township.clinic_hours import ClinicHours, Shares
from gateway.township.line import LineMeter
from gateway.township.traffic import Traffic
from kernel.arrival import Priority
from kernel.clock import FrozenClock, SystemClock
from tests.township.node import ZONE, Node, door_to, node_in
from tests.uploads.county_door import county_door
from tests.uploads.dicom_files import ct_slice
from tests.uploads.tus_door import until

NINE = dt.datetime(2026, 3, 2, 1, tzinfo=dt.UTC)
ALL_DAY = ClinicHours.parse("00:00-24:00")
SHARE = 0.5
AT_LEAST = 2 / 3
"""Of what a line carries, what it may be taken for."""
PIECE_BYTES = 16 * 1024
KIB = 1024


@dataclass
class SimulatedLine:
    """A line of one rate, with buffers before it; answers take a round trip."""

    rate: int
    rtt_s: float
    buffered: int
    opens: bool
    """Whether each upload waits for a connection of its own, one round trip more."""
    clock: FrozenClock
    meter: LineMeter
    traffic: Traffic

    def upload(self, name: str, size: int) -> None:
        """Bring *size* bytes over as ``CountyClient.send`` does, and wait for the answer."""
        self.meter.answered(self.rtt_s, self.clock.monotonic_s())
        began_s = self.clock.monotonic_s()
        empty_s = began_s + (self.rtt_s if self.opens else 0.0)
        self.meter.began(name, began_s)
        for begin in range(0, size, PIECE_BYTES):
            piece = min(PIECE_BYTES, size - begin)
            self._pass(self.traffic.reserve(piece, lane=Priority.ROUTINE))
            empty_s = max(empty_s, self.clock.monotonic_s()) + piece / self.rate
            self._until(empty_s - self.buffered / self.rate)
            self.meter.sent(piece, self.clock.monotonic_s())
        self.meter.handed(name)
        self._until(empty_s + self.rtt_s)
        now_s = self.clock.monotonic_s()
        self.meter.delivered(size, now_s - began_s, now_s)

    def _until(self, at_s: float) -> None:
        self._pass(max(0.0, at_s - self.clock.monotonic_s()))

    def _pass(self, seconds: float) -> None:
        # Rounded up: a clock that moved by nothing would have the line carry more than it does.
        self.clock.advance(dt.timedelta(microseconds=-(-seconds * 1e6 // 1)))


def simulated(
    rate: int,
    rtt_s: float,
    *,
    most: float | None = None,
    buffered: int = 96 * KIB,
    opens: bool = True,
) -> SimulatedLine:
    clock, meter = FrozenClock(NINE), LineMeter()
    traffic = Traffic(Shares(ALL_DAY, SHARE, most), meter, clock, zone=ZONE)
    meter.reached(clock.now())
    return SimulatedLine(rate, rtt_s, buffered, opens, clock, meter, traffic)


def carry(line: SimulatedLine, uploads: Sequence[tuple[int, float]]) -> None:
    for number, (size, rest_s) in enumerate(uploads):
        line.upload(f"u{number}", size)
        line.clock.advance(dt.timedelta(seconds=rest_s))


rests = st.floats(0, 20)
small = st.tuples(st.integers(1_000, 255 * KIB), rests)
any_size = st.tuples(st.integers(1_000, 4 << 20), rests)
rates = st.sampled_from([16_000, 64_000, 500_000, 2_500_000, 12_500_000])
trips = st.sampled_from([0.002, 0.05, 0.2, 0.8])
given_most = st.sampled_from([None, 20_000.0, 500_000.0, 12_500_000.0])


@given(
    rate=rates,
    rtt_s=trips,
    most=given_most,
    opens=st.booleans(),
    uploads=st.lists(st.one_of(small, any_size), max_size=40),
)
@example(rate=500_000, rtt_s=0.2, most=500_000.0, opens=False, uploads=[(52_000, 3.0)] * 20)
@example(rate=500_000, rtt_s=0.2, most=None, opens=False, uploads=[(52_000, 3.0)] * 20)
@example(rate=2_500_000, rtt_s=0.05, most=500_000.0, opens=False, uploads=[(400_000, 0.3)] * 30)
@example(rate=2_500_000, rtt_s=0.8, most=None, opens=True, uploads=[(257 * KIB, 3.0)] * 20)
def test_no_line_is_taken_for_much_slower_than_it_is(
    rate: int, rtt_s: float, most: float | None, opens: bool, uploads: list[tuple[int, float]]
) -> None:
    line = simulated(rate, rtt_s, most=most, opens=opens)
    for number, (size, rest_s) in enumerate(uploads):
        line.upload(f"u{number}", size)
        line.clock.advance(dt.timedelta(seconds=rest_s))
        limit = line.traffic.state().limit_bytes_per_s
        there_is = min(rate, most or rate)
        assert limit is None or limit >= SHARE * there_is * AT_LEAST


@given(trips, st.lists(small, min_size=1, max_size=40))
def test_small_uploads_on_a_quick_line_say_nothing_of_it(
    rtt_s: float, uploads: list[tuple[int, float]]
) -> None:
    line = simulated(500_000, rtt_s, most=500_000.0, opens=False)
    carry(line, uploads)
    now_s = line.clock.monotonic_s()
    assert line.traffic.state().limit_bytes_per_s == 250_000
    assert line.meter.bytes_per_s(now_s) is None
    assert line.meter.line(now_s).rate_bits_per_s is None
    assert line.meter.window(now_s).bytes_per_s is None


@pytest.mark.parametrize(
    ("rate", "size"),
    [
        pytest.param(32_000, 200 * KIB, id="slow-line-small-parcels"),
        pytest.param(250_000, 1 << 20, id="planned-parcels"),
        pytest.param(10_000_000, 8 << 20, id="over-in-a-second"),
    ],
)
@pytest.mark.parametrize("most", [None, 40_000_000.0])
def test_what_fills_the_line_tells_how_fast_it_is(rate: int, size: int, most: float | None) -> None:
    line = simulated(rate, 0.05, most=most)
    carry(line, [(size, 3.0)] * 4)
    now_s = line.clock.monotonic_s()
    assert line.traffic.state().limit_bytes_per_s == pytest.approx(rate / 2, rel=0.1)
    assert line.meter.line(now_s).rate_bits_per_s is not None


class LeapingClock(SystemClock):
    """The system's clock, which a test may let leap on."""

    def __init__(self) -> None:
        self._leapt = dt.timedelta(0)

    def leap(self, seconds: float) -> None:
        self._leapt += dt.timedelta(seconds=seconds)

    def now(self) -> dt.datetime:
        return super().now() + self._leapt

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self._leapt.total_seconds()


def limit_of(node: Node) -> float | None:
    assert node.news.traffic is not None
    return node.news.traffic().limit_bytes_per_s


async def test_small_images_now_and_then_leave_images_their_half_of_the_line(
    tmp_path: Path,
) -> None:
    clock, shape = LeapingClock(), LineShape(4_000_000, 4_000_000, rtt_s=0.2)
    shares = Shares(ALL_DAY, SHARE, 500_000.0)
    async with (
        county_door(tmp_path / "county") as county,
        open_line(county.port, shape) as line,
        node_in(tmp_path / "node", door_to(line.port), shares=shares, clock=clock) as node,
    ):
        for number in range(1, 7):
            clock.leap(3.0)
            await node.store([ct_slice(number, study=number, side=160, noise=3000)])
            await node.until(at_county=number)
            assert limit_of(node) == 250_000


@pytest.mark.parametrize("most", [None, 1_250_000.0])
async def test_a_radiograph_tells_how_fast_the_line_is(tmp_path: Path, most: float | None) -> None:
    shape = LineShape(2_000_000, 2_000_000, rtt_s=0.1)
    shares = Shares(ALL_DAY, SHARE, most)
    unlearnt = None if most is None else most * SHARE
    async with (
        county_door(tmp_path / "county") as county,
        open_line(county.port, shape) as line,
        node_in(tmp_path / "node", door_to(line.port, stall_s=10.0), shares=shares) as node,
    ):
        await node.store([ct_slice(1, side=1400, noise=30_000)])
        await until(lambda: limit_of(node) != unlearnt, timeout_s=20)
        assert limit_of(node) == pytest.approx(125_000, rel=0.35)
