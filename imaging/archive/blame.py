"""Whose fault it is that an object was not filed: its own, the house's, or nobody can tell yet.

No single object may hold a journal for good, and no outage may be the end of an object.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import sqlalchemy as sa

from kernel.journal.frames import Position

TRIES_BESIDE: Final = 3
"""So often an object may fail for an unknown reason while others beside it are filed."""
TRIES_ALONE: Final = 30
"""So often where no other was there to be filed; about five minutes of tries."""

_OF_OBJECT: Final = frozenset({"21", "22", "23", "54"})
# Connections, rights, transaction states, a server that is full, busy, stopping or damaged.
_OF_HOUSE: Final = frozenset({"08", "25", "28", "3D", "40", "53", "55", "57", "58"})
_SQLITE_OF_OBJECT: Final = frozenset(
    {
        *(sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT),
        *(sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE),
    }
)
_SQLITE_OF_HOUSE: Final = frozenset(
    {
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
    """Return whose fault *exc* is, which came while one object was filed alone."""
    if not isinstance(exc, sa.exc.DBAPIError):
        return Blame.OBJECT if isinstance(exc, ValueError) else Blame.UNKNOWN
    if exc.connection_invalidated:
        return Blame.HOUSE
    state = str(getattr(exc.orig, "sqlstate", None) or "")[:2]
    code = getattr(exc.orig, "sqlite_errorcode", 0) & 0xFF
    if state in _OF_HOUSE or code in _SQLITE_OF_HOUSE:
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


@dataclass(slots=True)
class Suspects:
    """Objects of one journal that failed for a reason nobody knows, and how often."""

    _failures: dict[Entry, int] = field(default_factory=dict)

    def note(self, failed: Iterable[Entry]) -> None:
        """Count one more failure of each of *failed*."""
        for entry in failed:
            self._failures[entry] = self._failures.get(entry, 0) + 1

    def are_guilty(self, failed: Iterable[Entry], *, others_filed: bool) -> bool:
        """Return whether each of *failed* has failed so often that it is the culprit."""
        tries = TRIES_BESIDE if others_filed else TRIES_ALONE
        return all(self._failures.get(entry, 0) >= tries for entry in failed)

    def clear(self) -> None:
        """Forget them: the batch is filed."""
        self._failures.clear()


class UnknownTrouble(Exception):
    """Objects of a batch failed for a reason nobody knows; nothing of the batch was kept."""

    def __init__(self, failed: Iterable[Entry], reason: str) -> None:
        super().__init__(reason)
        self.failed = tuple(failed)
        self.reason = reason
