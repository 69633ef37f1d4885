"""The county takes a parcel: all good instances as one, one receipt, for ever."""

import datetime as dt
import hashlib
import io
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
import zstandard

from gateway.uploads.parcel import (
    VERSIONS_HEADER,
    Encoding,
    ParcelHeader,
    ParcelInstance,
    write_parcel,
)
from gateway.uploads.parcel_sink import Taken
from gateway.uploads.receipts import Outcome
from kernel.arrival import Arrival, ContentDigest, Door, Sender
from kernel.dicom.codecs import InThread
from kernel.dicom.content import content_digest
from kernel.dicom.dataset import BytesSource, read_file_meta, scan
from kernel.dicom.header import read_header
from kernel.identifiers import new_id
from kernel.journal.writer import JournalFull, JournalWriter, Position
from tests.uploads.county_door import County, county_door
from tests.uploads.dicom_files import ct_slice, structured_report

AT = dt.datetime(2026, 3, 1, 8, 30, tzinfo=dt.UTC)


def instance_of(raw: bytes, *, institution: str = "qingshan", **changed: object) -> ParcelInstance:
    source = BytesSource(raw)
    meta = read_file_meta(source)
    walked = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    header = read_header(source, walked)
    arrival = Arrival(
        door=Door.C_STORE,
        received_at=AT,
        sender=Sender(institution=institution, ae_title="CT1"),
        transfer_syntax_uid=meta.transfer_syntax_uid,
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        study_instance_uid=header.study_instance_uid,
        series_instance_uid=header.series_instance_uid,
        dataset_offset=meta.dataset_offset,
        size_bytes=len(raw),
        digest=content_digest(walked, decoder=InThread()),
    )
    arrival = msgspec.structs.replace(arrival, **changed)
    return ParcelInstance(arrival=arrival, encoding=Encoding.IDENTITY, body_bytes=len(raw))


def parcel_of(
    pairs: Sequence[tuple[ParcelInstance, bytes]],
    *,
    parcel_id: str | None = None,
    node: str = "qingshan",
) -> bytes:
    out = io.BytesIO()
    header = ParcelHeader(
        parcel_id=parcel_id or new_id(),
        node=node,
        made_at=AT,
        instances=tuple(instance for instance, _ in pairs),
    )
    write_parcel(out, header, [[body] for _, body in pairs])
    return out.getvalue()


@pytest_asyncio.fixture
async def county(tmp_path: Path) -> AsyncIterator[County]:
    async with county_door(tmp_path) as county:
        yield county


async def test_a_parcel_is_committed_as_one_and_signed_for(county: County) -> None:
    slices = [ct_slice(number) for number in range(1, 5)]
    pairs = [(instance_of(raw), raw) for raw in slices]
    report = structured_report()
    zipped = zstandard.compress(report)
    packed = msgspec.structs.replace(
        instance_of(report), encoding=Encoding.ZSTD, body_bytes=len(zipped)
    )
    parcel_id = new_id()
    raw = parcel_of([*pairs, (packed, zipped)], parcel_id=parcel_id)
    receipt = await county.delivered(raw, parcel_id)
    assert [told.outcome for told in receipt.instances] == [Outcome.ACCEPTED] * 5
    assert receipt.parcel_sha256 == hashlib.sha256(raw[:-32]).hexdigest()
    assert (receipt.institution, receipt.county) == ("qingshan", "county")
    assert county.batches() == [5]
    assert [content for _, content in county.committed()] == [*slices, report]
    arrival = county.committed()[0][0]
    assert (arrival.door, arrival.parcel_id) == (Door.PARCEL, parcel_id)
    assert arrival.sender.ae_title == "CT1"
    assert arrival.received_at > AT


async def test_the_same_parcel_again_ends_in_the_same_receipt_and_no_second_copy(
    county: County,
) -> None:
    content = ct_slice()
    parcel_id = new_id()
    raw = parcel_of([(instance_of(content), content)], parcel_id=parcel_id)
    first = await county.delivered(raw, parcel_id)
    assert await county.delivered(raw, parcel_id) == first
    assert len(county.committed()) == 1


async def test_bad_instances_are_refused_by_name_and_the_others_go_on(county: County) -> None:
    good, cut, other = ct_slice(1), ct_slice(2), ct_slice(3)
    foreign, text, renamed = ct_slice(4), b"this is a text file, not an image", ct_slice(6)
    pairs = [
        (instance_of(good), good),
        (
            msgspec.structs.replace(
                instance_of(cut, size_bytes=len(cut) - 100), body_bytes=len(cut) - 100
            ),
            cut[:-100],
        ),
        (instance_of(other, digest=ContentDigest(dataset="0" * 64, pixels="0" * 64)), other),
        (instance_of(foreign, institution="baiyun"), foreign),
        (
            msgspec.structs.replace(
                instance_of(ct_slice(5), size_bytes=len(text)), body_bytes=len(text)
            ),
            text,
        ),
        (instance_of(renamed, sop_instance_uid="1.2.3"), renamed),
    ]
    parcel_id = new_id()
    receipt = await county.delivered(parcel_of(pairs, parcel_id=parcel_id), parcel_id)
    assert [told.code for told in receipt.instances] == [
        "",
        "truncated",
        "digest-mismatch",
        "parcel-institution",
        "not-dicom",
        "uid-mismatch",
    ]
    assert [content for _, content in county.committed()] == [good]


