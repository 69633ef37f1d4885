"""Each condition against its plain meaning."""

import re

import pytest
from hypothesis import given, strategies as st

from gateway.routing.conditions import Between, Like, OneOf, Present, wildcard_match
from gateway.routing.model import Facts


@given(
    st.text(alphabet="ab*?", max_size=8),
    st.text(alphabet="ab", max_size=10),
)
def test_wildcards_mean_what_a_regular_expression_says(pattern: str, text: str) -> None:
    written = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    assert wildcard_match(pattern, text) == bool(re.fullmatch(written, text, re.DOTALL))


def test_many_wildcards_take_no_time_to_speak_of() -> None:
    assert not wildcard_match("*a" * 30, "b" * 5000)


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        pytest.param(OneOf("X", ("CT",)), ("ct",), True, id="case-does-not-matter"),
        pytest.param(OneOf("X", ("CT",), negated=True), None, True, id="absent-is-not-ct"),
        pytest.param(OneOf("X", ("CT",)), ("MR", "CT"), True, id="any-value-counts"),
        pytest.param(Like("X", "*头*"), ("CT头颅",), True, id="like"),
        pytest.param(Like("X", "头"), ("CT头颅",), False, id="like-is-the-whole-value"),
        pytest.param(Present("X", wanted=True), ("",), False, id="empty-is-not-present"),
        pytest.param(Present("X", wanted=False), None, True, id="absent"),
        pytest.param(Between("X", 2, 10), ("10",), True, id="upper-end-included"),
        pytest.param(Between("X", 2, 10), ("9.5",), True, id="numbers-not-text"),
        pytest.param(Between("X", 2, None), ("many",), False, id="a-word-is-no-number"),
        pytest.param(Between("X", "20260101", None), ("20251231",), False, id="dates"),
    ],
)
def test_conditions(
    condition: OneOf | Like | Present | Between, values: tuple[str, ...] | None, holds: bool
) -> None:
    facts = Facts({} if values is None else {"X": values})
    assert condition.ask(facts).holds is holds
