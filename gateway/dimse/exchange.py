"""The messages of one association: C-ECHO answered, C-STORE streamed on, the rest to its service.

One message at a time (PS3.7 D.3.3.3, no asynchronous operations), so there is at most one object
under way, and the responses to one request owed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Final

from gateway.dimse.answering import Answering, Reply
from gateway.dimse.association_line import AssociationLine
from gateway.dimse.command_set import Command, CommandField, Element, response
from gateway.dimse.messages import CommandReceived, DataReceived
from gateway.dimse.negotiate import AcceptedContext
from gateway.dimse.pdu_stream import AbortReason, ProtocolFault
from gateway.dimse.performing import Performance, Speech
from gateway.dimse.ports import Incoming, ObjectSink, Peer, StoreOutcome, StoreRequest
from gateway.dimse.service import Performer, Service, ServiceRequest, Services
from gateway.dimse.settings import AcceptorSettings
from gateway.dimse.sop_classes import is_storage
from gateway.dimse.storing import LineLost
from kernel.dicom.status import Status, comment_of, status_of
from kernel.errors import Invalid, PlatformError, TooLarge, Unavailable, Unsupported
from kernel.identifiers import Uid

_LOG: Final = logging.getLogger(__name__)
_HIGH_PRIORITY: Final = 1
_ENDLESS: Final = 16
"""A message that is so many times larger than allowed is not read to its end."""
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
        *,
        services: Services,
        nudge: Callable[[], None],
    ) -> None:
        """Serve *peer* on *contexts*.

        Args:
            peer: who asks.
            contexts: the accepted ones.
            sink: where its objects go.
            settings: limits and times.
            services: what else it may use, by SOP class.
            nudge: called when there is something to say that nobody asked for.
        """
        self.line: Final = AssociationLine(nudge)
        """What is reported to the peer on its own association."""
        self._peer = peer
        self._contexts = contexts
        self._sink = sink
        self._settings = settings
        self._services = services
        self._request: CommandReceived | None = None
        self._incoming: Incoming | None = None
        self._gathered: tuple[Service | Performer, bytearray] | None = None
        self._answering: Answering | None = None
        self._performing: Performance | None = None
        self._refusal: StoreOutcome | None = None
        self._received = 0
        self._passed_over = False

    @property
    def owes(self) -> bool:
        """Whether responses to the last request are still to be said."""
        return self._answering is not None or self._performing is not None

    @property
    def performs(self) -> bool:
        """Whether an operation goes on, whose responses are said by ``perform``."""
        return self._performing is not None and not self._performing.is_over

    async def perform(self, speech: Speech) -> None:
        """Perform the last request to its end.

        Raises:
            LineLost: the association cannot be used any more.
        """
        assert self._performing is not None  # noqa: S101  # called only where ``performs``
        try:
            await self._performing.perform(speech)
        except LineLost:
            raise
        except PlatformError as error:
            refused = self._refused(error)
            await self._performing.refuse(refused.status, refused.comment)
        finally:
            self._performing = None

    async def next_reply(self) -> Reply:
        """Return the next of the responses owed."""
        assert self._answering is not None  # noqa: S101  # asked only where ``owes``
        try:
            reply = await self._answering.next_reply()
        except PlatformError as error:
            refused = self._refused(error)
            reply = self._answering.refused(refused.status, refused.comment)
        if reply.is_final:
            answering, self._answering = self._answering, None
            await answering.close()
        return reply

    async def command(self, received: CommandReceived) -> Command | None:
        """Take a command; return its response if that is due now, else after the data set.

        Where a service answers, the responses are owed instead.

        Raises:
            ProtocolFault: a response nobody asked for, or a request without a message id.
        """
        command = received.command
        self._passed_over = False
        if command.field is CommandField.C_CANCEL_RQ:
            cancelled = command.us(Element.MESSAGE_ID_BEING_RESPONDED_TO)
            if self._answering is not None:
                self._answering.cancel(cancelled)
            if self._performing is not None:
                self._performing.cancel(cancelled)
            return None
        if self.line.answered(command) or self._sub_operation_answered(command):
            self._passed_over = True
            return None
        if self._performing is not None:
            raise ProtocolFault(
                AbortReason.UNEXPECTED_PARAMETER,
                f"{command.field.name} while an operation goes on and the window is one",
            )
        if command.field.is_response or command.message_id is None:
            raise ProtocolFault(
                AbortReason.UNEXPECTED_PARAMETER,
                f"{command.field.name} with message id {command.message_id} out of turn",
            )
        self._request = received
        self._received = 0
        self._refusal = None
        self._gathered = None
        try:
            await self._open(received)
        except PlatformError as error:
            self._refusal = self._refused(error)
        return None if command.has_data_set else await self._finish()

    async def data(self, piece: DataReceived) -> Command | None:
        """Take a piece of the data set; return the response after the last.

        Raises:
            ProtocolFault: the data set goes on far beyond the largest taken.
        """
        self._received += len(piece.data)
        if self._passed_over:
            self._must_end(self._settings.max_pdu_bytes)
            return None
        if self._gathered is not None:
            self._gather(*self._gathered, piece.data)
        elif self._incoming is not None:
            try:
                if self._received > self._settings.max_object_bytes:
                    raise TooLarge(f"over {self._settings.max_object_bytes} bytes")
                await self._incoming.write(piece.data)
            except PlatformError as error:
                self._drop_object()
                self._refusal = self._refused(error)
        elif self._received > 2 * self._settings.max_object_bytes:
            raise ProtocolFault(AbortReason.NOT_SPECIFIED, "a data set without end")
        return await self._finish() if piece.is_last else None

    def discard(self) -> None:
        """Forget the object under way, if there is one, and say nothing any more."""
        self.line.close()
        self._gathered = None
        self._drop_object()

    async def close(self) -> None:
        """End for good; closes what a service was reading from."""
        self.discard()
        answering, self._answering = self._answering, None
        if answering is not None:
            with contextlib.suppress(PlatformError):
                await answering.close()

    def _sub_operation_answered(self, command: Command) -> bool:
        return self._performing is not None and self._performing.answered(command)

    def _drop_object(self) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.discard()

    def _gather(self, service: Service | Performer, gathered: bytearray, data: memoryview) -> None:
        if self._received <= service.max_bytes:
            gathered += data
            return
        gathered.clear()
        self._must_end(service.max_bytes)
        self._refusal = StoreOutcome(service.too_large, f"Over {service.max_bytes} bytes.")

    def _must_end(self, most: int) -> None:
        if self._received > _ENDLESS * most:
            raise ProtocolFault(AbortReason.NOT_SPECIFIED, "a data set without end")

    async def _open(self, received: CommandReceived) -> None:
        command = received.command
        context = self._contexts[received.context_id]
        if command.field is CommandField.C_ECHO_RQ:
            return
        service = self._services.get(context.abstract_syntax)
        if service is not None:
            self._gathered = service, bytearray()
            return
        if command.field is not CommandField.C_STORE_RQ:
            raise Unsupported(f"{command.field.name} is not served", code="unknown-operation")
        if not is_storage(context.abstract_syntax) or not context.peer_asks:
            raise Unsupported("C-STORE on a context of another service, or of our own")
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

    async def _finish(self) -> Command | None:
        assert self._request is not None  # noqa: S101  # a response is due only to a request
        gathered, self._gathered = self._gathered, None
        if gathered is not None and self._refusal is None:
            self._begin(self._request, *gathered)
            self._request = None
            return None
        outcome = self._refusal or await self._commit()
        request, self._request = self._request, None
        return response(request.command, status=outcome.status, comment=outcome.comment)

    def _begin(
        self, received: CommandReceived, service: Service | Performer, gathered: bytearray
    ) -> None:
        context = self._contexts[received.context_id]
        self.line.on(context)
        request = ServiceRequest(
            command=received.command,
            context=context,
            data_set=bytes(gathered),
            peer=self._peer,
            line=self.line,
        )
        if isinstance(service, Performer):
            self._performing = Performance(request, service, self._contexts)
        else:
            self._answering = Answering(request, service.answers(request))

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
