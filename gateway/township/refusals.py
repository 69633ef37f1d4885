"""What to do when the county refuses a whole parcel: find out whose fault it is. Pure."""

from enum import StrEnum
from typing import Final

_PAIRING: Final = frozenset({"parcel-version", "parcel-institution", "parcel-id"})
"""Refusals that no change of the parcel mends: versions or pairing are wrong, a person must act."""
_DAMAGED: Final = "parcel-damaged"


class AfterRefusal(StrEnum):
    """The next step for a refused parcel."""

    SEND_ANEW = "send-anew"
    """The line damaged it: the same bytes again."""
    WAIT = "wait"
    """Neither parcel nor line is to blame: keep everything, try again later."""
    SPLIT = "split"
    """One of several is to blame: each travels alone from now on, and the culprit shows itself."""
    SET_ASIDE = "set-aside"
    """It travelled alone, so it is the culprit."""


def after_refusal(code: str, *, instances: int, damaged: int, damaged_max: int) -> AfterRefusal:
    """Return the next step.

    Args:
        code: why the county refused the parcel.
        instances: how many it holds.
        damaged: how often it was found damaged before this time.
        damaged_max: how often it may be before it is made anew.
    """
    if code in _PAIRING:
        return AfterRefusal.WAIT
    if code == _DAMAGED:
        # Made anew, since the damage may be in the file here and not on the line.
        return AfterRefusal.SEND_ANEW if damaged + 1 < damaged_max else AfterRefusal.SPLIT
    return AfterRefusal.SPLIT if instances > 1 else AfterRefusal.SET_ASIDE
