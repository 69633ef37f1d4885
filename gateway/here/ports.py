"""What showing studies on this node needs from elsewhere."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import sqlalchemy as sa

from gateway.township.model import KeptObject
from kernel.arrival import Arrival

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """One object that is here and cannot be looked at yet."""

    came_back: bool
    """It came from the county; else it waits here for the county, or did."""
    arrival: Arrival
    """What is known of it; its form may be another, the file says."""
    key: str


class RegisteredNumber(Protocol):
    """Knows the register of a house."""

    def __call__(self, conn: sa.Connection, institution: str, record: str, /) -> str:
        """Return the Patient ID of the *record* that is *institution*'s; empty for none."""
        ...


class LocalIndex(Protocol[T]):
    """What DICOMweb of this node is answered from; the archive's index stands behind it."""

    def look(self, held: Held) -> T | None:
        """Read an object; blocks. None where nobody can read it, or it is there no more.

        Raises:
            PlatformError: not now; it may be looked at again later.
        """
        ...

    def enter(self, conn: sa.Connection, looked: Sequence[T], *, at: dt.datetime) -> None:
        """Let what was looked at be found; twice is as once."""
        ...

    def drop(self, conn: sa.Connection, gone: Sequence[KeptObject]) -> Sequence[KeptObject]:
        """Let objects that are deleted be found no more.

        Returns what must be entered again: contents that stood behind one of *gone*.
        """
        ...

    def count(self, conn: sa.Connection, studies: Sequence[str]) -> Mapping[str, int]:
        """Return how many objects of each of *studies* can be found; none where there are none."""
        ...
