"""PDUs out of a byte stream, in whatever portions it comes, and with whatever lengths it claims."""

import pytest
from hypothesis import given, strategies as st
from pynetdicom.pdu import P_DATA_TF

from gateway.dimse.pdu_stream import (
    AbortReason,
    AbortSource,
    Fragment,
    Pdu,
    PduStream,
    PduType,
    ProtocolFault,
    abort_pdu,
    data_pdus,
)
from tests.dimse.wire_bytes import ABORT, RELEASE_RQ, p_data, pdu, pdv


def anything_goes(pdu_type: PduType, length: int) -> None:
    del pdu_type, length


def read(stream: PduStream, *portions: bytes) -> list[Pdu | tuple[int, bool, bool, bytes]]:
    """Return what the portions bring, fragments with their bytes copied."""
    return [
        (item.context_id, item.is_command, item.is_last, bytes(item.data))
        if isinstance(item, Fragment)
        else item
        for portion in portions
        for item in stream.feed(memoryview(portion))
    ]


def values(items: list[Pdu | tuple[int, bool, bool, bytes]]) -> list[tuple[int, bool, bytes, bool]]:
    """Put the pieces of each presentation data value together again."""
    joined: list[tuple[int, bool, bytes, bool]] = []
    data = b""
    for item in items:
        assert not isinstance(item, Pdu)
        data += item[3]
        if item[2]:
            joined.append((item[0], item[1], data, True))
            data = b""
    return joined


portions_of = st.lists(st.integers(1, 40), max_size=60)


@given(
    data=st.binary(max_size=400),
    room=st.integers(2, 120),
    context_id=st.integers(1, 255),
    is_command=st.booleans(),
    cuts=portions_of,
)
def test_what_is_sent_arrives_whole_in_any_portions(
    data: bytes, room: int, context_id: int, is_command: bool, cuts: list[int]
) -> None:
    sent = data_pdus(data, context_id=context_id, is_command=is_command, peer_max_pdu_bytes=room)
    portions, start = [], 0
    for cut in cuts:
        portions.append(sent[start : start + cut])
        start += cut
    stream = PduStream(anything_goes)
    received = read(stream, *portions, sent[start:])
    assert values(received) == [(context_id, is_command, data, True)]
    assert stream.between_pdus


@given(data=st.binary(min_size=1, max_size=3000), room=st.integers(16, 1000))
def test_another_implementation_reads_what_is_sent(data: bytes, room: int) -> None:
    sent = memoryview(data_pdus(data, context_id=5, is_command=False, peer_max_pdu_bytes=room))
    got, last = b"", False
    while sent:
        length = int.from_bytes(sent[2:6], "big")
        assert length <= room
        theirs = P_DATA_TF()
        theirs.decode(bytes(sent[: 6 + length]))
        for item in theirs.presentation_data_value_items:
            assert item.presentation_context_id == 5
            raw = item.presentation_data_value
            assert raw is not None
            assert not last
            last = raw[0] == 2
            got += raw[1:]
        sent = sent[6 + length :]
    assert got == data
    assert last


def test_gives_pdus_that_are_not_data_whole() -> None:
    stream = PduStream(anything_goes)
    assert read(stream, RELEASE_RQ[:7], RELEASE_RQ[7:] + ABORT) == [
        Pdu(PduType.RELEASE_RQ, bytes(4)),
        Pdu(PduType.ABORT, bytes(4)),
    ]


def test_an_empty_last_fragment_ends_a_message() -> None:
    stream = PduStream(anything_goes)
    assert read(stream, p_data(pdv(1, 0, b"ab"), pdv(1, 2, b""))) == [
        (1, False, False, b"ab"),
        (1, False, True, b""),
    ]
    assert stream.between_pdus


def test_several_values_in_one_pdu_are_several_fragments() -> None:
    stream = PduStream(anything_goes)
    assert read(stream, p_data(pdv(1, 3, b"com"), pdv(1, 2, b"data"))) == [
        (1, True, True, b"com"),
        (1, False, True, b"data"),
    ]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(pdu(8, b"x"), AbortReason.UNRECOGNIZED_PDU, id="type-08"),
        pytest.param(b"GET / HTTP/1.1\r\n", AbortReason.UNRECOGNIZED_PDU, id="a-web-client"),
        pytest.param(pdu(4, b""), AbortReason.INVALID_PARAMETER, id="p-data-without-value"),
        pytest.param(pdu(4, b"abcde"), AbortReason.INVALID_PARAMETER, id="p-data-of-five-bytes"),
        pytest.param(pdu(5, b""), AbortReason.INVALID_PARAMETER, id="release-without-body"),
        pytest.param(
            p_data(pdv(1, 3, b"x", length=0)), AbortReason.INVALID_PARAMETER, id="pdv-length-0"
        ),
        pytest.param(
            p_data(pdv(1, 3, b"x", length=1)), AbortReason.INVALID_PARAMETER, id="pdv-length-1"
        ),
        pytest.param(
            p_data(pdv(1, 3, b"x", length=4)), AbortReason.INVALID_PARAMETER, id="pdv-over-pdu"
        ),
        pytest.param(
            p_data(pdv(1, 3, b"x", length=0xFFFFFFF0)), AbortReason.INVALID_PARAMETER, id="pdv-4g"
        ),
        pytest.param(
            p_data(pdv(1, 3, b"x"), b"abc"), AbortReason.INVALID_PARAMETER, id="three-bytes-over"
        ),
    ],
)
def test_a_lie_about_lengths_is_a_fault(sent: bytes, reason: AbortReason) -> None:
    with pytest.raises(ProtocolFault) as caught:
        read(PduStream(anything_goes), sent)
    assert caught.value.reason is reason


def test_the_header_is_judged_before_a_byte_of_the_body_is_there() -> None:
    asked: list[tuple[PduType, int]] = []

    def judge(pdu_type: PduType, length: int) -> None:
        asked.append((pdu_type, length))
        raise ProtocolFault(AbortReason.INVALID_PARAMETER, "too long")

    with pytest.raises(ProtocolFault):
        read(PduStream(judge), bytes.fromhex("0100ffffffff"))
    assert asked == [(PduType.ASSOCIATE_RQ, 0xFFFFFFFF)]


@given(st.binary(max_size=300), portions_of)
def test_noise_is_read_or_is_a_fault_and_nothing_else(noise: bytes, cuts: list[int]) -> None:
    stream = PduStream(anything_goes)
    try:
        start = 0
        for cut in [*cuts, len(noise)]:
            read(stream, noise[start : start + cut])
            start += cut
    except ProtocolFault:
        pass


def test_a_service_user_gives_no_reason_for_its_abort() -> None:
    assert abort_pdu(AbortSource.SERVICE_USER, AbortReason.UNEXPECTED_PDU) == ABORT
    assert abort_pdu(AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PDU) == bytes.fromhex(
        "07000000000400000202"
    )
