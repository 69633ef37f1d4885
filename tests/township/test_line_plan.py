"""How the line is used, by what was measured of it."""

import pytest
from hypothesis import given, strategies as st

from gateway.township.line_plan import (
    KIB,
    MIB,
    PARCEL_LEAST_BYTES,
    PARCEL_MOST_BYTES,
    RESENT_MOST_BYTES,
    LinePlan,
    LineWindow,
    line_plan,
)

MBIT = 125_000
windows = st.builds(
    LineWindow,
    bytes_per_s=st.none() | st.floats(-1, 1e10, allow_nan=False),
    rtt_s=st.none() | st.floats(-1, 100, allow_nan=False),
    cuts=st.integers(0, 10_000),
    lost_share=st.floats(0, 1),
    window_s=st.floats(0.001, 1e5),
)


@pytest.mark.parametrize(
    ("window", "parcel_bytes", "parallel", "level"),
    [
        pytest.param(LineWindow(), MIB, 1, 9, id="nothing-known"),
        pytest.param(LineWindow(2 * MBIT, 0.2), 1_000_000, 1, 15, id="two-mbit"),
        pytest.param(LineWindow(2 * MBIT, 0.2, cuts=15), 1_000_000, 1, 15, id="cut-every-20-s"),
        pytest.param(LineWindow(2 * MBIT, 0.2, cuts=60), 500_000, 1, 15, id="cut-every-5-s"),
        pytest.param(LineWindow(2 * MBIT, 0.2, cuts=5), 1_000_000, 1, 15, id="cut-every-minute"),
        pytest.param(LineWindow(4 * MBIT, 0.6), 3_000_000, 3, 15, id="satellite"),
        pytest.param(LineWindow(1 * MBIT, 0.1, lost_share=0.03), 500_000, 3, 15, id="lossy"),
        pytest.param(LineWindow(8 * KIB, 0.3), PARCEL_LEAST_BYTES, 1, 15, id="64-kbit"),
        pytest.param(LineWindow(16 * MBIT, 0.03), 8_000_000, 1, 9, id="fibre"),
        pytest.param(LineWindow(100 * MBIT, 0.001), PARCEL_MOST_BYTES, 1, 3, id="100-mbit"),
        pytest.param(LineWindow(1000 * MBIT, 0.0), PARCEL_MOST_BYTES, 1, 1, id="gigabit"),
    ],
)
def test_each_kind_of_line_has_its_plan(
    window: LineWindow, parcel_bytes: int, parallel: int, level: int
) -> None:
    plan = line_plan(window)
    assert (plan.parcel_bytes, plan.parallel, plan.level) == (parcel_bytes, parallel, level)


@given(windows, st.integers(-3, 20))
def test_whatever_was_measured_the_plan_can_be_followed(window: LineWindow, most: int) -> None:
    plan = line_plan(window, parallel_most=most)
    assert PARCEL_LEAST_BYTES <= plan.parcel_bytes <= PARCEL_MOST_BYTES
    assert 1 <= plan.parallel <= max(1, min(most, 3))
    assert 1 <= plan.level <= 19
    # The system holds twice what it is asked to, and all of it may be lost at a cut.
    assert plan.parallel * plan.send_buffer_bytes * 2 <= RESENT_MOST_BYTES // 2


@given(windows, st.integers(1, 100))
def test_more_cuts_never_mean_larger_parcels_or_more_uploads(window: LineWindow, more: int) -> None:
    worse = LineWindow(
        window.bytes_per_s,
        window.rtt_s,
        window.cuts + more,
        window.lost_share,
        window.window_s,
    )
    before, after = line_plan(window), line_plan(worse)
    assert after.parcel_bytes <= before.parcel_bytes
    assert after.parallel <= before.parallel


@given(windows, st.floats(1, 1e9))
def test_a_faster_line_never_means_smaller_parcels_or_more_work(
    window: LineWindow, more: float
) -> None:
    def of(rate: float) -> LinePlan:
        return line_plan(
            LineWindow(rate, window.rtt_s, window.cuts, window.lost_share, window.window_s)
        )

    slow = max(window.bytes_per_s or 1.0, 1.0)
    before, after = of(slow), of(slow + more)
    assert after.parcel_bytes >= before.parcel_bytes
    assert after.level <= before.level
