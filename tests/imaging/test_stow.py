"""STOW-RS over real HTTP: what is kept, what is refused and how that is said."""

import asyncio
import gzip
import json
import resource
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from imaging.archive.tables import instance, instance_conflict
from kernel.journal.writer import JournalWriter
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor, open_door

MULTIPART = 'multipart/related; type="application/dicom"; boundary=b1'


def body(
    *parts: bytes, boundary: str = "b1", head: str = "Content-Type: application/dicom"
) -> bytes:
    framed = b"".join(f"\r\n--b1\r\n{head}\r\n\r\n".encode() + part for part in parts)
    return framed + b"\r\n--b1--\r\n"


async def store(
    filing_door: WebDoor, *parts: bytes, path: str = "/studies", **more: Any
) -> tuple[int, dict[str, Any]]:
    status, headers, answer = await filing_door.post(path, body(*parts), MULTIPART, **more)
    if headers["Content-Type"] != "application/dicom+json":
        return status, json.loads(answer)
    return status, json.loads(answer)


def items(answer: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.get(tag, {}).get("Value", [])
    return found


def value(item: dict[str, Any], tag: str) -> Any:
    return item.get(tag, {}).get("Value", [None])[0]


async def stored(filing_door: WebDoor, sqlite_desk: Desk) -> list[str]:
    # Who has stored finds it: this look waits until all is filed.
    await filing_door.get("/studies/9.9/metadata")
    rows = await sqlite_desk.rows(sa.select(instance.c.sop_instance_uid).order_by(instance.c.id))
    return [row["sop_instance_uid"] for row in rows]


async def test_keeps_two_objects_and_says_where_they_can_be_had(
    filing_door: WebDoor, sqlite_desk: Desk
) -> None:
    status, answer = await store(filing_door, ct(1), ct(2))
    assert status == 200
    assert value(answer, "00081190") == f"{filing_door.url}/studies/{ROOT}.1"
    assert [value(item, "00081155") for item in items(answer, "00081199")] == [
        f"{ROOT}.1.1.1",
        f"{ROOT}.1.1.2",
    ]
    assert not items(answer, "00081198")
    assert await stored(filing_door, sqlite_desk) == [f"{ROOT}.1.1.1", f"{ROOT}.1.1.2"]
    rows = await sqlite_desk.rows(sa.select(instance.c.institution, instance.c.door).limit(1))
    assert rows == [{"institution": "qingshan", "door": "stow"}]
    where = value(items(answer, "00081199")[0], "00081190")
    status, _, _ = await filing_door.get(where)
    assert status == 200


async def test_who_stores_and_looks_finds_it_at_once(filing_door: WebDoor) -> None:
    for number in range(1, 6):
        await store(filing_door, ct(number))
        path = f"/studies/{ROOT}.1/series/{ROOT}.1.1"
        assert (await filing_door.get(f"{path}/instances/{ROOT}.1.1.{number}/frames/1"))[0] == 200
        _, _, told = await filing_door.get(f"{path}/metadata", Accept_Encoding="identity")
        assert len(json.loads(told)) == number
        found = (await filing_door.get(f"/studies/{ROOT}.1/instances", Accept_Encoding="identity"))[
            2
        ]
        assert len(json.loads(found)) == number


async def test_an_answer_does_not_wait_for_the_filing_of_what_is_new(sqlite_desk: Desk) -> None:
    async with open_door(sqlite_desk, filing=False) as door:
        async with asyncio.timeout(1.5):
            status, _ = await store(door, ct(1), ct(2))
        assert status == 200


async def test_same_uid_twice_in_one_request_is_told(filing_door: WebDoor) -> None:
    status, answer = await store(filing_door, ct(1), ct(1, pixels=3), ct(2))
    assert status == 200
    warned = [value(item, "00081155") for item in items(answer, "00081199") if "00081196" in item]
    assert set(warned) == {f"{ROOT}.1.1.1"}


async def test_a_full_disk_is_said_and_goes_away_by_itself(
    sqlite_desk: Desk, tmp_path: Path
) -> None:
    whole = sqlite_desk.writer
    sqlite_desk.writer = JournalWriter.open(tmp_path / "full", reserve_bytes=1 << 60)
    try:
        async with open_door(sqlite_desk) as door:
            status, headers, body_ = await door.post("/studies", body(ct(1), ct(2)), MULTIPART)
            failed = items(json.loads(body_), "0008119A") + items(json.loads(body_), "00081198")
            assert status == 503
            assert int(headers["Retry-After"]) > 0
            assert [value(item, "00081197") for item in failed] == [0xA700, 0xA700]
    finally:
        await sqlite_desk.writer.close()
        sqlite_desk.writer = whole
    async with open_door(sqlite_desk) as door:
        status, _ = await store(door, ct(1), ct(2))
        assert status == 200
        assert len(await stored(door, sqlite_desk)) == 2


async def test_a_body_that_does_not_go_on_is_given_up(sqlite_desk: Desk) -> None:
    async with open_door(sqlite_desk, stow_idle_s=0.05) as door:
        reader, writer = await asyncio.open_connection(door.host, door.port)
        head = (
            "POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: "
            f"{MULTIPART}\r\nContent-Length: 4294967296\r\n\r\n"
        )
        writer.write(head.encode() + body(ct(1))[:400])
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"\r\n")
        writer.close()
        assert b" 503 " in answer
        assert await stored(door, sqlite_desk) == []


