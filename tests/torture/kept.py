"""What every row found when it was last tried, in either form; kept in results.json beside this.

Rows are tried in commands of their own, hours apart; each keeps its own result and leaves those of
the others as they are.
"""

import datetime as dt
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from bench import machine
from kernel.clock import SystemClock
from tests.torture.figures import Control, Figures, Size
from tests.torture.rows import Check, Row

RESULTS: Final = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under what a result came about."""

    on: dt.date
    took_s: float
    load: float
    """Load average of the minute in which it ended; the machine has a few cores."""


@dataclass(frozen=True, slots=True)
class KeptRow:
    """One row of the fault table, as it was last tried."""

    row: str
    hop: str
    what: str
    found: Figures | None
    why_not: str = ""
    conditions: Conditions | None = None

    @property
    def held(self) -> bool:
        """Whether it held; also where it cannot be tried here."""
        return self.found.held if self.found else not self.why_not.startswith("failed")

    def __str__(self) -> str:
        said = str(self.found) if self.found else self.why_not
        mark = "held  " if self.held and self.found else "      " if self.held else "BROKEN"
        took_s = self.conditions.took_s if self.conditions else 0.0
        return f"{mark} {self.row} {self.hop}: {said} ({took_s:.0f} s)"


@dataclass(frozen=True, slots=True)
class KeptCheck:
    """The controls of some rows, as they were last tried."""

    of: str
    controls: tuple[Control, ...]
    why_not: str = ""

    @property
    def held(self) -> bool:
        """Whether every control found something; also where it cannot be tried here."""
        return all(each.failed for each in self.controls) and not self.why_not.startswith("failed")

    def __str__(self) -> str:
        said = [f"{each.taken_out}: {each.found}" for each in self.controls] or [self.why_not]
        mark = "found " if self.held and self.controls else "      " if self.held else "BLIND "
        return "\n".join(f"{mark} {self.of} without, {each}" for each in said)


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything that was tried, whenever it was."""

    machine: str = ""
    rows: dict[Size, dict[str, KeptRow]] = field(default_factory=dict)
    """By form, then by ``key_of``."""
    checks: dict[str, KeptCheck] = field(default_factory=dict)
    """By the rows they belong to."""

    def row(self, size: Size, row: Row) -> KeptRow | None:
        """Return what *row* found in the form *size*, None where it was never tried."""
        return self.rows.get(size, {}).get(key_of(row))

    def check(self, check: Check) -> KeptCheck | None:
        """Return what a check's controls found, None where they were never tried."""
        return self.checks.get(check.of)

    def with_row(self, size: Size, row: Row, found: KeptRow) -> "Kept":
        """Return this with one result put in the place of the one before."""
        of_size = {**self.rows.get(size, {}), key_of(row): found}
        return replace(self, rows={**self.rows, size: of_size})

    def with_check(self, found: KeptCheck) -> "Kept":
        """Return this with one check's controls put in the place of those before."""
        return replace(self, checks={**self.checks, found.of: found})


def key_of(row: Row) -> str:
    """Return under which name the results of *row* are kept."""
    return f"{row.name} {row.hop}"


def read(path: Path = RESULTS) -> Kept:
    """Return what is kept; nothing where nothing was tried yet."""
    return msgspec.json.decode(path.read_bytes(), type=Kept) if path.exists() else Kept()


def keep(change: Callable[[Kept], Kept], path: Path = RESULTS) -> Kept:
    """Change what is kept, one command after the other; return it."""
    with _locked(path):
        kept = replace(change(read(path)), machine=_machine())
        new = path.with_suffix(".new")
        new.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")
        new.replace(path)
        return kept


def conditions(took_s: float) -> Conditions:
    """Return the conditions of something that ends now."""
    return Conditions(SystemClock().now().date(), round(took_s, 1), round(machine.load()[0], 1))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _machine() -> str:
    known = machine.described(Path("/"))
    return f"{known['processor']}, {known['cores']} cores, {known['system']}"
