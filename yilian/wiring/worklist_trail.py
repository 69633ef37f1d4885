"""The trail of who asked for the worklist: a row before the first entry leaves."""

from collections.abc import AsyncIterator

from gateway.dimse.attributes import Attributes
from gateway.dimse.ports import Peer, WorklistSource
from gateway.dimse.query_identifier import Query
from kernel.audit.access_log import Access, AccessLog
from kernel.audit.trail import AuditEvent
from yilian.wiring.devices import device


class TracedWorklist:
    """A worklist that is answered once it stands in the trail who asks.

    Devices ask every few seconds: what one asks within an hour is one row and a count.
    """

    def __init__(self, source: WorklistSource, log: AccessLog) -> None:
        self._source = source
        self._log = log

    async def find(self, query: Query, peer: Peer) -> AsyncIterator[Attributes]:
        """Yield what the source finds; nothing where it cannot be written down who asks."""
        await self._log.saw(
            Access(
                principal=device(peer),
                subject="worklist",
                patient="",
                reason="own-institution",
                address=peer.address,
                event=AuditEvent.QUERIED,
            )
        )
        found = self._source.find(query, peer)
        try:
            async for entry in found:
                yield entry
        finally:
            close = getattr(found, "aclose", None)
            if close is not None:
                await close()
