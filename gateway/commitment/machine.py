"""The life of a commitment request, from the question to the report."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kernel.errors import Conflict


class State(StrEnum):
    """How far a request is."""

    WAITING = "waiting"
    """Of some instance it is not known yet."""
    READY = "ready"
    """All is known; the peer has not been told."""
    DELIVERED = "delivered"
    """The peer has taken the report."""
    GIVEN_UP = "given-up"
    """The peer took no report for as long as the node tries."""


class Act(StrEnum):
    """What happens to a request."""

    LOOK = "look"
    """Looked, and some instance is still unknown."""
    DECIDE = "decide"
    """Looked, and now all is known."""
    FAIL = "fail"
    """The report was not taken."""
    DELIVER = "deliver"
    GIVE_UP = "give-up"
    ASK_AGAIN = "ask-again"
    """The peer asks the same once more: its answer was lost, or it sent what was missing."""


class ActNotAllowed(Conflict):
    """The request is elsewhere by now."""

    code = "commitment-moved-on"


TRANSITIONS: Final[Mapping[tuple[State, Act], State]] = MappingProxyType(
    {
        (State.WAITING, Act.LOOK): State.WAITING,
        (State.WAITING, Act.DECIDE): State.READY,
        (State.READY, Act.FAIL): State.READY,
        (State.READY, Act.DELIVER): State.DELIVERED,
        (State.READY, Act.GIVE_UP): State.GIVEN_UP,
        (State.WAITING, Act.ASK_AGAIN): State.WAITING,
        (State.READY, Act.ASK_AGAIN): State.WAITING,
        (State.DELIVERED, Act.ASK_AGAIN): State.WAITING,
        (State.GIVEN_UP, Act.ASK_AGAIN): State.WAITING,
    }
)
"""State after an act."""


def decide(state: State, act: Act) -> State:
    """Return the state after *act*.

    Raises:
        ActNotAllowed: *act* is not possible in *state*.
    """
    after = TRANSITIONS.get((state, act))
    if after is None:
        raise ActNotAllowed(f"{act} while {state}")
    return after
