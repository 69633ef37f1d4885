"""Messages out of presentation data value fragments: one command set, then its data set.

A command set is small and gathered; a data set goes on piece by piece (PS3.7 6.3.1, PS3.8 E).
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.dimse.command_set import Command
from gateway.dimse.pdu_stream import AbortReason, Fragment, ProtocolFault

COMMAND_MAX_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A whole command set; when it says so, its data set follows in ``DataReceived``."""

    context_id: int
    command: Command


class DataReceived(NamedTuple):
    """A piece of the data set of the last command, valid until the next bytes are received."""

    data: memoryview
    is_last: bool


class MessageReader:
    """Puts the fragments of one association together, one message after the other."""

    __slots__ = ("_context_id", "_contexts", "_gathered", "_in_data_set")

    def __init__(self, contexts: Container[int]) -> None:
        """Read messages on the accepted presentation context ids in *contexts*."""
        self._contexts = contexts
        self._gathered = bytearray()
        self._context_id: int | None = None
        self._in_data_set = False

    @property
    def between_messages(self) -> bool:
        """Whether the last fragment ended a message."""
        return self._context_id is None

    def feed(self, fragment: Fragment) -> Iterator[CommandReceived | DataReceived]:
        """Yield what *fragment* brings: at most one command, or one piece of a data set.

        Raises:
            ProtocolFault: a context that was not accepted, a change of context or of kind inside
                a message, a command set over 16 KiB, or one that cannot be read.
        """
        if self._context_id is None:
            if fragment.context_id not in self._contexts:
                raise ProtocolFault(
                    AbortReason.INVALID_PARAMETER,
                    f"presentation context {fragment.context_id} was not accepted",
                )
            self._context_id = fragment.context_id
        elif fragment.context_id != self._context_id:
            raise ProtocolFault(
                AbortReason.UNEXPECTED_PARAMETER, "presentation context changes inside a message"
            )
        if fragment.is_command is self._in_data_set:
            raise ProtocolFault(
                AbortReason.UNEXPECTED_PARAMETER,
                "command fragment inside a data set" if self._in_data_set else "data set first",
            )
        if self._in_data_set:
            if fragment.is_last:
                self._in_data_set = False
                self._context_id = None
            yield DataReceived(fragment.data, fragment.is_last)
        else:
            yield from self._command(fragment, self._context_id)

    def _command(self, fragment: Fragment, context_id: int) -> Iterator[CommandReceived]:
        if len(self._gathered) + len(fragment.data) > COMMAND_MAX_BYTES:
            raise ProtocolFault(
                AbortReason.INVALID_PARAMETER, f"command set over {COMMAND_MAX_BYTES} bytes"
            )
        self._gathered += fragment.data
        if not fragment.is_last:
            return
        command = Command.decode(bytes(self._gathered))
        self._gathered.clear()
        self._in_data_set = command.has_data_set
        if not self._in_data_set:
            self._context_id = None
        yield CommandReceived(context_id, command)
