"""Values of search parameters: dates with prefixes, escapes, references; and the cursor."""

import datetime as dt

import pytest
from hypothesis import given, settings, strategies as st

from gateway.fhir.search import read_cursor, write_cursor
from gateway.fhir.values import InvalidValue, values_of
from kernel.errors import Invalid
from kernel.fhir.query import Span, Target, Text, Token, Value
from kernel.fhir.resource import ParameterType, SearchParameter

NOW = dt.datetime(2026, 5, 12, 2, 0, tzinfo=dt.UTC)
WHOSE = SearchParameter(
    name="patient", type=ParameterType.REFERENCE, documentation="", targets=("Patient",)
)


def values(kind: ParameterType, raw: str) -> tuple[Value, ...]:
    return values_of(WHOSE, kind, raw, NOW)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


DAY, NEXT = at("2026-05-01T00:00:00+08:00"), at("2026-05-02T00:00:00+08:00")


@pytest.mark.parametrize(
    ("raw", "span"),
    [
        pytest.param("2026-05-01", Span(DAY, NEXT), id="day"),
        pytest.param("eq2026-05-01", Span(DAY, NEXT), id="eq"),
        pytest.param("ne2026-05-01", Span(DAY, NEXT, outside=True), id="ne"),
        pytest.param("gt2026-05-01", Span(NEXT, None), id="gt"),
        pytest.param("sa2026-05-01", Span(NEXT, None), id="sa"),
        pytest.param("lt2026-05-01", Span(None, DAY), id="lt"),
        pytest.param("eb2026-05-01", Span(None, DAY), id="eb"),
        pytest.param("ge2026-05-01", Span(DAY, None), id="ge"),
        pytest.param("le2026-05-01", Span(None, NEXT), id="le"),
        pytest.param(
            "2026",
            Span(at("2026-01-01T00:00:00+08:00"), at("2027-01-01T00:00:00+08:00")),
            id="year",
        ),
        pytest.param(
            "2026-12",
            Span(at("2026-12-01T00:00:00+08:00"), at("2027-01-01T00:00:00+08:00")),
            id="month",
        ),
        pytest.param(
            "2024-02",
            Span(at("2024-02-01T00:00:00+08:00"), at("2024-03-01T00:00:00+08:00")),
            id="leap",
        ),
        pytest.param(
            "2026-05-01T10:20Z",
            Span(at("2026-05-01T10:20:00Z"), at("2026-05-01T10:21:00Z")),
            id="minute",
        ),
        pytest.param(
            "2026-05-01T10:20:30-03:30",
            Span(at("2026-05-01T13:50:30Z"), at("2026-05-01T13:50:31Z")),
            id="second-and-offset",
        ),
        pytest.param(
            "2026-05-01T10:20:30.25Z",
            Span(at("2026-05-01T10:20:30.250Z"), at("2026-05-01T10:20:30.260Z")),
            id="hundredth",
        ),
    ],
)
def test_a_date_is_all_the_time_it_names(raw: str, span: Span) -> None:
    assert values(ParameterType.DATE, raw) == (span,)


def test_near_a_date_is_a_tenth_of_how_far_it_is() -> None:
    (span,) = values(ParameterType.DATE, "ap2026-05-01")
    far = (NOW - DAY) / 10
    assert span == Span(DAY - far, NEXT + far)


@pytest.mark.parametrize(
    ("kind", "raw", "found"),
    [
        (ParameterType.TOKEN, "a", (Token("a"),)),
        (ParameterType.TOKEN, "|a", (Token("a", ""),)),
        (ParameterType.TOKEN, "urn:x|a,urn:y|", (Token("a", "urn:x"), Token("", "urn:y"))),
        (ParameterType.TOKEN, r"urn:x\|y|a\,b\\,c", (Token("a,b\\", "urn:x|y"), Token("c"))),
        (ParameterType.STRING, r"a\$b", (Text("a$b"),)),
        (ParameterType.REFERENCE, "x1", (Target("", "x1"),)),
        (ParameterType.REFERENCE, "Patient/x1", (Target("Patient", "x1"),)),
        (ParameterType.REFERENCE, "http://h/fhir/Patient/x1", (Target("Patient", "x1"),)),
    ],
)
def test_reads_values(kind: ParameterType, raw: str, found: tuple[Value, ...]) -> None:
    assert values(kind, raw) == found


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (ParameterType.DATE, "2026-02-30"),
        (ParameterType.DATE, "xx2026"),
        (ParameterType.DATE, "2026-05-01T24:00"),
        (ParameterType.DATE, "9999"),
        (ParameterType.REFERENCE, "Group/1"),
        (ParameterType.REFERENCE, "a/b"),
        (ParameterType.REFERENCE, "x" * 65),
        (ParameterType.TOKEN, "a,,b"),
        (ParameterType.STRING, "\ud800"),
    ],
)
def test_refuses_what_is_none(kind: ParameterType, raw: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        values(kind, raw)
    assert raw not in refused.value.detail


@settings(max_examples=60)
@given(st.sampled_from(ParameterType), st.text(max_size=60))
def test_any_text_is_values_or_refused(kind: ParameterType, raw: str) -> None:
    try:
        found = values(kind, raw)
    except Invalid:
        return
    assert found


@settings(max_examples=40)
@given(
    st.lists(st.text(), min_size=1, max_size=2).map(tuple),
    st.lists(st.tuples(st.text(), st.text()), max_size=5),
)
def test_a_cursor_gives_back_the_search(
    after: tuple[str, ...], used: list[tuple[str, str]]
) -> None:
    assert read_cursor(write_cursor(after, used)) == (after, used)


@settings(max_examples=40)
@given(st.text(max_size=200))
def test_any_cursor_is_one_or_refused(text: str) -> None:
    try:
        read_cursor(text)
    except Invalid:
        return
