"""Studies go to real destinations: up, down, hanging, particular, with a redirect."""

import asyncio
import contextlib
import datetime as dt
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.deliveries import acts, views
from kernel.audit.trail import audit_entries
from tests.deliveries.post import Post, done
from tests.dimse.doors import MemorySink, open_door, until
from tests.imaging.conftest import sqlite_desk  # noqa: F401
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from tests.query_retrieve.conftest import report_of
from tests.query_retrieve.orthanc import DICOMWEB, ORTHANC, running
from tests.query_retrieve.peers import content

STORESCP = shutil.which("storescp")
CT_ONLY = """[[TransferSyntaxes]]
[Plain]
TransferSyntax1 = LocalEndianExplicit
TransferSyntax2 = LittleEndianImplicit
[[PresentationContexts]]
[Images]
PresentationContext1 = CTImageStorage\\Plain
[[Profiles]]
[Default]
PresentationContexts = Images
"""
TOKEN = {"token_file": "token"}
pytestmark = pytest.mark.timeout(90)


@pytest_asyncio.fixture
async def post(sqlite_desk: Desk) -> Post:  # noqa: F811
    """An archive with a study of three slices and one with a slice and a report."""
    slices = [ct(number, study=1) for number in (1, 2, 3)]
    await sqlite_desk.file(*slices, ct(1, study=2), report_of(2))
    return Post(sqlite_desk)


