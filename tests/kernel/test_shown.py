"""Names, ages and times are shown in one form."""

import datetime as dt

import msgspec
import pytest
from hypothesis import given, strategies as st

from kernel.dicom.shown import Age, DateTime, age_at, date_time, display_name, utc_offset

BEIJING = dt.timedelta(hours=8)


@pytest.mark.parametrize(
    ("person_name", "shown"),
    [
        pytest.param("Liu^Xiaofeng=刘^小凤", "刘小凤", id="characters-first"),
        pytest.param("刘^小凤", "刘小凤", id="characters-in-the-first-group"),
        pytest.param("=刘 小凤=", "刘小凤", id="a-blank"),
        pytest.param("=刘　小凤", "刘小凤", id="a-wide-blank"),
        pytest.param("Liu^Xiaofeng", "Liu Xiaofeng", id="letters"),
        pytest.param("Smith^John^^Dr^", "Smith John Dr", id="empty-parts"),
        pytest.param("=Smith^约翰", "Smith 约翰", id="letters-beside-characters"),
        pytest.param("=古丽^Aisha^买买提", "古丽 Aisha 买买提", id="letters-between-characters"),
        pytest.param("==りゅう^しょうほう", "りゅう しょうほう", id="phonetic-only"),
        pytest.param("^^^", "", id="nothing"),
        pytest.param("", "", id="empty"),
    ],
)
def test_a_name_is_written_as_people_write_it(person_name: str, shown: str) -> None:
    assert display_name(person_name) == shown


@given(st.text("aB ^=刘小凤　", max_size=20))
def test_no_shown_name_has_separators_or_blanks_at_its_ends(person_name: str) -> None:
    shown = display_name(person_name)
    assert shown == shown.strip()
    assert not set(shown) & set("^　")
    assert "  " not in shown
    # What is shown already stays as it is.
    assert display_name(shown.replace("=", "")) == shown.replace("=", "").strip()


@pytest.mark.parametrize(
    ("date", "time", "offset", "shown"),
    [
        pytest.param("20260512", "102107", "", "2026-05-12T10:21:07+08:00", id="zone-of-the-node"),
        pytest.param("20260512", "102107.25", "+0600", "2026-05-12T10:21:07+06:00", id="stated"),
        pytest.param("20260512", "1021", "-0330", "2026-05-12T10:21:00-03:30", id="west"),
        pytest.param("20260512", "10", "noon", "2026-05-12T10:00:00+08:00", id="no-offset-at-all"),
        pytest.param("20260512", "10", "+9900", "2026-05-12T10:00:00+08:00", id="impossible"),
        pytest.param("20161231", "235960", "", "2016-12-31T23:59:59+08:00", id="leap-second"),
        pytest.param("20260512", "", "+0800", "2026-05-12", id="no-time"),
        pytest.param("20260512", "2561", "", "2026-05-12", id="no-time-of-day"),
        pytest.param("20260231", "1021", "", None, id="no-such-day"),
        pytest.param("", "1021", "+0800", None, id="no-date"),
    ],
)
def test_a_time_of_examination_has_one_shape(
    date: str, time: str, offset: str, shown: str | None
) -> None:
    assert date_time(date, time, offset) == shown
    # As the API describes it.
    assert msgspec.convert(shown, DateTime | None) == shown


@given(st.text(max_size=9), st.text(max_size=14), st.text(max_size=6))
def test_whatever_an_object_says_is_a_time_a_day_or_nothing(
    date: str, time: str, offset: str
) -> None:
    shown = date_time(date, time, offset)
    assert msgspec.convert(shown, DateTime | None) == shown
    if shown is not None:
        read = dt.datetime.fromisoformat(shown)
        assert (read.tzinfo is None) == (len(shown) == len("2026-05-12"))


@given(
    st.datetimes(min_value=dt.datetime(1992, 1, 1), max_value=dt.datetime(2100, 1, 1)),  # noqa: DTZ001
)
def test_the_day_shown_is_the_day_the_device_wrote(at: dt.datetime) -> None:
    shown = date_time(f"{at:%Y%m%d}", f"{at:%H%M%S}")
    assert shown is not None
    assert shown.startswith(f"{at:%Y-%m-%d}")
    assert dt.datetime.fromisoformat(shown).utcoffset() == BEIJING


@pytest.mark.parametrize("text", ["+0800", " -0330 ", "+1400\0"])
def test_an_offset_is_kept_without_its_padding(text: str) -> None:
    assert utc_offset(text) == text.strip(" \0")


@pytest.mark.parametrize("text", ["", "0800", "+08:00", "+1500", "+0860", "+٠٨٠٠", "x" * 99])
def test_what_is_no_offset_is_none(text: str) -> None:
    assert utc_offset(text) == ""


@pytest.mark.parametrize(
    ("stated", "born", "seen", "age"),
    [
        pytest.param("036Y", "", "", Age(36, "years"), id="stated"),
        pytest.param("", "20260501", "20260512", Age(11, "days"), id="newborn"),
        pytest.param("", "20250101", "20260512", Age(16, "months"), id="infant"),
        pytest.param("", "19700513", "20260512", Age(55, "years"), id="day-before-the-birthday"),
        pytest.param("36Y?", "20270101", "20260512", None, id="born-after"),
        pytest.param("", "", "20260512", None, id="unknown"),
    ],
)
def test_an_age_is_in_the_unit_of_its_time_of_life(
    stated: str, born: str, seen: str, age: Age | None
) -> None:
    assert age_at(stated, born, seen) == age
