"""What images may take of the line, and when."""

import contextlib
import datetime as dt

import pytest
from hypothesis import given, strategies as st

from gateway.township.clinic_hours import (
    BadHours,
    ClinicHours,
    Learnt,
    Shares,
    allowed_bytes_per_s,
    learn,
)

ZONE = dt.timezone(dt.timedelta(hours=8))
MONDAY = dt.datetime(2026, 3, 2, tzinfo=ZONE)
HOURS = ClinicHours.parse("mon-sat 08:00-12:00,14:00-17:30")


def at(hour: int, minute: int = 0, *, day: int = 0) -> dt.datetime:
    return MONDAY + dt.timedelta(days=day, hours=hour, minutes=minute)


@pytest.mark.parametrize(
    ("when", "works"),
    [
        pytest.param(at(7, 59), False, id="before"),
        pytest.param(at(8), True, id="begin"),
        pytest.param(at(11, 59), True, id="last-minute"),
        pytest.param(at(12), False, id="noon"),
        pytest.param(at(17, 29), True, id="afternoon"),
        pytest.param(at(9, day=5), True, id="saturday"),
        pytest.param(at(9, day=6), False, id="sunday"),
    ],
)
def test_the_clinic_works_when_its_hours_say(when: dt.datetime, works: bool) -> None:
    assert HOURS.hold(when) is works


def test_hours_may_end_with_the_day_and_days_may_go_over_the_weekend() -> None:
    hours = ClinicHours.parse("sat-mon 20:00-24:00")
    assert [day for day in range(7) if hours.hold(at(23, 59, day=day))] == [0, 5, 6]
    assert not ClinicHours.parse("").hold(at(9))
    assert ClinicHours.parse("fri 08:00-09:00").days == {4}


@pytest.mark.parametrize(
    "text",
    [
        "8-12",
        "08:00-08:00",
        "12:00-08:00",
        "08:00-24:01",
        "25:00-26:00",
        "08:00-12:00,",
        "mon-sat",
        "day 08:00-09:00",
        "mon-x 08:00-09:00",
    ],
)
def test_hours_not_written_so_are_refused(text: str) -> None:
    with pytest.raises(BadHours):
        ClinicHours.parse(text)


@given(st.text(max_size=40))
def test_any_text_is_hours_or_refused(text: str) -> None:
    with contextlib.suppress(BadHours):
        ClinicHours.parse(text).hold(MONDAY)


FRESH = Learnt(200_000.0, at(9))


@pytest.mark.parametrize(
    ("shares", "learnt", "when", "emergency", "allowed"),
    [
        pytest.param(Shares(), None, at(9), False, None, id="no-hours-all-of-it"),
        pytest.param(Shares(HOURS), FRESH, at(9, 10), False, 100_000.0, id="half-of-the-learnt"),
        pytest.param(Shares(HOURS), FRESH, at(13), False, None, id="noon-all-of-it"),
        pytest.param(Shares(HOURS), FRESH, at(9, 10), True, None, id="emergency-all-of-it"),
        pytest.param(Shares(HOURS), None, at(9), False, None, id="unknown-is-learnt-first"),
        pytest.param(Shares(HOURS), FRESH, at(9, 30), False, None, id="learnt-again"),
        pytest.param(Shares(HOURS, 0.25, 80_000.0), None, at(9), False, 20_000.0, id="given"),
        pytest.param(Shares(HOURS, 0.5, 800_000.0), FRESH, at(9, 10), False, 1e5, id="slower-line"),
        pytest.param(Shares(HOURS, 0.5, 80_000.0), FRESH, at(9, 10), False, 4e4, id="given-less"),
        pytest.param(Shares(HOURS, 0.5, 800_000.0), FRESH, at(9, 30), False, 4e5, id="given-again"),
        pytest.param(Shares(HOURS, 0.5, 800_000.0), FRESH, at(9, 10), True, 8e5, id="slower-all"),
        pytest.param(Shares(HOURS, 0.5, 800_000.0), FRESH, at(13), False, 8e5, id="slower-noon"),
        pytest.param(Shares(HOURS, 0.25, 80_000.0), None, at(9), True, 80_000.0, id="given-all"),
        pytest.param(Shares(HOURS, 0.25, 80_000.0), None, at(13), False, 80_000.0, id="given-noon"),
    ],
)
def test_images_take_their_share(
    shares: Shares,
    learnt: Learnt | None,
    when: dt.datetime,
    emergency: bool,
    allowed: float | None,
) -> None:
    assert allowed_bytes_per_s(shares, learnt, when, emergency=emergency) == allowed


def test_a_faster_line_is_believed_at_once_and_a_slower_one_by_and_by() -> None:
    known = learn(None, 100.0, at(1))
    assert known.bytes_per_s == 100.0
    known = learn(known, 200.0, at(2))
    assert known.bytes_per_s == 200.0
    known = learn(known, 100.0, at(3))
    assert known == Learnt(190.0, at(3))
