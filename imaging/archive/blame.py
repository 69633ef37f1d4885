"""Whose fault it is that an object was not filed: its own, the house's, or nobody can tell yet.

No single object may hold a journal for good, and no outage may be the end of an object.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import sqlalchemy as sa

from kernel.errors import Category, PlatformError
from kernel.journal.frames import Position

TRIES_BESIDE: Final = 3
"""So often an object may fail for an unknown reason while a witness could be filed beside it.

Without a witness nobody is guilty, however often: what fails for all is the house's.
"""

_OUTAGES: Final = frozenset({Category.FULL, Category.UNAVAILABLE, Category.BUSY})
_OF_OBJECT: Final = frozenset({"21", "22", "23", "54"})
# Connections, rights, statements a pooler forgot, transaction states, and a server that is full,
# busy, stopping or damaged, or has no such table: the statements are ours, never an object's.
_OF_HOUSE: Final = frozenset(
    {
        *("08", "0A", "25", "26", "28", "3D", "3F", "40", "42"),
        *("53", "55", "57", "58", "F0", "XX"),
    }
)
_SQLITE_OF_OBJECT: Final = frozenset(
    {
        *(sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT),
        *(sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE),
    }
)
_SQLITE_OF_HOUSE: Final = frozenset(
    {
        *(sqlite3.SQLITE_INTERNAL, sqlite3.SQLITE_NOTFOUND, sqlite3.SQLITE_FORMAT),
        *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_ABORT, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
        *(sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT),
        *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL),
        *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_SCHEMA),
        *(sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOTADB),
    }
)

Entry = tuple[Position, int]
"""The place of an object in its journal."""


class Blame(Enum):
    """Whose fault an error is."""

    OBJECT = auto()
    HOUSE = auto()
    UNKNOWN = auto()


def blame(exc: Exception) -> Blame:
    """Return whose fault *exc* is, which came while one object was examined or filed alone."""
    if isinstance(exc, sa.exc.DBAPIError):
        return _of_database(exc)
    if isinstance(exc, PlatformError):
        return Blame.HOUSE if exc.category in _OUTAGES else Blame.UNKNOWN
    if isinstance(exc, OSError | sa.exc.TimeoutError):
        return Blame.HOUSE
    # The driver has no form for a text, or no room for a number.
    return Blame.OBJECT if isinstance(exc, ValueError | OverflowError) else Blame.UNKNOWN


def _of_database(exc: sa.exc.DBAPIError) -> Blame:
    state = str(getattr(exc.orig, "sqlstate", None) or "")[:2]
    code = getattr(exc.orig, "sqlite_errorcode", 0) & 0xFF
    # The last is what SQLite says of a missing table or column.
    if (
        exc.connection_invalidated
        or state in _OF_HOUSE
        or code in _SQLITE_OF_HOUSE
        or isinstance(exc.orig, sqlite3.OperationalError)
    ):
        return Blame.HOUSE
    # What the driver itself cannot put on the line is an interface error without a state.
    own = sa.exc.DataError | sa.exc.IntegrityError | sa.exc.InterfaceError
    if state in _OF_OBJECT or code in _SQLITE_OF_OBJECT or isinstance(exc, own):
        return Blame.OBJECT
    return Blame.UNKNOWN


def cause(exc: Exception) -> str:
    """Return what is known of *exc* that quotes no patient data."""
    state = getattr(getattr(exc, "orig", None), "sqlstate", None)
    return f"{type(exc).__name__} {state}" if state else type(exc).__name__


class UnknownTrouble(Exception):
    """Objects of a batch failed for a reason nobody knows; nothing of the batch was kept."""

    def __init__(self, failed: Iterable[Entry], reason: str, *, witnessed: bool) -> None:
        super().__init__(reason)
        self.failed = tuple(failed)
        self.reason = reason
        self.witnessed = witnessed
        """Whether something new beside them could be filed, so that the house is well."""


@dataclass(slots=True)
class Suspects:
    """Objects of one journal that failed for a reason nobody knows.

    It is counted how often they did while a witness was there.
    """

    _failures: dict[Entry, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._failures)

    def note(self, trouble: UnknownTrouble) -> None:
        """Take down what failed; it counts only where a witness was there."""
        for entry in trouble.failed:
            self._failures[entry] = self._failures.get(entry, 0) + trouble.witnessed

    def are_guilty(self, failed: Iterable[Entry], *, witnessed: bool) -> bool:
        """Return whether each of *failed* has failed so often that it is the culprit."""
        return witnessed and all(self._failures.get(entry, 0) >= TRIES_BESIDE for entry in failed)

    def clear(self) -> None:
        """Forget them: the batch is filed."""
        self._failures.clear()
