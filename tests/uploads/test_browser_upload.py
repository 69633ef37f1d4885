"""Files and zips dropped onto a page: what is good is safe, what is not has a reason."""

import io
import struct
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from aiohttp import web

from gateway.uploads.batches_http import BatchDoor
from gateway.uploads.browser_upload import DicomFileSink, ZipSink
from gateway.uploads.intake import Intake
from gateway.uploads.tus import TusServer, TusSettings
from gateway.uploads.tus_headers import format_metadata
from gateway.uploads.zip_members import ZipLimits
from kernel.arrival import Arrival, Door, decode_arrival
from kernel.clock import SystemClock
from kernel.dicom.dataset import BytesSource, read_file_meta, scan
from kernel.identity import Principal, Role
from kernel.journal.writer import JournalReader, JournalWriter, Position
from kernel.sql.columns import metadata
from kernel.sql.db import Database
from kernel.web import PRINCIPAL
from tests.uploads.county_door import errors
from tests.uploads.dicom_files import ROOT, ct_slice, structured_report

UID = f"{ROOT}.1.1.1".encode()
HOSTILE = b"../../../../../../../../../../etc/passwd"[-len(UID) :]


class Page:
    """What a page does: chooses files, sends them, asks what became of them."""

    def __init__(self, base: str, session: aiohttp.ClientSession, home: Path) -> None:
        self.base = base
        self.session = session
        self.home = home
        self.chosen: list[dict[str, set[str]]] = []

    async def send(
        self, filename: str, content: bytes, *, batch: str = "b1", kind: str = "dicom"
    ) -> str:
        told = {"kind": kind, "filename": filename, "batch": batch}
        headers = {
            "Tus-Resumable": "1.0.0",
            "Upload-Length": str(len(content)),
            "Upload-Metadata": format_metadata(told),
            "Content-Type": "application/offset+octet-stream",
        }
        url = f"{self.base}/uploads/"
        async with self.session.post(url, headers=headers, data=content) as answer:
            assert answer.status == 201, await answer.text()
            return answer.headers["Location"].rsplit("/", 1)[1]

    async def files(self, batch: str = "b1") -> dict[str, dict[str, Any]]:
        """Everything of the batch by name, once nothing of it is coming any more."""
        while True:
            async with self.session.get(f"{self.base}/api/v1/uploads/{batch}") as answer:
                assert answer.status == 200
                found = {file["filename"]: file for file in (await answer.json())["files"]}
            if all(file["state"] != "receiving" for file in found.values()):
                return found

    async def have(self, files: list[dict[str, Any]], batch: str = "b1") -> list[str]:
        url = f"{self.base}/api/v1/uploads/{batch}/have"
        async with self.session.post(url, json={"files": files}) as answer:
            assert answer.status == 200, await answer.text()
            told = await answer.json()
        assert all(file["state"] == "safe" for file in told["files"])
        return [file["name"] for file in told["files"]]

    def committed(self) -> list[tuple[Arrival, bytes]]:
        reader = JournalReader.open(self.home / "journal", after=Position(0, 0))
        try:
            return [
                (decode_arrival(stored.meta), b"".join(stored.chunks()))
                for batch in reader.poll(10_000)
                for stored in batch.entries
            ]
        finally:
            reader.close()


@asynccontextmanager
async def page_of(home: Path, *, limits: ZipLimits | None = None) -> AsyncIterator[Page]:
    principal = Principal("u1", "lijing", "李静", frozenset({Role.TECHNICIAN}), "qingshan")

    @web.middleware
    async def signed_in(request: web.Request, handler: Any) -> web.StreamResponse:
        request[PRINCIPAL] = principal
        answer: web.StreamResponse = await handler(request)
        return answer

    database = await Database.open(f"sqlite:///{home}/node.sqlite")
    await database.write(metadata.create_all)
    journal = JournalWriter.open(home / "journal", reserve_bytes=0)
    intake = Intake(journal, SystemClock())
    uploads = TusServer(
        home / "uploads",
        {
            "dicom": DicomFileSink(intake, database),
            "zip": ZipSink(intake, database, limits=limits),
        },
        clock=SystemClock(),
        settings=TusSettings(reserve_bytes=0),
    )
    app = web.Application(middlewares=[errors, signed_in])
    told: list[dict[str, set[str]]] = []
    batches = BatchDoor(
        database,
        uploads,
        chosen=lambda _, chosen: told.append({study: set(of) for study, of in chosen.items()}),
    )
    app.add_routes([*uploads.routes(), *batches.routes()])
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    async with aiohttp.ClientSession() as session, uploads.running():
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            page = Page(f"http://127.0.0.1:{runner.addresses[0][1]}", session, home)
            page.chosen = told
            yield page
        finally:
            await runner.cleanup()
            await journal.close()
            await database.close()


