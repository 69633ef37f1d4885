"""The life of a performed procedure step (PS3.4 F.7.2, states of PS3.3 C.4.14)."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kernel.errors import Conflict


class State(StrEnum):
    """Performed Procedure Step Status (0040,0252)."""

    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    DISCONTINUED = "DISCONTINUED"


class Act(StrEnum):
    """What the device does."""

    CREATE = "create"
    """N-CREATE."""
    UPDATE = "update"
    """N-SET that leaves it in progress."""
    COMPLETE = "complete"
    DISCONTINUE = "discontinue"


class ActNotAllowed(Conflict):
    """The step is over; nothing changes it any more."""

    code = "step-is-over"


TRANSITIONS: Final[Mapping[tuple[State | None, Act], State]] = MappingProxyType(
    {
        (None, Act.CREATE): State.IN_PROGRESS,
        (State.IN_PROGRESS, Act.UPDATE): State.IN_PROGRESS,
        (State.IN_PROGRESS, Act.COMPLETE): State.COMPLETED,
        (State.IN_PROGRESS, Act.DISCONTINUE): State.DISCONTINUED,
    }
)
"""State after an act; None is a step that does not exist."""

ACT_OF_STATUS: Final[Mapping[str, Act]] = MappingProxyType(
    {
        "": Act.UPDATE,
        State.IN_PROGRESS: Act.UPDATE,
        State.COMPLETED: Act.COMPLETE,
        State.DISCONTINUED: Act.DISCONTINUE,
    }
)
"""The act of an N-SET by the status it sets, empty where it sets none."""


def decide(state: State | None, act: Act) -> State:
    """Return the state after *act*.

    Raises:
        ActNotAllowed: *act* is not possible in *state*.
    """
    after = TRANSITIONS.get((state, act))
    if after is None:
        raise ActNotAllowed(f"{act} while {state or 'absent'}")
    return after
