"""What the exchange asks of the rooms whose letters it carries."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import sqlalchemy as sa

from gateway.exchange.model import Source
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


class Expected(Protocol):
    """Knows how many instances a study will have, where a modality said so (MPPS)."""

    def __call__(self, conn: sa.Connection, studies: Sequence[str]) -> Mapping[str, int]:
        """Return the number for those of *studies* where it is known."""
        ...
