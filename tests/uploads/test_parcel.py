"""The parcel: what goes in comes out, and nothing damaged passes."""

import datetime as dt
import hashlib
import io
import struct
from collections.abc import Sequence

import msgspec
import pytest
import zstandard
from hypothesis import given, strategies as st

from gateway.uploads.parcel import (
    HEADER_MAX_BYTES,
    VERSIONS,
    BrokenParcel,
    Encoding,
    Parcel,
    ParcelHeader,
    ParcelInstance,
    UnknownParcelVersion,
    body_chunks,
    parcel_bytes,
    parse_versions,
    read_parcel,
    read_version,
    version_to_write,
    write_parcel,
)
from kernel.arrival import Arrival, ContentDigest, Door, Sender
from kernel.errors import PlatformError, TooLarge

AT = dt.datetime(2026, 3, 1, 8, 30, tzinfo=dt.UTC)
PARCEL_ID = "0" * 25 + "a"


def arrival(number: int, size: int) -> Arrival:
    return Arrival(
        door=Door.C_STORE,
        received_at=AT,
        sender=Sender(institution="qingshan", ae_title="CT1"),
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid=f"1.2.3.{number}",
        study_instance_uid="1.2.3",
        series_instance_uid="1.2.3.0",
        dataset_offset=0,
        size_bytes=size,
        digest=ContentDigest(dataset=f"{number:064x}"),
    )


def packed(contents: Sequence[tuple[bytes, Encoding]]) -> bytes:
    bodies, instances = [], []
    for number, (content, encoding) in enumerate(contents):
        body = content if encoding is Encoding.IDENTITY else zstandard.compress(content)
        dense_bytes = len(content) if encoding is Encoding.DENSE else 0
        bodies.append(body)
        instances.append(
            ParcelInstance(
                arrival=arrival(number, len(content)),
                encoding=encoding,
                body_bytes=len(body),
                dense_bytes=dense_bytes,
            )
        )
    return written(instances, bodies)


def written(instances: Sequence[ParcelInstance], bodies: Sequence[bytes]) -> bytes:
    header = ParcelHeader(
        parcel_id=PARCEL_ID, node="qingshan", made_at=AT, instances=tuple(instances)
    )
    out = io.BytesIO()
    sha256 = write_parcel(out, header, [[body] for body in bodies])
    assert parcel_bytes(header) == len(out.getvalue())
    assert sha256 == hashlib.sha256(out.getvalue()[:-32]).hexdigest()
    return out.getvalue()


def opened(raw: bytes) -> tuple[Parcel, list[bytes]]:
    source = io.BytesIO(raw)
    parcel = read_parcel(source, len(raw))
    return parcel, [b"".join(body_chunks(source, body)) for body in parcel.bodies]


@given(st.lists(st.tuples(st.binary(max_size=3000), st.sampled_from(Encoding)), max_size=6))
def test_what_goes_in_comes_out(contents: list[tuple[bytes, Encoding]]) -> None:
    raw = packed(contents)
    parcel, bodies = opened(raw)
    assert bodies == [content for content, _ in contents]
    assert parcel.sha256 == hashlib.sha256(raw[:-32]).hexdigest()


@given(st.data())
def test_one_flipped_bit_is_always_found(data: st.DataObject) -> None:
    raw = bytearray(packed([(b"image" * 50, Encoding.IDENTITY), (b"more" * 50, Encoding.ZSTD)]))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(PlatformError) as caught:
        opened(bytes(raw))
    assert caught.value.code in {"parcel-damaged", "parcel-version"}


@given(st.integers(0, 10_000))
def test_a_cut_parcel_is_never_taken(at: int) -> None:
    raw = packed([(b"image" * 500, Encoding.IDENTITY)])
    if at < len(raw):
        with pytest.raises(BrokenParcel):
            opened(raw[:at])


@given(st.binary(max_size=200))
def test_bytes_that_are_no_parcel_are_said_to_be_none(raw: bytes) -> None:
    with pytest.raises(PlatformError):
        opened(raw)


def test_a_parcel_of_a_later_version_is_told_from_a_damaged_one() -> None:
    raw = bytearray(packed([]))
    raw[8:10] = struct.pack(">H", 9)
    with pytest.raises(UnknownParcelVersion):
        opened(bytes(raw))


def test_a_body_never_inflates_past_what_was_announced() -> None:
    bomb = zstandard.compress(b"\0" * 50_000_000)
    instance = ParcelInstance(
        arrival=arrival(1, 1000), encoding=Encoding.ZSTD, body_bytes=len(bomb)
    )
    raw = written([instance], [bomb])
    source = io.BytesIO(raw)
    parcel = read_parcel(source, len(raw))
    taken: list[bytes] = []
    with pytest.raises(BrokenParcel) as caught:
        taken.extend(body_chunks(source, parcel.bodies[0]))
    assert caught.value.code == "body-broken"
    assert sum(map(len, taken)) <= 1000


