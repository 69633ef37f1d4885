"""Query/Retrieve MOVE SCP: objects sent to a third peer that the table knows (PS3.4 C.4.2)."""

import asyncio
from typing import Final

from gateway.dimse.command_set import CommandField, Element
from gateway.dimse.outgoing_association import CallTimes
from gateway.dimse.ports import Admission
from gateway.dimse.retrieve_ports import Destination, Destinations, RetrieveArchive
from gateway.dimse.retrieving import IDENTIFIER_MAX_BYTES, Tally, log_end, selected
from gateway.dimse.service import Answer, ServiceRequest, Voice
from gateway.dimse.store_client import StoreClient
from gateway.dimse.storing import LineLost, Outcome, SendableObject
from kernel.dicom.status import Status
from kernel.errors import PlatformError
from kernel.identifiers import AETitle, InvalidIdentifier

_PENDING_EVERY_S: Final = 1.0
_SIGN_OF_LIFE_S: Final = 5.0
_TURN_S: Final = 600.0
_AT_ONCE: Final = 2
"""Retrievals under way to one destination; others wait for their turn."""
_WITHHELD: Final = Outcome(Status.NOT_AUTHORIZED, "The destination may not see the study.")


class MoveScp:
    """Serves both query/retrieve models out of one archive."""

    max_bytes = IDENTIFIER_MAX_BYTES
    too_large = Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS

    def __init__(
        self,
        archive: RetrieveArchive,
        destinations: Destinations,
        *,
        times: CallTimes | None = None,
        pending_every_s: float = _PENDING_EVERY_S,
    ) -> None:
        """Send out of *archive* to *destinations* and nowhere else.

        Args:
            archive: what may be asked for.
            destinations: where it may go.
            times: the patience with them.
            pending_every_s: least time between two pending responses that tell of progress;
                without progress one comes every five seconds.
        """
        self._archive = archive
        self._destinations = destinations
        self._times = times or CallTimes()
        self._pending_every_s = pending_every_s
        # No more than the table has peers.
        self._turns: dict[AETitle, asyncio.Semaphore] = {}

    def open_to(self, admission: Admission) -> bool:
        """Whether a peer so admitted is served: whoever may find objects may have them sent."""
        return admission.may_query

    async def perform(self, request: ServiceRequest, voice: Voice) -> Answer:
        """Send what is asked for to its destination and return the last response."""
        if request.command.field is not CommandField.C_MOVE_RQ:
            return Answer(status=Status.UNRECOGNIZED_OPERATION, comment="This is asked by C-MOVE.")
        destination = await self._destination(request)
        if isinstance(destination, Answer):
            return destination
        found = await selected(self._archive, request, destination)
        if isinstance(found, Answer):
            return found
        if found.withheld and not found.objects:
            return Answer(status=Status.MOVE_DESTINATION_UNKNOWN, comment=_WITHHELD.comment)
        tally = Tally(len(found.objects) + len(found.withheld))
        for uid in found.withheld:
            tally.count(uid, _WITHHELD)
        await self._moved(request, voice, destination, list(found.objects), tally)
        last = tally.final(request.context.transfer_syntax, cancelled=voice.cancelled.is_set())
        log_end(request, tally, last, destination.peer.called_ae_title.value)
        return last

    async def _destination(self, request: ServiceRequest) -> Destination | Answer:
        unknown = Answer(
            status=Status.MOVE_DESTINATION_UNKNOWN,
            comment="The table has no host and port for this destination.",
        )
        try:
            title = AETitle.parse(request.command.text(Element.MOVE_DESTINATION))
            found = await self._destinations.find(title, request.peer.called_ae)
        except InvalidIdentifier:
            return unknown
        except PlatformError:
            return Answer(
                status=Status.CANNOT_PERFORM_SUBOPERATIONS,
                comment="The table of peers cannot be read; ask again later.",
            )
        return found or unknown

    async def _moved(
        self,
        request: ServiceRequest,
        voice: Voice,
        destination: Destination,
        objects: list[SendableObject],
        tally: Tally,
    ) -> None:
        """Send *objects*, telling the asker how it goes, until done or cancelled.

        Raises:
            LineLost: the asker's association is over; nothing more is sent.
        """
        lost: LineLost | None = None
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._send(request, destination, objects, tally))
            cancelled = group.create_task(voice.cancelled.wait())
            try:
                await self._told_until({sending, cancelled}, voice, tally)
            except LineLost as error:
                lost = error
            sending.cancel()
            cancelled.cancel()
        if lost is not None:
            raise lost

    async def _told_until(
        self, ends: "set[asyncio.Task[None] | asyncio.Task[bool]]", voice: Voice, tally: Tally
    ) -> None:
        now_s = asyncio.get_running_loop().time
        said, said_s = -1, now_s()
        while True:
            if tally.done != said or now_s() - said_s >= _SIGN_OF_LIFE_S:
                said, said_s = tally.done, now_s()
                await voice.answer(tally.pending())
            waited = await asyncio.wait(
                ends, timeout=self._pending_every_s, return_when=asyncio.FIRST_COMPLETED
            )
            if waited[0]:
                return

    async def _send(
        self,
        request: ServiceRequest,
        destination: Destination,
        objects: list[SendableObject],
        tally: Tally,
    ) -> None:
        async def told(one: SendableObject, outcome: Outcome) -> None:
            tally.count(one.sop_instance_uid, outcome)

        turn = self._turns.setdefault(destination.peer.called_ae_title, asyncio.Semaphore(_AT_ONCE))
        try:
            async with asyncio.timeout(_TURN_S):
                await turn.acquire()
        except TimeoutError:
            busy = Outcome(Status.OUT_OF_RESOURCES, "The destination is busy; ask again later.")
            for one in objects:
                tally.count(one.sop_instance_uid, busy)
            return
        try:
            originator = (request.peer.calling_ae.value, request.command.message_id or 0)
            client = StoreClient(destination.peer, times=self._times)
            await client.send(objects, told, originator=originator)
        finally:
            turn.release()
