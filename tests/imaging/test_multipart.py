"""multipart/related read and written, whatever the pieces it comes in."""

from collections.abc import Iterable, Sequence
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP

import pytest
from hypothesis import given, strategies as st

from imaging.dicomweb.multipart import (
    BodyEnds,
    BrokenMultipart,
    MultipartReader,
    PartBegins,
    PartData,
    PartEnds,
    closing,
    part_head,
)

BOUNDARY = "b0undary"


def read(boundary: str, pieces: Iterable[bytes]) -> list[tuple[dict[str, str], bytes]]:
    reader = MultipartReader(boundary)
    parts: list[tuple[dict[str, str], bytes]] = []
    headers: dict[str, str] = {}
    body = bytearray()
    for piece in pieces:
        for event in reader.feed(piece):
            match event:
                case PartBegins():
                    headers, body = dict(event.headers), bytearray()
                case PartData():
                    body += event.data
                case PartEnds():
                    parts.append((headers, bytes(body)))
                case BodyEnds():
                    pass
    reader.finish()
    return parts


def write(bodies: Sequence[bytes]) -> bytes:
    out = b""
    for number, body in enumerate(bodies):
        out += part_head(BOUNDARY, "application/dicom", first=number == 0) + body
    return out + closing(BOUNDARY)


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    pieces, position = [], 0
    for size in sizes:
        pieces.append(data[position : position + size])
        position += size
    return [*pieces, data[position:]]


tricky = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n", b"\r\n--", b"b0un", b"dary", b"x", b"\0"]),
    max_size=12,
).map(b"".join)


@given(
    st.lists(tricky.filter(lambda b: b"\r\n--b0undary" not in b"\r\n" + b), min_size=1, max_size=4),
    st.lists(st.integers(0, 7), max_size=60),
)
def test_what_is_written_is_read_back_in_pieces_of_any_size(
    bodies: list[bytes], sizes: list[int]
) -> None:
    parts = read(BOUNDARY, cut(write(bodies), sizes))
    assert [body for _, body in parts] == bodies
    assert all(headers == {"content-type": "application/dicom"} for headers, _ in parts)


def test_a_foreign_parser_reads_what_is_written() -> None:
    head = f'Content-Type: multipart/related; boundary="{BOUNDARY}"\r\n\r\n'.encode()
    message: Message = BytesParser(policy=HTTP).parsebytes(head + write([b"one", b"two"]))
    assert [p.get_payload(decode=True) for p in message.walk() if not p.is_multipart()] == [
        b"one",
        b"two",
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(b"--b0undary\r\n\r\nx\r\n--b0undary--", [b"x"], id="no-headers"),
        pytest.param(b"\r\n--b0undary\r\n\r\nx\r\n--b0undary--\r\n", [b"x"], id="line-end-first"),
        pytest.param(b"hello\r\n--b0undary \t\r\n\r\n\r\n--b0undary--", [b""], id="preamble"),
        pytest.param(b"--b0undary--", [], id="no-parts"),
        pytest.param(b"--b0undary\r\n\r\nx\r\n--b0undary--tail", [b"x"], id="epilogue"),
    ],
)
def test_odd_but_legal_forms_are_read(raw: bytes, expected: list[bytes]) -> None:
    assert [body for _, body in read(BOUNDARY, [raw])] == expected


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"--b0undary\r\n\r\nx", "truncated-multipart", id="no-closing-boundary"),
        pytest.param(b"", "truncated-multipart", id="nothing"),
        pytest.param(b"--b0undary\r\nA: " + b"x" * 9000, "part-header-too-long", id="long-header"),
        pytest.param(b"--b0undary\r\nnonsense\r\n\r\n", "broken-multipart", id="not-a-header"),
        pytest.param(b"--b0undary\r\nA: 1\r\na: 2\r\n\r\n", "broken-multipart", id="twice"),
        pytest.param(b"--b0undaryx\r\n\r\n", "broken-multipart", id="text-behind-boundary"),
        pytest.param(b"--b0undary\r\n\r\n\r\n" * 10_002, "too-many-parts", id="many-parts"),
    ],
)
def test_broken_bodies_are_refused_with_a_code(raw: bytes, code: str) -> None:
    with pytest.raises(BrokenMultipart) as caught:
        read(BOUNDARY, [raw])
    assert caught.value.code == code


@pytest.mark.parametrize("boundary", ["", "a" * 71, "a\r\nb", "ends with space "])
def test_a_boundary_outside_the_rule_is_refused(boundary: str) -> None:
    with pytest.raises(BrokenMultipart):
        MultipartReader(boundary)