@pytest.mark.parametrize(
    ("body", "size"),
    [
        pytest.param(b"not zstd", 8, id="not-zstd"),
        pytest.param(zstandard.compress(b"1234567890"), 11, id="shorter-than-announced"),
        pytest.param(zstandard.compress(b"1234567890")[:-2], 10, id="cut-frame"),
    ],
)
def test_a_body_that_does_not_decompress_is_refused(body: bytes, size: int) -> None:
    instance = ParcelInstance(
        arrival=arrival(1, size), encoding=Encoding.ZSTD, body_bytes=len(body)
    )
    with pytest.raises(BrokenParcel):
        opened(written([instance], [body]))


def test_the_same_instance_twice_is_refused_but_the_same_uid_with_other_content_is_not() -> None:
    one = ParcelInstance(arrival=arrival(1, 1), encoding=Encoding.IDENTITY, body_bytes=1)
    with pytest.raises(BrokenParcel) as caught:
        opened(written([one, one], [b"a", b"a"]))
    assert caught.value.code == "parcel-header"
    other_content = msgspec.structs.replace(one.arrival, digest=ContentDigest(dataset=f"{2:064x}"))
    other = msgspec.structs.replace(one, arrival=other_content)
    assert opened(written([one, other], [b"a", b"b"]))[1] == [b"a", b"b"]


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param({"parcel_id": "../../etc/passwd"}, id="parcel-id"),
        pytest.param({"instances": [{}]}, id="empty-instance"),
        pytest.param({"made_at": "yesterday"}, id="date"),
    ],
)
def test_a_header_that_is_not_as_it_must_be_is_refused(spoilt: dict[str, object]) -> None:
    plain = {"parcel_id": PARCEL_ID, "node": "n", "made_at": AT.isoformat(), "instances": []}
    encoded = msgspec.json.encode(plain | spoilt)
    head = struct.pack(">8sHHI", b"YILIANPC", 1, 0, len(encoded)) + encoded
    with pytest.raises(BrokenParcel):
        opened(head + hashlib.sha256(head).digest())


def test_a_header_that_claims_four_gigabytes_allocates_nothing() -> None:
    with pytest.raises(BrokenParcel):
        opened(struct.pack(">8sHHI", b"YILIANPC", 1, 0, 0xFFFFFFFF) + b"{}")


def test_a_parcel_has_at_most_ten_thousand_instances() -> None:
    instances = [
        ParcelInstance(arrival=arrival(number, 0), encoding=Encoding.IDENTITY, body_bytes=0)
        for number in range(10_001)
    ]
    with pytest.raises(TooLarge):
        written(instances, [b""] * len(instances))


def test_a_body_of_another_length_than_announced_is_a_fault_of_ours() -> None:
    one = ParcelInstance(arrival=arrival(1, 5), encoding=Encoding.IDENTITY, body_bytes=5)
    with pytest.raises(ValueError, match="announced"):
        written([one], [b"1234"])


@given(st.lists(st.binary(max_size=300), max_size=4), st.sampled_from(sorted(VERSIONS)))
def test_every_version_says_the_same(contents: list[bytes], version: int) -> None:
    instances = [
        ParcelInstance(
            arrival=arrival(number, len(content)),
            encoding=Encoding.IDENTITY,
            body_bytes=len(content),
        )
        for number, content in enumerate(contents)
    ]
    header = ParcelHeader(
        parcel_id=PARCEL_ID, node="qingshan", made_at=AT, instances=tuple(instances)
    )
    out = io.BytesIO()
    write_parcel(out, header, [[content] for content in contents], version=version)
    raw = out.getvalue()
    assert len(raw) == parcel_bytes(header, version=version)
    assert read_version(io.BytesIO(raw)) == version
    parcel, bodies = opened(raw)
    assert (parcel.header, bodies) == (header, contents)
    others = VERSIONS - {version}
    with pytest.raises(UnknownParcelVersion):
        read_parcel(io.BytesIO(raw), len(raw), versions=others)


@pytest.mark.parametrize(
    "packed_header",
    [b"", b"no frame", zstandard.compress(b" " * (HEADER_MAX_BYTES + 1)), b"\x28\xb5\x2f\xfd"],
    ids=["nothing", "text", "bomb", "cut"],
)
def test_a_packed_header_that_is_none_or_too_long_is_refused(packed_header: bytes) -> None:
    raw = b"YILIANPC" + struct.pack(">HHI", 2, 0, len(packed_header)) + packed_header
    raw += hashlib.sha256(raw).digest()
    with pytest.raises(BrokenParcel):
        opened(raw)


@pytest.mark.parametrize(
    ("text", "versions"),
    [(None, set()), ("", set()), ("1", {1}), ("1, 2,3", {1, 2, 3}), ("1,x,-2,99999,2.0", {1})],
)
def test_a_list_of_versions_is_read_as_far_as_it_is_one(
    text: str | None, versions: set[int]
) -> None:
    assert parse_versions(text) == versions


def test_the_newest_version_both_know_is_written() -> None:
    assert version_to_write({1, 2, 3}, {1, 2}) == 2
    assert version_to_write({1}, {1, 2}) == 1
    assert version_to_write({3}, {1, 2}) is None
