"""Matching keys: every form of PS3.4 C.2.2.2, held against a slow reading of the same rules."""

import re
import sqlite3
from functools import cache

import pytest
from hypothesis import given, strategies as st

from imaging.query.attributes import Kind
from imaging.query.matching import (
    Between,
    Equals,
    Everything,
    Match,
    NothingMatches,
    OneOf,
    Wildcard,
    glob_pattern,
    like_pattern,
    literal_prefix,
    literal_runs,
    matches,
    matches_wildcard,
    normal_date,
    normal_time,
    parse_match,
)

LETTERS = "ab张*?%_[]\\^- "
PATTERNS = st.text(LETTERS, max_size=12)
VALUES = st.text(LETTERS, max_size=10)


def fits_slowly(pattern: str, value: str) -> bool:
    """Read the two sentences of C.2.2.2.4 literally, by recursion."""

    @cache
    def fits(p: int, v: int) -> bool:
        if p == len(pattern):
            return v == len(value)
        if pattern[p] == "*":
            return fits(p + 1, v) or (v < len(value) and fits(p, v + 1))
        return v < len(value) and pattern[p] in {"?", value[v]} and fits(p + 1, v + 1)

    return fits(0, 0)


@given(PATTERNS, VALUES)
def test_wildcards_mean_what_the_standard_says(pattern: str, value: str) -> None:
    assert matches_wildcard(pattern, value) == fits_slowly(pattern, value)


@given(PATTERNS, VALUES)
def test_sqlite_reads_the_glob_as_we_do(pattern: str, value: str) -> None:
    with sqlite3.connect(":memory:") as raw:
        (found,) = raw.execute("SELECT ? GLOB ?", (value, glob_pattern(pattern))).fetchone()
    assert bool(found) == fits_slowly(pattern, value)


@given(PATTERNS, st.text(LETTERS.lower(), max_size=10))
def test_like_reads_the_pattern_as_we_do(pattern: str, value: str) -> None:
    with sqlite3.connect(":memory:") as raw:
        query = "SELECT ? LIKE ? ESCAPE '\\'"
        (found,) = raw.execute(query, (value, like_pattern(pattern))).fetchone()
    assert bool(found) == fits_slowly(pattern, value)


@given(PATTERNS, VALUES)
def test_what_matches_has_the_prefix_and_every_run(pattern: str, value: str) -> None:
    if fits_slowly(pattern, value):
        assert value.startswith(literal_prefix(pattern))
        assert all(run in value for run in literal_runs(pattern))


