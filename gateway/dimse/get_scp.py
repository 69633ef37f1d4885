"""Query/Retrieve GET SCP: objects stored to the asker on its own association (PS3.4 C.4.3)."""

import asyncio
import contextlib
from typing import Final

from gateway.dimse.command_set import CommandField
from gateway.dimse.ports import Admission
from gateway.dimse.retrieve_ports import RetrieveArchive
from gateway.dimse.retrieving import IDENTIFIER_MAX_BYTES, Tally, log_end, selected
from gateway.dimse.service import Answer, ServiceRequest, Voice
from gateway.dimse.storing import LineLost, Outcome, SendableObject, send_over
from kernel.dicom.status import Status

PENDING_EVERY_S: Final = 1.0


class GetScp:
    """Serves both query/retrieve models out of one archive."""

    max_bytes = IDENTIFIER_MAX_BYTES
    too_large = Status.DATA_SET_DOES_NOT_MATCH_SOP_CLASS

    def __init__(
        self, archive: RetrieveArchive, *, pending_every_s: float = PENDING_EVERY_S
    ) -> None:
        """Give out of *archive*, with a pending response every *pending_every_s* seconds."""
        self._archive = archive
        self._pending_every_s = pending_every_s

    def open_to(self, admission: Admission) -> bool:
        """Whether a peer so admitted is served: whoever may find objects may have them."""
        return admission.may_query

    async def perform(self, request: ServiceRequest, voice: Voice) -> Answer:
        """Store what is asked for on the asker's association and return the last response.

        After C-CANCEL the object under way is finished: its message cannot be broken off.
        """
        if request.command.field is not CommandField.C_GET_RQ:
            return Answer(status=Status.UNRECOGNIZED_OPERATION, comment="This is asked by C-GET.")
        found = await selected(self._archive, request)
        if isinstance(found, Answer):
            return found
        tally = Tally(len(found.objects))
        now_s = asyncio.get_running_loop().time
        due_s = now_s()

        async def told(one: SendableObject, outcome: Outcome) -> None:
            nonlocal due_s
            tally.count(one.sop_instance_uid, outcome)
            if tally.remaining and now_s() >= due_s:
                due_s = now_s() + self._pending_every_s
                # Where the line is lost, the next object finds that too.
                with contextlib.suppress(LineLost):
                    await voice.answer(tally.pending())

        await send_over(voice, found.objects, told, stop=voice.cancelled.is_set)
        last = tally.final(request.context.transfer_syntax, cancelled=voice.cancelled.is_set())
        log_end(request, tally, last, request.peer.calling_ae.value)
        return last
