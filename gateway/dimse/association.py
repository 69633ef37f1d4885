"""The upper layer state machine of the accepting side, PS3.8 Table 9-10 as a table.

Only what an acceptor can meet is here: it never requests an association (Sta4, Sta5, Evt1,
Evt2, AE-1 to AE-4) and never is the requestor in a release collision (Sta9, Sta11, AR-9).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kernel.errors import Conflict


class State(StrEnum):
    """Where one association stands (PS3.8 9.2.1)."""

    IDLE = "Sta1"
    """No transport connection."""
    AWAITING_REQUEST = "Sta2"
    """Connected; ARTIM runs until the A-ASSOCIATE-RQ is here."""
    AWAITING_ANSWER = "Sta3"
    """Requested; we have to accept or reject."""
    ESTABLISHED = "Sta6"
    """Ready for data transfer."""
    AWAITING_RELEASE_REPLY = "Sta7"
    """We asked for release."""
    RELEASE_ASKED = "Sta8"
    """The peer asked for release; we have to answer."""
    COLLISION_AWAITING_REPLY = "Sta10"
    """Both asked for release; the peer, as requestor, answers first."""
    COLLISION_ANSWERING = "Sta12"
    """Both asked for release; the peer has answered, now we have to."""
    CLOSING = "Sta13"
    """Nothing more to say; ARTIM runs until the transport is closed."""


class Event(StrEnum):
    """What can happen to an association (PS3.8 Table 9-10, rows)."""

    AC_RECEIVED = "Evt3"
    RJ_RECEIVED = "Evt4"
    TRANSPORT_OPENED = "Evt5"
    RQ_RECEIVED = "Evt6"
    ACCEPT = "Evt7"
    REJECT = "Evt8"
    SEND_DATA = "Evt9"
    DATA_RECEIVED = "Evt10"
    ASK_RELEASE = "Evt11"
    RELEASE_RQ_RECEIVED = "Evt12"
    RELEASE_RP_RECEIVED = "Evt13"
    ANSWER_RELEASE = "Evt14"
    ABORT = "Evt15"
    ABORT_RECEIVED = "Evt16"
    TRANSPORT_CLOSED = "Evt17"
    ARTIM_EXPIRED = "Evt18"
    INVALID_RECEIVED = "Evt19"


class Action(StrEnum):
    """What the upper layer does about it (PS3.8 Tables 9-6 to 9-9)."""

    AE_5 = "AE-5"
    """Start ARTIM."""
    AE_6 = "AE-6"
    """Stop ARTIM and indicate the request."""
    AE_7 = "AE-7"
    """Send A-ASSOCIATE-AC."""
    AE_8 = "AE-8"
    """Send A-ASSOCIATE-RJ and start ARTIM."""
    DT_1 = "DT-1"
    """Send P-DATA-TF."""
    DT_2 = "DT-2"
    """Indicate the data."""
    AR_1 = "AR-1"
    """Send A-RELEASE-RQ."""
    AR_2 = "AR-2"
    """Indicate the request for release."""
    AR_3 = "AR-3"
    """Confirm the release and close the transport."""
    AR_4 = "AR-4"
    """Send A-RELEASE-RP and start ARTIM."""
    AR_5 = "AR-5"
    """Stop ARTIM."""
    AR_6 = "AR-6"
    """Indicate the data that crossed our request for release."""
    AR_7 = "AR-7"
    """Send P-DATA-TF although the peer wants to go."""
    AR_8 = "AR-8"
    """Indicate the release collision."""
    AR_10 = "AR-10"
    """Confirm the release."""
    AA_1 = "AA-1"
    """Send A-ABORT as service user and start ARTIM."""
    AA_2 = "AA-2"
    """Stop ARTIM and close the transport."""
    AA_3 = "AA-3"
    """Indicate the peer's abort and close the transport."""
    AA_4 = "AA-4"
    """Indicate that the transport went away."""
    AA_5 = "AA-5"
    """Stop ARTIM."""
    AA_6 = "AA-6"
    """Ignore the PDU."""
    AA_7 = "AA-7"
    """Send A-ABORT again."""
    AA_8 = "AA-8"
    """Send A-ABORT as service provider, indicate it and start ARTIM."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One cell of the table."""

    action: Action
    next_state: State


class EventNotAllowed(Conflict):
    """The table has no cell for this event in this state: our own side spoke out of turn."""

    code = "dimse-event-not-allowed"

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event.name} ({event}) while {state.name} ({state})")