def zipped(members: Mapping[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as folder:
        for name, content in members.items():
            folder.writestr(name, content)
    return out.getvalue()


def reasons(file: Mapping[str, Any]) -> dict[str, str]:
    return {member["name"]: member["reason_code"] for member in file["refused"]}


async def test_a_good_file_is_safe_and_in_the_journal_as_it_was(tmp_path: Path) -> None:
    image = ct_slice()
    async with page_of(tmp_path) as page:
        upload_id = await page.send("disc/IM0001", image)
        file = (await page.files())["disc/IM0001"]
        assert (file["upload_id"], file["state"], file["accepted"]) == (upload_id, "safe", 1)
        [(arrival, content)] = page.committed()
        assert content == image
        assert (arrival.door, arrival.sender.username) == (Door.UPLOAD, "lijing")
        assert arrival.study_instance_uid == file["study_instance_uid"]


@pytest.mark.parametrize(
    ("content", "state", "code"),
    [
        pytest.param(b"", "refused", "empty-file", id="empty"),
        pytest.param(b"Guten Tag\n" * 30, "skipped", "not-dicom", id="text"),
        pytest.param(b"MSH|^~\\&|HIS|A|B|C|\r" * 20, "skipped", "not-dicom", id="hl7"),
        pytest.param(b"\x08\0\x05\0UI\xff\x00text", "skipped", "not-dicom", id="near-dicom"),
        pytest.param(b"\xff\xd8\xff\xe0" + b"\0" * 300, "skipped", "not-dicom", id="jpeg"),
        pytest.param(ct_slice()[:-100], "refused", "truncated", id="truncated"),
        pytest.param(
            ct_slice().replace(
                b"1.2.840.10008.5.1.4.1.1.2\0", b"1.2.840.10008.1.3.10\0\0\0\0\0\0", 1
            ),
            "skipped",
            "dicomdir",
            id="dicomdir",
        ),
        pytest.param(ct_slice().replace(UID, HOSTILE), "refused", "bad-uid", id="traversal"),
    ],
)
async def test_a_file_that_is_not_taken_says_why_and_stops_no_other(
    tmp_path: Path, content: bytes, state: str, code: str
) -> None:
    async with page_of(tmp_path) as page:
        await page.send("odd", content)
        await page.send("good", ct_slice(2))
        files = await page.files()
        assert (files["odd"]["state"], files["odd"]["reason_code"]) == (state, code)
        assert files["good"]["state"] == "safe"
        assert len(page.committed()) == 1


async def test_a_program_in_the_preamble_is_zeroed_and_a_missing_head_is_made(
    tmp_path: Path,
) -> None:
    image = ct_slice()
    program = b"MZ" + b"\x90" * 126 + image[128:]
    naked = image[read_file_meta(BytesSource(image)).dataset_offset :]
    async with page_of(tmp_path) as page:
        await page.send("program", program)
        await page.send("naked", naked)
        assert {file["state"] for file in (await page.files()).values()} == {"safe"}
        for arrival, content in page.committed():
            meta = read_file_meta(BytesSource(content))
            assert content[:132] == b"\0" * 128 + b"DICM"
            assert meta.dataset_offset == arrival.dataset_offset
            assert content[meta.dataset_offset :] == naked
            scan(
                BytesSource(content),
                offset=meta.dataset_offset,
                transfer_syntax_uid=meta.transfer_syntax_uid,
            )


async def test_a_zip_gives_its_good_images_and_lists_the_rest(tmp_path: Path) -> None:
    nested = zipped({"IM": ct_slice(9)})
    content = zipped(
        {
            "DISC/IM0001": ct_slice(1),
            "DISC/IM0002": ct_slice(2),
            "DISC/SR": structured_report(),
            "DISC/README.TXT": b"hello\n" * 40,
            "DISC/empty": b"",
            "DISC/broken": ct_slice(3)[:-10],
            "../../outside": ct_slice(4),
            "/absolute": ct_slice(5),
            "C:\\windows": ct_slice(6),
            "inner.zip": nested,
            "__MACOSX/._IM0001": b"litter",
        }
    )
    async with page_of(tmp_path) as page:
        await page.send("disc.zip", content, kind="zip")
        file = (await page.files())["disc.zip"]
        assert (file["state"], file["accepted"]) == ("safe", 3)
        assert reasons(file) == {
            "DISC/README.TXT": "not-dicom",
            "DISC/empty": "empty-file",
            "DISC/broken": "truncated",
            "../../outside": "zip-traversal",
            "/absolute": "zip-traversal",
            "C:\\windows": "zip-traversal",
            "inner.zip": "zip-nested",
        }
        kept = [content for _, content in page.committed()]
        assert kept == [ct_slice(1), ct_slice(2), structured_report()]


async def test_names_in_a_chinese_zip_are_readable(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as folder:
        folder.writestr("XXXX.txt", b"no image\n" * 30)
    raw = out.getvalue().replace(b"XXXX.txt", "影像.txt".encode("gb18030"))
    async with page_of(tmp_path) as page:
        await page.send("盘.zip", raw, kind="zip")
        file = (await page.files())["盘.zip"]
        assert (file["state"], file["reason_code"]) == ("refused", "not-dicom")
        assert reasons(file) == {"影像.txt": "not-dicom"}


async def test_a_zip_bomb_stops_at_its_limits_and_memory_stays_flat(tmp_path: Path) -> None:
    bomb = zipped(
        {"IM1": ct_slice(1), "zeros": ct_slice(2) + b"\0" * 80_000_000, "IM3": ct_slice(3)}
    )
    assert len(bomb) < 1_000_000
    before = psutil.Process().memory_info().rss
    async with page_of(tmp_path) as page:
        await page.send("bomb.zip", bomb, kind="zip")
        file = (await page.files())["bomb.zip"]
        assert (file["state"], file["accepted"]) == ("safe", 1)
        assert reasons(file) == {"zeros": "zip-bomb"}
    assert psutil.Process().memory_info().rss - before < 100 << 20


async def test_a_zip_that_lies_about_a_size_is_measured_by_what_comes_out(tmp_path: Path) -> None:
    raw = bytearray(zipped({"zeros": b"\0" * 50_000_000}))
    at = raw.rindex(b"PK\x01\x02")
    raw[at + 24 : at + 28] = struct.pack("<I", 10)
    async with page_of(tmp_path) as page:
        await page.send("liar.zip", bytes(raw), kind="zip")
        file = (await page.files())["liar.zip"]
        assert file["state"] == "refused"
        assert page.committed() == []


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", "zip-broken", id="empty"),
        pytest.param(b"PK\x03\x04 and then nothing", "zip-broken", id="cut"),
        pytest.param(b"no zip at all", "zip-broken", id="no-zip"),
        pytest.param(
            zipped({f"f{number}": b"" for number in range(60)}), "zip-too-many-files", id="many"
        ),
        pytest.param(zipped({}), "zip-no-images", id="nothing-in-it"),
    ],
)
async def test_a_zip_that_cannot_be_read_says_why(
    tmp_path: Path, content: bytes, code: str
) -> None:
    async with page_of(tmp_path, limits=ZipLimits(files=50)) as page:
        await page.send("a.zip", content, kind="zip")
        file = (await page.files())["a.zip"]
        assert (file["state"], file["reason_code"]) == ("refused", code)


async def test_what_somebody_is_about_to_send_is_told_of_before_it_comes(tmp_path: Path) -> None:
    sought = [
        {"name": name, "size": 9, "sop_instance_uid": image, "study_instance_uid": study}
        for name, study, image in [
            ("a", "1.2.3", "1.2.3.1"),
            ("b", "1.2.3", "1.2.3.2"),
            ("again/b", "1.2.3", "1.2.3.2"),
            ("other", "1.2.4", "1.2.4.1"),
            ("unread", "", "1.2.5.1"),
            ("hostile", "1" * 65, "1.2.5.2"),
        ]
    ]
    async with page_of(tmp_path) as page:
        assert await page.have(sought) == []
        assert page.chosen == [{"1.2.3": {"1.2.3.1", "1.2.3.2"}, "1.2.4": {"1.2.4.1"}}]


async def test_the_same_folder_chosen_again_goes_on_where_it_was(tmp_path: Path) -> None:
    images = {f"IM{number}": ct_slice(number) for number in range(1, 5)}
    sought = [
        {"name": name, "size": len(content), "sop_instance_uid": ""}
        for name, content in images.items()
    ]
    async with page_of(tmp_path) as page:
        assert await page.have(sought) == []
        for name in ("IM1", "IM2"):
            await page.send(name, images[name])
        await page.files()
        assert await page.have(sought) == ["IM1", "IM2"]
        assert await page.have(sought, batch="other") == []
        uid = page.committed()[0][0].sop_instance_uid
        again = [{"name": "copy", "size": len(images["IM1"]), "sop_instance_uid": uid}]
        assert await page.have(again, batch="other") == ["copy"]
        changed = [{"name": "copy", "size": len(images["IM1"]) + 2, "sop_instance_uid": uid}]
        assert await page.have(changed, batch="other") == []


async def test_an_upload_without_batch_or_name_is_refused_at_once(tmp_path: Path) -> None:
    async with page_of(tmp_path) as page:
        for told in ({"filename": "a"}, {"batch": "b"}, {"batch": "../b", "filename": "a"}):
            headers = {
                "Tus-Resumable": "1.0.0",
                "Upload-Length": "1",
                "Upload-Metadata": format_metadata({"kind": "dicom"} | told),
            }
            async with page.session.post(f"{page.base}/uploads/", headers=headers) as answer:
                assert answer.status == 400
