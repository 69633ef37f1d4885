"""A-ASSOCIATE against pynetdicom in both directions, and against peers that bend it."""

import struct
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationVersionNameNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from gateway.dimse import reject
from gateway.dimse.associate import (
    CONTEXTS_MAX,
    TRANSFER_SYNTAXES_MAX,
    AssociateRequest,
    CommonExtendedNegotiation,
    ContextAnswer,
    ContextResult,
    ExtendedNegotiation,
    ProposedContext,
    RoleSelection,
    accept_pdu,
    parse_request,
)
from gateway.dimse.pdu_stream import ProtocolFault
from gateway.dimse.reject import RejectReason, reject_pdu
from tests.dimse.wire_bytes import CT, EXPLICIT_LE, IMPLICIT_LE, VERIFICATION, associate_rq, context


def parsed(raw: bytes) -> AssociateRequest:
    return parse_request(raw[6:])


def role(uid: str, *, scu: bool, scp: bool) -> SCP_SCU_RoleSelectionNegotiation:
    item = SCP_SCU_RoleSelectionNegotiation()
    item.sop_class_uid = UID(uid)
    item.scu_role = scu
    item.scp_role = scp
    return item


def everything() -> list[Any]:
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 5
    window.maximum_number_operations_performed = 6
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid = UID(CT)
    extended.service_class_application_information = b"\x02\x00\x03\x00\x00\x00"
    common = SOPClassCommonExtendedNegotiation()
    common.sop_class_uid = UID("1.2.3.4")
    common.service_class_uid = UID("1.2.840.10008.4.2")
    common.related_general_sop_class_identification = [UID("1.2.840.10008.5.1.4.1.1.4"), UID(CT)]
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2
    identity.primary_field = b"technician"
    identity.secondary_field = b"secret"
    identity.positive_response_requested = True
    return [window, role(CT, scu=True, scp=False), extended, common, identity]


def test_reads_every_negotiation_item_another_implementation_writes() -> None:
    request = parsed(associate_rq(max_length=32768, more=everything()))
    assert request.protocol_version & 1
    assert request.called_ae == b"YILIAN          "
    assert request.calling_ae == b"MODALITY        "
    assert request.application_context == "1.2.840.10008.3.1.1.1"
    assert request.contexts == (
        ProposedContext(1, VERIFICATION, (EXPLICIT_LE, IMPLICIT_LE)),
        ProposedContext(3, CT, (EXPLICIT_LE, IMPLICIT_LE)),
    )
    user = request.user
    assert user.max_pdu_bytes == 32768
    assert user.implementation_class_uid == "2.25.990001"
    assert user.implementation_version == "TEST_1"
    assert user.operations_window == (5, 6)
    assert user.roles == (RoleSelection(CT, scu=True, scp=False),)
    assert user.extended == (ExtendedNegotiation(CT, b"\x02\x00\x03\x00\x00\x00"),)
    assert user.common_extended == (
        CommonExtendedNegotiation(
            "1.2.3.4", "1.2.840.10008.4.2", ("1.2.840.10008.5.1.4.1.1.4", CT)
        ),
    )
    assert user.user_identity is not None
    assert user.user_identity.kind == 2
    assert user.user_identity.primary == b"technician"
    assert user.user_identity.secondary == b"secret"
    assert user.user_identity.response_requested


def test_a_pass_code_is_never_printed() -> None:
    assert "secret" not in repr(parsed(associate_rq(more=everything())))


def test_another_implementation_reads_the_acceptance() -> None:
    request = parsed(associate_rq())
    raw = accept_pdu(
        request,
        answers=[
            ContextAnswer(1, ContextResult.ACCEPTANCE, EXPLICIT_LE),
            ContextAnswer(3, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, IMPLICIT_LE),
        ],
        roles=[RoleSelection(CT, scu=True, scp=False)],
        max_pdu_bytes=131072,
        implementation_class_uid="2.25.990002",
        implementation_version="OURS_1",
    )
    theirs = A_ASSOCIATE_AC()
    theirs.decode(raw)
    primitive = theirs.to_primitive()
    assert isinstance(primitive, A_ASSOCIATE)
    assert primitive.result == 0
    assert primitive.application_context_name == "1.2.840.10008.3.1.1.1"
    assert [
        (answer.context_id, answer.result, list(answer.transfer_syntax))
        for answer in primitive.presentation_context_definition_results_list
    ] == [(1, 0, [EXPLICIT_LE]), (3, 3, [IMPLICIT_LE])]
    assert primitive.maximum_length_received == 131072
    assert primitive.implementation_class_uid == "2.25.990002"
    assert [
        item.implementation_version_name
        for item in primitive.user_information
        if isinstance(item, ImplementationVersionNameNotification)
    ] == ["OURS_1"]
    (answered,) = [
        item
        for item in primitive.user_information
        if isinstance(item, SCP_SCU_RoleSelectionNegotiation)
    ]
    assert (answered.sop_class_uid, answered.scu_role, answered.scp_role) == (CT, True, False)
    assert theirs.encode() == raw


