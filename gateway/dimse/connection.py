"""The life of one connection: from the accepted socket over association and messages to its end."""

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator
from typing import Final, Protocol

from gateway.dimse.access import admit
from gateway.dimse.associate import AssociateRequest
from gateway.dimse.association import State
from gateway.dimse.command_set import Command, CommandField
from gateway.dimse.exchange import Exchange
from gateway.dimse.messages import CommandReceived, DataReceived
from gateway.dimse.negotiate import negotiate
from gateway.dimse.pdu_stream import ProtocolFault
from gateway.dimse.ports import ObjectSink, Peer, PeerBook
from gateway.dimse.reject import RejectReason
from gateway.dimse.service import Services
from gateway.dimse.settings import AcceptorSettings
from gateway.dimse.sop_classes import GETS
from gateway.dimse.storing import LEAST_PDU_BYTES, LineLost
from gateway.dimse.upper_layer import AssociationRequested, Ended, Indication, UpperLayer
from gateway.dimse.wire import Wire
from kernel.clock import Clock

_LOG: Final = logging.getLogger(__name__)
_TURN: Final = 64
"""Indications after which others have their turn; a buffer may hold thousands of tiny messages."""
_CAN_SEND: Final = frozenset({State.ESTABLISHED, State.RELEASE_ASKED})


class House(Protocol):
    """What a connection needs of the acceptor it belongs to."""

    settings: AcceptorSettings
    peers: PeerBook
    sink: ObjectSink
    services: Services
    clock: Clock
    draining: bool

    def seat(self, connection: "Connection", peer: Peer, most: int) -> RejectReason | None:
        """Give *connection* a place among the associations, or the reason why there is none."""
        ...

    def stand_up(self, connection: "Connection") -> None:
        """Take back the place of *connection*, whose association is over; others may need it."""
        ...


