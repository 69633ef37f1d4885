"""Command sets: group 0000 in Implicit VR Little Endian, read and written (PS3.7 6.3 and E.1)."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final, Self

from gateway.dimse.pdu_stream import AbortReason, ProtocolFault
from gateway.dimse.sop_classes import VERIFICATION

_ELEMENT: Final = struct.Struct("<HHI")
_US: Final = struct.Struct("<H")
_GROUP_LENGTH: Final = struct.Struct("<HHII")
_RESPONSE_BIT: Final = 0x8000
_ERROR_COMMENT_MAX: Final = 64
NO_DATA_SET: Final = 0x0101
_WITH_DATA_SET: Final = 0x0001


class CommandField(IntEnum):
    """Every DIMSE command (PS3.7 Table E.1-1)."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_GET_RSP = 0x8110
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140
    N_DELETE_RQ = 0x0150
    N_DELETE_RSP = 0x8150
    C_CANCEL_RQ = 0x0FFF

    @property
    def is_response(self) -> bool:
        """Whether it answers a request."""
        return bool(self & _RESPONSE_BIT)


class Element(IntEnum):
    """Element numbers of group 0000 (PS3.7 Table E.1-1)."""

    GROUP_LENGTH = 0x0000
    AFFECTED_SOP_CLASS_UID = 0x0002
    REQUESTED_SOP_CLASS_UID = 0x0003
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
    MOVE_DESTINATION = 0x0600
    PRIORITY = 0x0700
    COMMAND_DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    OFFENDING_ELEMENT = 0x0901
    ERROR_COMMENT = 0x0902
    ERROR_ID = 0x0903
    AFFECTED_SOP_INSTANCE_UID = 0x1000
    REQUESTED_SOP_INSTANCE_UID = 0x1001
    EVENT_TYPE_ID = 0x1002
    ATTRIBUTE_IDENTIFIER_LIST = 0x1005
    ACTION_TYPE_ID = 0x1008
    NUMBER_OF_REMAINING_SUBOPERATIONS = 0x1020
    NUMBER_OF_COMPLETED_SUBOPERATIONS = 0x1021
    NUMBER_OF_FAILED_SUBOPERATIONS = 0x1022
    NUMBER_OF_WARNING_SUBOPERATIONS = 0x1023
    MOVE_ORIGINATOR_APPLICATION_ENTITY_TITLE = 0x1030
    MOVE_ORIGINATOR_MESSAGE_ID = 0x1031


