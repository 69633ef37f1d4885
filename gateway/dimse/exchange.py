"""The messages of one association: C-ECHO answered, C-STORE streamed on, the rest refused.

One message at a time (PS3.7 D.3.3.3, no asynchronous operations), so there is at most one object
under way, and one response owed.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from gateway.dimse.command_set import Command, CommandField, Element, response
from gateway.dimse.messages import CommandReceived, DataReceived
from gateway.dimse.negotiate import AcceptedContext
from gateway.dimse.pdu_stream import AbortReason, ProtocolFault
from gateway.dimse.ports import Incoming, ObjectSink, Peer, StoreOutcome, StoreRequest
from gateway.dimse.settings import AcceptorSettings
from gateway.dimse.sop_classes import is_storage
from kernel.dicom.status import Status, comment_of, status_of
from kernel.errors import Invalid, PlatformError, TooLarge, Unavailable, Unsupported
from kernel.identifiers import Uid

_LOG: Final = logging.getLogger(__name__)
_HIGH_PRIORITY: Final = 1
OTHER_SOP_CLASS: Final = "sop-class-not-of-context"
"""Note of an object whose SOP class is not that of its presentation context; kept as it is."""


class Exchange:
    """What one peer asks and what it is answered, on the contexts it was given."""

    def __init__(
        self,
        peer: Peer,
        contexts: Mapping[int, AcceptedContext],
        sink: ObjectSink,
        settings: AcceptorSettings,
    ) -> None:
        """Serve *peer* on *contexts*, handing its objects to *sink*."""
        self._peer = peer
        self._contexts = contexts
        self._sink = sink
        self._settings = settings
        self._request: CommandReceived | None = None
        self._incoming: Incoming | None = None
        self._refusal: StoreOutcome | None = None
        self._received = 0

    async def command(self, received: CommandReceived) -> Command | None:
        """Take a command; return its response if that is due now, else after the data set.

        Raises:
            ProtocolFault: a response nobody asked for, or a request without a message id.
        """
        command = received.command
        if command.field is CommandField.C_CANCEL_RQ:
            return None  # what could be cancelled has always been answered already
        if command.field.is_response or command.message_id is None:
            raise ProtocolFault(
                AbortReason.UNEXPECTED_PARAMETER,
                f"{command.field.name} with message id {command.message_id} out of turn",
            )
        self._request = received
        self._received = 0
        self._refusal = None
        try:
            await self._open(received)
        except PlatformError as error:
            self._refusal = self._refused(error)
        return None if command.has_data_set else await self._finish()

    async def data(self, piece: DataReceived) -> Command | None:
        """Take a piece of the data set; return the response after the last.

        Raises:
            ProtocolFault: the data set goes on far beyond the largest object taken.
        """
        self._received += len(piece.data)
        if self._incoming is not None:
            try:
                if self._received > self._settings.max_object_bytes:
                    raise TooLarge(f"over {self._settings.max_object_bytes} bytes")
                await self._incoming.write(piece.data)
            except PlatformError as error:
                self.discard()
                self._refusal = self._refused(error)
        elif self._received > 2 * self._settings.max_object_bytes:
            raise ProtocolFault(AbortReason.NOT_SPECIFIED, "a data set without end")
        return await self._finish() if piece.is_last else None

    def discard(self) -> None:
        """Forget the object under way, if there is one."""
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.discard()

    async def _open(self, received: CommandReceived) -> None:
        command = received.command
        context = self._contexts[received.context_id]
        if command.field is CommandField.C_ECHO_RQ:
            return
        if command.field is not CommandField.C_STORE_RQ:
            raise Unsupported(f"{command.field.name} is not served", code="unknown-operation")
        if not is_storage(context.abstract_syntax):
            raise Unsupported("C-STORE on a context of another service")
        if not command.has_data_set:
            raise Invalid("C-STORE without a data set", code="no-data-set")
        sop_class_uid = Uid.parse(command.text(Element.AFFECTED_SOP_CLASS_UID))
        self._incoming = await self._sink.begin(
            StoreRequest(
                sop_class_uid=sop_class_uid,
                sop_instance_uid=Uid.parse(command.text(Element.AFFECTED_SOP_INSTANCE_UID)),
                transfer_syntax_uid=context.transfer_syntax,
                peer=self._peer,
                high_priority=command.us(Element.PRIORITY) == _HIGH_PRIORITY,
                note="" if sop_class_uid.value == context.abstract_syntax else OTHER_SOP_CLASS,
            )
        )

    async def _finish(self) -> Command:
        assert self._request is not None  # noqa: S101  # a response is due only to a request
        outcome = self._refusal or await self._commit()
        request, self._request = self._request, None
        return response(request.command, status=outcome.status, comment=outcome.comment)

    async def _commit(self) -> StoreOutcome:
        incoming, self._incoming = self._incoming, None
        if incoming is None:
            return StoreOutcome(Status.SUCCESS)
        try:
            async with asyncio.timeout(self._settings.commit_s):
                return await incoming.commit()
        except TimeoutError:
            return self._refused(Unavailable(f"not durable within {self._settings.commit_s} s"))
        except PlatformError as error:
            return self._refused(error)
        finally:
            incoming.discard()

    def _refused(self, error: PlatformError) -> StoreOutcome:
        outcome = StoreOutcome(status_of(error), comment_of(error))
        _LOG.warning(
            "dimse.refused",
            extra={
                "calling_ae": self._peer.calling_ae.value,
                "address": self._peer.address,
                "status": f"{outcome.status:04X}",
                "error_code": error.code,
                "detail": error.detail,
            },
        )
        return outcome