class Connection:
    """One peer's connection."""

    def __init__(self, house: House, address: str, *, secure: bool) -> None:
        """Begin the life of a connection from *address*; its time for the first PDU runs now."""
        self.wire: Final = Wire()
        self._address = address
        self._house = house
        self._secure = secure
        self._layer = UpperLayer(
            first_pdu_bytes=house.settings.first_pdu_bytes,
            max_pdu_bytes=house.settings.max_pdu_bytes,
            implementation_version=house.settings.implementation_version,
        )
        self._exchange: Exchange | None = None
        self._context_id = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._working = False
        self._unsettled_bytes = 0
        self._since_s = house.clock.monotonic_s()
        self._who = {"address": address, "calling_ae": ""}

    async def run(self) -> None:
        """Serve the peer until the association or the connection is over; discards what is open."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                try:
                    await self._listen()
                finally:
                    self._hush()
        finally:
            if self._exchange is not None:
                await self._exchange.close()
            if self._layer.state is State.ESTABLISHED:
                _LOG.warning("dimse.lost", extra=self._who)
            # Heard only where it is not the peer that went.
            self.wire.write(self._layer.abort())
            self._layer.transport_closed()
            await self.wire.close(within_s=self._house.settings.linger_s)

    async def _listen(self) -> None:
        while True:
            if self._has_event and not self.wire.has_news and await self._say_event():
                continue
            data = await self.wire.receive()
            if data is None:
                return
            for count, indication in enumerate(self._layer.receive(data), 1):
                await self._act(indication)
                if not count % _TURN:
                    await asyncio.sleep(0)
            if self._layer.state is State.IDLE:
                return

    def overdue(self, now_s: float) -> bool:
        """Whether the peer has used up its time at *now_s*, a reading of the house's clock."""
        settings = self._house.settings
        match self._layer.state:
            case State.AWAITING_REQUEST:
                allowed = settings.first_pdu_s
            case State.CLOSING:
                allowed = settings.linger_s
            case _:
                allowed = settings.idle_s + (settings.commit_s if self._working else 0.0)
        return now_s - self._since_s >= allowed

    def expire(self) -> bool:
        """End what is overdue; returns whether its task has to be ended as well.

        An association is told by A-ABORT and has the linger time to take it.
        """
        last_word = self._layer.abort()
        if not last_word:
            self.wire.abort()
            return True
        _LOG.warning("dimse.idle", extra=self._who)
        self._say_last(last_word)
        return False

    def drain(self) -> None:
        """Ask for release now, or after the response that is owed; drop who has not associated."""
        if self._layer.state is State.AWAITING_REQUEST:
            self.wire.abort()
        elif (
            self._layer.state is State.ESTABLISHED
            and not self._working
            and self._layer.between_messages
        ):
            self.wire.write(self._layer.ask_release())

    async def _act(self, indication: Indication) -> None:
        if isinstance(indication, DataReceived | CommandReceived):
            try:
                await self._message(indication)
            except ProtocolFault as fault:
                self._ended(self._layer.fault(fault))
        elif isinstance(indication, AssociationRequested):
            await self._associate(indication.request)
        elif isinstance(indication, Ended):
            self._ended(indication)
        else:
            if self._exchange is not None:
                self._exchange.discard()
            _LOG.info("dimse.released", extra=self._who)
            self._say_last(self._layer.answer_release())

    async def _message(self, received: CommandReceived | DataReceived) -> None:
        if self._exchange is None:
            return
        if isinstance(received, DataReceived):
            self._unsettled_bytes += len(received.data)
            if received.is_last or self._unsettled_bytes >= self._house.settings.progress_bytes:
                self._progress()
            self._working = received.is_last
            answer = await self._exchange.data(received)
        else:
            self._progress()
            field = received.command.field
            if field is not CommandField.C_CANCEL_RQ and not field.is_response:
                await self._all_said()
                self._context_id = received.context_id
            self._working = True
            answer = await self._exchange.command(received)
        if answer is not None:
            await self._reply(answer)
        self._working = self._exchange.owes
        if self._working and not self._is_speaking and self._tasks is not None:
            self._speaking = self._tasks.create_task(self._speak())

    @property
    def _is_speaking(self) -> bool:
        return self._speaking is not None and not self._speaking.done()

    async def _all_said(self) -> None:
        """Return once all that is owed is said: one request at a time (PS3.7 D.3.3.3).

        But for operations, whose asker has to be heard meanwhile: ``Exchange`` refuses a second.
        """
        if self._exchange is not None and self._exchange.performs:
            return
        if self._speaking is not None and self._is_speaking:
            await asyncio.wait({self._speaking})

    async def _speak(self) -> None:
        """Say all that is owed, while the peer is listened to: C-CANCEL above all."""
        exchange = self._exchange
        if exchange is None:
            return
        if exchange.performs:
            try:
                await exchange.perform(self)
            except LineLost as error:
                _LOG.warning("dimse.operation-lost", extra={**self._who, "reason": error.detail})
                self._say_last(self._layer.abort())
                return
            self._working = False
            if self._house.draining and self._layer.state is State.ESTABLISHED:
                self.wire.write(self._layer.ask_release())
        else:
            while await self._say_owed():  # noqa: ASYNC110  # the listener has its turn
                await asyncio.sleep(0)
        if exchange.line.has_events:
            self.wire.nudge()

    def _hush(self) -> None:
        """Say nothing more of what is owed; what an operation holds is let go."""
        speaking, self._speaking = self._speaking, None
        if speaking is not None and speaking is not asyncio.current_task():
            speaking.cancel()

    async def say(self, context_id: int, command: Command, data_set: bytes) -> None:
        """Say one whole message of an operation (``performing.Speech``)."""
        self._must_be_there()
        await self._sent(self._layer.send(context_id, command, data_set))

    async def say_in_pieces(
        self, context_id: int, command: Command, pieces: AsyncIterator[bytes]
    ) -> None:
        """Say a message of an operation whose data set comes in *pieces*."""
        self._must_be_there()
        said, cut = self._layer.send_ahead(context_id, command)
        await self._sent(said)
        async for piece in pieces:
            await self._sent(cut.more(piece))
        await self._sent(cut.end())

    async def _sent(self, said: bytes) -> None:
        self._progress()
        await self.wire.send(said)
        self._must_be_there()

    def _must_be_there(self) -> None:
        if self._layer.state is not State.ESTABLISHED or self.wire.is_lost:
            raise LineLost("the peer has left")

    @property
    def _has_event(self) -> bool:
        exchange = self._exchange
        return exchange is not None and exchange.line.has_events and not self._is_speaking

    async def _say_event(self) -> bool:
        """Say one thing the peer did not ask for; returns whether there was any."""
        if (
            self._exchange is None
            or self._layer.state is not State.ESTABLISHED
            or not self._layer.between_messages
        ):
            return False
        event = self._exchange.line.next_event()
        if event is None:
            return False
        self._progress()
        await self.wire.send(self._layer.send(event.context_id, event.command, event.data_set))
        return True

    async def _say_owed(self) -> bool:
        if self._exchange is None or not self._exchange.owes or self._layer.state not in _CAN_SEND:
            return False
        self._working = True
        reply = await self._exchange.next_reply()
        if self._layer.state not in _CAN_SEND:
            return False
        said = self._layer.send(reply.context_id, reply.command, reply.data_set)
        self._progress()
        if reply.is_final:
            self._working = False
            if self._house.draining and self._layer.state is State.ESTABLISHED:
                said += self._layer.ask_release()
        await self.wire.send(said)
        return True

    async def _reply(self, answer: Command) -> None:
        # The association may have been ended while the answer was made.
        if self._layer.state not in _CAN_SEND:
            return
        reply = self._layer.send(self._context_id, answer)
        self._progress()
        self._working = False
        if self._house.draining and self._layer.state is State.ESTABLISHED:
            reply += self._layer.ask_release()
        await self.wire.send(reply)

    async def _associate(self, request: AssociateRequest) -> None:
        house = self._house
        asked_as = request.calling_ae.decode("ascii", "backslashreplace")
        self._who["calling_ae"] = asked_as.strip(" \0")
        asked_for = request.called_ae.decode("ascii", "backslashreplace")
        self._who["called_ae"] = asked_for.strip(" \0")
        found = admit(request, house.peers, self._address, secure=self._secure)
        if isinstance(found, RejectReason):
            self._reject(found)
            return
        peer, admission = found
        full = house.seat(self, peer, admission.max_associations)
        if full is not None:
            self._reject(full)
            return
        policy = house.settings.policy
        if not admission.may_store:
            policy = dataclasses.replace(policy, store=False)
        services = {uid: one for uid, one in house.services.items() if one.open_to(admission)}
        if services:
            policy = dataclasses.replace(
                policy,
                services=policy.services | services.keys(),
                store_to_peer=not GETS.isdisjoint(services)
                and (request.user.max_pdu_bytes or LEAST_PDU_BYTES) >= LEAST_PDU_BYTES,
            )
        agreement = negotiate(request, policy)
        self._exchange = Exchange(
            peer,
            agreement.contexts,
            house.sink,
            house.settings,
            services=services,
            nudge=self.wire.nudge,
        )
        self.wire.grow()
        self._progress()
        _LOG.info("dimse.associated", extra=self._who)
        await self.wire.send(self._layer.accept(request, agreement))

    def _reject(self, reason: RejectReason) -> None:
        _LOG.warning("dimse.rejected", extra={**self._who, "reason": reason.meaning})
        self._say_last(self._layer.reject(reason))

    def _ended(self, end: Ended) -> None:
        if self._exchange is not None:
            self._exchange.discard()
        level = logging.WARNING if end.fault else logging.INFO
        _LOG.log(level, "dimse.ended", extra={**self._who, "reason": end.reason})
        self._say_last(end.reply)

    def _say_last(self, last_word: bytes) -> None:
        self._hush()
        self.wire.write(last_word)
        self.wire.finish()
        self._house.stand_up(self)
        self._since_s = self._house.clock.monotonic_s()

    def _progress(self) -> None:
        self._since_s = self._house.clock.monotonic_s()
        self._unsettled_bytes = 0