async def test_a_client_that_goes_away_leaves_nothing_behind(sqlite_desk: Desk) -> None:
    async with open_door(sqlite_desk) as door:
        for cut in (200, 900, 1500):
            _, writer = await asyncio.open_connection(door.host, door.port)
            head = (
                "POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: "
                f"{MULTIPART}\r\nContent-Length: 9999999\r\n\r\n"
            )
            writer.write(head.encode() + body(ct(1), ct(2))[:cut])
            await writer.drain()
            writer.transport.abort()
        status, _ = await store(door, ct(3))
        assert status == 200
        assert await stored(door, sqlite_desk) == [f"{ROOT}.1.1.3"]


async def test_a_large_object_is_never_held_in_memory(
    filing_door: WebDoor, sqlite_desk: Desk
) -> None:
    side = 4096
    cells = np.zeros((side, side), "<u2").tobytes()
    whole = body(ct(Rows=side, Columns=side, NumberOfFrames=3, PixelData=cells * 3))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), 1 << 18):
            yield whole[at : at + (1 << 18)]

    status, _, _ = await filing_door.post("/studies", pieces(), MULTIPART)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert status == 200
    assert grown_kib < 80 << 10


async def test_names_no_parameters_in_its_content_type(filing_door: WebDoor) -> None:
    _, headers, _ = await filing_door.post("/studies", body(ct()), MULTIPART)
    assert headers["Content-Type"] == "application/dicom+json"


async def test_keeps_the_good_parts_beside_a_bad_one(
    filing_door: WebDoor, sqlite_desk: Desk
) -> None:
    status, answer = await store(filing_door, ct(1), b"this is a text file", ct(2)[:-100], ct(3))
    assert status == 202
    assert len(items(answer, "00081199")) == 2
    assert [value(item, "00081197") for item in items(answer, "0008119A")] == [0xC000, 0xC000]
    assert await stored(filing_door, sqlite_desk) == [f"{ROOT}.1.1.1", f"{ROOT}.1.1.3"]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        pytest.param(b"", 0xC000, id="empty"),
        pytest.param(b"hello, this is text", 0xC000, id="text"),
        pytest.param(ct()[:600], 0xC000, id="truncated"),
    ],
)
async def test_refuses_what_is_broken_with_its_reason(
    filing_door: WebDoor, sqlite_desk: Desk, part: bytes, reason: int
) -> None:
    status, answer = await store(filing_door, part)
    assert status == 409
    failed = items(answer, "00081198") + items(answer, "0008119A")
    assert [value(item, "00081197") for item in failed] == [reason]
    assert await stored(filing_door, sqlite_desk) == []


async def test_refuses_an_object_of_another_study_than_the_address(
    filing_door: WebDoor, sqlite_desk: Desk
) -> None:
    status, answer = await store(
        filing_door, ct(1, study=1), ct(1, study=2), path=f"/studies/{ROOT}.1"
    )
    assert status == 202
    (failed,) = items(answer, "00081198")
    assert value(failed, "00081155") == f"{ROOT}.2.1.1"
    assert value(failed, "00081197") == 0xA900
    assert await stored(filing_door, sqlite_desk) == [f"{ROOT}.1.1.1"]


async def test_same_content_again_is_kept_once_without_a_word(
    filing_door: WebDoor, sqlite_desk: Desk
) -> None:
    await store(filing_door, ct(1))
    status, answer = await store(filing_door, ct(1))
    assert status == 200
    assert value(items(answer, "00081199")[0], "00081196") is None
    assert await stored(filing_door, sqlite_desk) == [f"{ROOT}.1.1.1"]


