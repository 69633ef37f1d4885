"""How an order moves: one table, and nothing else moves it. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kernel.arrival import Priority
from kernel.errors import Conflict
from referrals.orders.model import State


class Act(StrEnum):
    """What is done to an order."""

    CHANGE = "change"
    """Another time, station, urgency or question."""
    BEGIN = "begin"
    """The modality has begun (MPPS N-CREATE), the first image is here, or somebody says so."""
    COMPLETE = "complete"
    """The modality has ended it (MPPS COMPLETED), or somebody says so."""
    DISCONTINUE = "discontinue"
    """Broken off (MPPS DISCONTINUED), or somebody says so."""
    CANCEL = "cancel"
    """Not to be done at all."""
    REORDER = "reorder"
    """Order the same again, as a new order; this one stays as it is."""


TRANSITIONS: Final[Mapping[tuple[State, Act], State]] = MappingProxyType(
    {
        (State.ORDERED, Act.CHANGE): State.ORDERED,
        (State.ORDERED, Act.BEGIN): State.IN_PROGRESS,
        (State.ORDERED, Act.CANCEL): State.CANCELLED,
        (State.IN_PROGRESS, Act.COMPLETE): State.COMPLETED,
        (State.IN_PROGRESS, Act.DISCONTINUE): State.DISCONTINUED,
        (State.COMPLETED, Act.REORDER): State.COMPLETED,
        (State.DISCONTINUED, Act.REORDER): State.DISCONTINUED,
        (State.CANCELLED, Act.REORDER): State.CANCELLED,
    }
)

WEIGHT: Final[Mapping[State, int]] = MappingProxyType(
    {
        State.ORDERED: 0,
        State.CANCELLED: 1,
        State.IN_PROGRESS: 2,
        State.DISCONTINUED: 3,
        State.COMPLETED: 4,
    }
)
"""Of two versions written at once, what was done to the patient outweighs what was wished."""

URGENCY: Final[Mapping[Priority, int]] = MappingProxyType(
    {Priority.EMERGENCY: 2, Priority.URGENT: 1}
)
"""Of two wishes written at once the more urgent stands; all others weigh nothing."""


PERFORMING: Final = frozenset({Act.BEGIN, Act.COMPLETE, Act.DISCONTINUE})
"""Said by whoever examines, and not by whoever only ordered it."""


class ActNotAllowed(Conflict):
    """An order in this state does not take this act."""

    code = "act-not-allowed"


def decide(state: State, act: Act) -> State:
    """Return the state *act* leads to.

    Raises:
        ActNotAllowed: an order in *state* does not take it.
    """
    after = TRANSITIONS.get((state, act))
    if after is None:
        raise ActNotAllowed(f"{act} while {state}")
    return after


def acts_in(state: State) -> tuple[Act, ...]:
    """Return what may be done to an order in *state*."""
    return tuple(act for act in Act if (state, act) in TRANSITIONS)
