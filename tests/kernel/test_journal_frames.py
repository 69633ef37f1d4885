"""The codec of frames gives back what it was given, and takes nothing else for a frame."""

import pytest
from hypothesis import given, strategies as st

from kernel.journal.frames import (
    BLOCK,
    HEADER_BYTES,
    SEGMENT_FRAME_BYTES,
    Commit,
    CommitEntry,
    Frame,
    JournalCorrupt,
    Kind,
    Place,
    Position,
    SegmentHeader,
    block_end,
    decode_commit,
    decode_header,
    decode_segment_header,
    encode_commit,
    encode_header,
    encode_segment_header,
)

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
FRAMES = st.builds(
    Frame, st.sampled_from(Kind), U32, U32, U32, U64, st.integers(0, 2**40), st.integers(0, 4095)
)
PLACES = st.builds(Place, U64, U64)
POSITIONS = st.builds(Position, U64, U64)
HEADERS = st.builds(SegmentHeader, U64, U64, U64, POSITIONS, U64)
ENTRIES = st.lists(st.builds(CommitEntry, U64, U64, U32, st.binary(max_size=100)), max_size=5)


@given(FRAMES, PLACES, st.binary(max_size=20))
def test_a_frame_header_comes_back(frame: Frame, place: Place, rest: bytes) -> None:
    raw = encode_header(frame, place)
    assert len(raw) == HEADER_BYTES
    assert decode_header(raw + rest, place, frame.offset) == frame


@given(FRAMES, PLACES, PLACES, st.integers(1, 2**40))
def test_a_frame_at_another_place_is_none(
    frame: Frame, place: Place, other: Place, moved: int
) -> None:
    raw = encode_header(frame, place)
    assert decode_header(raw, place, frame.offset + moved) is None
    if other != place:
        assert decode_header(raw, other, frame.offset) is None


@given(FRAMES, PLACES, st.integers(0, HEADER_BYTES * 8 - 1))
def test_a_flipped_bit_is_noticed(frame: Frame, place: Place, bit: int) -> None:
    raw = bytearray(encode_header(frame, place))
    raw[bit // 8] ^= 1 << bit % 8
    assert decode_header(bytes(raw), place, frame.offset) is None


@given(st.binary(max_size=64), PLACES, st.integers(0, 2**40))
def test_other_bytes_are_no_frame(raw: bytes, place: Place, offset: int) -> None:
    assert decode_header(raw, place, offset) is None
    assert decode_segment_header(raw) is None


@given(HEADERS, st.binary(max_size=20))
def test_a_segment_header_comes_back(header: SegmentHeader, rest: bytes) -> None:
    raw = encode_segment_header(header)
    assert len(raw) == SEGMENT_FRAME_BYTES < BLOCK
    assert decode_segment_header(raw + rest) == header


@given(HEADERS, st.integers(0, SEGMENT_FRAME_BYTES * 8 - 1))
def test_a_flipped_bit_of_a_segment_header_is_noticed(header: SegmentHeader, bit: int) -> None:
    raw = bytearray(encode_segment_header(header))
    raw[bit // 8] ^= 1 << bit % 8
    assert decode_segment_header(bytes(raw)) is None


@given(POSITIONS, ENTRIES)
def test_a_commit_comes_back(durable: Position, entries: list[CommitEntry]) -> None:
    assert decode_commit(encode_commit(durable, entries)) == Commit(durable, tuple(entries))


@given(POSITIONS, ENTRIES, st.data())
def test_a_cut_commit_is_refused(
    durable: Position, entries: list[CommitEntry], data: st.DataObject
) -> None:
    raw = encode_commit(durable, entries)
    with pytest.raises(JournalCorrupt):
        decode_commit(raw[: data.draw(st.integers(0, len(raw) - 1))])


@given(st.binary(max_size=200))
def test_any_other_commit_is_read_or_refused(raw: bytes) -> None:
    try:
        commit = decode_commit(raw)
    except JournalCorrupt:
        return
    assert encode_commit(commit.durable, commit.entries) == raw


@given(st.integers(0, 2**50))
def test_a_block_end_is_the_next_multiple(offset: int) -> None:
    end = block_end(offset)
    assert end % BLOCK == 0
    assert 0 <= end - offset < BLOCK
