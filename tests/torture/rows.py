"""The rows of the fault table, in the order of the reference, each with its controls."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.torture import (
    clock_jumps,
    ext4_image,
    full_disk,
    link_cuts,
    outage,
    sudden_ends,
    system_calls,
)
from tests.torture.figures import Control, Figures, Size
from tests.torture.sudden_ends import ASKED_CUTS, ASKED_KILLS, CUTS, KILLS, Ending

Trial = Callable[[Path, Size], Awaitable[Figures]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    """Of the reference, such as ``R05``."""
    what: str
    hop: str
    trial: Trial
    missing: Callable[[], str] = lambda: ""
    """Why it cannot be tried on this machine, or an empty text."""
    asked: int = 0
    """Runs of the long form that the claim needs; 0 where that is no number."""
    only_long: bool = False
    """It has no short form: it takes longer than ``make test`` has."""

    def has(self, size: Size) -> bool:
        """Whether it is tried in that form."""
        return size is Size.LONG or not self.only_long


@dataclass(frozen=True, slots=True)
class Check:
    """The controls of some rows."""

    of: str
    controls: Callable[[Path], Awaitable[Sequence[Control]]]
    missing: Callable[[], str] = lambda: ""


_MODALITY: Final = "modality to township"
_COUNTY: Final = "township to county"
_TAKING_IN: Final = "at the township: taken in, forwarded"
_COMMITTING: Final = "at the county: committed, signed"


async def _killed(side: sudden_ends.Side, folder: Path, size: Size) -> Figures:
    return await side(folder, KILLS[size], Ending())


async def _cut(side: sudden_ends.Side, folder: Path, size: Size) -> Figures:
    return await side(folder, CUTS[size], Ending(powerless=True))


ROWS: Final[Sequence[Row]] = (
    Row(
        "R01",
        "SIGKILL at the n-th durable system call, by strace",
        _TAKING_IN,
        system_calls.township,
        system_calls.missing,
    ),
    Row("R01", "the same", _COMMITTING, system_calls.county, system_calls.missing),
    Row(
        "R02",
        "SIGKILL at any moment",
        _TAKING_IN,
        partial(_killed, sudden_ends.township),
        asked=ASKED_KILLS,
    ),
    Row("R02", "the same", _COMMITTING, partial(_killed, sudden_ends.county), asked=ASKED_KILLS),
    Row(
        "R03",
        "power cut on ext4",
        _TAKING_IN,
        partial(_cut, sudden_ends.township),
        ext4_image.missing,
        asked=ASKED_CUTS,
    ),
    Row(
        "R03",
        "the same",
        _COMMITTING,
        partial(_cut, sudden_ends.county),
        ext4_image.missing,
        asked=ASKED_CUTS,
    ),
    Row(
        "R04",
        "EIO or ENOSPC at the n-th durable system call",
        _TAKING_IN,
        partial(system_calls.township, refuse=True),
        system_calls.missing,
    ),
    Row(
        "R04",
        "the same",
        _COMMITTING,
        partial(system_calls.county, refuse=True),
        system_calls.missing,
        only_long=True,
    ),
    Row(
        "R05",
        "line cut at any byte",
        _MODALITY,
        link_cuts.modality_to_township,
        asked=link_cuts.CUTS[Size.LONG],
    ),
    Row(
        "R05",
        "the same, and flipped bits",
        _COUNTY,
        link_cuts.township_to_county,
        asked=link_cuts.CUTS[Size.LONG],
    ),
    Row("R06", "72 h without a line", _COUNTY, outage.three_days_without_a_line),
    Row(
        "R06",
        "the same, and a bad line",
        f"{_COUNTY}, 2 Mbit/s",
        outage.three_days_without_a_bad_line,
        only_long=True,
    ),
    Row(
        "R07",
        "the county loses or damages what it took",
        _COUNTY,
        outage.a_county_that_loses_parcels,
    ),
    Row("R11", "disk full", _TAKING_IN, full_disk.township, full_disk.missing),
    Row("R12", "clock jumps", _COUNTY, clock_jumps.jumps),
    Row("R22", "one poisoned instance among many", _COUNTY, outage.a_poisoned_study),
)
CHECKS: Final[Sequence[Check]] = (
    Check("R01, R04", system_calls.controls, system_calls.missing),
    Check("R02, R03", sudden_ends.controls, ext4_image.missing),
    Check("R05", link_cuts.controls),
    Check("R06", outage.controls_of_the_outage),
    Check("R07, R22", outage.controls),
    Check("R11", full_disk.controls, full_disk.missing),
    Check("R12", clock_jumps.controls),
)
