"""Takes commitment requests: durable first, then answered."""

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.commitment import store
from gateway.commitment.machine import State
from gateway.commitment.model import Request, Verdict
from gateway.dimse.ports import CommitmentRequest, ReplyLine
from kernel.clock import Clock
from kernel.identifiers import new_id
from kernel.journal.frames import Position
from kernel.process.wake import Wake
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_LINES_MAX: Final = 1000


class OpenLines:
    """The associations on which somebody may still wait for the result of a request."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, ReplyLine] = OrderedDict()

    def put(self, request_id: str, line: ReplyLine) -> None:
        """Remember *line* for *request_id*; of more than a thousand the oldest is forgotten."""
        self._lines[request_id] = line
        self._lines.move_to_end(request_id)
        while len(self._lines) > _LINES_MAX:
            self._lines.popitem(last=False)

    def take(self, request_id: str) -> ReplyLine | None:
        """Return the line of *request_id* where it is open, and forget it."""
        line = self._lines.pop(request_id, None)
        return line if line is not None and line.is_open else None

    def is_open(self, request_id: str) -> bool:
        """Whether the peer of *request_id* is still there."""
        line = self._lines.get(request_id)
        return line is not None and line.is_open


class CommitmentBook:
    """Keeps commitment requests (``gateway.dimse.ports.Commitments``)."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        mark: Callable[[], Position | None],
        lines: OpenLines,
        wake: Wake,
    ) -> None:
        """Keep requests in *database*.

        Args:
            database: of this node.
            clock: for the time of asking.
            mark: how far the door's journal is, None where it has taken nothing yet.
            lines: where the reporter finds the peer's association.
            wake: tells the reporter that there is something to do.
        """
        self._database = database
        self._clock = clock
        self._mark = mark
        self._lines = lines
        self._wake = wake

    async def request(self, asked: CommitmentRequest, line: ReplyLine) -> None:
        """Keep *asked*, durable on return (see ``Commitments``).

        Raises:
            PlatformError: it cannot be kept now.
        """
        now = self._clock.now()
        peer = asked.peer
        kept = Request(
            id=new_id(),
            transaction_uid=asked.transaction_uid.value,
            institution=peer.institution.value,
            ae_title=peer.calling_ae.value,
            called_ae_title=peer.called_ae.value,
            address=peer.address,
            state=State.WAITING,
            mark=self._mark(),
            asked_at=now,
            references=tuple((reference, Verdict.WAITING) for reference in asked.references),
        )
        request_id = await self._database.write(lambda conn: store.keep(conn, kept, due_at=now))
        _LOG.info(
            "commitment.asked",
            extra={
                "request_id": request_id,
                "calling_ae": kept.ae_title,
                "instances": len(kept.references),
            },
        )
        self._lines.put(request_id, line)
        self._wake.notify()
