"""Command sets against pynetdicom's, and messages put together from fragments."""

import io
from collections.abc import Iterator

import pydicom
import pynetdicom.dimse_messages as theirs
import pytest
from hypothesis import given, strategies as st
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dsutils import decode, encode

from gateway.dimse.command_set import Command, CommandField, Element, response
from gateway.dimse.messages import (
    COMMAND_MAX_BYTES,
    CommandReceived,
    DataReceived,
    MessageReader,
)
from gateway.dimse.pdu_stream import Fragment, ProtocolFault
from tests.dimse.wire_bytes import CT, INSTANCE, VERIFICATION, echo_command, store_command

MESSAGES = {
    name: kind
    for name, kind in vars(theirs).items()
    if isinstance(kind, type)
    and issubclass(kind, theirs.DIMSEMessage)
    and kind is not theirs.DIMSEMessage
}
SAMPLES = {
    "UI": "2.25.990000.1",
    "US": 3,
    "AE": "SOMEBODY",
    "LO": "something is wrong",
    "AT": [0x00080018, 0x00100010],
    "UL": 4,
}


def whole_command(kind: type[theirs.DIMSEMessage]) -> tuple[pydicom.Dataset, bytes]:
    """Return a command set of *kind* with every element it may have, and its bytes."""
    dataset = pydicom.Dataset()
    for element in kind().command_set:
        if element.keyword not in {"CommandField", "CommandGroupLength"}:
            element.value = SAMPLES[element.VR]
        if element.keyword == "CommandField":
            element.value = CommandField[kind.__name__].value
        if element.keyword != "CommandGroupLength":
            dataset.add(element)
    body = encode(dataset, is_implicit_vr=True, is_little_endian=True)
    assert body is not None
    dataset.CommandGroupLength = len(body)
    raw = encode(dataset, is_implicit_vr=True, is_little_endian=True)
    assert raw is not None
    return dataset, raw


def test_every_command_of_the_standard_has_a_name_here() -> None:
    assert set(MESSAGES) == {field.name for field in CommandField}
    assert len(MESSAGES) == 23


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_reads_and_writes_every_message_as_another_implementation_does(name: str) -> None:
    dataset, raw = whole_command(MESSAGES[name])
    command = Command.decode(raw)
    assert command.field is CommandField[name]
    for element in dataset:
        assert element.tag.group == 0
        if element.VR == "US" and element.keyword != "CommandField":
            assert command.us(Element(element.tag.element)) == element.value
        elif element.VR in {"UI", "AE"}:
            assert command.text(Element(element.tag.element)) == element.value
    assert command.encode() == raw


def test_a_store_response_is_byte_for_byte_another_implementations() -> None:
    primitive = C_STORE()
    primitive.MessageIDBeingRespondedTo = 7
    primitive.AffectedSOPClassUID = CT
    primitive.AffectedSOPInstanceUID = INSTANCE
    primitive.Status = 0xA700
    primitive.ErrorComment = "There is no room left to keep the object."  # type: ignore[assignment]
    message = theirs.C_STORE_RSP()
    message.primitive_to_message(primitive)
    ours = response(
        Command.decode(store_command()),
        status=0xA700,
        comment="There is no room left to keep the object.",
    )
    assert ours.encode() == encode(message.command_set, is_implicit_vr=True, is_little_endian=True)


def test_an_echo_response_is_byte_for_byte_another_implementations() -> None:
    primitive = C_ECHO()
    primitive.MessageIDBeingRespondedTo = 1
    primitive.AffectedSOPClassUID = VERIFICATION
    primitive.Status = 0
    message = theirs.C_ECHO_RSP()
    message.primitive_to_message(primitive)
    ours = response(Command.decode(echo_command()), status=0)
    assert ours.encode() == encode(message.command_set, is_implicit_vr=True, is_little_endian=True)