async def test_a_damaged_parcel_leaves_nothing_and_can_be_sent_again(county: County) -> None:
    content = ct_slice()
    parcel_id = new_id()
    raw = parcel_of([(instance_of(content), content)], parcel_id=parcel_id)
    damaged = bytearray(raw)
    damaged[len(raw) // 2] ^= 1
    await county.upload(bytes(damaged), parcel_id)
    status, body = await county.receipt(parcel_id)
    assert (status, msgspec.json.decode(body)["code"]) == (422, "parcel-damaged")
    assert county.committed() == []
    receipt = await county.delivered(raw, parcel_id)
    assert receipt.instances[0].outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("what", ["id", "node", "version"])
async def test_a_parcel_that_is_not_what_it_says_is_refused_whole(
    county: County, what: str
) -> None:
    content = ct_slice()
    parcel_id = new_id()
    raw = parcel_of(
        [(instance_of(content), content)],
        parcel_id=new_id() if what == "id" else parcel_id,
        node="baiyun" if what == "node" else "qingshan",
    )
    if what == "version":
        raw = raw[:8] + b"\0\x09" + raw[10:]
    await county.upload(raw, parcel_id)
    status, body = await county.receipt(parcel_id)
    expected = {"id": "parcel-id", "node": "parcel-institution", "version": "parcel-version"}
    assert (status, msgspec.json.decode(body)["code"]) == (422, expected[what])
    assert county.committed() == []


async def test_a_parcel_longer_than_taken_is_refused_before_its_first_byte(tmp_path: Path) -> None:
    async with county_door(tmp_path, taken=Taken(max_bytes=1000)) as county:
        status, code, longest = await county.announced(1001)
        assert (status, code, longest) == (413, "too-large", "1000")
        assert (await county.announced(1000))[0] == 201


@pytest.mark.parametrize(
    ("metadata", "status", "code"),
    [
        ({"version": "9"}, 415, "parcel-version"),
        ({"version": "1"}, 201, ""),
        ({"version": "2"}, 201, ""),
        ({"version": "2 "}, 415, "parcel-version"),
        ({"node": "baiyun"}, 403, "parcel-institution"),
        ({"parcel": "../../etc/passwd"}, 400, "parcel-id"),
    ],
)
async def test_what_would_be_refused_at_its_end_is_refused_at_its_beginning(
    county: County, metadata: dict[str, str], status: int, code: str
) -> None:
    assert (await county.announced(1000, **metadata))[:2] == (status, code)


async def test_a_parcel_with_the_same_instance_twice_is_refused_whole(county: County) -> None:
    content = ct_slice()
    parcel_id = new_id()
    pairs = [(instance_of(content), content)] * 2
    await county.upload(parcel_of(pairs, parcel_id=parcel_id), parcel_id)
    status, body = await county.receipt(parcel_id)
    assert (status, msgspec.json.decode(body)["code"]) == (422, "parcel-header")
    assert county.committed() == []


async def test_an_instance_that_came_in_another_parcel_is_signed_for_again(county: County) -> None:
    content = ct_slice()
    for _ in range(2):
        parcel_id = new_id()
        raw = parcel_of([(instance_of(content), content)], parcel_id=parcel_id)
        receipt = await county.delivered(raw, parcel_id)
        assert receipt.instances[0].outcome is Outcome.ACCEPTED
    # The archive, not the door, knows that it is the same.
    assert len(county.committed()) == 2


async def test_the_door_says_which_versions_it_takes(tmp_path: Path) -> None:
    async with county_door(tmp_path, taken=Taken(versions=frozenset({2, 3}))) as county:
        url = county.base + "/uploads/"
        async with county.session.options(url, headers={"Tus-Resumable": "1.0.0"}) as answer:
            assert answer.headers[VERSIONS_HEADER] == "2,3"


async def test_a_parcel_nobody_sent_has_no_receipt(county: County) -> None:
    status, body = await county.receipt(new_id(), wait=0)
    assert (status, msgspec.json.decode(body)["code"]) == (404, "receipt-unknown")


async def test_a_full_journal_delays_the_receipt_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    journal = JournalWriter.open(tmp_path / "journal", reserve_bytes=0)
    commit = journal.commit

    async def commit_when_there_is_room(entries: Sequence[object]) -> Position:
        if full:
            raise JournalFull("less is free than the reserve")
        return await commit(entries)  # type: ignore[arg-type]

    monkeypatch.setattr(journal, "commit", commit_when_there_is_room)
    content = ct_slice()
    parcel_id = new_id()
    raw = parcel_of([(instance_of(content), content)], parcel_id=parcel_id)
    async with county_door(tmp_path, journal) as county:
        await county.upload(raw, parcel_id)
        status, _ = await county.receipt(parcel_id, wait=0.3)
        assert status == 202
        full = False
        status, _ = await county.receipt(parcel_id)
        assert status == 200
        assert len(county.committed()) == 1
