"""What becomes of a message: known again, kept, handed to its department, answered.

A message is answered with AA or CA only when what the answer says is durable. In original mode what
a message does and its answer are one transaction; in enhanced mode it is kept first and told so,
and what it asks for is done after that, also when the process ended in between.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from typing import Final

import sqlalchemy as sa

from gateway.hl7 import store
from gateway.hl7.ack import (
    Answering,
    Code,
    Condition,
    Fault,
    answer,
    asks_enhanced,
    fault_of,
    is_wanted,
)
from gateway.hl7.model import Handled, PeerTable, State
from gateway.hl7.ports import Handlers
from gateway.hl7.reading import Header, Read, UnknownSender, read, read_header
from gateway.hl7.trail import DoorTrail
from kernel.clock import Clock
from kernel.errors import PlatformError
from kernel.identifiers import new_id
from kernel.sql.db import Database

_LOG: Final = logging.getLogger(__name__)
_ACCEPT: Final = 15
_APPLICATION: Final = 16
_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Names:
    """What this node calls itself in MSH-3 and MSH-4."""

    application: str
    facility: str


@dataclass(frozen=True, slots=True)
class _Outcome:
    code: Code
    answer: bytes
    again: bool = False
    """Whether it was not its own fault, and nothing is settled yet."""


class Receiver:
    """Takes messages one by one; several connections may bring them at once."""

    def __init__(  # what a door stands on
        self,
        database: Database,
        clock: Clock,
        *,
        peers: PeerTable,
        handlers: Handlers,
        trail: DoorTrail,
        names: Names,
    ) -> None:
        """Hand messages of *peers* to *handlers*, and write *trail*."""
        self._database = database
        self._clock = clock
        self._peers = peers
        self._handlers = handlers
        self._trail = trail
        self._names = names
        self._in_turn = asyncio.Lock()

    async def receive(self, raw: bytes, address: str) -> AsyncGenerator[bytes, None]:
        """Yield the answers to a message, none where it asks for none.

        Args:
            raw: what stood in its frame.
            address: where it came from.
        """
        header = read_header(raw)
        try:
            message = read(raw, address, header, peers=self._peers, known=self._handlers)
        except PlatformError as refused:
            if isinstance(refused, UnknownSender) and header.segment is not None:
                names = header.segment.text(3), header.segment.text(4)
                await self._trail.unknown(*names, address)
            told = self.refusal(header, refused)
            if told is not None:
                yield told
            return
        if message.enhanced:
            async for told in self._in_two_steps(message):
                yield told
        else:
            yield (await self._do(message)).answer

    def refusal(self, header: Header, error: PlatformError) -> bytes | None:
        """Return what a message is answered that is not even looked at; None where nothing is."""
        _LOG.warning("hl7.refused", extra={"reason": error.code})
        segment, code = header.segment, Code.AR
        if segment is not None and asks_enhanced(segment):
            code = Code.CR
            if not is_wanted(segment.text(_ACCEPT), code):
                return None
        return self._answer(header, code, fault=fault_of(error))

    async def finish_waiting(self, sender: str | None = None) -> None:
        """Do what is kept and not done, oldest first, of one *sender* or of all.

        It stops where the node itself cannot go on, and what is left is done next time.
        """
        async with self._in_turn:
            more = True
            while more:
                find = partial(store.waiting, limit=_PAGE, sender=sender)
                rows = await self._database.read(find)
                for row in rows:
                    if not await self._finish(row):
                        return
                more = len(rows) == _PAGE

    async def _finish(self, row: store.Waiting) -> bool:
        """Do one kept message; False where it is to be tried again."""
        header = read_header(row.raw)
        try:
            message = read(row.raw, row.address, header, peers=self._peers, known=self._handlers)
        except PlatformError as refused:
            # Its peer was taken out of the table meanwhile.
            _LOG.warning("hl7.given-up", extra={"reason": refused.code})
            give_up = partial(store.give_up, message=row.id, error=refused.code)
            await self._database.write(give_up)
            return True
        return not (await self._do(message)).again

    async def _in_two_steps(self, message: Read) -> AsyncGenerator[bytes, None]:
        header = Header(message.message.header, message.codec)
        asked = message.message.header
        try:
            await self._database.write(partial(self._keep_waiting, message=message))
        except PlatformError as error:
            fault = fault_of(error)
            code = Code.CR if fault.retriable else Code.CE
            if is_wanted(asked.text(_ACCEPT), code):
                yield self._answer(header, code, fault=fault)
            return
        if is_wanted(asked.text(_ACCEPT), Code.CA):
            yield self._answer(header, Code.CA)
        await self.finish_waiting(message.sender.key)
        kept = await self._database.read(partial(_known, message=message))
        if kept is None or kept.answer is None or message.sender.peer.host:
            return
        if is_wanted(asked.text(_APPLICATION), Code(kept.code)):
            yield kept.answer

    def _keep_waiting(self, conn: sa.Connection, *, message: Read) -> None:
        known = _known(conn, message)
        if known is None or known.state is not State.DONE:
            store.keep(conn, self._received(message), State.RECEIVED)

    async def _do(self, message: Read) -> _Outcome:
        """Do what *message* asks for, and keep what became of it."""
        try:
            return await self._database.write(partial(self._done, message=message))
        except PlatformError as error:
            fault = fault_of(error)
        except Exception as error:  # noqa: BLE001  # one department's fault closes no door
            # Its text may quote the message.
            _LOG.error("hl7.failed", extra={"type": message.type, "reason": type(error).__name__})
            fault = Fault(Condition.INTERNAL, "internal-error", "see the log of this node")
        _LOG.warning("hl7.not-done", extra={"type": message.type, "reason": fault.code})
        code = Code.AR if fault.retriable else Code.AE
        header = Header(message.message.header, message.codec)
        told = self._answer(header, code, fault=fault, alone=_alone(message))
        outcome = _Outcome(code, told, again=fault.retriable)
        if fault.retriable:
            return outcome
        keep = partial(self._keep_refused, message=message, outcome=outcome, fault=fault)
        try:
            await self._database.write(keep)
        except PlatformError as error:
            fault = fault_of(error)
            return _Outcome(Code.AR, self._answer(header, Code.AR, fault=fault), again=True)
        return outcome

    def _done(self, conn: sa.Connection, *, message: Read) -> _Outcome:
        known = _known(conn, message)
        if known is not None and known.state is State.DONE and known.answer is not None:
            return _Outcome(Code(known.code), known.answer)
        handled = message.handler(conn, message.message, message.sender)
        header = Header(message.message.header, message.codec)
        told = self._answer(header, Code.AA, handled=handled, alone=_alone(message))
        received, at = self._received(message), self._clock.now()
        store.keep(conn, received, State.DONE, code=Code.AA, answer=told)
        self._trail.handled(conn, message.sender, message.type, handled, at=at)
        self._put_out(conn, message, _Outcome(Code.AA, told))
        return _Outcome(Code.AA, told)

    def _keep_refused(
        self, conn: sa.Connection, *, message: Read, outcome: _Outcome, fault: Fault
    ) -> None:
        known = _known(conn, message)
        at = self._clock.now()
        self._trail.refused(conn, message.sender, message.type, fault.code, at=at)
        if known is not None and known.state is State.DONE:
            return
        received, code = self._received(message), outcome.code
        store.keep(
            conn, received, State.REFUSED, code=code, error=fault.code, answer=outcome.answer
        )
        self._put_out(conn, message, outcome)

    def _put_out(self, conn: sa.Connection, message: Read, outcome: _Outcome) -> None:
        """Let the answer wait to go to the peer, where it goes by a connection of its own."""
        if not _alone(message):
            return
        if is_wanted(message.message.header.text(_APPLICATION), outcome.code):
            store.put_out(conn, message.sender.peer, outcome.answer, at=self._clock.now())

    def _received(self, message: Read) -> store.Received:
        return store.Received(
            sender=message.sender.key,
            control_id=message.control_id,
            digest=message.digest,
            institution=message.sender.peer.institution,
            address=message.sender.address,
            type=message.type,
            raw=message.raw,
            at=self._clock.now(),
        )

    def _answer(
        self,
        header: Header,
        code: Code,
        *,
        fault: Fault | None = None,
        handled: Handled | None = None,
        alone: bool = False,
    ) -> bytes:
        by = Answering(
            application=self._names.application,
            facility=self._names.facility,
            control_id=new_id(),
            at=self._clock.now(),
            asks_accept=alone,
        )
        return answer(header.segment, code, by, fault=fault, handled=handled, codec=header.codec)


def _known(conn: sa.Connection, message: Read) -> store.Kept | None:
    return store.find(conn, message.sender.key, message.control_id, message.digest)


def _alone(message: Read) -> bool:
    """Whether its application acknowledgement goes by a connection of its own."""
    return message.enhanced and bool(message.sender.peer.host)
