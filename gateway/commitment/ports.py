"""What commitment needs of others: where objects are, and how peers are reached."""

from collections.abc import Sequence
from typing import Protocol

import sqlalchemy as sa

from gateway.commitment.model import Verdict
from gateway.dimse.ports import CommitmentResult, Reference
from kernel.journal.frames import Position


class Committed(Protocol):
    """Who knows what is safe: the county's receipts at a township, the archive at the county."""

    def look(
        self, conn: sa.Connection, references: Sequence[Reference], institution: str
    ) -> Sequence[Verdict]:
        """Return what is known of each of *references*, in their order.

        What *institution* may not see is not here. Never ``Verdict.DUPLICATE``.
        """
        ...

    def caught_up(self, conn: sa.Connection, mark: Position) -> bool:
        """Whether all the door had taken up to *mark* can be looked up."""
        ...


class Callback(Protocol):
    """How a peer is told over an association of our own."""

    async def report(
        self, ae_title: str, called_ae_title: str, address: str, result: CommitmentResult
    ) -> int:
        """Report *result* and return the peer's status.

        Args:
            ae_title: the peer that asked.
            called_ae_title: whom it asked, our own title.
            address: where it asked from, used where the table of peers names no host.
            result: what to say.

        Raises:
            PlatformError: it cannot be reached now; the code says why.
        """
        ...
