"""What the exchange asks of the rooms whose letters it carries."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from gateway.exchange.model import Source
from kernel.arrival import Priority
from kernel.letter import Letter


class Handler(Protocol):
    """Takes the letters of one kind."""

    def __call__(self, conn: sa.Connection, letter: Letter, source: Source, /) -> None:
        """Make *letter* true here, in *conn*'s transaction; twice is as once.

        What belongs to another institution than ``source.institution`` is refused.

        Raises:
            PlatformError: busy, full or unavailable holds the line up and the letter comes again;
                anything else refuses this letter for good.
        """
        ...


Handlers = Mapping[str, Handler]
"""By kind of letter."""


class TellsAgain(Protocol):
    """Knows all that a node of an institution may know, for one that begins anew."""

    def __call__(
        self, conn: sa.Connection, institution: str, mark: str, /
    ) -> tuple[Sequence[Letter], str]:
        """Return the next letters behind *mark* and the mark to go on from.

        Empty begins, and an empty one in the answer says that this was all. Some hundred letters
        come at a time, none only at the end.
        """
        ...


class OpenAsides(Protocol):
    """Knows what the county keeps and cannot read."""

    def __call__(self, conn: sa.Connection, /) -> Sequence[tuple[str, str, str, str]]:
        """Return institution, SOP Instance UID, content and reason of all of it."""
        ...


class Expected(Protocol):
    """Knows how many instances a study will have, where a modality said so (MPPS)."""

    def __call__(self, conn: sa.Connection, studies: Sequence[str]) -> Mapping[str, int]:
        """Return the number for those of *studies* where it is known."""
        ...


@dataclass(frozen=True, slots=True)
class FiledStudy:
    """What the county has of a study, by its own count."""

    study_instance_uid: str
    modality: str
    priority: Priority
    instances: int
    first_received_at: dt.datetime
    grew_at: dt.datetime
    """When the last image was filed."""


class Archived(Protocol):
    """Knows what has come, where the nodes only tell of it."""

    def filed(self, conn: sa.Connection, studies: Collection[str], /) -> Mapping[str, int]:
        """Return how many instances there are of those of *studies* that are here."""
        ...

    def grown(
        self, conn: sa.Connection, institution: str, since: dt.datetime, /
    ) -> Sequence[FiledStudy]:
        """Return the newest studies of *institution* that grew at or after *since*."""
        ...
