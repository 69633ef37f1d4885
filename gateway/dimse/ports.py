"""What the DICOM door needs of others: who may come in, where objects go, who answers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from gateway.dimse.attributes import Attributes
from gateway.dimse.query_identifier import Query
from gateway.dimse.query_options import QueryOptions
from gateway.dimse.reject import RejectReason
from kernel.identifiers import AETitle, InstitutionCode, Uid


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A peer that may come in.

    Attributes:
        institution: the institution its objects belong to.
        max_associations: how many associations its AE title may have at once.
        charset_hint: the character set it really writes where it declares another or none.
        may_store: whether C-STORE is served to it, and what a device that stores needs besides.
        may_query: whether it may ask for what is here, and have it.
    """

    institution: InstitutionCode
    max_associations: int
    charset_hint: str = ""
    may_store: bool = True
    may_query: bool = False


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


class WorklistSource(Protocol):
    """What is scheduled."""

    def find(self, query: Query, peer: Peer) -> AsyncIterator[Attributes]:
        """Yield the entries *query* may mean, most wanted first, each with its attributes.

        More than match may come, never fewer: what comes is matched again. Only entries of the
        peer's institution come. Whoever stops asking closes the iterator.

        Raises:
            PlatformError: they cannot be read now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveQuestion:
    """A C-FIND of the archive (PS3.4 C.4.1), read but not judged.

    Attributes:
        patient_root: asked in the patient root model, else in the study root model.
        keys: the identifier, its level among them.
        options: what was agreed for the association.
    """

    patient_root: bool
    keys: Attributes = field(repr=False)
    options: QueryOptions


@dataclass(frozen=True, slots=True)
class ArchiveFound:
    """What matches, and whether every key was understood.

    Attributes:
        entries: newest first, each with what was asked for. Whoever stops asking closes it.
        all_keys: every optional key is supported for existence and for matching.
        most: entries that may be answered; more may come.
    """

    entries: AsyncIterator[Attributes] = field(repr=False)
    all_keys: bool
    most: int


class ArchiveIndex(Protocol):
    """What is archived and the peer's institution may find."""

    async def find(self, question: ArchiveQuestion, peer: Peer) -> ArchiveFound:
        """Return what matches *question*, once it stands in the audit trail who asks.

        Raises:
            Invalid: it cannot be asked. The detail is a sentence for the peer, without a value;
                where one key is wrong, its tag is the member ``tag``.
            PlatformError: the archive cannot be read now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAnswer:
    """What the sender of a performed procedure step is told.

    Attributes:
        status: DIMSE status (PS3.4 F.7.2).
        comment: plain English for Error Comment, or none.
        error_id: Error ID (0000,0903), None for none.
        faulty: keywords of the attributes the status is about.
    """

    status: int
    comment: str = ""
    error_id: int | None = None
    faulty: tuple[str, ...] = ()


class ProcedureSteps(Protocol):
    """Where performed procedure steps are kept."""

    async def create(self, uid: Uid, attributes: Attributes, peer: Peer) -> StepAnswer:
        """Return once the step *uid* is durable, or refused.

        Raises:
            PlatformError: it cannot be kept now.
        """
        ...

    async def set(self, uid: Uid, modifications: Attributes, peer: Peer) -> StepAnswer:
        """Return once *modifications* of the step *uid* are durable, or refused.

        Raises:
            PlatformError: they cannot be kept now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reference:
    """One instance somebody asks about: SOP class and SOP instance."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class FailedReference:
    """An instance that is not committed, and why (Failure Reason (0008,1197), PS3.3 C.14)."""

    reference: Reference
    reason: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentResult:
    """What became of one commitment request (PS3.4 J.3.3)."""

    transaction_uid: str
    committed: tuple[Reference, ...] = ()
    failed: tuple[FailedReference, ...] = ()


class ReplyLine(Protocol):
    """The association a commitment request came on, for as long as it is open."""

    @property
    def is_open(self) -> bool:
        """Whether something can still be said there."""
        ...

    async def report(self, result: CommitmentResult, *, within_s: float) -> int | None:
        """Report *result* there and return the peer's status, None where no answer came."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentRequest:
    """A storage commitment request, parsed."""

    transaction_uid: Uid
    references: tuple[Reference, ...] = field(repr=False)
    peer: Peer


class Commitments(Protocol):
    """Where storage commitment requests go; results come later."""

    async def request(self, asked: CommitmentRequest, line: ReplyLine) -> None:
        """Return once *asked* is durable; its result is then reported, on *line* while it is open.

        Raises:
            PlatformError: it cannot be kept now.
        """
        ...
