"""Protocol data units out of a byte stream: a header is judged before its body is taken.

P-DATA is never gathered: the pieces of its presentation data values go on as they arrive, as
views of the receive buffer. Everything else is small, and gathered up to the length its header
was allowed (PS3.8 9.3).
"""

import struct
from collections.abc import Callable, Iterator
from enum import Enum, IntEnum, auto
from typing import Final, NamedTuple

from kernel.errors import Category, PlatformError

_HEADER: Final = struct.Struct(">BxI")
_VALUE_HEADER: Final = struct.Struct(">IBB")
HEADER_BYTES: Final = _HEADER.size
PDV_HEADER_BYTES: Final = _VALUE_HEADER.size
_COMMAND_BIT: Final = 1
_LAST_BIT: Final = 2


class PduType(IntEnum):
    """The seven PDUs of the upper layer (PS3.8 9.3.1)."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortSource(IntEnum):
    """Who ends the association (PS3.8 Table 9-26)."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """Why the service provider ends it (PS3.8 Table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class ProtocolFault(PlatformError):
    """The peer broke the protocol; the association ends with an A-ABORT.

    Attributes:
        reason: what the A-ABORT says.
    """

    code = "dimse-protocol-fault"
    category = Category.INVALID

    def __init__(self, reason: AbortReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Pdu(NamedTuple):
    """A whole PDU other than P-DATA-TF."""

    type: PduType
    body: bytes


class Fragment(NamedTuple):
    """A piece of one presentation data value, valid until the next bytes are received."""

    context_id: int
    is_command: bool
    is_last: bool
    """The value was marked as last fragment of its command or data set, and this piece ends it."""
    data: memoryview


class _Phase(Enum):
    HEADER = auto()
    BODY = auto()
    VALUE_HEADER = auto()
    VALUE = auto()


class PduStream:
    """Splits what one peer sends; bytes may come in any portions."""

    __slots__ = ("_held", "_judge", "_left_in_pdu", "_left_in_value", "_phase", "_type", "_value")

    def __init__(self, judge: Callable[[PduType, int], None]) -> None:
        """Split with *judge* asked at every header.

        Args:
            judge: given the type and the claimed body length in bytes; raises ``ProtocolFault``
                when such a PDU is out of turn or too long. Its length is trusted afterwards, so
                it bounds what is gathered.
        """
        self._judge = judge
        self._phase = _Phase.HEADER
        self._held = bytearray()
        self._type = PduType.ABORT
        self._left_in_pdu = 0
        self._left_in_value = 0
        self._value = (0, False, False)

    @property
    def between_pdus(self) -> bool:
        """Whether the last byte received ended a PDU."""
        return self._phase is _Phase.HEADER and not self._held

    def feed(self, data: memoryview) -> Iterator[Pdu | Fragment]:
        """Yield what *data* completes, in order.

        Whoever iterates may change what ``judge`` answers between two items; the stream looks no
        further ahead than the item it yields.

        Raises:
            ProtocolFault: an unknown PDU type, a PDU that ``judge`` refuses, or presentation data
                values that do not fit their PDU. The stream is of no use after that.
        """
        position, end = 0, len(data)
        # A value of no bytes is complete without another byte, hence the second condition.
        while position < end or (self._phase is _Phase.VALUE and not self._left_in_value):
            if self._phase is _Phase.VALUE:
                take = min(self._left_in_value, end - position)
                yield self._piece(data[position : position + take])
                position += take
            elif self._phase is _Phase.BODY:
                position = self._gather(data, position, self._left_in_pdu)
                if len(self._held) == self._left_in_pdu:
                    yield self._take_pdu()
            elif self._phase is _Phase.HEADER:
                position = self._gather(data, position, HEADER_BYTES)
                if len(self._held) == HEADER_BYTES:
                    self._open_pdu()
            else:
                position = self._gather(data, position, PDV_HEADER_BYTES)
                if len(self._held) == PDV_HEADER_BYTES:
                    self._open_value()

    def _gather(self, data: memoryview, position: int, wanted: int) -> int:
        upto = min(position + wanted - len(self._held), len(data))
        self._held += data[position:upto]
        return upto

    def _open_pdu(self) -> None:
        code, length = _HEADER.unpack(self._held)
        self._held.clear()
        try:
            self._type = PduType(code)
        except ValueError:
            raise ProtocolFault(
                AbortReason.UNRECOGNIZED_PDU, f"PDU type {code:#04x} is not known"
            ) from None
        self._judge(self._type, length)
        self._left_in_pdu = length
        if self._type is not PduType.P_DATA_TF:
            if not length:
                raise ProtocolFault(
                    AbortReason.INVALID_PARAMETER, f"{self._type.name} without a body"
                )
            self._phase = _Phase.BODY
            return
        if length < PDV_HEADER_BYTES:
            raise ProtocolFault(
                AbortReason.INVALID_PARAMETER, f"P-DATA of {length} bytes holds no value"
            )
        self._phase = _Phase.VALUE_HEADER

    def _open_value(self) -> None:
        length, context_id, control = _VALUE_HEADER.unpack(self._held)
        self._held.clear()
        # The length counts the context id and the control header, but not itself (PS3.8 9.3.5.1).
        size = length - 2
        self._left_in_pdu -= PDV_HEADER_BYTES
        if size < 0 or size > self._left_in_pdu:
            raise ProtocolFault(
                AbortReason.INVALID_PARAMETER,
                f"presentation data value of {length} bytes does not fit its PDU",
            )
        self._left_in_pdu -= size
        self._left_in_value = size
        self._value = (context_id, bool(control & _COMMAND_BIT), bool(control & _LAST_BIT))
        self._phase = _Phase.VALUE

    def _piece(self, data: memoryview) -> Fragment:
        self._left_in_value -= len(data)
        context_id, is_command, marked_last = self._value
        if self._left_in_value:
            return Fragment(context_id, is_command, is_last=False, data=data)
        if not self._left_in_pdu:
            self._phase = _Phase.HEADER
        elif self._left_in_pdu < PDV_HEADER_BYTES:
            raise ProtocolFault(
                AbortReason.INVALID_PARAMETER, "bytes after the last presentation data value"
            )
        else:
            self._phase = _Phase.VALUE_HEADER
        return Fragment(context_id, is_command, marked_last, data)

    def _take_pdu(self) -> Pdu:
        body = bytes(self._held)
        self._held.clear()
        self._phase = _Phase.HEADER
        return Pdu(self._type, body)


def pdu(pdu_type: PduType, body: bytes) -> bytes:
    """Return *body* with the header of *pdu_type* before it."""
    return _HEADER.pack(pdu_type, len(body)) + body


def abort_pdu(source: AbortSource, reason: AbortReason = AbortReason.NOT_SPECIFIED) -> bytes:
    """Return an A-ABORT PDU; a service user's has no reason (PS3.8 9.3.8)."""
    significant = reason if source is AbortSource.SERVICE_PROVIDER else 0
    return pdu(PduType.ABORT, bytes((0, 0, source, significant)))


RELEASE_RQ: Final = pdu(PduType.RELEASE_RQ, bytes(4))
RELEASE_RP: Final = pdu(PduType.RELEASE_RP, bytes(4))
_SMALLEST_VALUE_BYTES: Final = 2


def data_pdus(
    payload: bytes, *, context_id: int, is_command: bool, peer_max_pdu_bytes: int
) -> bytes:
    """Return *payload* as P-DATA-TF PDUs the peer is able to take, one value in each.

    Args:
        payload: one whole command set or data set.
        context_id: the presentation context it belongs to.
        is_command: a command set, else a data set.
        peer_max_pdu_bytes: the peer's Maximum Length; 0 means no limit (PS3.8 D.1). A peer that
            allows less than a value header and two bytes gets just that.
    """
    room = peer_max_pdu_bytes - PDV_HEADER_BYTES if peer_max_pdu_bytes else len(payload)
    room = max(room & ~1, _SMALLEST_VALUE_BYTES)
    kind = _COMMAND_BIT if is_command else 0
    pieces = []
    for start in range(0, len(payload) or 1, room):
        piece = payload[start : start + room]
        last = _LAST_BIT if start + room >= len(payload) else 0
        pieces.append(
            _HEADER.pack(PduType.P_DATA_TF, len(piece) + PDV_HEADER_BYTES)
            + _VALUE_HEADER.pack(len(piece) + 2, context_id, kind | last)
            + piece
        )
    return b"".join(pieces)


_UNLIMITED_ROOM: Final = 128 << 10


class DataSetPdus:
    """One data set as P-DATA-TF PDUs of the longest kind the peer takes, as its bytes come."""

    __slots__ = ("_context_id", "_held", "_room")

    def __init__(self, *, context_id: int, peer_max_pdu_bytes: int) -> None:
        """Write on *context_id* for a peer with that Maximum Length; 0 means no limit."""
        self._context_id = context_id
        room = _UNLIMITED_ROOM
        if peer_max_pdu_bytes:
            room = min(room, peer_max_pdu_bytes - PDV_HEADER_BYTES) & ~1
        self._room = max(room, _SMALLEST_VALUE_BYTES)
        self._held = b""

    def more(self, piece: bytes) -> bytes:
        """Return the PDUs that *piece* fills; what may be the end is kept back."""
        held = self._held + piece
        whole = max(len(held) - 1, 0) // self._room * self._room
        self._held = held[whole:]
        return b"".join(
            self._pdu(held[start : start + self._room], 0) for start in range(0, whole, self._room)
        )

    def end(self) -> bytes:
        """Return the last PDU."""
        last, self._held = self._held, b""
        return self._pdu(last, _LAST_BIT)

    def _pdu(self, piece: bytes, kind: int) -> bytes:
        return (
            _HEADER.pack(PduType.P_DATA_TF, len(piece) + PDV_HEADER_BYTES)
            + _VALUE_HEADER.pack(len(piece) + 2, self._context_id, kind)
            + piece
        )
