"""PDUs and messages for tests: pynetdicom's where they are good, hand-made where they are bad."""

import io
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from pydicom.uid import UID
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext, build_context

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
IMPLICIT_LE = "1.2.840.10008.1.2"
INSTANCE = "2.25.990000"

RELEASE_RQ = bytes.fromhex("05000000000400000000")
RELEASE_RP = bytes.fromhex("06000000000400000000")
ABORT = bytes.fromhex("07000000000400000000")


def associate_rq(
    contexts: Sequence[PresentationContext] | None = None,
    *,
    called: str = "YILIAN",
    calling: str = "MODALITY",
    max_length: int = 16382,
    more: Iterable[Any] = (),
) -> bytes:
    """Return an A-ASSOCIATE-RQ as pynetdicom writes it; default is verification 1 and CT 3."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID("1.2.840.10008.3.1.1.1")
    primitive.calling_ae_title = calling
    primitive.called_ae_title = called
    length = MaximumLengthNotification()
    length.maximum_length_received = max_length
    uid = ImplementationClassUIDNotification()
    uid.implementation_class_uid = UID("2.25.990001")
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = "TEST_1"
    primitive.user_information = [length, uid, version, *more]
    if contexts is None:
        contexts = [context(1, VERIFICATION), context(3, CT)]
    primitive.presentation_context_definition_list = list(contexts)
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())


def context(
    context_id: int, abstract: str, syntaxes: Sequence[str] = (EXPLICIT_LE, IMPLICIT_LE)
) -> PresentationContext:
    built = build_context(abstract, list(syntaxes))
    built.context_id = context_id
    return built


def pdu(code: int, body: bytes, *, length: int | None = None) -> bytes:
    return struct.pack(">BxI", code, len(body) if length is None else length) + body


def pdv(context_id: int, control: int, data: bytes, *, length: int | None = None) -> bytes:
    return (
        struct.pack(">IBB", len(data) + 2 if length is None else length, context_id, control) + data
    )


def p_data(*values: bytes) -> bytes:
    return pdu(4, b"".join(values))


def echo_command(message_id: int = 1) -> bytes:
    primitive = C_ECHO()
    primitive.MessageID = message_id
    primitive.AffectedSOPClassUID = VERIFICATION
    message = C_ECHO_RQ()
    message.primitive_to_message(primitive)
    return encoded_command(message)


def echo_rq(message_id: int = 1, *, context_id: int = 1) -> bytes:
    return p_data(pdv(context_id, 3, echo_command(message_id)))


def store_command(instance: str = INSTANCE, *, message_id: int = 7, sop_class: str = CT) -> bytes:
    primitive = C_STORE()
    primitive.MessageID = message_id
    primitive.AffectedSOPClassUID = sop_class
    primitive.AffectedSOPInstanceUID = instance
    primitive.Priority = 2
    primitive.DataSet = io.BytesIO(b"\0\0")
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    return encoded_command(message)


def any_store_command(instance: str, *, sop_class: str = CT, priority: int = 2) -> bytes:
    """Return a C-STORE-RQ whatever its UIDs look like."""
    body = b"".join(
        struct.pack("<HHI", 0, element, len(value)) + value
        for element, value in (
            (0x0002, _padded(sop_class)),
            (0x0100, struct.pack("<H", 1)),
            (0x0110, struct.pack("<H", 7)),
            (0x0700, struct.pack("<H", priority)),
            (0x0800, struct.pack("<H", 1)),
            (0x1000, _padded(instance)),
        )
    )
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _padded(uid: str) -> bytes:
    raw = uid.encode("latin-1")
    return raw + b"\0" * (len(raw) & 1)


def encoded_command(message: DIMSEMessage) -> bytes:
    raw = encode(message.command_set, is_implicit_vr=True, is_little_endian=True)
    assert raw is not None
    return bytes(raw)


def abort_of_provider(reason: int) -> bytes:
    return bytes((7, 0, 0, 0, 0, 4, 0, 0, 2, reason))
