"""How much of a study there is, and whether more is to come. Pure.

A modality that reports its performed procedure step says how many images there are, and so does
who adds a folder on a page. Without either a study is taken to be whole when nothing has come for
a while.
"""

import datetime as dt
from enum import StrEnum
from typing import Final

import msgspec

QUIET: Final = dt.timedelta(seconds=120)
"""A study that has not grown for so long is whole, where nobody says how many images it has."""


class Fullness(StrEnum):
    """How far a study is."""

    GROWING = "growing"
    """Images still come in at the township, or must."""
    SHORT = "short"
    """More images were told of than came, and none has come for a while."""
    ON_THE_WAY = "on-the-way"
    """All images are at the township, not all at the county."""
    COMPLETE = "complete"
    """All images are at the county."""


class Basis(StrEnum):
    """Where the expected number comes from."""

    MPPS = "mpps"
    """The modality said it, or who chose the files."""
    QUIET = "quiet"
    """Nothing came for a while, so what is there is all."""
    NONE = ""
    """Nobody knows yet."""


class Completeness(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one study there is."""

    expected: int | None
    """Instances it will have; None while nobody knows."""
    basis: Basis
    here: int
    """Instances the township has or had."""
    arrived: int
    """Instances the county has signed for."""
    state: Fullness


def counted(word: Completeness, filed: int) -> Completeness:
    """Return what a node said with what has been *filed* here since: the county's own count holds.

    The node's word is half a minute old, and as old as an outage where its line is down.
    """
    here, arrived = max(word.here, filed), max(word.arrived, filed)
    whole = arrived >= max(here, word.expected or 0)
    state = word.state
    if whole and (state is Fullness.ON_THE_WAY or word.expected is not None):
        state = Fullness.COMPLETE
    return msgspec.structs.replace(word, here=here, arrived=arrived, state=state)


def completeness(
    *, told: int | None, here: int, arrived: int, quiet_for: dt.timedelta, quiet: dt.timedelta
) -> Completeness:
    """Return how complete a study is.

    Args:
        told: how many were told of; None where nobody did.
        here: how many came to the township.
        arrived: how many of these the county has.
        quiet_for: how long ago the last one came.
        quiet: after how long without any the study counts as whole.
    """
    silent = quiet_for >= quiet
    expected, basis = (told, Basis.MPPS) if told is not None else (None, Basis.NONE)
    if told is None and silent:
        expected, basis = here, Basis.QUIET
    if expected is None or (here < expected and not silent):
        state = Fullness.GROWING
    elif here < expected:
        state = Fullness.SHORT
    elif arrived < here:
        state = Fullness.ON_THE_WAY
    else:
        state = Fullness.COMPLETE
    return Completeness(expected=expected, basis=basis, here=here, arrived=arrived, state=state)
