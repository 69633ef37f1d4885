"""Frames of MLLP: whole, in pieces, broken, endless."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from gateway.hl7.mllp import BrokenFrame, FrameReader, FrameTooLong, framed

MESSAGE = b"MSH|^~\\&|HIS|QS\rPID|1\r"
BODIES = st.binary(max_size=60).filter(lambda raw: not set(raw) & {0x0B, 0x1C})


def read_all(pieces: Iterable[bytes], longest: int = 1000) -> list[bytes]:
    reader, found = FrameReader(longest), []
    for piece in pieces:
        reader.feed(piece)
        while (message := reader.next()) is not None:
            found.append(message)
    return found


@given(st.lists(BODIES, max_size=5), st.data())
def test_gives_back_what_was_framed_however_the_stream_is_cut(
    bodies: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(framed(body) for body in bodies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    ends = [0, *cuts, len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(ends)]
    assert read_all(pieces) == bodies


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_takes_any_stream_or_says_what_is_wrong_and_holds_no_more_than_a_message(
    pieces: list[bytes],
) -> None:
    reader = FrameReader(100)
    for piece in pieces:
        reader.feed(piece)
        try:
            while reader.next() is not None:
                pass
        except (BrokenFrame, FrameTooLong):
            return
        assert len(reader._buffer) <= 100 + len(piece) + 2


def test_passes_over_blanks_between_frames_and_a_little_junk_before_one() -> None:
    stream = b"\r\nhello" + framed(MESSAGE) + b"\r\n\r\n" + framed(MESSAGE)
    assert read_all([stream]) == [MESSAGE, MESSAGE]


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"x" * 1025, id="junk that never ends"),
        pytest.param(b"GET / HTTP/1.1\r\n" * 80, id="another protocol"),
        pytest.param(b"\x0bMSH|1\x0bMSH|2\x1c\r", id="a frame that was never closed"),
        pytest.param(b"\x0bPID|a\x1c\rOBX|rest of it\x1c\r", id="an end inside a field"),
        pytest.param(b"\x0bPID|a\x1cb\x1c\r", id="half an end inside a field"),
    ],
)
def test_believes_nothing_of_a_broken_stream(stream: bytes) -> None:
    with pytest.raises(BrokenFrame):
        read_all([stream])


def test_stops_at_the_limit_without_keeping_more() -> None:
    reader = FrameReader(1000)
    reader.feed(b"\x0b" + MESSAGE)
    while len(reader._buffer) <= 900:
        reader.feed(b"x" * 100)
        assert reader.next() is None
    reader.feed(b"x" * 5000)
    with pytest.raises(FrameTooLong) as refused:
        reader.next()
    assert refused.value.head.startswith(MESSAGE)
    assert len(refused.value.head) == 1000


def test_frames_no_message_that_would_end_early() -> None:
    for inside in (b"\x0b", b"\x1c", b"\x1c\r"):
        with pytest.raises(BrokenFrame):
            framed(MESSAGE + inside)
