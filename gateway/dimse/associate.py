"""A-ASSOCIATE-RQ as a value, A-ASSOCIATE-AC as bytes (PS3.8 9.3.2 and 9.3.3, PS3.7 D.3.3).

Unknown items and sub-items are skipped, as PS3.8 9.3.1 asks. What identifies something is kept
as text here and judged in ``negotiate``; only structure is judged here.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from gateway.dimse.pdu_stream import AbortReason, PduType, ProtocolFault, pdu
from kernel.identifiers import UID_MAX

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
CONTEXTS_MAX: Final = 128
TRANSFER_SYNTAXES_MAX: Final = 64
"""Read per context; a peer that proposes more has the rest ignored, not the association."""

_FIXED: Final = struct.Struct(">H2x16s16s32s")
_ITEM: Final = struct.Struct(">BxH")
_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")


class Item(IntEnum):
    """Item and sub-item types (PS3.8 9.3.2, D.1, PS3.7 D.3.3)."""

    APPLICATION_CONTEXT = 0x10
    CONTEXT_RQ = 0x20
    CONTEXT_AC = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS_UID = 0x52
    ASYNCHRONOUS_WINDOW = 0x53
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION = 0x55
    EXTENDED_NEGOTIATION = 0x56
    COMMON_EXTENDED_NEGOTIATION = 0x57
    USER_IDENTITY_RQ = 0x58


class ContextResult(IntEnum):
    """The answer to one presentation context (PS3.8 Table 9-18)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context as the requestor proposes it."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoleSelection:
    """Which roles the requestor (in a request) offers, or the acceptor (in an answer) allows it."""

    sop_class_uid: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """Who the requestor says its user is (PS3.7 D.3.3.7); never printed."""

    kind: int
    primary: bytes = field(repr=False)
    secondary: bytes = field(repr=False)
    response_requested: bool


@dataclass(frozen=True, slots=True)
class ExtendedNegotiation:
    """Service class application information for one SOP class (PS3.7 D.3.3.5)."""

    sop_class_uid: str
    information: bytes


@dataclass(frozen=True, slots=True)
class CommonExtendedNegotiation:
    """To which service class a SOP class belongs, and what it specialises (PS3.7 D.3.3.6)."""

    sop_class_uid: str
    service_class_uid: str
    related_sop_class_uids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInformation:
    """What the user information item of the requestor says."""

    max_pdu_bytes: int = 0
    """The most body bytes of a P-DATA-TF PDU it takes; 0 is no limit."""
    implementation_class_uid: str = ""
    implementation_version: str = ""
    operations_window: tuple[int, int] | None = None
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[ExtendedNegotiation, ...] = ()
    common_extended: tuple[CommonExtendedNegotiation, ...] = ()
    user_identity: UserIdentity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateRequest:
    """An A-ASSOCIATE-RQ."""

    protocol_version: int
    called_ae: bytes
    """16 bytes as received; they go back unchanged."""
    calling_ae: bytes
    reserved: bytes
    application_context: str
    contexts: tuple[ProposedContext, ...]
    user: UserInformation


@dataclass(frozen=True, slots=True)
class ContextAnswer:
    """How one proposed context is answered; the transfer syntax counts only on acceptance."""

    id: int
    result: ContextResult
    transfer_syntax: str


def parse_request(body: bytes) -> AssociateRequest:
    """Return the A-ASSOCIATE-RQ in *body*, the PDU without its header, in linear time.

    Raises:
        ProtocolFault: an item longer than what holds it, a presentation context id that is even,
            repeated, or over the 128 there can be, or a context without its abstract syntax.
    """
    if len(body) < _FIXED.size:
        raise _broken("is shorter than its fixed part")
    version, called, calling, reserved = _FIXED.unpack_from(body)
    contexts: dict[int, ProposedContext] = {}
    application_context = ""
    user = UserInformation()
    for kind, start, end in _items(body, _FIXED.size, len(body)):
        if kind == Item.CONTEXT_RQ:
            context = _context(body, start, end)
            if context.id in contexts or len(contexts) == CONTEXTS_MAX:
                raise _broken("repeats a presentation context id")
            contexts[context.id] = context
        elif kind == Item.APPLICATION_CONTEXT:
            application_context = _uid(body[start:end])
        elif kind == Item.USER_INFORMATION:
            user = _user_information(body, start, end)
    return AssociateRequest(
        protocol_version=version,
        called_ae=called,
        calling_ae=calling,
        reserved=reserved,
        application_context=application_context,
        contexts=tuple(contexts.values()),
        user=user,
    )