async def test_warns_of_other_content_under_a_uid_each_time_it_comes(
    filing_door: WebDoor, sqlite_desk: Desk
) -> None:
    await store(filing_door, ct(1))
    for _ in range(2):
        status, answer = await store(filing_door, ct(1, pixels=7), ct(2))
        assert status == 200
        warnings = [value(item, "00081196") for item in items(answer, "00081199")]
        assert warnings == [0xB007, None]
    rows = await sqlite_desk.rows(sa.select(instance_conflict.c.seen_count))
    assert rows == [{"seen_count": 2}]


async def test_takes_one_object_by_itself(filing_door: WebDoor, sqlite_desk: Desk) -> None:
    status, _, _ = await filing_door.post("/studies", ct(1), "application/dicom")
    assert status == 200
    assert await stored(filing_door, sqlite_desk) == [f"{ROOT}.1.1.1"]


async def test_takes_a_chunked_body_cut_at_any_place(
    filing_door: WebDoor, sqlite_desk: Desk
) -> None:
    whole = body(ct(1), ct(2), ct(3))

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), 97):
            yield whole[at : at + 97]

    status, _, _ = await filing_door.post("/studies", pieces(), MULTIPART)
    assert status == 200
    assert len(await stored(filing_door, sqlite_desk)) == 3


async def test_commits_a_long_request_in_several_batches(
    filing_door: WebDoor, sqlite_desk: Desk
) -> None:
    status, answer = await store(filing_door, *(ct(number) for number in range(1, 151)))
    assert status == 200
    assert len(items(answer, "00081199")) == 150
    assert len(await stored(filing_door, sqlite_desk)) == 150


@pytest.mark.parametrize(
    ("raw", "content_type", "status", "code"),
    [
        pytest.param(b"no boundary", MULTIPART, 400, "truncated-multipart", id="no-parts"),
        pytest.param(body(ct())[:-8], MULTIPART, 400, "truncated-multipart", id="cut"),
        pytest.param(b"", "multipart/related", 400, "bad-boundary", id="bare"),
        pytest.param(
            b"", 'multipart/related; type="application/dicom"', 400, "bad-boundary", id="unnamed"
        ),
        pytest.param(
            b"",
            f'multipart/related; type="application/dicom"; boundary={"b" * 71}',
            400,
            "bad-boundary",
            id="long-boundary",
        ),
        pytest.param(b"{}", "application/dicom+json", 415, "unsupported", id="json"),
        pytest.param(b"x", "text/plain", 415, "unsupported", id="text"),
        pytest.param(
            b"\r\n--b1\r\nContent-Type: application/dicom\r\nX: " + b"x" * 9000,
            MULTIPART,
            400,
            "part-header-too-long",
            id="long-header",
        ),
    ],
)
async def test_says_what_is_wrong_with_a_body_it_cannot_read(
    filing_door: WebDoor, sqlite_desk: Desk, raw: bytes, content_type: str, status: int, code: str
) -> None:
    got, _, answer = await filing_door.post("/studies", raw, content_type)
    assert (got, json.loads(answer)["code"]) == (status, code)
    assert await stored(filing_door, sqlite_desk) == []


async def test_keeps_what_was_whole_before_the_body_went_wrong(
    filing_door: WebDoor, sqlite_desk: Desk
) -> None:
    raw = body(ct(1), ct(2))
    status, _, answer = await filing_door.post(
        "/studies", raw[: raw.rfind(b"\r\n--b1--")], MULTIPART
    )
    told = json.loads(answer)
    assert status == 202
    assert len(items(told, "00081199")) == 1
    assert [value(item, "00081197") for item in items(told, "0008119A")] == [0xC000]
    assert await stored(filing_door, sqlite_desk) == [f"{ROOT}.1.1.1"]


