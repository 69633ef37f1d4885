"""One long operation on an association (C-MOVE, C-GET): what it says, and when it must stop."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final, Protocol

from gateway.dimse.command_set import Command, CommandField, Element, response, store_request
from gateway.dimse.negotiate import AcceptedContext
from gateway.dimse.service import Answer, Performer, ServiceRequest
from gateway.dimse.storing import LineLost, StoreOrder
from kernel.errors import PlatformError

RESPONSE_S: Final = 60.0
_MESSAGE_IDS: Final = 0xFFFF


class Speech(Protocol):
    """Says messages on one association; whoever says one waits until the peer takes it."""

    async def say(self, context_id: int, command: Command, data_set: bytes) -> None:
        """Say one whole message.

        Raises:
            LineLost: the association is over.
        """
        ...

    async def say_in_pieces(
        self, context_id: int, command: Command, pieces: AsyncIterator[bytes]
    ) -> None:
        """Say *command*, then its data set as it comes.

        Raises:
            LineLost: the association is over, or is ended because *pieces* broke off.
        """
        ...


class Performance:
    """One request that is being performed (``service.Voice``, ``storing.StoreLine``)."""

    def __init__(
        self,
        request: ServiceRequest,
        performer: Performer,
        accepted: Mapping[int, AcceptedContext],
        *,
        response_s: float = RESPONSE_S,
    ) -> None:
        """Let *performer* answer *request*.

        Args:
            request: what is asked.
            performer: who answers it.
            accepted: the contexts of the association.
            response_s: how long the peer may take to answer an object.
        """
        self._request = request
        self._performer = performer
        self._response_s = response_s
        self._speech: Speech | None = None
        self._cancelled = asyncio.Event()
        self._last_message_id = 0
        self._is_over = False
        self._waiting: asyncio.Future[Command] | None = None
        self._contexts: dict[tuple[str, str], int] = {}
        for context in accepted.values():
            if context.peer_takes:
                pair = (context.abstract_syntax, context.transfer_syntax)
                self._contexts.setdefault(pair, context.id)

    @property
    def contexts(self) -> Mapping[tuple[str, str], int]:
        """Contexts on which the peer takes objects, by SOP class and transfer syntax."""
        return self._contexts

    @property
    def cancelled(self) -> asyncio.Event:
        """Set once the peer has cancelled the request."""
        return self._cancelled

    @property
    def is_over(self) -> bool:
        """Whether the last answer is being said, or was."""
        return self._is_over

    def cancel(self, message_id: int | None) -> None:
        """Ask the operation to end if *message_id* is that of its request (PS3.7 9.3.3.3)."""
        if message_id == self._request.command.message_id:
            self._cancelled.set()

    def answered(self, command: Command) -> bool:
        """Whether *command* is the response to the object under way."""
        waiting = self._waiting
        told = command.us(Element.MESSAGE_ID_BEING_RESPONDED_TO)
        if (
            command.field is not CommandField.C_STORE_RSP
            or waiting is None
            or waiting.done()
            or told != self._last_message_id
        ):
            return False
        waiting.set_result(command)
        return True

    async def perform(self, speech: Speech) -> None:
        """Perform the operation to its end, its last answer included.

        Raises:
            LineLost: the association cannot be used any more.
            PlatformError: what the service could not do, and has not answered.
        """
        self._speech = speech
        last = await self._performer.perform(self._request, self)
        self._is_over = True
        await self.answer(last)

    async def refuse(self, status: int, comment: str) -> None:
        """Say a last answer instead of the operation's own."""
        self._is_over = True
        await self.answer(Answer(status=status, comment=comment))

    async def answer(self, answer: Answer) -> None:
        """Say *answer*."""
        command = response(
            self._request.command,
            status=answer.status,
            comment=answer.comment,
            more=answer.more,
            has_data_set=answer.data_set is not None,
        )
        assert self._speech is not None  # noqa: S101  # nothing is said before ``perform``
        await self._speech.say(self._request.context.id, command, answer.data_set or b"")

    async def store(
        self, context_id: int, order: StoreOrder, pieces: AsyncIterator[bytes]
    ) -> Command:
        """Store one object to the peer and return its response; see ``StoreLine``."""
        assert self._speech is not None  # noqa: S101  # nothing is said before ``perform``
        self._last_message_id = self._last_message_id % _MESSAGE_IDS + 1
        command = store_request(
            sop_class_uid=order.sop_class_uid,
            sop_instance_uid=order.sop_instance_uid,
            message_id=self._last_message_id,
        )
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._speech.say_in_pieces(context_id, command, pieces)
            async with asyncio.timeout(self._response_s):
                return await self._waiting
        except TimeoutError as error:
            raise LineLost("the peer took too long") from error
        except LineLost:
            raise
        except PlatformError as error:
            raise LineLost(error.detail) from error
        finally:
            self._waiting = None