_GIVEN_BACK: Final = (
    (Element.AFFECTED_SOP_CLASS_UID, Element.REQUESTED_SOP_CLASS_UID),
    (Element.AFFECTED_SOP_INSTANCE_UID, Element.REQUESTED_SOP_INSTANCE_UID),
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command set: the value of each element as it stands on the wire, padding included.

    Attributes:
        field: which command.
        values: element number -> value bytes, without the group length and the command field.
    """

    field: CommandField
    values: Mapping[int, bytes]

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Return the command set in *raw*, all of it.

        The group length is not believed, unknown elements of group 0000 are kept, and their
        order is not asked for.

        Raises:
            ProtocolFault: another group, a length beyond the end, or no known command field.
        """
        values: dict[int, bytes] = {}
        position, end = 0, len(raw)
        while position < end:
            if end - position < _ELEMENT.size:
                raise _broken("ends inside an element")
            group, element, length = _ELEMENT.unpack_from(raw, position)
            position += _ELEMENT.size
            if group:
                raise _broken(f"holds group {group:04x}")
            if length > end - position:
                raise _broken("claims more bytes than it has")
            values[element] = raw[position : position + length]
            position += length
        values.pop(Element.GROUP_LENGTH, None)
        code = _us(values.pop(Element.COMMAND_FIELD, b""))
        try:
            return cls(CommandField(-1 if code is None else code), values)
        except ValueError:
            said = "has no command field" if code is None else f"has command field {code:#06x}"
            raise _broken(said) from None

    def encode(self) -> bytes:
        """Return the command set with its group length, elements in ascending order."""
        values = {**self.values, Element.COMMAND_FIELD: _US.pack(self.field)}
        body = b"".join(
            [
                _ELEMENT.pack(0, element, len(values[element])) + values[element]
                for element in sorted(values)
            ]
        )
        return _GROUP_LENGTH.pack(0, Element.GROUP_LENGTH, 4, len(body)) + body

    def us(self, element: Element) -> int | None:
        """Return the unsigned short in *element*; None where it is missing or not two bytes."""
        return _us(self.values.get(element, b""))

    def text(self, element: Element) -> str:
        """Return *element* (VR UI or AE) without padding, or an empty string.

        Bytes that are no ASCII come out as characters no identifier admits.
        """
        return self.values.get(element, b"").decode("latin-1").rstrip("\0 ").lstrip(" ")

    @property
    def message_id(self) -> int | None:
        """The Message ID, which every request but C-CANCEL must have."""
        return self.us(Element.MESSAGE_ID)

    @property
    def has_data_set(self) -> bool:
        """Whether a data set follows: the Command Data Set Type is there and is not 0101H."""
        return self.us(Element.COMMAND_DATA_SET_TYPE) not in {None, NO_DATA_SET}


def response(
    request: Command,
    *,
    status: int,
    comment: str = "",
    more: Mapping[int, bytes] = MappingProxyType({}),
    has_data_set: bool = False,
) -> Command:
    """Return the response to *request*.

    The affected SOP class and instance are given back byte for byte; of a normalized request they
    are the requested ones (PS3.7 10.3). An element that is longer than a UID may be is left out.

    Args:
        request: what is answered; its message id is taken as 0 where it is missing.
        status: the DIMSE status.
        comment: plain English for Error Comment (0000,0902), cut at 64 characters; none if empty.
        more: further elements, which replace those given back.
        has_data_set: a data set follows.
    """
    values: dict[int, bytes] = {
        Element.MESSAGE_ID_BEING_RESPONDED_TO: _US.pack(request.message_id or 0),
        Element.COMMAND_DATA_SET_TYPE: _US.pack(_WITH_DATA_SET if has_data_set else NO_DATA_SET),
        Element.STATUS: _US.pack(status),
    }
    for element, requested in _GIVEN_BACK:
        uid = request.values.get(element) or request.values.get(requested)
        if uid and len(uid) <= _ERROR_COMMENT_MAX:
            values[element] = uid
    if comment:
        said = comment.encode("ascii", "replace")[:_ERROR_COMMENT_MAX]
        values[Element.ERROR_COMMENT] = said + b" " * (len(said) & 1)
    return Command(CommandField(request.field | _RESPONSE_BIT), {**values, **more})


def event_report(
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    event_type: int,
    message_id: int,
) -> Command:
    """Return an N-EVENT-REPORT-RQ whose event information follows (PS3.7 Table 10.3-1)."""
    return Command(
        CommandField.N_EVENT_REPORT_RQ,
        {
            Element.AFFECTED_SOP_CLASS_UID: uid_bytes(sop_class_uid),
            Element.MESSAGE_ID: us_bytes(message_id),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(_WITH_DATA_SET),
            Element.AFFECTED_SOP_INSTANCE_UID: uid_bytes(sop_instance_uid),
            Element.EVENT_TYPE_ID: us_bytes(event_type),
        },
    )


def store_request(
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    message_id: int,
    originator: tuple[str, int] | None = None,
) -> Command:
    """Return a C-STORE-RQ of medium priority whose data set follows (PS3.7 Table 9.3-1).

    Args:
        sop_class_uid: of the object.
        sop_instance_uid: of the object.
        message_id: of the request.
        originator: AE title that asked for it by C-MOVE, and the message id it asked with.
    """
    values: dict[int, bytes] = {
        Element.AFFECTED_SOP_CLASS_UID: uid_bytes(sop_class_uid),
        Element.MESSAGE_ID: us_bytes(message_id),
        Element.PRIORITY: us_bytes(0),
        Element.COMMAND_DATA_SET_TYPE: us_bytes(_WITH_DATA_SET),
        Element.AFFECTED_SOP_INSTANCE_UID: uid_bytes(sop_instance_uid),
    }
    if originator is not None:
        title = originator[0].encode("ascii", "replace")
        title += b" " * (len(title) & 1)
        values[Element.MOVE_ORIGINATOR_APPLICATION_ENTITY_TITLE] = title
        values[Element.MOVE_ORIGINATOR_MESSAGE_ID] = us_bytes(originator[1])
    return Command(CommandField.C_STORE_RQ, values)


def echo_request(message_id: int) -> Command:
    """Return a C-ECHO-RQ (PS3.7 Table 9.3-12)."""
    return Command(
        CommandField.C_ECHO_RQ,
        {
            Element.AFFECTED_SOP_CLASS_UID: uid_bytes(VERIFICATION),
            Element.MESSAGE_ID: us_bytes(message_id),
            Element.COMMAND_DATA_SET_TYPE: us_bytes(NO_DATA_SET),
        },
    )


def us_bytes(number: int) -> bytes:
    """Return *number* as the value of a US element."""
    return _US.pack(number)


def tag_bytes(tag: int) -> bytes:
    """Return *tag* as the value of an AT element."""
    return _US.pack(tag >> 16) + _US.pack(tag & 0xFFFF)


def uid_bytes(uid: str) -> bytes:
    """Return *uid* as the value of a UI element, padded."""
    raw = uid.encode("ascii")
    return raw + b"\0" * (len(raw) & 1)


def _us(raw: bytes) -> int | None:
    return int(_US.unpack(raw)[0]) if len(raw) == _US.size else None


def _broken(said: str) -> ProtocolFault:
    return ProtocolFault(AbortReason.INVALID_PARAMETER, f"command set {said}")
