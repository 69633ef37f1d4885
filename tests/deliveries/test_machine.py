"""What can become of an instance on its way, and what an answer means."""

import pytest

from gateway.deliveries.model import MOVES, Verdict, ends_of, said, verdict

WITNESS = """
pending      take-turn   sending
pending      put-aside   quarantined
sending      taken       done
sending      refuse      quarantined
sending      put-back    pending
quarantined  retry       pending
"""


def test_the_table_is_what_was_agreed() -> None:
    typed = {tuple(line.split()) for line in WITNESS.strip().splitlines()}
    assert {(a.value, step.value, b.value) for (a, step), b in MOVES.items()} == typed
    assert {ends_of(step)[1] for _, step in MOVES} == set(MOVES.values())


@pytest.mark.parametrize(
    ("status", "means"),
    [
        pytest.param(0x0000, Verdict.TAKEN, id="success"),
        pytest.param(0xB000, Verdict.TAKEN, id="coerced"),
        pytest.param(0xB007, Verdict.TAKEN, id="data-set-differs"),
        pytest.param(0x0107, Verdict.TAKEN, id="attribute-list"),
        pytest.param(0xA700, Verdict.LATER, id="no-room"),
        pytest.param(0x0110, Verdict.LATER, id="cannot-just-now"),
        pytest.param(None, Verdict.LATER, id="line-lost"),
        pytest.param(0xA900, Verdict.REFUSED, id="does-not-match"),
        pytest.param(0xC000, Verdict.REFUSED, id="cannot-understand"),
        pytest.param(0x0122, Verdict.REFUSED, id="no-context"),
    ],
)
def test_an_answer_means(status: int | None, means: Verdict) -> None:
    assert verdict(status, warned_is_taken=True) is means


def test_a_warning_may_be_taken_for_a_refusal() -> None:
    assert verdict(0xB000, warned_is_taken=False) is Verdict.REFUSED
    assert verdict(0x0000, warned_is_taken=False) is Verdict.TAKEN


def test_people_are_told_in_one_line() -> None:
    assert said(0xA900, "no such class") == "A900 no such class"
    assert said(None, "") == "the line broke"
