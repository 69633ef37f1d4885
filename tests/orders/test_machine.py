"""How an order moves, with the table typed a second time by hand."""

import pytest
from hypothesis import given, strategies as st

from referrals.orders.machine import TRANSITIONS, WEIGHT, Act, ActNotAllowed, acts_in, decide
from referrals.orders.model import OPEN, State

WITNESS = """
ordered       change       ordered
ordered       begin        in-progress
ordered       cancel       cancelled
in-progress   complete     completed
in-progress   discontinue  discontinued
completed     reorder      completed
discontinued  reorder      discontinued
cancelled     reorder      cancelled
"""
ALLOWED = {
    (State(before), Act(act)): State(after)
    for before, act, after in (line.split() for line in WITNESS.strip().splitlines())
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("act", Act)
def test_only_what_the_table_says_moves_an_order(state: State, act: Act) -> None:
    if (state, act) in ALLOWED:
        assert decide(state, act) is ALLOWED[state, act]
        return
    with pytest.raises(ActNotAllowed) as refused:
        decide(state, act)
    assert state in refused.value.detail


def test_the_table_has_no_row_the_witness_lacks() -> None:
    assert dict(TRANSITIONS) == ALLOWED


@given(st.lists(st.sampled_from(Act), max_size=12))
def test_no_way_leads_back_and_an_end_is_an_end(acts: list[Act]) -> None:
    state = State.ORDERED
    for act in acts:
        if act not in acts_in(state):
            continue
        after = decide(state, act)
        assert WEIGHT[after] >= WEIGHT[state]
        assert state in OPEN or after is state
        state = after
