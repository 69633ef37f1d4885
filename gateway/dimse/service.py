"""One DIMSE service besides storage: a request with its data set in, its answers out."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.dimse.command_set import Command
from gateway.dimse.negotiate import AcceptedContext
from gateway.dimse.ports import Admission, Peer, ReplyLine
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


Services = Mapping[str, Service]
"""The services of a node by SOP class."""