def test_a_comment_is_cut_to_what_its_element_may_hold() -> None:
    ours = response(Command.decode(echo_command()), status=0x0110, comment="x" * 65)
    dataset = decode(io.BytesIO(ours.encode()), is_implicit_vr=True, is_little_endian=True)
    assert dataset.ErrorComment == "x" * 64


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes.fromhex("0000"), id="two-bytes"),
        pytest.param(bytes.fromhex("0000000004000000"), id="group-length-without-value"),
        pytest.param(bytes.fromhex("00001001020000000100"), id="no-command-field"),
        pytest.param(bytes.fromhex("000000010200000001ff"), id="command-field-ff01"),
        pytest.param(bytes.fromhex("00000001040000003000 0000"), id="command-field-of-four-bytes"),
        pytest.param(bytes.fromhex("0800160002000000312e"), id="another-group"),
        pytest.param(bytes.fromhex("00000001f0ffffff3000"), id="length-beyond-the-end"),
    ],
)
def test_a_command_that_cannot_be_read_is_a_fault(raw: bytes) -> None:
    with pytest.raises(ProtocolFault):
        Command.decode(raw)


def test_a_wrong_group_length_and_unknown_elements_do_no_harm() -> None:
    raw = bytearray(echo_command())
    raw[8:12] = b"\xff\xff\xff\x7f"
    extra = bytes.fromhex("0000105102000000ab00")
    command = Command.decode(bytes(raw) + extra)
    assert command.field is CommandField.C_ECHO_RQ
    assert command.values[0x5110] == b"\xab\0"


@given(st.binary(max_size=120))
def test_noise_is_a_command_or_a_fault_and_nothing_else(noise: bytes) -> None:
    try:
        command = Command.decode(noise)
    except ProtocolFault:
        return
    response(command, status=0).encode()


def fragments(
    raw: bytes, *, context_id: int = 3, is_command: bool, size: int
) -> Iterator[Fragment]:
    for start in range(0, len(raw) or 1, size):
        piece = raw[start : start + size]
        yield Fragment(context_id, is_command, start + size >= len(raw), memoryview(piece))


@given(size=st.integers(1, 300), data=st.binary(max_size=600))
def test_a_message_in_any_fragments_is_the_same_message(size: int, data: bytes) -> None:
    reader = MessageReader({3})
    got: list[CommandReceived | DataReceived] = []
    for fragment in fragments(store_command(), is_command=True, size=size):
        got += reader.feed(fragment)
    assert not reader.between_messages
    assert got == [CommandReceived(3, Command.decode(store_command()))]
    pieces = [
        piece
        for fragment in fragments(data, is_command=False, size=size)
        for piece in reader.feed(fragment)
        if isinstance(piece, DataReceived)
    ]
    assert b"".join(piece.data for piece in pieces) == data
    assert [piece.is_last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert reader.between_messages


def last(context_id: int, raw: bytes, *, is_command: bool) -> Fragment:
    return Fragment(context_id, is_command=is_command, is_last=True, data=memoryview(raw))


def unfinished(raw: bytes) -> Fragment:
    return Fragment(3, is_command=True, is_last=False, data=memoryview(raw))


def test_a_context_that_was_not_accepted_is_a_fault() -> None:
    with pytest.raises(ProtocolFault, match="5 was not accepted"):
        list(MessageReader({3}).feed(last(5, echo_command(), is_command=True)))


def test_a_data_set_without_command_is_a_fault() -> None:
    with pytest.raises(ProtocolFault, match="data set first"):
        list(MessageReader({3}).feed(last(3, b"abc", is_command=False)))


def test_a_command_inside_a_data_set_is_a_fault() -> None:
    reader = MessageReader({3})
    list(reader.feed(last(3, store_command(), is_command=True)))
    with pytest.raises(ProtocolFault, match="inside a data set"):
        list(reader.feed(last(3, echo_command(), is_command=True)))


def test_a_change_of_context_inside_a_message_is_a_fault() -> None:
    reader = MessageReader({1, 3})
    list(reader.feed(last(3, store_command(), is_command=True)))
    with pytest.raises(ProtocolFault, match="changes"):
        list(reader.feed(last(1, b"abc", is_command=False)))


def test_command_fragments_without_end_are_a_fault_at_16_kib() -> None:
    reader = MessageReader({3})
    piece = unfinished(bytes(COMMAND_MAX_BYTES // 4))
    for _ in range(4):
        assert list(reader.feed(piece)) == []
    with pytest.raises(ProtocolFault, match="over 16384 bytes"):
        list(reader.feed(unfinished(b"x")))
