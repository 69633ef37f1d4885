"""The responses to one request of a service, one after the other, until the last or a C-CANCEL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from gateway.dimse.command_set import Command, CommandField, response
from gateway.dimse.service import Answer, ServiceRequest
from kernel.dicom.status import Status

PENDING: Final = frozenset({Status.PENDING, Status.PENDING_KEYS_NOT_MATCHED})
_CANCELLABLE: Final = frozenset(
    {CommandField.C_FIND_RQ, CommandField.C_MOVE_RQ, CommandField.C_GET_RQ}
)


@dataclass(frozen=True, slots=True)
class Reply:
    """One message of ours: a response, or a request of its own."""

    context_id: int
    command: Command
    data_set: bytes = field(default=b"", repr=False)
    is_final: bool = True
    """Whether nothing more belongs to it."""


class Answering:
    """What is still owed to one request."""

    def __init__(self, request: ServiceRequest, answers: AsyncIterator[Answer]) -> None:
        """Answer *request* with *answers*."""
        self._request = request
        self._answers = answers
        self._cancelled = False

    def cancel(self, message_id: int | None) -> None:
        """Stop at the next response if *message_id* is that of the request (PS3.7 9.3.2.3)."""
        command = self._request.command
        if message_id == command.message_id and command.field in _CANCELLABLE:
            self._cancelled = True

    async def next_reply(self) -> Reply:
        """Return the next response.

        Raises:
            PlatformError: whatever the service could not do.
        """
        if self._cancelled:
            return self.refused(Status.CANCELLED, "")
        answer = await anext(self._answers, None)
        if answer is None:
            return self.refused(Status.PROCESSING_FAILURE, "This node has no answer.")
        command = response(
            self._request.command,
            status=answer.status,
            comment=answer.comment,
            more=answer.more,
            has_data_set=answer.data_set is not None,
        )
        final = answer.status not in PENDING
        return Reply(self._request.context.id, command, answer.data_set or b"", is_final=final)

    def refused(self, status: int, comment: str) -> Reply:
        """Return a last response without a data set."""
        command = response(self._request.command, status=status, comment=comment)
        return Reply(self._request.context.id, command)

    async def close(self) -> None:
        """Ask the service for no more."""
        close = getattr(self._answers, "aclose", None)
        if close is not None:
            await close()
