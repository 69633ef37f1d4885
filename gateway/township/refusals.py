"""What to do when the county refuses a whole parcel: find out whose fault it is. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_PAIRING: Final = frozenset({"parcel-institution", "parcel-id"})
"""Refusals that no change of the parcel mends: the pairing is wrong, a person must act."""
_VERSION: Final = "parcel-version"
_DAMAGED: Final = "parcel-damaged"
_COUNTYS_OWN: Final = frozenset({"internal-error"})
"""The county failed over it; whose fault that is shows only in what else it takes."""


class AfterRefusal(StrEnum):
    """The next step for a refused parcel."""

    SEND_ANEW = "send-anew"
    """The line damaged it: the same bytes again."""
    MAKE_ANEW = "make-anew"
    """Other bytes of the same instances: in a version the county knows, or read from disk again."""
    WAIT = "wait"
    """Neither parcel nor line is to blame: keep everything, try again later."""
    WAIT_APART = "wait-apart"
    """It may be to blame, or the county: this study waits, the others show which."""
    HALVE = "halve"
    """One of several is to blame: its halves travel apart, until the culprit is alone."""
    SET_ASIDE = "set-aside"
    """It travelled alone and was refused, so it is the culprit."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A parcel the county refused as a whole, and what is known besides."""

    code: str
    """Why, in the county's words."""
    instances: int
    """How many it holds."""
    damaged: int = 0
    """How often it was found damaged before this time."""
    other_version: bool = False
    """The county knows another version this side can write."""
    others_pass: bool = True
    """The county accepted other instances lately."""


def after_refusal(refused: Refused, *, damaged_max: int) -> AfterRefusal:
    """Return the next step.

    Args:
        refused: what happened.
        damaged_max: how often a parcel may be found damaged before it is made anew.
    """
    code = refused.code
    if code == _VERSION:
        return AfterRefusal.MAKE_ANEW if refused.other_version else AfterRefusal.WAIT
    if code in _PAIRING:
        return AfterRefusal.WAIT
    if code == _DAMAGED:
        # The damage may be in the file here and not on the line.
        again = refused.damaged + 1 < damaged_max
        return AfterRefusal.SEND_ANEW if again else AfterRefusal.MAKE_ANEW
    if code in _COUNTYS_OWN and not refused.others_pass:
        return AfterRefusal.WAIT_APART
    return AfterRefusal.HALVE if refused.instances > 1 else AfterRefusal.SET_ASIDE
