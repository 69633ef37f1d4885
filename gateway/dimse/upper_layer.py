"""The accepting upper layer of one association, without I/O: bytes in, indications and bytes out.

It owns the state (``association``), the framing (``pdu_stream``) and the messages
(``messages``); whoever holds it moves the bytes and answers the indications.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.dimse.associate import AssociateRequest, accept_pdu, parse_request
from gateway.dimse.association import Action, Event, State, Transition, decide
from gateway.dimse.command_set import Command
from gateway.dimse.messages import CommandReceived, DataReceived, MessageReader
from gateway.dimse.negotiate import Agreement
from gateway.dimse.pdu_stream import (
    RELEASE_RP,
    RELEASE_RQ,
    AbortReason,
    AbortSource,
    DataSetPdus,
    Fragment,
    Pdu,
    PduStream,
    PduType,
    ProtocolFault,
    abort_pdu,
    data_pdus,
)
from gateway.dimse.reject import RejectReason, reject_pdu
from kernel.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_SHORT_PDU_BYTES: Final = 4
_EVENTS: Final[Mapping[PduType, Event]] = MappingProxyType(
    {
        PduType.ASSOCIATE_RQ: Event.RQ_RECEIVED,
        PduType.ASSOCIATE_AC: Event.AC_RECEIVED,
        PduType.ASSOCIATE_RJ: Event.RJ_RECEIVED,
        PduType.P_DATA_TF: Event.DATA_RECEIVED,
        PduType.RELEASE_RQ: Event.RELEASE_RQ_RECEIVED,
        PduType.RELEASE_RP: Event.RELEASE_RP_RECEIVED,
        PduType.ABORT: Event.ABORT_RECEIVED,
    }
)
_OUT_OF_TURN: Final = frozenset({Action.AA_1, Action.AA_7, Action.AA_8})
_VARIABLE_LENGTH: Final = frozenset({PduType.ASSOCIATE_RQ, PduType.ASSOCIATE_AC})


@dataclass(frozen=True, slots=True)
class AssociationRequested:
    """The peer asks for an association: ``accept`` or ``reject``."""

    request: AssociateRequest


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """The peer is done: ``answer_release``. A message under way will never be whole."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The association is over; what is in ``reply`` goes out before the transport is closed.

    Attributes:
        reply: bytes still to be sent, or none.
        reason: one English line for the log.
        fault: the peer broke the protocol; else it aborted or confirmed a release.
    """

    reply: bytes
    reason: str
    fault: bool


Indication = AssociationRequested | CommandReceived | DataReceived | ReleaseRequested | Ended


class UpperLayer:
    """One association from its transport connection to its end, seen from the acceptor."""

    __slots__ = (
        "_broken",
        "_first_pdu_bytes",
        "_implementation_version",
        "_max_pdu_bytes",
        "_peer_max",
        "_reader",
        "_state",
        "_stream",
    )

    def __init__(
        self,
        *,
        first_pdu_bytes: int,
        max_pdu_bytes: int,
        implementation_version: str = IMPLEMENTATION_VERSION_NAME,
    ) -> None:
        """Begin in Sta2, the transport being open.

        Args:
            first_pdu_bytes: the longest body an A-ASSOCIATE-RQ may claim.
            max_pdu_bytes: the Maximum Length we offer, and the longest P-DATA-TF body taken.
            implementation_version: our Implementation Version Name (PS3.7 D.3.3.2.3), at most 16
                characters.
        """
        self._implementation_version = implementation_version
        self._first_pdu_bytes = first_pdu_bytes
        self._max_pdu_bytes = max_pdu_bytes
        self._peer_max = 0
        self._state = decide(State.IDLE, Event.TRANSPORT_OPENED).next_state
        self._stream = PduStream(self._judge)
        self._reader = MessageReader(())
        self._broken = False

    @property
    def state(self) -> State:
        """Where the association stands."""
        return self._state

    @property
    def between_messages(self) -> bool:
        """Whether no byte of an unfinished message or PDU has been received."""
        return self._reader.between_messages and self._stream.between_pdus

    def receive(self, data: memoryview) -> Iterator[Indication]:
        """Yield what *data* brings, in order; never raises for anything a peer can send.

        Each indication has to be acted on before the next is asked for: an answer changes what
        the peer may send next.
        """
        if self._broken:
            return
        try:
            for item in self._stream.feed(data):
                if isinstance(item, Fragment):
                    if self._state is State.ESTABLISHED:
                        yield from self._reader.feed(item)
                else:
                    yield from self._pdu(item)
        except ProtocolFault as fault:
            yield self.fault(fault)

    def fault(self, fault: ProtocolFault) -> Ended:
        """End the association because of *fault*, which whoever reads the messages may find too."""
        self._broken = True
        if self._state is State.IDLE:
            return Ended(b"", fault.detail, fault=True)
        action = self._step(Event.INVALID_RECEIVED).action
        source = AbortSource.SERVICE_USER if action is Action.AA_1 else AbortSource.SERVICE_PROVIDER
        return Ended(abort_pdu(source, fault.reason), fault.detail, fault=True)

    def accept(self, request: AssociateRequest, agreement: Agreement) -> bytes:
        """Return the A-ASSOCIATE-AC for *agreement*; data may come afterwards.

        Args:
            request: what is answered.
            agreement: what of it is accepted.
        """
        self._step(Event.ACCEPT)
        self._peer_max = request.user.max_pdu_bytes
        self._reader = MessageReader(agreement.contexts)
        return accept_pdu(
            request,
            answers=agreement.answers,
            roles=agreement.roles,
            extended=agreement.extended,
            max_pdu_bytes=self._max_pdu_bytes,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version=self._implementation_version,
        )

    def reject(self, reason: RejectReason) -> bytes:
        """Return the A-ASSOCIATE-RJ for *reason*."""
        self._step(Event.REJECT)
        return reject_pdu(reason)

    def send(self, context_id: int, command: Command, data_set: bytes = b"") -> bytes:
        """Return *command*, and the data set it says it has, in PDUs the peer takes."""
        self._step(Event.SEND_DATA)
        said = data_pdus(
            command.encode(),
            context_id=context_id,
            is_command=True,
            peer_max_pdu_bytes=self._peer_max,
        )
        if not command.has_data_set:
            return said
        return said + data_pdus(
            data_set,
            context_id=context_id,
            is_command=False,
            peer_max_pdu_bytes=self._peer_max,
        )

    @property
    def peer_max_pdu_bytes(self) -> int:
        """The peer's Maximum Length; 0 means no limit."""
        return self._peer_max

    def send_ahead(self, context_id: int, command: Command) -> tuple[bytes, DataSetPdus]:
        """Return *command* in PDUs, and what makes PDUs of the data set that follows in pieces."""
        self._step(Event.SEND_DATA)
        said = data_pdus(
            command.encode(),
            context_id=context_id,
            is_command=True,
            peer_max_pdu_bytes=self._peer_max,
        )
        return said, DataSetPdus(context_id=context_id, peer_max_pdu_bytes=self._peer_max)

    def ask_release(self) -> bytes:
        """Return the A-RELEASE-RQ with which we end an association in good order."""
        self._step(Event.ASK_RELEASE)
        return RELEASE_RQ

    def answer_release(self) -> bytes:
        """Return the A-RELEASE-RP the peer waits for."""
        self._step(Event.ANSWER_RELEASE)
        return RELEASE_RP

    def abort(self) -> bytes:
        """Return the A-ABORT with which we leave, empty before and after an association."""
        if self._state in {State.IDLE, State.AWAITING_REQUEST, State.CLOSING}:
            return b""
        self._step(Event.ABORT)
        self._broken = True
        return abort_pdu(AbortSource.SERVICE_USER)

    def transport_closed(self) -> None:
        """Say that the transport is gone, whoever closed it."""
        if self._state is not State.IDLE:
            self._step(Event.TRANSPORT_CLOSED)

    def _step(self, event: Event) -> Transition:
        transition = decide(self._state, event)
        self._state = transition.next_state
        return transition

    def _judge(self, pdu_type: PduType, length: int) -> None:
        if decide(self._state, _EVENTS[pdu_type]).action in _OUT_OF_TURN:
            raise ProtocolFault(
                AbortReason.UNEXPECTED_PDU, f"{pdu_type.name} while {self._state.name}"
            )
        if pdu_type is PduType.P_DATA_TF:
            allowed = length <= self._max_pdu_bytes
        elif pdu_type in _VARIABLE_LENGTH:
            allowed = length <= self._first_pdu_bytes
        else:
            allowed = length == _SHORT_PDU_BYTES
        if not allowed:
            raise ProtocolFault(AbortReason.INVALID_PARAMETER, f"{pdu_type.name} of {length} bytes")

    def _pdu(self, pdu: Pdu) -> Iterator[Indication]:
        # A request that cannot be read is an invalid PDU (Evt19), not a request (Evt6).
        request = parse_request(pdu.body) if pdu.type is PduType.ASSOCIATE_RQ else None
        action = self._step(_EVENTS[pdu.type]).action
        if request is not None:
            yield AssociationRequested(request)
        elif action in {Action.AR_2, Action.AR_10}:
            yield ReleaseRequested()
        elif action is Action.AR_3:
            yield Ended(b"", "released", fault=False)
        elif pdu.type is PduType.ABORT:
            said = f"aborted by peer, source {pdu.body[2]}, reason {pdu.body[3]}"
            yield Ended(b"", said, fault=False)
