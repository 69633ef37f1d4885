"""The life of one connection: from the accepted socket over association and messages to its end."""

import asyncio
import dataclasses
import logging
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
        self._working = False
        self._unsettled_bytes = 0
        self._since_s = house.clock.monotonic_s()
        self._who = {"address": address, "calling_ae": ""}

    async def run(self) -> None:
        """Serve the peer until the association or the connection is over; discards what is open."""
        try:
            while True:
                if self._has_to_say and not self.wire.has_news and await self._say_something():
                    continue
                data = await self.wire.receive()
                if data is None:
                    break
                for count, indication in enumerate(self._layer.receive(data), 1):
                    await self._act(indication)
                    if not count % _TURN:
                        await asyncio.sleep(0)
                if self._layer.state is State.IDLE:
                    break
        finally:
            if self._exchange is not None:
                await self._exchange.close()
            if self._layer.state is State.ESTABLISHED:
                _LOG.warning("dimse.lost", extra=self._who)
            # Heard only where it is not the peer that went.
            self.wire.write(self._layer.abort())
            self._layer.transport_closed()
            await self.wire.close(within_s=self._house.settings.linger_s)

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
            if received.command.field is not CommandField.C_CANCEL_RQ:
                # One request at a time: all that is owed is said first.
                while self._exchange.owes and await self._say_owed():
                    pass
                self._context_id = received.context_id
            self._working = True
            answer = await self._exchange.command(received)
        if answer is not None:
            await self._reply(answer)
        self._working = self._exchange.owes

    @property
    def _has_to_say(self) -> bool:
        exchange = self._exchange
        return exchange is not None and (exchange.owes or exchange.line.has_events)

    async def _say_something(self) -> bool:
        """Say one thing the peer waits for, or did not ask for; returns whether there was any."""
        if await self._say_owed():
            # What the peer says meanwhile, C-CANCEL above all, has to be able to come in.
            await asyncio.sleep(0)
            return True
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
            policy = dataclasses.replace(policy, services=policy.services | services.keys())
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
        self.wire.write(last_word)
        self.wire.finish()
        self._house.stand_up(self)
        self._since_s = self._house.clock.monotonic_s()

    def _progress(self) -> None:
        self._since_s = self._house.clock.monotonic_s()
        self._unsettled_bytes = 0
