"""An association we ask for, to store objects on: over ``Wire``, in the event loop (PS3.8 9.2).

One thing at a time: request, one C-STORE after the other, release. Whatever comes out of turn, or
not in time, ends it by A-ABORT.
"""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from gateway.dimse.associate import ProposedContext
from gateway.dimse.command_set import (
    Command,
    CommandField,
    Element,
    echo_request,
    store_request,
)
from gateway.dimse.messages import CommandReceived, MessageReader
from gateway.dimse.outgoing import Peer, PeerUnavailable
from gateway.dimse.pdu_stream import (
    RELEASE_RP,
    RELEASE_RQ,
    AbortReason,
    AbortSource,
    DataSetPdus,
    Fragment,
    Pdu,
    PduStream,
    PduType,
    ProtocolFault,
    abort_pdu,
    data_pdus,
)
from gateway.dimse.requesting import (
    Accepted,
    Rejection,
    parse_accept,
    parse_reject,
    request_pdu,
    said_of_reject,
)
from gateway.dimse.storing import LEAST_PDU_BYTES, LineLost, StoreOrder
from gateway.dimse.wire import Wire
from kernel.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from kernel.errors import PlatformError

_MAX_PDU_BYTES: Final = 16 << 10
_ACCEPT_MAX_BYTES: Final = 64 << 10
_SHORT_BYTES: Final = 4
_MESSAGE_IDS: Final = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTimes:
    """How long a peer may take, in seconds.

    Attributes:
        connect_s: to take the connection, TLS included.
        associate_s: to answer the request for an association.
        write_s: to take what was sent to it, some 64 KiB.
        response_s: to answer an object, from its last byte.
        release_s: to answer the release, and to close.
    """

    connect_s: float = 10.0
    associate_s: float = 20.0
    write_s: float = 60.0
    response_s: float = 60.0
    release_s: float = 5.0


class AssociationRejected(LineLost):
    """The peer answered with A-ASSOCIATE-RJ."""

    code = "association-rejected"

    def __init__(self, body: bytes) -> None:
        super().__init__(said_of_reject(body))
        self.rejection: Rejection = parse_reject(body)


class AssociationUnanswered(LineLost):
    """The peer took the connection and said nothing to the request for an association."""

    code = "association-unanswered"


