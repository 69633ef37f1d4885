"""What the DICOM door needs of others: who may come in, and where objects go."""

from dataclasses import dataclass
from typing import Protocol

from gateway.dimse.reject import RejectReason
from kernel.identifiers import AETitle, InstitutionCode, Uid


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A peer that may come in.

    Attributes:
        institution: the institution its objects belong to.
        max_associations: how many associations its AE title may have at once.
        charset_hint: the character set it really writes where it declares another or none.
        may_store: whether C-STORE is served to it.
    """

    institution: InstitutionCode
    max_associations: int
    charset_hint: str = ""
    may_store: bool = True


class PeerBook(Protocol):
    """Who may open an association."""

    def admit(
        self, calling: AETitle, called: AETitle, address: str, *, secure: bool
    ) -> Admission | RejectReason:
        """Return the admission of *calling* from *address*, or why it is rejected.

        Args:
            calling: the peer's title.
            called: the title it thinks we have.
            address: its network address without port.
            secure: whether it came over TLS.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """An admitted peer, as the receiver of its objects has to know it."""

    calling_ae: AETitle
    called_ae: AETitle
    address: str
    institution: InstitutionCode
    charset_hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRequest:
    """A C-STORE-RQ, parsed; the data set follows in pieces."""

    sop_class_uid: Uid
    sop_instance_uid: Uid
    transfer_syntax_uid: str
    peer: Peer
    high_priority: bool = False
    note: str = ""
    """Code of an oddity of the request itself, or empty."""


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    """What the sender is told: a DIMSE status, and plain English for Error Comment, or none."""

    status: int
    comment: str = ""


class Incoming(Protocol):
    """One object on its way in."""

    async def write(self, data: memoryview) -> None:
        """Take a piece of the data set, which is valid only until this returns.

        Raises:
            PlatformError: it cannot be kept; the rest is not handed over any more.
        """
        ...

    async def commit(self) -> StoreOutcome:
        """Return once the object is durable, or refused.

        Raises:
            PlatformError: refused; mapped by ``kernel.dicom.status``.
        """
        ...

    def discard(self) -> None:
        """Forget the object; does nothing after ``commit`` or another ``discard``."""
        ...


class ObjectSink(Protocol):
    """Where objects go."""

    async def begin(self, request: StoreRequest) -> Incoming:
        """Return the place for the data set of *request*.

        Raises:
            PlatformError: it cannot be taken now, or never.
        """
        ...