def accept_pdu(  # noqa: PLR0913  # the items of the PDU
    request: AssociateRequest,
    *,
    answers: Sequence[ContextAnswer],
    roles: Sequence[RoleSelection],
    extended: Sequence[ExtendedNegotiation] = (),
    max_pdu_bytes: int,
    implementation_class_uid: str,
    implementation_version: str,
) -> bytes:
    """Return the A-ASSOCIATE-AC PDU that answers *request*.

    No asynchronous operations window is answered, which means one operation at a time (PS3.7
    D.3.3.3), and no user identity, which means it was not looked at (D.3.3.7).
    """
    information = [
        _item(Item.MAXIMUM_LENGTH, _U32.pack(max_pdu_bytes)),
        _item(Item.IMPLEMENTATION_CLASS_UID, implementation_class_uid.encode("ascii")),
    ]
    information += [_item(Item.ROLE_SELECTION, _role_bytes(role)) for role in roles]
    information += [_item(Item.EXTENDED_NEGOTIATION, _extended_bytes(one)) for one in extended]
    information.append(
        _item(Item.IMPLEMENTATION_VERSION, implementation_version.encode("ascii")[:16])
    )
    items = [_item(Item.APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode("ascii"))]
    for answer in answers:
        syntax = _item(Item.TRANSFER_SYNTAX, answer.transfer_syntax.encode("ascii"))
        items.append(_item(Item.CONTEXT_AC, bytes((answer.id, 0, answer.result, 0)) + syntax))
    items.append(_item(Item.USER_INFORMATION, b"".join(information)))
    fixed = _FIXED.pack(1, request.called_ae, request.calling_ae, request.reserved)
    return pdu(PduType.ASSOCIATE_AC, fixed + b"".join(items))


