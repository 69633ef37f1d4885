"""The life of a step, once more by hand from PS3.4 F.7.2, over the whole product."""

import itertools

import pytest

from gateway.procedure_steps.machine import ACT_OF_STATUS, Act, ActNotAllowed, State, decide

WITNESS = {
    (None, "create"): "IN PROGRESS",
    ("IN PROGRESS", "update"): "IN PROGRESS",
    ("IN PROGRESS", "complete"): "COMPLETED",
    ("IN PROGRESS", "discontinue"): "DISCONTINUED",
}


@pytest.mark.parametrize(("state", "act"), list(itertools.product([None, *State], Act)))
def test_a_step_moves_as_the_standard_says(state: State | None, act: Act) -> None:
    expected = WITNESS.get((None if state is None else state.value, act.value))
    if expected is None:
        with pytest.raises(ActNotAllowed):
            decide(state, act)
    else:
        assert decide(state, act).value == expected


def test_nothing_leaves_a_final_state() -> None:
    for state in (State.COMPLETED, State.DISCONTINUED):
        for act in Act:
            with pytest.raises(ActNotAllowed):
                decide(state, act)


def test_every_status_a_device_may_set_is_an_act() -> None:
    assert set(ACT_OF_STATUS) == {"", *State}
