"""Whose fault it is that an object did not come back: the line's, or its own. Pure.

What the line or the moment hinders is never held against an object, and what one object lacks
never holds up another.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

TRIES: Final = 3
"""So often an object is tried before what hinders it is taken for its own."""

_MOMENT: Final = frozenset({401, 403, 407, 408, 425, 429, 502, 503, 504})
_GONE: Final = frozenset({404, 406, 410})
HERE: Final = frozenset({200, 206})
"""HTTP statuses with which an object comes."""
_REFUSES, _BEYOND, _SERVER = 400, 416, 500


class Outcome(StrEnum):
    """What came of asking for an object."""

    COMES = "comes"
    """The county gives it."""
    MOMENT = "moment"
    """No answer, or one that says nothing of the object: who asks, how busy it is, who stands
    between."""
    GONE = "gone"
    """The county has it no more, or not in any form."""
    REFUSED = "refused"
    """The county will not give it, and says so of this object."""
    FAILED = "failed"
    """The county failed over it; whose fault that is shows only in what else it gives."""
    OTHERWISE = "otherwise"
    """Whole, and not what the county named."""
    BROKE_OFF = "broke-off"
    """It began to come and broke off, with no byte more than before."""


class Verdict(StrEnum):
    """The next step."""

    TAKE = "take"
    LINE_WAITS = "line-waits"
    """Nothing is held against it; whatever is to come waits for the line."""
    SOON = "soon"
    """It waits as one waits for a line, and others go on."""
    LATER = "later"
    """It waits by itself, longer each time, and others go on."""
    SET_ASIDE = "set-aside"
    """A person is told; it is still tried, seldom."""


_FIRST: Final[Mapping[Outcome, Verdict]] = MappingProxyType(
    {
        Outcome.COMES: Verdict.TAKE,
        Outcome.MOMENT: Verdict.LINE_WAITS,
        Outcome.GONE: Verdict.SET_ASIDE,
        Outcome.REFUSED: Verdict.LATER,
        Outcome.FAILED: Verdict.LATER,
        Outcome.OTHERWISE: Verdict.LATER,
        Outcome.BROKE_OFF: Verdict.SOON,
    }
)
_OWN: Final = frozenset({Outcome.REFUSED, Outcome.OTHERWISE})
"""After some tries these are the object's own."""
_SHARED: Final = frozenset({Outcome.FAILED, Outcome.BROKE_OFF})
"""These are, once others have come meanwhile."""


def outcome_of(status: int, *, of_county: bool = True) -> Outcome:
    """Return what an HTTP status says of the object that was asked for.

    Args:
        status: of the answer.
        of_county: whether the county's program has given it, and not somebody between.
    """
    if status in HERE:
        return Outcome.COMES
    if status in _MOMENT or status < _REFUSES:
        return Outcome.MOMENT
    if status == _BEYOND:
        return Outcome.OTHERWISE
    if status >= _SERVER or not of_county:
        return Outcome.FAILED
    return Outcome.GONE if status in _GONE else Outcome.REFUSED


def verdict(outcome: Outcome, failures: int, *, others_came: bool) -> Verdict:
    """Return the next step for an object.

    Args:
        outcome: of this attempt.
        failures: in a row, with this one; 1 or more.
        others_came: whether another object came whole since the first of them.
    """
    known = outcome in _OWN or (outcome in _SHARED and others_came)
    if known and failures >= TRIES:
        return Verdict.SET_ASIDE
    return _FIRST[outcome]
