"""What a key means, held against an oracle and against the standard's own examples."""

import re

import hypothesis.strategies as st
import pytest
from hypothesis import given

from gateway.dimse.matching import (
    BadKey,
    date_range,
    glob,
    matches,
    moment,
    moment_range,
    time_range,
)

SMALL = st.text("ab*?^张", max_size=8)


def by_regular_expression(pattern: str, text: str) -> bool:
    parts = {"*": ".*", "?": "."}
    return bool(re.fullmatch("".join(parts.get(c, re.escape(c)) for c in pattern), text, re.DOTALL))


@given(pattern=SMALL, text=st.text("ab^张", max_size=8))
def test_wildcards_mean_what_a_regular_expression_says(pattern: str, text: str) -> None:
    assert glob(pattern, text) == by_regular_expression(pattern, text)


def test_many_wildcards_on_a_long_value_take_no_time() -> None:
    assert not glob("*a" * 500 + "b", "a" * 1000)


@pytest.mark.parametrize(
    ("vr", "key", "value", "expected"),
    [
        pytest.param("LO", "", "", True, id="universal-on-nothing"),
        pytest.param("DA", "*", "", True, id="a-star-asks-for-anything"),
        pytest.param("LO", "990000-1", "990000-1", True, id="single-value"),
        pytest.param("LO", "990000-1", "990000-1 ", True, id="padding-counts-for-nothing"),
        pytest.param("LO", "990000-1", "990000-10", False, id="single-value-is-whole"),
        pytest.param("LO", "990000-1", "", False, id="a-value-does-not-match-nothing"),
        pytest.param("LO", "990000*", "990000-10", True, id="wildcard"),
        pytest.param("SH", "A?1", "AB1", True, id="one-character"),
        pytest.param("SH", "a", "A", False, id="case-counts"),
        pytest.param("CS", "CT\\DX", "DX", True, id="list-of-codes"),
        pytest.param("CS", "CT", "MR\\CT", True, id="one-of-several-values"),
        pytest.param("UI", "1.2\\1.3", "1.3", True, id="list-of-uids"),
        pytest.param("UI", "1.*", "1.3", False, id="no-wildcard-in-uids"),
        pytest.param("UI", "1.2", "1.20", False, id="uid-is-whole"),
        pytest.param("AS", "0*", "040Y", False, id="no-wildcard-in-ages"),
        pytest.param("IS", "1*", "12", False, id="no-wildcard-in-numbers"),
        pytest.param("PN", "张三", "Zhang^San=张^三", True, id="chinese-name-in-its-group"),
        pytest.param("PN", "张^三", "Zhang^San=张三", True, id="with-or-without-caret"),
        pytest.param("PN", "zhang^san", "Zhang^San=张^三", True, id="names-without-case"),
        pytest.param("PN", "Zhang*", "Zhang^San=张^三", True, id="wildcard-in-a-name"),
        pytest.param("PN", "张*", "Zhang^San=张^三", True, id="wildcard-in-a-chinese-name"),
        pytest.param("PN", "Zhang^San=李*", "Zhang^San=张^三", False, id="each-group-counts"),
        pytest.param("PN", "=张*", "Zhang^San=张^三", True, id="only-the-second-group"),
        pytest.param("PN", "San", "Zhang^San", False, id="half-a-name"),
        pytest.param("PN", "Zhang^San^^^", "Zhang^San", True, id="empty-components-at-the-end"),
        pytest.param("DA", "20260105", "20260105", True, id="day"),
        pytest.param("DA", "2026.01.05", "20260105", True, id="day-as-before-1993"),
        pytest.param("DA", "20260105-20260107", "20260107", True, id="last-day-is-in"),
        pytest.param("DA", "20260105-20260107", "20260108", False, id="day-after-is-not"),
        pytest.param("DA", "20260105-", "20991231", True, id="open-end"),
        pytest.param("DA", "-20260105", "20260105", True, id="open-start"),
        pytest.param("DA", "-20260105", "", False, id="no-date-is-in-no-range"),
        pytest.param("TM", "1030", "103059.5", True, id="a-minute"),
        pytest.param("TM", "1030", "103100", False, id="the-next-minute"),
        pytest.param("TM", "10:30:00", "1030", True, id="time-as-before-1993"),
        pytest.param("TM", "0800-1200", "120059", True, id="end-of-the-last-minute"),
        pytest.param("TM", "0800-1200", "0759", False, id="before"),
    ],
)
def test_matches(vr: str, key: str, value: str, expected: bool) -> None:
    assert matches(key, value, vr) is expected


@pytest.mark.parametrize(
    ("vr", "key"),
    [
        pytest.param("DA", "tomorrow", id="no-date"),
        pytest.param("DA", "2026010", id="half-a-date"),
        pytest.param("DA", "-", id="a-range-of-nothing"),
        pytest.param("DA", "20260105-20260107-20260109", id="two-ranges"),
        pytest.param("TM", "25", id="no-time"),
        pytest.param("TM", "10:61", id="no-minute"),
        pytest.param("LO", "x" * 1025, id="over-long"),
        pytest.param("UI", "1." * 33000, id="too-many-uids"),
    ],
)
def test_refuses_a_key_that_is_none(vr: str, key: str) -> None:
    with pytest.raises(BadKey):
        matches(key, "", vr)


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        pytest.param("20260705", "1000", True, id="first-moment"),
        pytest.param("20260705", "095959", False, id="before-the-first"),
        pytest.param("20260706", "0200", True, id="at-night-between"),
        pytest.param("20260707", "1800", True, id="last-moment"),
        pytest.param("20260707", "1801", False, id="after-the-last"),
        pytest.param("20260706", "", True, id="no-time-known"),
        pytest.param("", "1100", False, id="no-date-known"),
    ],
)
def test_a_range_of_dates_with_one_of_times_is_one_interval(
    date: str, time: str, expected: bool
) -> None:
    interval = moment_range("20260705-20260707", "1000-1800")
    assert interval is not None
    assert interval.holds(moment(date, time)) is expected


@pytest.mark.parametrize(
    ("date", "time"), [("20260705", "1000-1800"), ("20260705-", ""), ("", "1000-1800")]
)
def test_only_two_ranges_are_one_interval(date: str, time: str) -> None:
    assert moment_range(date, time) is None


def test_an_interval_may_be_open_at_either_end() -> None:
    since = moment_range("20260705-", "1000-")
    until = moment_range("-20260705", "-1000")
    assert since is not None
    assert until is not None
    assert since.holds(moment("20260705", "1000"))
    assert not since.holds(moment("20260705", "0959"))
    assert until.holds(moment("20260705", "1000"))
    assert not until.holds(moment("20260706", "0000"))


@given(
    st.dates().map(lambda day: day.strftime("%Y%m%d").zfill(8)),
    st.times().map(lambda time: time.strftime("%H%M%S.%f")),
)
def test_every_day_and_time_is_in_the_range_of_itself(day: str, time: str) -> None:
    assert date_range(day).holds(day)
    assert matches(time, time, "TM")
    assert time_range(time).holds(time.replace(".", ""))