REASONS = [value for value in vars(reject).values() if isinstance(value, RejectReason)]


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: reason.meaning)
def test_another_implementation_reads_every_reject_reason(reason: RejectReason) -> None:
    theirs = A_ASSOCIATE_RJ()
    theirs.decode(reject_pdu(reason))
    assert (theirs.result, theirs.source, theirs.reason_diagnostic) == (
        reason.result,
        reason.source,
        reason.reason,
    )
    assert theirs.reason_str.lower().replace("-", " ").startswith(reason.meaning.split()[0])


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def request_of(*items: bytes) -> bytes:
    fixed = struct.pack(">H2x16s16s32s", 1, b"YILIAN".ljust(16), b"MODALITY".ljust(16), b"")
    return fixed + b"".join(items)


def context_item(context_id: int, abstract: str, *syntaxes: str, more: bytes = b"") -> bytes:
    subitems = item(0x30, abstract.encode())
    subitems += b"".join(item(0x40, syntax.encode()) for syntax in syntaxes)
    return item(0x20, bytes((context_id, 0, 0, 0)) + subitems + more)


def test_skips_items_and_sub_items_nobody_knows() -> None:
    private = item(0x99, b"what a vendor thinks of")
    request = parse_request(
        request_of(
            private,
            item(0x10, b"1.2.840.10008.3.1.1.1"),
            context_item(1, CT, EXPLICIT_LE, more=private),
            item(0x50, private + item(0x51, struct.pack(">I", 16384)) + private),
        )
    )
    assert request.contexts == (ProposedContext(1, CT, (EXPLICIT_LE,)),)
    assert request.user.max_pdu_bytes == 16384


def test_takes_uids_that_are_padded_against_the_rules() -> None:
    request = parse_request(request_of(context_item(1, CT + "\0", IMPLICIT_LE + " ")))
    assert request.contexts == (ProposedContext(1, CT, (IMPLICIT_LE,)),)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(67), id="one-byte-short"),
        pytest.param(request_of(b"\x10\0\0"), id="half-an-item-header"),
        pytest.param(request_of(b"\x10\0\0\x05abcd"), id="item-longer-than-pdu"),
        pytest.param(request_of(context_item(2, CT, EXPLICIT_LE)), id="even-context-id"),
        pytest.param(request_of(context_item(0, CT, EXPLICIT_LE)), id="context-id-0"),
        pytest.param(request_of(context_item(1, CT), context_item(1, CT)), id="context-id-twice"),
        pytest.param(request_of(item(0x20, b"\1\0\0\0")), id="no-abstract-syntax"),
        pytest.param(request_of(item(0x20, b"\1")), id="context-of-one-byte"),
        pytest.param(request_of(item(0x50, item(0x51, b"\0\0"))), id="short-maximum-length"),
        pytest.param(request_of(item(0x50, item(0x54, b"\0\x40ab"))), id="role-uid-too-long"),
        pytest.param(request_of(item(0x50, item(0x54, b"\0\x011"))), id="role-without-roles"),
        pytest.param(request_of(item(0x50, item(0x58, b"\2"))), id="half-a-user-identity"),
    ],
)
def test_a_request_whose_structure_lies_is_a_fault(body: bytes) -> None:
    with pytest.raises(ProtocolFault):
        parse_request(body)


def test_takes_all_128_contexts_there_can_be() -> None:
    proposed = [context(number, f"1.2.3.{number}") for number in range(1, 256, 2)]
    assert len(parsed(associate_rq(proposed)).contexts) == CONTEXTS_MAX


def test_reads_a_full_first_pdu_of_transfer_syntaxes_in_linear_time() -> None:
    syntaxes = [f"1.2.{number}" for number in range(6000)]
    body = request_of(context_item(1, CT, *syntaxes[:5400]))
    assert len(body) <= 65536
    started = time.process_time()
    request = parse_request(body)
    assert time.process_time() - started < 0.1
    assert request.contexts[0].transfer_syntaxes == tuple(syntaxes[:TRANSFER_SYNTAXES_MAX])


def test_reads_a_full_first_pdu_of_related_sop_classes_in_linear_time() -> None:
    related = b"\0\0" * 32000
    body = request_of(item(0x50, item(0x57, b"\0\0\0\0" + struct.pack(">H", 64000) + related)))
    started = time.process_time()
    parse_request(body)
    assert time.process_time() - started < 0.2


@given(data=st.data())
def test_a_mutated_request_is_read_or_is_a_fault_and_nothing_else(data: st.DataObject) -> None:
    body = bytearray(associate_rq(more=everything())[6:])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    try:
        request = parse_request(bytes(body))
    except ProtocolFault:
        return
    assert len(request.contexts) <= CONTEXTS_MAX
