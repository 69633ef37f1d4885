"""The way to a peer of the table: C-STORE over associations of our own."""

from collections.abc import Sequence

from gateway.deliveries.pace import Pace, Paced
from gateway.dimse.outgoing import Peer
from gateway.dimse.outgoing_association import CallTimes
from gateway.dimse.store_client import StoreClient
from gateway.dimse.storing import SendableObject, Told
from gateway.routing.places import Sending


class DicomLine:
    """Sends to one peer (``gateway.deliveries.ports.Line``)."""

    def __init__(self, peer: Peer, how: Sending, pace: Pace, *, times: CallTimes) -> None:
        """Call *peer* with the patience of *times*, as *how* says."""
        self._peer = peer
        self._pace = pace
        self._times = times
        self.parallel = how.parallel
        self.warned_is_taken = how.warned_is_taken

    async def send(self, objects: Sequence[SendableObject], told: Told) -> None:
        """Send *objects* over one association, made again where it is lost."""
        client = StoreClient(self._peer, times=self._times)
        paced = [Paced(one, self._pace) for one in objects]
        await client.send(paced, told)