@pytest.mark.parametrize(
    ("head", "inside", "kept"),
    [
        pytest.param(
            "Content-Type: application/dicom", b"\r\n--b10\r\n", True, id="longer-boundary"
        ),
        pytest.param("Content-Type: application/dicom", b"--b1\r\n", True, id="no-line-before"),
        pytest.param('Content-Type: multipart/related; boundary="b1"', b"", False, id="nested"),
        pytest.param("Content-Type: image/jpeg", b"", False, id="another-type"),
        pytest.param("Content-Type: application/dicom+xml", b"", False, id="xml"),
        pytest.param("Content-Encoding: gzip", b"", False, id="packed-part"),
    ],
)
async def test_what_only_looks_like_a_part_is_no_part(
    filing_door: WebDoor, sqlite_desk: Desk, head: str, inside: bytes, kept: bool
) -> None:
    one = ct(ImageComments="x" + inside.decode("latin-1").replace("\\", "/"))
    status, _, answer = await filing_door.post("/studies", body(one, head=head), MULTIPART)
    told = json.loads(answer)
    if inside.startswith(b"\r\n"):
        # RFC 2046 5.1.1: what begins with the boundary line is one, so this body is malformed.
        assert (status, told["code"]) == (400, "broken-multipart")
        return
    assert status == (200 if kept else 409)
    assert await stored(filing_door, sqlite_desk) == ([f"{ROOT}.1.1.1"] if kept else [])


async def test_a_flood_of_empty_parts_ends_at_the_bound(
    filing_door: WebDoor, sqlite_desk: Desk
) -> None:
    raw = b"\r\n--b1\r\n\r\n" * 200_000 + b"\r\n--b1--\r\n"
    status, _, answer = await filing_door.post("/studies", raw, MULTIPART)
    assert (status, json.loads(answer)["code"]) == (400, "too-many-parts")
    assert await stored(filing_door, sqlite_desk) == []


async def test_refuses_a_compressed_body_and_compressed_parts(
    filing_door: WebDoor, sqlite_desk: Desk
) -> None:
    squeezed = gzip.compress(body(ct()))
    status, _, _ = await filing_door.post("/studies", squeezed, MULTIPART, Content_Encoding="gzip")
    assert status == 415
    raw = body(ct(), head="Content-Type: application/dicom\r\nContent-Transfer-Encoding: base64")
    status, _, answer = await filing_door.post("/studies", raw, MULTIPART)
    assert status == 409
    assert len(items(json.loads(answer), "0008119A")) == 1
    assert await stored(filing_door, sqlite_desk) == []


async def test_refuses_more_parts_than_anybody_sends(
    filing_door: WebDoor, sqlite_desk: Desk
) -> None:
    raw = b"\r\n--b1\r\nContent-Type: application/dicom\r\n\r\n" * 20_000
    status, _, answer = await filing_door.post("/studies", raw, MULTIPART)
    assert (status, json.loads(answer)["code"]) == (400, "too-many-parts")
    assert await stored(filing_door, sqlite_desk) == []


@pytest.mark.parametrize(
    "uid",
    [
        "../../../../tmp/x",
        "1.2\\0.3",
        "1.2.\uff13",
        "/etc/cron.d/x",
        "..\\..\\x",
        "1..2",
        ".",
        "1.2.a",
    ],
)
async def test_refuses_uids_that_are_none(
    filing_door: WebDoor, sqlite_desk: Desk, uid: str
) -> None:
    good = f"{ROOT}.1.1.1".encode()
    status, answer = await store(filing_door, ct(1).replace(good, uid.encode().ljust(len(good))))
    assert status == 409
    failed = items(answer, "00081198") + items(answer, "0008119A")
    assert [value(item, "00081197") for item in failed] == [0xC000]
    assert await stored(filing_door, sqlite_desk) == []


async def test_is_not_for_those_who_store_no_images(filing_door: WebDoor) -> None:
    status, _, _ = await filing_door.post("/studies", body(ct()), MULTIPART, who="manager")
    assert status == 403


@pytest.mark.parametrize(
    ("accept", "status", "media"),
    [
        ("", 200, "application/dicom+json"),
        ("application/json", 200, "application/json"),
        ("text/html, */*;q=0.1", 200, "application/dicom+json"),
        ("text/html", 406, "application/problem+json"),
        ("application/dicom+xml", 406, "application/problem+json"),
    ],
)
async def test_the_answer_comes_in_a_form_the_client_takes_or_nothing_is_stored(
    filing_door: WebDoor, sqlite_desk: Desk, accept: str, status: int, media: str
) -> None:
    more = {"Accept": accept} if accept else {}
    found, headers, _ = await filing_door.post("/studies", body(ct(1)), MULTIPART, **more)
    assert (found, headers["Content-Type"]) == (status, media)
    assert len(await stored(filing_door, sqlite_desk)) == (status == 200)
