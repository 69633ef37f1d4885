"""The fault table as a page, docs/reference/reliability.md; see ``python -m tests.torture``."""

import datetime as dt
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import machine
from kernel.clock import SystemClock
from tests.torture.figures import MIB, Control, Figures, Size
from tests.torture.rows import Check, Row

_INTRODUCTION: Final = """\
# What breaks, and what is lost by it

Written by `python -m tests.torture`{long}. Do not change it by hand.

Each row lets something break while images go from a modality to a township node and on to the
county, then lets the nodes go on and counts. *Acknowledged* are the instances whose sender was told
that they are safe; *lost* are those of them that are not at the county in the end with the same
data set and the same pixels, found anew from the bytes; *twice* are those that are there more than
once, counted behind the archive's filer. *Sent again* is what crossed the line more than once, and
the most after a single fault. Short forms of all rows belong to `make test`, these to
`make torture`.
"""
_CONTROLS: Final = """\
## Controls

The same trials with a safeguard taken out. Each has to find something, or the row above proves
nothing.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row that was tried."""

    row: Row
    found: Figures | None
    took_s: float
    why_not: str = ""

    @property
    def held(self) -> bool:
        """Whether it held; also where it cannot be tried here."""
        return self.found.held if self.found else not self.why_not.startswith("failed")

    def __str__(self) -> str:
        said = str(self.found) if self.found else self.why_not
        mark = "held  " if self.held and self.found else "      " if self.held else "BROKEN"
        return f"{mark} {self.row.name} {self.row.hop}: {said} ({self.took_s:.0f} s)"


@dataclass(frozen=True, slots=True)
class Checked:
    """The controls of some rows, tried."""

    check: Check
    controls: tuple[Control, ...]
    why_not: str = ""

    @property
    def held(self) -> bool:
        """Whether every control found something; also where it cannot be tried here."""
        return all(each.failed for each in self.controls) and not self.why_not.startswith("failed")

    def __str__(self) -> str:
        said = [f"{each.taken_out}: {each.found}" for each in self.controls] or [self.why_not]
        mark = "found " if self.held and self.controls else "      " if self.held else "BLIND "
        return "\n".join(f"{mark} {self.check.of} without, {each}" for each in said)


@dataclass(frozen=True, slots=True)
class Told:
    """Everything that was tried in one run."""

    size: Size
    outcomes: tuple[Outcome, ...]
    checked: tuple[Checked, ...]

    @property
    def held(self) -> bool:
        """Whether all rows held and all controls found something."""
        rows = all(each.held for each in self.outcomes)
        return rows and all(each.held for each in self.checked)


def written(told: Told) -> str:
    """Return the page."""
    return "\n".join(_lines(told, SystemClock().now())) + "\n"


def _lines(told: Told, at: dt.datetime) -> Iterator[str]:
    yield _INTRODUCTION.format(long=" --long" if told.size is Size.LONG else "")
    yield (f"Form: {told.size}. Tried on {at:%Y-%m-%d}, {_machine()}.")
    yield ""
    yield "| Row | What breaks | Where | Runs | Acknowledged | Lost | Twice | Sent again, MiB | |"
    yield "|---|---|---|---:|---:|---:|---:|---:|---|"
    for each in told.outcomes:
        yield _row(each)
    yield ""
    yield _CONTROLS
    yield "| Row | Taken out | Acknowledged | Lost | Twice | Found |"
    yield "|---|---|---:|---:|---:|---|"
    for checked in told.checked:
        for control in checked.controls:
            found = control.found
            losses = ("losses",) if found.lost else ()
            also = "; ".join((*losses, *found.broken)) or "nothing"
            yield (
                f"| {checked.check.of} | {control.taken_out} | {found.acknowledged} | {found.lost} "
                f"| {found.duplicated} | {also if control.failed else '**nothing**'} |"
            )
        if not checked.controls:
            yield f"| {checked.check.of} | not tried: {checked.why_not} | | | | |"


def _row(outcome: Outcome) -> str:
    row, found = outcome.row, outcome.found
    head = f"| {row.name} | {row.what} | {row.hop} "
    if found is None:
        return f"{head}| | | | | | not tried: {outcome.why_not} |"
    again = ""
    if found.resent_bytes is not None:
        again = f"{found.resent_bytes / MIB:.2f}"
    if found.worst_resent_bytes is not None:
        again += f" ({found.worst_resent_bytes / MIB:.2f})"
    said = [*found.notes, *(f"**{each}**" for each in found.broken)]
    return (
        f"{head}| {found.runs} | {found.acknowledged} | {found.lost} | {found.duplicated} "
        f"| {again} | {'; '.join(said)} |"
    )


def _machine() -> str:
    known = machine.described(Path(tempfile.gettempdir()))
    return f"{known['processor']}, {known['cores']} cores, {known['system']}"
