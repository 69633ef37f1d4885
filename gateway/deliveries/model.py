"""Values of sending to other nodes: what waits, what was said, what to make of it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_NO_CONTEXT: Final = 0x0122
_OUT_OF_RESOURCES: Final = range(0xA700, 0xA800)
_ANOTHER_TIME: Final = frozenset({0x0110, 0x0124, 0x0213})
"""Processing failure, not authorized, resource limitation: the peer's state, not the object's."""
_WARNINGS: Final = range(0xB000, 0xC000)
_OTHER_WARNINGS: Final = frozenset({0x0001, 0x0107, 0x0116})


class State(StrEnum):
    """Where one instance is on its way to one destination."""

    PENDING = "pending"
    SENDING = "sending"
    DONE = "done"
    SET_ASIDE = "quarantined"
    """With its reason; goes on when a person says so, and holds up nothing."""


class Step(StrEnum):
    """What can happen to it."""

    TAKE_TURN = "take-turn"
    TAKEN = "taken"
    """The destination has it."""
    REFUSE = "refuse"
    """The destination will not have it, for what it is."""
    PUT_BACK = "put-back"
    """The line or the destination's state was the cause, or the county ended."""
    PUT_ASIDE = "put-aside"
    """A person took it out of the queue."""
    RETRY = "retry"
    """A person put it back into the queue."""


MOVES: Final = {
    (State.PENDING, Step.TAKE_TURN): State.SENDING,
    (State.PENDING, Step.PUT_ASIDE): State.SET_ASIDE,
    (State.SENDING, Step.TAKEN): State.DONE,
    (State.SENDING, Step.REFUSE): State.SET_ASIDE,
    (State.SENDING, Step.PUT_BACK): State.PENDING,
    (State.SET_ASIDE, Step.RETRY): State.PENDING,
}
"""Every way an instance can go; nothing leaves DONE."""


def ends_of(step: Step) -> tuple[State, State]:
    """Return the one state *step* leads from, and the one it leads to."""
    ((before, _),) = (key for key in MOVES if key[1] is step)
    return before, MOVES[before, step]


class Verdict(StrEnum):
    """What an answer means for the object it was given to."""

    TAKEN = "taken"
    REFUSED = "refused"
    LATER = "later"


def verdict(status: int | None, *, warned_is_taken: bool) -> Verdict:
    """Return what the DIMSE *status* of a destination means; None where the line broke.

    Args:
        status: of the C-STORE response, or FailureReason of a STOW response.
        warned_is_taken: whether a warning (Bxxx) is success.
    """
    if status is None or status in _OUT_OF_RESOURCES or status in _ANOTHER_TIME:
        return Verdict.LATER
    warned = status in _WARNINGS or status in _OTHER_WARNINGS
    if status == 0 or (warned and warned_is_taken):
        return Verdict.TAKEN
    return Verdict.REFUSED


def said(status: int | None, comment: str) -> str:
    """Return one line for people about an answer."""
    if status is None:
        return comment or "the line broke"
    if status == _NO_CONTEXT:
        return comment or "takes no such object (0122)"
    return f"{status:04X} {comment}".strip()


@dataclass(frozen=True, slots=True)
class Contents:
    """A study as it is now.

    Attributes:
        institution: whose it is.
        priority: 0 emergency, 1 urgent, 2 routine, 3 backfill.
        sop_instance_uids: of all its instances, in the order they are read.
    """

    institution: str
    priority: int
    sop_instance_uids: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Some instances of one study that are sent to a destination now."""

    delivery: int
    destination: str
    study_instance_uid: str
    rule: str
    asked_by: str
    sop_instance_uids: tuple[str, ...]
    again: bool = False
    """One alone, with which the line broke before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One study on its way to one destination, as people see it."""

    destination: str
    study_instance_uid: str
    institution: str
    priority: str
    rule: str
    asked_by: str
    pending: int
    sending: int
    done: int
    quarantined: int
    changed_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAsideLine:
    """One instance that was set aside, with its reason."""

    destination: str
    study_instance_uid: str
    sop_instance_uid: str
    status: str
    reason: str
    attempts: int
    changed_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationLine:
    """One destination, what waits for it, and what it waits for itself."""

    destination: str
    studies: int
    """With something left to send."""
    pending: int
    sending: int
    done: int
    quarantined: int
    failures: int
    """In a row, with nothing delivered between."""
    waits_for: str
    """Why nothing goes there just now; empty where something does, or nothing is left."""
    next_try_at: dt.datetime | None
    succeeded_at: dt.datetime | None
