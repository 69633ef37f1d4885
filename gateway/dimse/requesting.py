"""A-ASSOCIATE-RQ as bytes, its answers as values: the requesting side of ``associate``."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.dimse.associate import (
    APPLICATION_CONTEXT,
    ContextResult,
    Item,
    ProposedContext,
)
from gateway.dimse.pdu_stream import AbortReason, PduType, ProtocolFault, pdu

_FIXED: Final = struct.Struct(">H2x16s16s32x")
_ITEM: Final = struct.Struct(">BxH")
_U32: Final = struct.Struct(">I")
_CONTEXT_HEAD: Final = 4
_REJECT_BODY: Final = 4


@dataclass(frozen=True, slots=True)
class Accepted:
    """What an A-ASSOCIATE-AC says.

    Attributes:
        contexts: transfer syntax by the id of each accepted context.
        max_pdu_bytes: the peer's Maximum Length; 0 means no limit.
    """

    contexts: Mapping[int, str]
    max_pdu_bytes: int


def request_pdu(
    *,
    called: str,
    calling: str,
    contexts: Sequence[ProposedContext],
    max_pdu_bytes: int,
    implementation: tuple[str, str],
) -> bytes:
    """Return the A-ASSOCIATE-RQ PDU (PS3.8 9.3.2); one operation at a time, no roles.

    Args:
        called: the peer's AE title.
        calling: ours.
        contexts: at most 128, their ids odd.
        max_pdu_bytes: Maximum Length we take.
        implementation: our Implementation Class UID and Version Name.
    """
    class_uid, version = implementation
    items = [_item(Item.APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode("ascii"))]
    for context in contexts:
        parts = [_item(Item.ABSTRACT_SYNTAX, context.abstract_syntax.encode("ascii"))]
        parts += [_item(Item.TRANSFER_SYNTAX, s.encode("ascii")) for s in context.transfer_syntaxes]
        items.append(_item(Item.CONTEXT_RQ, bytes((context.id, 0, 0, 0)) + b"".join(parts)))
    user = (
        _item(Item.MAXIMUM_LENGTH, _U32.pack(max_pdu_bytes))
        + _item(Item.IMPLEMENTATION_CLASS_UID, class_uid.encode("ascii"))
        + _item(Item.IMPLEMENTATION_VERSION, version.encode("ascii")[:16])
    )
    items.append(_item(Item.USER_INFORMATION, user))
    fixed = _FIXED.pack(1, called.encode("ascii").ljust(16), calling.encode("ascii").ljust(16))
    return pdu(PduType.ASSOCIATE_RQ, fixed + b"".join(items))


def parse_accept(body: bytes) -> Accepted:
    """Return what the A-ASSOCIATE-AC in *body* says; unknown items are skipped.

    Raises:
        ProtocolFault: an item longer than what holds it.
    """
    contexts: dict[int, str] = {}
    max_pdu_bytes = 0
    for kind, value in _items(body[_FIXED.size :]):
        if kind == Item.CONTEXT_AC and len(value) >= _CONTEXT_HEAD:
            if value[2] == ContextResult.ACCEPTANCE:
                contexts[value[0]] = _syntax(value[_CONTEXT_HEAD:])
        elif kind == Item.USER_INFORMATION:
            for sub_kind, sub_value in _items(value):
                if sub_kind == Item.MAXIMUM_LENGTH and len(sub_value) == _U32.size:
                    max_pdu_bytes = _U32.unpack(sub_value)[0]
    return Accepted(MappingProxyType(contexts), max_pdu_bytes)


@dataclass(frozen=True, slots=True)
class Rejection:
    """What an A-ASSOCIATE-RJ says (PS3.8 Table 9-21); zeros where it says nothing."""

    result: int = 0
    source: int = 0
    reason: int = 0


def parse_reject(body: bytes) -> Rejection:
    """Return what the A-ASSOCIATE-RJ in *body* says."""
    return Rejection(*body[1:_REJECT_BODY]) if len(body) >= _REJECT_BODY else Rejection()


def said_of_reject(body: bytes) -> str:
    """Return one English line for the A-ASSOCIATE-RJ in *body*."""
    if len(body) < _REJECT_BODY:
        return "rejected"
    return f"rejected with result {body[1]}, source {body[2]}, reason {body[3]}"


def _syntax(raw: bytes) -> str:
    for kind, value in _items(raw):
        if kind == Item.TRANSFER_SYNTAX:
            return value.decode("latin-1").rstrip("\0 ")
    return ""


def _items(raw: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(raw):
        if len(raw) - position < _ITEM.size:
            raise _broken()
        kind, length = _ITEM.unpack_from(raw, position)
        position += _ITEM.size
        if length > len(raw) - position:
            raise _broken()
        yield kind, raw[position : position + length]
        position += length


def _item(kind: Item, body: bytes) -> bytes:
    return _ITEM.pack(kind, len(body)) + body


def _broken() -> ProtocolFault:
    return ProtocolFault(
        AbortReason.INVALID_PARAMETER, "A-ASSOCIATE-AC has an item longer than what holds it"
    )
