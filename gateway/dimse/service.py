"""One DIMSE service besides storage: a request with its data set in, its answers out."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from gateway.dimse.command_set import Command
from gateway.dimse.negotiate import AcceptedContext
from gateway.dimse.ports import Admission, Peer, ReplyLine
from gateway.dimse.storing import StoreLine
from kernel.dicom.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest:
    """One request, whole."""

    command: Command
    context: AcceptedContext
    data_set: bytes = field(repr=False)
    peer: Peer
    line: ReplyLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One response: all but the last of a request have a pending status."""

    status: int
    comment: str = ""
    data_set: bytes | None = field(default=None, repr=False)
    more: Mapping[int, bytes] = field(default_factory=dict)
    """Further elements of the command set."""


class Service(Protocol):
    """Answers the requests on the contexts of one SOP class.

    Attributes:
        max_bytes: a longer data set is refused.
        too_large: the status it is refused with.
    """

    max_bytes: int
    too_large: Status

    def open_to(self, admission: Admission) -> bool:
        """Whether a peer so admitted is served."""
        ...

    def answers(self, request: ServiceRequest) -> AsyncIterator[Answer]:
        """Yield the responses to *request*, at least one, the final one last.

        The iterator is closed early where the peer cancels or leaves.

        Raises:
            PlatformError: answered with the status of its category.
        """
        ...


class Voice(StoreLine, Protocol):
    """What an operation says on the association it was asked on."""

    @property
    def cancelled(self) -> asyncio.Event:
        """Set once the peer has cancelled; the last answer is then FE00H."""
        ...

    async def answer(self, answer: Answer) -> None:
        """Say a pending *answer*.

        Raises:
            LineLost: the association is over.
        """
        ...


@runtime_checkable
class Performer(Protocol):
    """Performs requests that take long and have sub-operations, while the peer is listened to.

    Attributes:
        max_bytes: a longer data set is refused.
        too_large: the status it is refused with.
    """

    max_bytes: int
    too_large: Status

    def open_to(self, admission: Admission) -> bool:
        """Whether a peer so admitted is served."""
        ...

    async def perform(self, request: ServiceRequest, voice: Voice) -> Answer:
        """Return the last answer to *request*; those before it are said by *voice*.

        Cancelled where the peer leaves: everything it holds is let go at once.

        Raises:
            LineLost: from *voice*; the association is then aborted.
            PlatformError: answered with the status of its category.
        """
        ...


Services = Mapping[str, Service | Performer]
"""The services of a node by SOP class."""