NEXT_STATE: Final[Mapping[Action, State]] = MappingProxyType(
    {
        Action.AE_5: State.AWAITING_REQUEST,
        Action.AE_6: State.AWAITING_ANSWER,
        Action.AE_7: State.ESTABLISHED,
        Action.AE_8: State.CLOSING,
        Action.DT_1: State.ESTABLISHED,
        Action.DT_2: State.ESTABLISHED,
        Action.AR_1: State.AWAITING_RELEASE_REPLY,
        Action.AR_2: State.RELEASE_ASKED,
        Action.AR_3: State.IDLE,
        Action.AR_4: State.CLOSING,
        Action.AR_5: State.IDLE,
        Action.AR_6: State.AWAITING_RELEASE_REPLY,
        Action.AR_7: State.RELEASE_ASKED,
        Action.AR_8: State.COLLISION_AWAITING_REPLY,
        Action.AR_10: State.COLLISION_ANSWERING,
        Action.AA_1: State.CLOSING,
        Action.AA_2: State.IDLE,
        Action.AA_3: State.IDLE,
        Action.AA_4: State.IDLE,
        Action.AA_5: State.IDLE,
        Action.AA_6: State.CLOSING,
        Action.AA_7: State.CLOSING,
        Action.AA_8: State.CLOSING,
    }
)
"""Where each action leads. For an acceptor it depends on the action alone (AR-8 would not, for a
requestor; AE-6 does not, because a refusal by the provider is made as ``REJECT``)."""

_AFTER_REQUEST: Final = (
    State.AWAITING_ANSWER,
    State.ESTABLISHED,
    State.AWAITING_RELEASE_REPLY,
    State.RELEASE_ASKED,
    State.COLLISION_AWAITING_REPLY,
    State.COLLISION_ANSWERING,
)
_PDUS: Final = (
    Event.AC_RECEIVED,
    Event.RJ_RECEIVED,
    Event.RQ_RECEIVED,
    Event.DATA_RECEIVED,
    Event.RELEASE_RQ_RECEIVED,
    Event.RELEASE_RP_RECEIVED,
)


def _cells() -> dict[tuple[State, Event], Action]:
    cells: dict[tuple[State, Event], Action] = {
        (State.IDLE, Event.TRANSPORT_OPENED): Action.AE_5,
    }
    # What no other line says: a PDU out of turn ends the association.
    for event in (*_PDUS, Event.INVALID_RECEIVED):
        cells |= {(state, event): Action.AA_8 for state in _AFTER_REQUEST}
        cells[State.AWAITING_REQUEST, event] = Action.AA_1
        cells[State.CLOSING, event] = Action.AA_6
    for state in _AFTER_REQUEST:
        cells[state, Event.ABORT] = Action.AA_1
        cells[state, Event.ABORT_RECEIVED] = Action.AA_3
        cells[state, Event.TRANSPORT_CLOSED] = Action.AA_4
    return cells | {
        (State.AWAITING_REQUEST, Event.RQ_RECEIVED): Action.AE_6,
        (State.AWAITING_REQUEST, Event.ABORT_RECEIVED): Action.AA_2,
        (State.AWAITING_REQUEST, Event.TRANSPORT_CLOSED): Action.AA_5,
        (State.AWAITING_REQUEST, Event.ARTIM_EXPIRED): Action.AA_2,
        (State.AWAITING_ANSWER, Event.ACCEPT): Action.AE_7,
        (State.AWAITING_ANSWER, Event.REJECT): Action.AE_8,
        (State.ESTABLISHED, Event.SEND_DATA): Action.DT_1,
        (State.ESTABLISHED, Event.DATA_RECEIVED): Action.DT_2,
        (State.ESTABLISHED, Event.ASK_RELEASE): Action.AR_1,
        (State.ESTABLISHED, Event.RELEASE_RQ_RECEIVED): Action.AR_2,
        (State.AWAITING_RELEASE_REPLY, Event.DATA_RECEIVED): Action.AR_6,
        (State.AWAITING_RELEASE_REPLY, Event.RELEASE_RQ_RECEIVED): Action.AR_8,
        (State.AWAITING_RELEASE_REPLY, Event.RELEASE_RP_RECEIVED): Action.AR_3,
        (State.RELEASE_ASKED, Event.SEND_DATA): Action.AR_7,
        (State.RELEASE_ASKED, Event.ANSWER_RELEASE): Action.AR_4,
        (State.COLLISION_AWAITING_REPLY, Event.RELEASE_RP_RECEIVED): Action.AR_10,
        (State.COLLISION_ANSWERING, Event.ANSWER_RELEASE): Action.AR_4,
        (State.CLOSING, Event.RQ_RECEIVED): Action.AA_7,
        (State.CLOSING, Event.INVALID_RECEIVED): Action.AA_7,
        (State.CLOSING, Event.ABORT_RECEIVED): Action.AA_2,
        (State.CLOSING, Event.TRANSPORT_CLOSED): Action.AR_5,
        (State.CLOSING, Event.ARTIM_EXPIRED): Action.AA_2,
    }


TRANSITIONS: Final[Mapping[tuple[State, Event], Transition]] = MappingProxyType(
    {cell: Transition(action, NEXT_STATE[action]) for cell, action in _cells().items()}
)


def decide(state: State, event: Event) -> Transition:
    """Return what *event* does while *state*; touches nothing.

    Raises:
        EventNotAllowed: PS3.8 Table 9-10 leaves the cell empty, so the event cannot come from
            the peer; our own side asked for something it may not do now.
    """
    found = TRANSITIONS.get((state, event))
    if found is None:
        raise EventNotAllowed(state, event)
    return found
