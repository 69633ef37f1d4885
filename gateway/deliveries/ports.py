"""What sending needs of others: the studies of the archive, and the lines they go over."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import sqlalchemy as sa

from gateway.deliveries.model import Contents, Turn
from gateway.dimse.storing import SendableObject, Told


class Studies(Protocol):
    """Tells what there is of a study; the archive does."""

    def __call__(self, conn: sa.Connection, study_instance_uid: str) -> Contents | None:
        """Return it as it is now, None where it is not there."""
        ...


@dataclass(frozen=True, slots=True)
class Picked:
    """The objects of a turn.

    Attributes:
        objects: ready to be sent.
        gone: SOP instances the archive does not have any more.
    """

    objects: Sequence[SendableObject] = field(repr=False)
    gone: tuple[str, ...] = ()


class Objects(Protocol):
    """Gives the archive's objects."""

    async def pick(self, turn: Turn) -> Picked:
        """Return what *turn* sends, once it stands in the trail that it leaves.

        Raises:
            PlatformError: it cannot be read or written down now.
        """
        ...


class Line(Protocol):
    """The way to one destination."""

    @property
    def parallel(self) -> int:
        """So many may be sending at a time, 1 or more."""
        ...

    @property
    def warned_is_taken(self) -> bool:
        """Whether what the destination took with a warning is there."""
        ...

    async def send(self, objects: Sequence[SendableObject], told: Told) -> None:
        """Send *objects* in any order; *told* is awaited exactly once for each.

        A status of None says that the line broke, or that there was none.
        """
        ...


class Lines(Protocol):
    """Opens ways to destinations."""

    async def open(self, destination: str) -> Line:
        """Return the way to *destination*, by its address.

        Raises:
            PlatformError: there is none: nobody names it any more, or it wants what we have not.
        """
        ...