@contextlib.asynccontextmanager
async def storescp(folder: Path, port: int, profile: str = "") -> AsyncIterator[None]:
    """Run DCMTK's receiver, which keeps what comes in *folder*."""
    if STORESCP is None:
        pytest.skip("needs DCMTK (storescp)")
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    how = ["+x="] if not profile else []
    if profile:
        file = folder.parent / "profile.cfg"
        file.write_text(profile)
        how = ["-xf", str(file), "Default"]
    process = await asyncio.create_subprocess_exec(
        STORESCP, *how, "-od", str(folder), "-aet", "SCP", str(port),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    break
                await asyncio.sleep(0.02)
        yield
    finally:
        process.terminate()
        await process.wait()


async def test_nothing_is_lost_while_a_destination_is_down(
    post: Post, tmp_path: Path, closed_port: int
) -> None:
    port, kept = closed_port, tmp_path / "kept"
    await post.knows("SCP", port)
    await post.queue("dicom:SCP")
    async with post.courier():
        waiting = await post.until("dicom:SCP", lambda line: line.failures == 1)
        assert (waiting.pending, waiting.done, waiting.quarantined) == (3, 0, 0)
        assert "Refused" in waiting.waits_for
        assert waiting.next_try_at == post.desk.clock.now() + dt.timedelta(seconds=22.5)
        async with storescp(kept, port):
            post.desk.clock.advance(dt.timedelta(seconds=23))
            line = await post.until("dicom:SCP", done(3))
    assert (line.failures, line.waits_for) == (0, "")
    assert len(list(kept.iterdir())) == 3
    (row,) = await post.desk.rows(
        sa.select(audit_entries).where(audit_entries.c.event == "exported")
    )
    assert (row["subject"], row["detail"]) == (f"study:{ROOT}.1", {"to": "dicom:SCP"})


async def test_what_a_peer_takes_in_no_form_is_set_aside_and_the_rest_goes(
    post: Post, tmp_path: Path, closed_port: int
) -> None:
    port = closed_port
    await post.knows("SCP", port)
    await post.queue("dicom:SCP", study=2)
    async with storescp(tmp_path / "kept", port, CT_ONLY), post.courier():
        line = await post.until("dicom:SCP", done(1))
    assert line.quarantined == 1
    (aside,) = await post.desk.database.read(views.set_aside_lines)
    assert (aside.status, aside.sop_instance_uid) == ("0122", f"{ROOT}.2.5.1")
    assert "no form" in aside.reason
    now = post.desk.clock.now()
    await post.desk.database.write(lambda conn: acts.retry(conn, "dicom:SCP", now))
    async with storescp(tmp_path / "all", port), post.courier():
        assert (await post.until("dicom:SCP", done(2))).quarantined == 0


async def test_a_destination_that_hangs_holds_up_no_other(post: Post) -> None:
    sink = MemorySink()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        await post.knows("MUTE", mute.getsockname()[1])
        await post.queue("dicom:MUTE", priority=0)
        async with open_door(sink) as door, post.courier():
            await post.knows("YILIAN", door.addresses[0][1])
            for study in (1, 2):
                await post.queue("dicom:YILIAN", study)
            await post.until("dicom:YILIAN", done(5))
            hanging = await post.until("dicom:MUTE", lambda line: line.failures == 1)
    assert (hanging.pending, hanging.waits_for[:4]) == (3, "MUTE")
    assert len(sink.kept) == 5


async def test_an_end_in_the_middle_repeats_one_object_at_most(post: Post) -> None:
    sink = MemorySink()
    async with open_door(sink) as door:
        await post.knows("YILIAN", door.addresses[0][1])
        await post.queue("dicom:YILIAN")
        sink.hold_commit = asyncio.Event()
        async with post.courier():
            await until(lambda: sink.committing == 1)
        sink.hold_commit.set()
        async with post.courier():
            await post.until("dicom:YILIAN", done(3))
    sent = [str(one.request.sop_instance_uid) for one in sink.kept]
    assert set(sent) == {f"{ROOT}.1.1.{number}" for number in (1, 2, 3)}
    assert len(sent) <= 4


async def test_a_study_that_grows_is_sent_to_its_end(post: Post) -> None:
    sink = MemorySink()
    async with open_door(sink) as door, post.courier():
        await post.knows("YILIAN", door.addresses[0][1])
        await post.queue("dicom:YILIAN")
        await post.until("dicom:YILIAN", done(3))
        await post.desk.file(ct(4, study=1))
        await post.queue("dicom:YILIAN")
        await post.until("dicom:YILIAN", done(4))
    assert len(sink.kept) == 4


class Server:
    """A DICOMweb server that answers as it is told."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.seen: list[tuple[str, str, bytes]] = []

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append((request.path, request.headers.get("Authorization", ""), body))
        return self.answers.pop(0) if self.answers else web.Response(status=200)


@contextlib.asynccontextmanager
async def serving(server: Server) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/{path:.*}", server.take)
    async with TestServer(app) as running_server:
        yield str(running_server.make_url("/dicom-web"))


def failed(uid: str, reason: int, status: int = 409) -> web.Response:
    item = {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [reason]}}
    return web.json_response({"00081198": {"vr": "SQ", "Value": [item]}}, status=status)


async def test_a_server_is_shown_its_token_and_says_of_each_object(post: Post) -> None:
    server = Server()
    server.answers = [failed(f"{ROOT}.1.1.1", 0xC000), failed(f"{ROOT}.1.1.2", 0xA700, 202)]
    token = post.desk.folder / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    async with serving(server) as url:
        post.server("city", url, **TOKEN)
        await post.queue("dicomweb:city")
        async with post.courier():
            line = await post.until("dicomweb:city", lambda line: line.done == 2)
    assert line.quarantined == 1
    assert {shown for _, shown, _ in server.seen} == {"Bearer s3cret"}
    assert {path for path, _, _ in server.seen} == {"/dicom-web/studies"}
    (aside,) = await post.desk.database.read(views.set_aside_lines)
    assert aside.status == "C000"


async def test_no_redirect_is_followed_and_no_token_goes_elsewhere(post: Post) -> None:
    elsewhere, server = Server(), Server()
    async with serving(elsewhere) as other, serving(server) as url:
        server.answers = [web.Response(status=307, headers={"Location": f"{other}/studies"})]
        post.server("city", url)
        await post.queue("dicomweb:city")
        async with post.courier():
            line = await post.until("dicomweb:city", lambda line: line.failures == 1)
    assert line.waits_for == "HTTP 307: it leads elsewhere, which is not followed"
    assert (elsewhere.seen, line.pending) == ([], 3)


@pytest.mark.parametrize("url", ["https://169.254.169.254/dicom", "https://[::ffff:127.0.0.1]/d"])
async def test_an_address_of_this_machine_in_disguise_is_not_called(post: Post, url: str) -> None:
    post.server("city", url)
    await post.queue("dicomweb:city")
    async with post.courier():
        line = await post.until("dicomweb:city", lambda line: line.failures == 1)
    assert line.waits_for == "the address is this machine itself"


async def test_a_secret_open_to_others_is_not_used(post: Post) -> None:
    token = post.desk.folder / "token"
    token.write_text("s3cret")
    token.chmod(0o644)
    post.server("city", "https://pacs.example/dicom-web", **TOKEN)
    await post.queue("dicomweb:city")
    async with post.courier():
        line = await post.until("dicomweb:city", lambda line: line.failures == 1)
    assert line.waits_for == "token is open to others: chmod 600"


@pytest.mark.skipif(
    ORTHANC is None or not DICOMWEB.exists(), reason="needs Orthanc with its DICOMweb plugin"
)
async def test_orthanc_gets_the_same_by_both_ways(post: Post, tmp_path: Path) -> None:
    with running(tmp_path, ("127.0.0.1", 1), plugins=[str(DICOMWEB)]) as orthanc:
        await post.knows("VIEWER", orthanc.dicom_port)
        post.server("orthanc", f"{orthanc.url}/dicom-web")
        await post.queue("dicom:VIEWER", 1)
        await post.queue("dicomweb:orthanc", 2)
        async with post.courier():
            await post.until("dicom:VIEWER", done(3))
            await post.until("dicomweb:orthanc", done(2))

        def files() -> set[str]:
            every = [orthanc.fetch(f"/instances/{one}/file") for one in orthanc.call("/instances")]
            return {str(content(one)) for one in every}

        there = await asyncio.to_thread(files)
    mine = [*(ct(number, study=1) for number in (1, 2, 3)), ct(1, study=2), report_of(2)]
    assert there == {str(content(one)) for one in mine}
