"""The share of the line that images take."""

import pytest
from hypothesis import given, strategies as st

from gateway.township.bandwidth import TokenBucket


@given(st.lists(st.integers(1, 65536), min_size=1, max_size=200))
def test_in_the_long_run_no_more_than_the_rate_goes_out(sizes: list[int]) -> None:
    bucket = TokenBucket(10_000, burst_bytes=32_768, now_s=0.0)
    now_s = 0.0
    for size in sizes:
        now_s += bucket.take(size, now_s=now_s)
    sent_beyond_the_burst = sum(sizes) - 32_768
    assert now_s >= sent_beyond_the_burst / 10_000 - 1e-6


def test_a_rest_fills_the_bucket_but_never_beyond_its_burst() -> None:
    bucket = TokenBucket(1000, burst_bytes=500, now_s=0.0)
    assert bucket.take(500, now_s=0.0) == 0
    assert bucket.take(500, now_s=0.0) == pytest.approx(0.5)
    assert bucket.take(500, now_s=1000.0) == 0
    assert bucket.take(1, now_s=1000.0) == pytest.approx(0.001)


def test_without_a_rate_nothing_waits() -> None:
    bucket = TokenBucket(None, burst_bytes=10, now_s=0.0)
    assert bucket.take(10**9, now_s=0.0) == 0


def test_a_clock_that_runs_back_gives_nothing_away() -> None:
    bucket = TokenBucket(100, burst_bytes=100, now_s=50.0)
    bucket.take(100, now_s=50.0)
    assert bucket.take(100, now_s=10.0) == pytest.approx(1.0)
