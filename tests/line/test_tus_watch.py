"""What is read along on the wire: uploads, their offsets, and what was sent twice."""

import pytest
from hypothesis import given, strategies as st

from bench.line.tus_watch import TusWatch


def patch(path: str, offset: int, length: int) -> bytes:
    return (
        f"PATCH {path} HTTP/1.1\r\nHost: x\r\nUpload-Offset: {offset}\r\n"
        f"content-length: {length}\r\n\r\n"
    ).encode()


POST = b"POST /uploads/ HTTP/1.1\r\nUpload-Length: 100\r\nContent-Length: 0\r\n\r\n"
HEAD = b"HEAD /uploads/a HTTP/1.1\r\n\r\n"


def test_an_upload_that_never_broke_sent_nothing_twice() -> None:
    watch = TusWatch()
    watch.opened(1)
    watch.up(1, POST + patch("/uploads/a", 0, 60) + bytes(60) + patch("/uploads/a", 60, 40))
    watch.up(1, bytes(40))
    assert (watch.resent_bytes, watch.body_bytes) == (0, 100)
    assert watch.furthest == {b"/uploads/a": 100}


def test_what_had_been_on_the_line_before_counts_as_sent_again() -> None:
    watch = TusWatch()
    watch.opened(1)
    watch.up(1, patch("/uploads/a", 0, 100) + bytes(70))
    watch.opened(2)
    watch.up(2, HEAD + patch("/uploads/a", 50, 50) + bytes(50))
    assert watch.resent == [20]
    assert watch.worst_bytes == watch.resent_bytes == 20
    assert watch.resumed == 1


def test_the_first_byte_of_each_upload_is_remembered_in_order() -> None:
    watch = TusWatch()
    watch.opened(1)
    watch.up(1, patch("/uploads/b", 0, 2) + b"xx" + patch("/uploads/a", 0, 1) + b"x")
    assert watch.first_bytes == [b"/uploads/b", b"/uploads/a"]


@given(st.data())
def test_it_does_not_matter_how_the_stream_is_cut_into_pieces(data: st.DataObject) -> None:
    stream = POST + patch("/uploads/a", 0, 300) + bytes(300) + HEAD + patch("/uploads/a", 200, 9)
    stream += bytes(9)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=20)))
    watch = TusWatch()
    watch.opened(1)
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        watch.up(1, stream[begin:end])
    assert watch.resent == [100]
    assert watch.body_bytes == 309


@pytest.mark.parametrize(
    "junk", [b"\0" * 200_000, b"PATCH / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_what_is_no_request_is_left_alone(junk: bytes) -> None:
    watch = TusWatch()
    watch.opened(1)
    watch.up(1, junk)
    watch.up(1, patch("/uploads/a", 0, 5) + bytes(5))
    assert watch.body_bytes == 0
