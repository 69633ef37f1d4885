"""The state table against a second copy typed by hand from PS3.8 Table 9-10, and a third."""

import itertools

import pynetdicom.fsm
import pytest

from gateway.dimse.association import (
    NEXT_STATE,
    TRANSITIONS,
    Action,
    Event,
    EventNotAllowed,
    State,
    decide,
)

# One line per event, one column per state; "-" where the standard's cell is empty.
STATES = ["Sta1", "Sta2", "Sta3", "Sta6", "Sta7", "Sta8", "Sta10", "Sta12", "Sta13"]
BY_HAND = """
Evt3   -          AA-1/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13  AA-8/Sta13 AA-6/Sta13
Evt4   -          AA-1/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13  AA-8/Sta13 AA-6/Sta13
Evt5   AE-5/Sta2  -          -          -          -          -          -           -          -
Evt6   -          AE-6/Sta3  AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13  AA-8/Sta13 AA-7/Sta13
Evt7   -          -          AE-7/Sta6  -          -          -          -           -          -
Evt8   -          -          AE-8/Sta13 -          -          -          -           -          -
Evt9   -          -          -          DT-1/Sta6  -          AR-7/Sta8  -           -          -
Evt10  -          AA-1/Sta13 AA-8/Sta13 DT-2/Sta6  AR-6/Sta7  AA-8/Sta13 AA-8/Sta13  AA-8/Sta13 AA-6/Sta13
Evt11  -          -          -          AR-1/Sta7  -          -          -           -          -
Evt12  -          AA-1/Sta13 AA-8/Sta13 AR-2/Sta8  AR-8/Sta10 AA-8/Sta13 AA-8/Sta13  AA-8/Sta13 AA-6/Sta13
Evt13  -          AA-1/Sta13 AA-8/Sta13 AA-8/Sta13 AR-3/Sta1  AA-8/Sta13 AR-10/Sta12 AA-8/Sta13 AA-6/Sta13
Evt14  -          -          -          -          -          AR-4/Sta13 -           AR-4/Sta13 -
Evt15  -          -          AA-1/Sta13 AA-1/Sta13 AA-1/Sta13 AA-1/Sta13 AA-1/Sta13  AA-1/Sta13 -
Evt16  -          AA-2/Sta1  AA-3/Sta1  AA-3/Sta1  AA-3/Sta1  AA-3/Sta1  AA-3/Sta1   AA-3/Sta1  AA-2/Sta1
Evt17  -          AA-5/Sta1  AA-4/Sta1  AA-4/Sta1  AA-4/Sta1  AA-4/Sta1  AA-4/Sta1   AA-4/Sta1  AR-5/Sta1
Evt18  -          AA-2/Sta1  -          -          -          -          -           -          AA-2/Sta1
Evt19  -          AA-1/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13 AA-8/Sta13  AA-8/Sta13 AA-7/Sta13
"""  # noqa: E501
CELLS = {
    (state, event): cell
    for event, *cells in (line.split() for line in BY_HAND.strip().splitlines())
    for state, cell in zip(STATES, cells, strict=True)
}


@pytest.mark.parametrize("event", list(Event))
@pytest.mark.parametrize("state", list(State))
def test_every_cell_is_the_one_typed_by_hand(state: State, event: Event) -> None:
    expected = CELLS[state.value, event.value]
    if expected == "-":
        with pytest.raises(EventNotAllowed):
            decide(state, event)
    else:
        found = decide(state, event)
        assert f"{found.action}/{found.next_state}" == expected


def test_the_hand_typed_table_has_no_row_or_column_of_its_own() -> None:
    assert set(CELLS) == {(s.value, e.value) for s, e in itertools.product(State, Event)}


def test_every_action_is_used_and_leads_somewhere() -> None:
    assert {transition.action for transition in TRANSITIONS.values()} == set(Action)
    assert set(NEXT_STATE) == set(Action)


def test_another_implementation_has_the_same_actions() -> None:
    theirs = {
        (state, event): action
        for (event, state), action in pynetdicom.fsm.TRANSITION_TABLE.items()
        if state in STATES and event not in {"Evt1", "Evt2"}
    }
    ours = {(state.value, event.value): t.action.value for (state, event), t in TRANSITIONS.items()}
    assert ours == theirs


def test_what_a_peer_sends_has_an_answer_in_every_state_with_a_connection() -> None:
    from_peer = [e for e in Event if e.name.endswith("RECEIVED") or e is Event.TRANSPORT_CLOSED]
    for state in set(State) - {State.IDLE}:
        for event in from_peer:
            decide(state, event)