def test_many_wildcards_cost_nothing() -> None:
    assert not matches_wildcard("*a" * 30 + "b", "a" * 64)


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        pytest.param(Kind.TEXT, "", Everything(), id="empty"),
        pytest.param(Kind.TEXT, "  ", Everything(), id="blank"),
        pytest.param(Kind.TEXT, '""', Everything(), id="empty-in-quotes"),
        pytest.param(Kind.TEXT, "***", Everything(), id="stars"),
        pytest.param(Kind.DATE, "*", Everything(), id="a-star-where-none-belongs"),
        pytest.param(Kind.TEXT, "a b", OneOf(("a b",)), id="text"),
        pytest.param(Kind.TEXT, "a,b\\c", OneOf(("a,b\\c",)), id="text-is-no-list"),
        pytest.param(Kind.TEXT, "a**?b", Wildcard("a*?b"), id="stars-in-a-row"),
        pytest.param(Kind.TEXT, "x" * 1025, NothingMatches("longer than any value"), id="too-long"),
        pytest.param(Kind.UID, "1.2", OneOf(("1.2",)), id="uid"),
        pytest.param(Kind.UID, "1.2,1.3\\1.4,", OneOf(("1.2", "1.3", "1.4")), id="uids"),
        pytest.param(Kind.UID, "1.2*", NothingMatches("not a UID"), id="no-wildcards-in-uids"),
        pytest.param(
            Kind.UID, "1," * 1001, NothingMatches("more than 1000 UIDs"), id="too-many-uids"
        ),
        pytest.param(Kind.CODES, "CT", OneOf(("CT",)), id="code"),
        pytest.param(Kind.CODES, "CT, MR", OneOf(("CT", "MR")), id="codes"),
        pytest.param(Kind.CODES, "C?", Wildcard("C?"), id="open-code"),
        pytest.param(Kind.CODES, "C*,MR", NothingMatches("wildcards in a list"), id="open-list"),
        pytest.param(Kind.NUMBER, " 7", Equals(7), id="number"),
        pytest.param(Kind.NUMBER, "7*", NothingMatches("not a number"), id="no-number"),
        pytest.param(Kind.DATE, "20260229", NothingMatches("not a date"), id="no-such-day"),
        pytest.param(Kind.DATE, "20240229", OneOf(("20240229",)), id="leap-day"),
        pytest.param(Kind.DATE, "20240101-", Between("20240101", None), id="from"),
        pytest.param(Kind.DATE, "-20240101", Between(None, "20240101"), id="to"),
        pytest.param(
            Kind.DATE, "20240101 - 20240102", Between("20240101", "20240102"), id="blanks"
        ),
        pytest.param(Kind.DATE, "2024-01-01", NothingMatches("not a range of dates"), id="iso"),
        pytest.param(Kind.DATE, "-", NothingMatches("a range without ends"), id="no-ends"),
        pytest.param(Kind.DATE, "２０２４0101", NothingMatches("not a date"), id="wide-digits"),  # noqa: RUF001
        pytest.param(Kind.TIME, "10", OneOf(("100000.000000",)), id="hour"),
        pytest.param(Kind.TIME, "10:30", OneOf(("103000.000000",)), id="colons"),
        pytest.param(
            Kind.TIME, "10-11", Between("100000.000000", "115959.999999"), id="whole-hours"
        ),
        pytest.param(Kind.TIME, "25", NothingMatches("not a time"), id="no-such-hour"),
    ],
)
def test_reads_keys(kind: Kind, raw: str, expected: Match) -> None:
    assert parse_match(raw, kind) == expected


@given(st.sampled_from(list(Kind)), st.text(max_size=40), VALUES)
def test_any_key_has_a_meaning(kind: Kind, raw: str, value: str) -> None:
    match = parse_match(raw, kind)
    if not isinstance(match, Equals):
        assert matches(match, value) in {True, False}


@given(st.dates(), st.dates(), st.dates())
def test_a_range_holds_what_lies_between(first: object, last: object, day: object) -> None:
    text = [str(each).replace("-", "") for each in (first, last, day)]
    match = parse_match(f"{text[0]}-{text[1]}", Kind.DATE)
    assert matches(match, text[2]) == (text[0] <= text[2] <= text[1])
    assert not matches(match, "")


@given(st.times(), st.sampled_from([2, 4, 6, 8, 13]), st.times())
def test_a_time_range_ends_with_all_its_last_value_covers(
    last: object, precision: int, seen: object
) -> None:
    digits = re.sub(r"[^0-9.]", "", f"{last:%H%M%S.%f}")
    value = f"{seen:%H%M%S.%f}"
    key = digits[:precision]
    inside = value[: len(key)] <= key
    assert matches(parse_match(f"-{key}", Kind.TIME), value) == inside


@pytest.mark.parametrize(
    ("raw", "date"),
    [("20240101", "20240101"), ("2024.01.01", "20240101"), ("20241301", ""), ("", ""), ("x", "")],
)
def test_dates_in_one_form(raw: str, date: str) -> None:
    assert normal_date(raw) == date


@pytest.mark.parametrize(
    ("raw", "time"),
    [
        ("10", "100000.000000"),
        ("1030", "103000.000000"),
        ("10:30:01", "103001.000000"),
        ("103001.5 ", "103001.500000"),
        ("240000", ""),
        ("1", ""),
        ("", ""),
    ],
)
def test_times_in_one_form(raw: str, time: str) -> None:
    assert normal_time(raw) == time
