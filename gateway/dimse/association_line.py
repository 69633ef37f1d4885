"""What we report to a peer on the association it opened: N-EVENT-REPORT, one at a time."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gateway.dimse.answering import Reply
from gateway.dimse.command_set import Command, CommandField, Element, event_report
from gateway.dimse.commitment_messages import write_result
from gateway.dimse.negotiate import AcceptedContext
from gateway.dimse.ports import CommitmentResult
from gateway.dimse.sop_classes import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE


@dataclass(slots=True)
class _Event:
    result: CommitmentResult
    answer: asyncio.Future[int | None]
    message_id: int = 0


class AssociationLine:
    """The way back to one peer for as long as its association is open (``ports.ReplyLine``)."""

    def __init__(self, nudge: Callable[[], None]) -> None:
        """Call *nudge* whenever there is something to say."""
        self._nudge = nudge
        self._context: AcceptedContext | None = None
        self._waiting: deque[_Event] = deque()
        self._said: _Event | None = None
        self._last_message_id = 0
        self._closed = False

    @property
    def is_open(self) -> bool:
        """Whether something can still be said there."""
        return not self._closed and self._context is not None

    @property
    def has_events(self) -> bool:
        """Whether something waits to be said."""
        return bool(self._waiting)

    def on(self, context: AcceptedContext) -> None:
        """Say what there is to say on *context* if it is one of storage commitment."""
        if context.abstract_syntax == STORAGE_COMMITMENT:
            self._context = context

    async def report(self, result: CommitmentResult, *, within_s: float) -> int | None:
        """Report *result* and return the peer's status, None where none came *within_s*."""
        if not self.is_open:
            return None
        event = _Event(result, asyncio.get_running_loop().create_future())
        self._waiting.append(event)
        self._nudge()
        try:
            async with asyncio.timeout(within_s):
                return await event.answer
        except TimeoutError:
            return None
        finally:
            if event in self._waiting:
                self._waiting.remove(event)
            if self._said is event:
                self._said = None

    def next_event(self) -> Reply | None:
        """Return what is to be said now, None where the last is not answered or there is none."""
        if self._said is not None or not self._waiting or self._context is None:
            return None
        self._said = event = self._waiting.popleft()
        self._last_message_id = self._last_message_id % 0xFFFF + 1
        event.message_id = self._last_message_id
        event_type, data_set = write_result(event.result, self._context.transfer_syntax)
        command = event_report(
            sop_class_uid=STORAGE_COMMITMENT,
            sop_instance_uid=STORAGE_COMMITMENT_INSTANCE,
            event_type=event_type,
            message_id=event.message_id,
        )
        return Reply(self._context.id, command, data_set)

    def answered(self, command: Command) -> bool:
        """Whether *command* is a response to what we said, also to what nobody waits for now."""
        if command.field is not CommandField.N_EVENT_REPORT_RSP or not self._last_message_id:
            return False
        said = self._said
        if said is not None and said.message_id == command.us(
            Element.MESSAGE_ID_BEING_RESPONDED_TO
        ):
            self._said = None
            if not said.answer.done():
                said.answer.set_result(command.us(Element.STATUS))
            if self._waiting:
                self._nudge()
        return True

    def close(self) -> None:
        """Say nothing any more; whoever waits for an answer gets none."""
        self._closed = True
        for event in (self._said, *self._waiting):
            if event is not None and not event.answer.done():
                event.answer.set_result(None)
        self._waiting.clear()
        self._said = None