class OutgoingAssociation:
    """An established association of ours (``storing.StoreLine``); ``open`` it, then ``release``."""

    def __init__(self, peer: Peer, times: CallTimes) -> None:
        """Make one that is not open."""
        self._peer = peer
        self._times = times
        self._wire = Wire()
        self._stream = PduStream(self._judge)
        self._allowed: frozenset[PduType] = frozenset()
        self._reader = MessageReader(())
        self._arrived: deque[Pdu | CommandReceived] = deque()
        self._peer_max = 0
        self._contexts: dict[tuple[str, str], int] = {}
        self._last_message_id = 0

    @property
    def contexts(self) -> Mapping[tuple[str, str], int]:
        """The accepted presentation contexts by SOP class and transfer syntax."""
        return self._contexts

    @classmethod
    async def open(cls, peer: Peer, proposed: Sequence[ProposedContext], times: CallTimes) -> Self:
        """Return an association with *peer* on what it accepts of *proposed*, perhaps nothing.

        Raises:
            PeerUnavailable: no connection, no association, or not in time.
        """
        made = cls(peer, times)
        try:
            await made._connect()
            await made._associate(proposed)
        except (TimeoutError, OSError, ProtocolFault, LineLost) as error:
            made.abort()
            detail = error.detail if isinstance(error, PlatformError) else type(error).__name__
            raise PeerUnavailable(f"{peer.called_ae_title}: {detail}") from error
        except BaseException:
            made.abort()
            raise
        return made

    async def store(
        self, context_id: int, order: StoreOrder, pieces: AsyncIterator[bytes]
    ) -> Command:
        """Send one object and return its response; see ``StoreLine``."""
        self._last_message_id = self._last_message_id % _MESSAGE_IDS + 1
        command = store_request(
            sop_class_uid=order.sop_class_uid,
            sop_instance_uid=order.sop_instance_uid,
            message_id=self._last_message_id,
            originator=order.originator,
        )
        try:
            await self._send(
                data_pdus(
                    command.encode(),
                    context_id=context_id,
                    is_command=True,
                    peer_max_pdu_bytes=self._peer_max,
                )
            )
            cut = DataSetPdus(context_id=context_id, peer_max_pdu_bytes=self._peer_max)
            async for piece in pieces:
                await self._send(cut.more(piece))
            await self._send(cut.end())
            async with asyncio.timeout(self._times.response_s):
                return await self._response()
        except TimeoutError as error:
            self.abort()
            raise LineLost("the peer took too long") from error
        except PlatformError as error:
            self.abort()
            raise LineLost(error.detail) from error
        except BaseException:
            self.abort()
            raise

    async def echo(self, context_id: int) -> int | None:
        """Send a C-ECHO on an accepted context and return its status (PS3.7 9.1.5).

        Raises:
            LineLost: the peer left, took too long, or answered something else.
        """
        self._last_message_id = self._last_message_id % _MESSAGE_IDS + 1
        command = echo_request(self._last_message_id)
        try:
            await self._send(
                data_pdus(
                    command.encode(),
                    context_id=context_id,
                    is_command=True,
                    peer_max_pdu_bytes=self._peer_max,
                )
            )
            async with asyncio.timeout(self._times.response_s):
                return (await self._response(CommandField.C_ECHO_RSP)).us(Element.STATUS)
        except TimeoutError as error:
            self.abort()
            raise LineLost("the peer took too long") from error
        except PlatformError as error:
            self.abort()
            raise LineLost(error.detail) from error
        except BaseException:
            self.abort()
            raise

    async def release(self) -> None:
        """End the association in good order, or at once where the peer does not answer."""
        self._allowed = frozenset({PduType.RELEASE_RP, PduType.RELEASE_RQ, PduType.ABORT})
        try:
            async with asyncio.timeout(self._times.release_s):
                await self._wire.send(RELEASE_RQ)
                while True:
                    came = await self._next()
                    if not isinstance(came, Pdu) or came.type is not PduType.RELEASE_RQ:
                        break
                    # A release collision: the requestor answers first (PS3.8 AR-8, AR-9).
                    await self._wire.send(RELEASE_RP)
        except (TimeoutError, ProtocolFault, LineLost):
            self.abort()
        except BaseException:
            self.abort()
            raise
        else:
            await self._wire.close(within_s=self._times.release_s)

    def abort(self) -> None:
        """End the association now; harmless after any end of it."""
        self._wire.write(abort_pdu(AbortSource.SERVICE_USER))
        self._wire.finish()
        self._wire.abort()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        peer = self._peer
        async with asyncio.timeout(self._times.connect_s):
            transport, _ = await loop.create_connection(
                lambda: self._wire,
                peer.host,
                peer.port,
                ssl=peer.tls,
                server_hostname=peer.host if peer.tls else None,
            )
        self._wire.grow()
        found: socket.socket | None = transport.get_extra_info("socket")
        if found is not None:
            with contextlib.suppress(OSError):
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._wire.acknowledge_at_once(found)

    async def _associate(self, proposed: Sequence[ProposedContext]) -> None:
        asked = request_pdu(
            called=self._peer.called_ae_title.value,
            calling=self._peer.calling_ae_title.value,
            contexts=proposed,
            max_pdu_bytes=_MAX_PDU_BYTES,
            implementation=(IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME),
        )
        self._allowed = frozenset({PduType.ASSOCIATE_AC, PduType.ASSOCIATE_RJ, PduType.ABORT})
        try:
            async with asyncio.timeout(self._times.associate_s):
                await self._wire.send(asked)
                answer = await self._next()
        except TimeoutError as error:
            raise AssociationUnanswered("no answer to the request for an association") from error
        if not isinstance(answer, Pdu) or answer.type is not PduType.ASSOCIATE_AC:
            raise AssociationRejected(answer.body if isinstance(answer, Pdu) else b"")
        self._accepted(parse_accept(answer.body), proposed)

    def _accepted(self, accepted: Accepted, proposed: Sequence[ProposedContext]) -> None:
        if 0 < accepted.max_pdu_bytes < LEAST_PDU_BYTES:
            raise LineLost(f"takes only {accepted.max_pdu_bytes} bytes at once")
        self._peer_max = accepted.max_pdu_bytes
        self._reader = MessageReader(accepted.contexts)
        self._allowed = frozenset({PduType.P_DATA_TF, PduType.RELEASE_RQ, PduType.ABORT})
        for context in proposed:
            syntax = accepted.contexts.get(context.id, "")
            if syntax in context.transfer_syntaxes:
                self._contexts.setdefault((context.abstract_syntax, syntax), context.id)

    async def _send(self, data: bytes) -> None:
        async with asyncio.timeout(self._times.write_s):
            await self._wire.send(data)
        if self._wire.is_lost:
            raise LineLost("the peer closed the connection")

    async def _response(self, awaited: CommandField = CommandField.C_STORE_RSP) -> Command:
        while True:
            came = await self._next()
            if isinstance(came, Pdu):
                raise LineLost(f"{came.type.name} instead of a response")
            command = came.command
            answered = command.us(Element.MESSAGE_ID_BEING_RESPONDED_TO)
            if command.field is awaited and answered == self._last_message_id:
                return command
            raise ProtocolFault(
                AbortReason.UNEXPECTED_PARAMETER, f"{command.field.name} out of turn"
            )

    async def _next(self) -> Pdu | CommandReceived:
        """Return the next PDU or command the peer sends; aborts are ``LineLost``."""
        while not self._arrived:
            data = await self._wire.receive()
            if data is None:
                raise LineLost("the peer closed the connection")
            self._arrived.extend(self._read(data))
        came = self._arrived.popleft()
        if isinstance(came, Pdu) and came.type is PduType.ABORT:
            raise LineLost("the peer aborted the association")
        return came

    def _read(self, data: memoryview) -> Iterator[Pdu | CommandReceived]:
        for item in self._stream.feed(data):
            if isinstance(item, Pdu):
                yield item
                continue
            assert isinstance(item, Fragment)  # noqa: S101  # there is nothing else
            for said in self._reader.feed(item):
                if isinstance(said, CommandReceived):
                    yield said

    def _judge(self, pdu_type: PduType, length: int) -> None:
        most = _SHORT_BYTES
        if pdu_type is PduType.ASSOCIATE_AC:
            most = _ACCEPT_MAX_BYTES
        elif pdu_type is PduType.P_DATA_TF:
            most = _MAX_PDU_BYTES
        if pdu_type not in self._allowed or length > most:
            raise ProtocolFault(
                AbortReason.UNEXPECTED_PDU, f"{pdu_type.name} of {length} bytes out of turn"
            )