def _items(body: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    while position < end:
        if end - position < _ITEM.size:
            raise _broken("ends inside an item header")
        kind, length = _ITEM.unpack_from(body, position)
        position += _ITEM.size
        if length > end - position:
            raise _broken("has an item longer than what holds it")
        yield kind, position, position + length
        position += length


def _context(body: bytes, start: int, end: int) -> ProposedContext:
    head = 4
    if end - start < head or not body[start] & 1:
        raise _broken("has a presentation context without an odd id")
    abstract_syntax: str | None = None
    transfer_syntaxes: list[str] = []
    for kind, item_start, item_end in _items(body, start + head, end):
        if kind == Item.ABSTRACT_SYNTAX:
            abstract_syntax = _uid(body[item_start:item_end])
        elif kind == Item.TRANSFER_SYNTAX and len(transfer_syntaxes) < TRANSFER_SYNTAXES_MAX:
            transfer_syntaxes.append(_uid(body[item_start:item_end]))
    if abstract_syntax is None:
        raise _broken("has a presentation context without an abstract syntax")
    return ProposedContext(body[start], abstract_syntax, tuple(transfer_syntaxes))


@dataclass(slots=True)
class _Gathered:
    max_pdu_bytes: int = 0
    implementation_class_uid: str = ""
    implementation_version: str = ""
    operations_window: tuple[int, int] | None = None
    roles: list[RoleSelection] = field(default_factory=list)
    extended: list[ExtendedNegotiation] = field(default_factory=list)
    common_extended: list[CommonExtendedNegotiation] = field(default_factory=list)
    user_identity: UserIdentity | None = None

    def take(self, kind: int, raw: bytes) -> None:
        match kind:
            case Item.MAXIMUM_LENGTH:
                self.max_pdu_bytes = _fixed(_U32, raw)[0]
            case Item.IMPLEMENTATION_CLASS_UID:
                self.implementation_class_uid = _uid(raw)
            case Item.IMPLEMENTATION_VERSION:
                self.implementation_version = raw.decode("latin-1").strip("\0 ")
            case Item.ASYNCHRONOUS_WINDOW:
                invoked, performed = _fixed(struct.Struct(">HH"), raw)
                self.operations_window = (invoked, performed)
            case Item.ROLE_SELECTION:
                uid, rest = _counted(raw)
                scu, scp = _fixed(struct.Struct(">BB"), rest)
                self.roles.append(RoleSelection(_uid(uid), bool(scu), bool(scp)))
            case Item.EXTENDED_NEGOTIATION:
                uid, rest = _counted(raw)
                self.extended.append(ExtendedNegotiation(_uid(uid), rest))
            case Item.COMMON_EXTENDED_NEGOTIATION:
                self.common_extended.append(_common_extended(raw))
            case Item.USER_IDENTITY_RQ:
                self.user_identity = _user_identity(raw)
            case _:
                pass  # PS3.8 9.3.1: what is not known is ignored


def _user_information(body: bytes, start: int, end: int) -> UserInformation:
    gathered = _Gathered()
    for kind, item_start, item_end in _items(body, start, end):
        gathered.take(kind, body[item_start:item_end])
    return UserInformation(
        max_pdu_bytes=gathered.max_pdu_bytes,
        implementation_class_uid=gathered.implementation_class_uid,
        implementation_version=gathered.implementation_version,
        operations_window=gathered.operations_window,
        roles=tuple(gathered.roles),
        extended=tuple(gathered.extended),
        common_extended=tuple(gathered.common_extended),
        user_identity=gathered.user_identity,
    )


def _user_identity(raw: bytes) -> UserIdentity:
    primary, rest = _counted(raw[2:])
    secondary, _ = _counted(rest)
    return UserIdentity(raw[0], primary, secondary, bool(raw[1]))


def _common_extended(raw: bytes) -> CommonExtendedNegotiation:
    sop_class, rest = _counted(raw)
    service_class, rest = _counted(rest)
    listed, _ = _counted(rest)
    related = []
    position = 0
    while position < len(listed):
        uid, _ = _counted(listed[position : position + _U16.size + UID_MAX])
        related.append(_uid(uid))
        position += _U16.size + len(uid)
    return CommonExtendedNegotiation(_uid(sop_class), _uid(service_class), tuple(related))


def _counted(raw: bytes) -> tuple[bytes, bytes]:
    length = _fixed(_U16, raw)[0]
    if length > len(raw) - _U16.size:
        raise _broken("has a user information field longer than its item")
    return raw[_U16.size : _U16.size + length], raw[_U16.size + length :]


def _fixed(shape: struct.Struct, raw: bytes) -> tuple[int, ...]:
    if len(raw) < shape.size:
        raise _broken("has a user information item that is too short")
    return shape.unpack_from(raw)


def _uid(raw: bytes) -> str:
    # Bytes that are no ASCII become characters no UID admits, and are refused as such later.
    return raw.decode("latin-1").rstrip("\0 ").lstrip(" ")


def _item(kind: Item, body: bytes) -> bytes:
    return _ITEM.pack(kind, len(body)) + body


def _role_bytes(role: RoleSelection) -> bytes:
    uid = role.sop_class_uid.encode("latin-1")
    return _U16.pack(len(uid)) + uid + bytes((role.scu, role.scp))


def _extended_bytes(agreed: ExtendedNegotiation) -> bytes:
    uid = agreed.sop_class_uid.encode("latin-1")
    return _U16.pack(len(uid)) + uid + agreed.information


def _broken(said: str) -> ProtocolFault:
    return ProtocolFault(AbortReason.INVALID_PARAMETER, f"A-ASSOCIATE-RQ {said}")
