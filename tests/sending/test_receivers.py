"""A second run leaves out what the receiver really has, and nothing else."""

import asyncio
import datetime as dt
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.dimse.outgoing import Peer
from gateway.dimse.settings import AcceptorSettings
from kernel.identifiers import AETitle
from kernel.settings import NodeKind
from tests.dimse.doors import OUR_TITLE, MemorySink, open_door
from tests.ports import free_port
from yilian.samples.studies import STUDIES, files_of
from yilian.sending.greeting import NotReached, greet
from yilian.sending.ledger import Ledger
from yilian.sending.run import StoreRun, Summary
from yilian.sending.survey import Found, files_below, survey
from yilian.wiring.homes import Home

DCMQRSCP = shutil.which("dcmqrscp")
CALLING = AETitle("SENDER")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "study"
    place.mkdir()
    study = next(s for s in STUDIES if s.key == "liu-knee")
    for number, file in enumerate(files_of(study, today=dt.date(2026, 11, 22))):
        (place / f"{number}.dcm").write_bytes(file)
    return place


def found_in(folder: Path) -> list[Found]:
    return [what for what in map(survey, files_below([folder])) if isinstance(what, Found)]


def send_all(folder: Path, peer: Peer, state: Path, *, associations: int = 2) -> Summary:
    ledger = Ledger(folder=state)
    try:
        run = StoreRun(peer, ledger, lambda *_: None, associations=associations)
        return run.run(found_in(folder), stop=threading.Event())
    finally:
        ledger.close()


async def send_to_node(node_id: str, folder: Path, state: Path) -> Summary:
    """Send to a node with *node_id*, on a port of its own each time."""
    settings = AcceptorSettings(implementation_version=f"YILIAN_{node_id}")
    async with open_door(MemorySink(), settings) as door:
        host, port = door.addresses[0]
        peer = Peer(host, port, OUR_TITLE, CALLING, timeout_s=10)
        return await asyncio.to_thread(send_all, folder, peer, state)


async def test_a_node_is_known_again_at_another_address(folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    count = len(found_in(folder))
    assert (await send_to_node("0123abcd", folder, state)).sent == count
    again = await send_to_node("0123abcd", folder, state)
    assert (again.sent, again.already_there, again.found) == (0, count, count)


async def test_a_box_that_replaced_it_is_sent_everything(folder: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    count = len(found_in(folder))
    await send_to_node("0123abcd", folder, state)
    other = await send_to_node("99999999", folder, state)
    assert (other.sent, other.already_there) == (count, 0)


async def test_a_file_changed_to_the_same_length_is_sent_again(
    folder: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    count = len(found_in(folder))
    await send_to_node("0123abcd", folder, state)
    path = folder / "0.dcm"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000))
    again = await send_to_node("0123abcd", folder, state)
    assert (again.sent, again.already_there) == (1, count - 1)


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[tuple[Peer, Path]]:
    """A PACS that is not ours, with its storage folder."""
    if DCMQRSCP is None:
        pytest.skip("needs DCMTK (dcmqrscp)")
    storage = tmp_path / "storage"
    storage.mkdir()
    for _ in range(5):
        port = free_port()
        config = tmp_path / "dcmqrscp.cfg"
        config.write_text(
            f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\nPACS {storage} RW (200, 1024mb) ANY\nAETable END\n",
            "ascii",
        )
        process = subprocess.Popen(
            [DCMQRSCP, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            peer = Peer("127.0.0.1", port, AETitle("PACS"), CALLING, timeout_s=10)
            if _answers(process, peer):
                yield peer, storage
                return
        finally:
            process.terminate()
            process.wait(10)
    pytest.fail("dcmqrscp did not start")


def _answers(process: subprocess.Popen[bytes], peer: Peer) -> bool:
    for _ in range(500):
        if process.poll() is not None:
            return False
        try:
            greet(peer, ())
        except NotReached:
            threading.Event().wait(0.02)
        else:
            return True
    return False


def test_another_pacs_is_asked_what_it_has(
    folder: Path, foreign: tuple[Peer, Path], tmp_path: Path
) -> None:
    peer, storage = foreign
    state = tmp_path / "state"
    count = len(found_in(folder))
    assert greet(peer, ()).answers_queries
    # dcmqrscp has a process for each association; two write into the same place of its index.
    assert send_all(folder, peer, state, associations=1).sent == count
    assert send_all(folder, peer, state, associations=1).already_there == count
    for kept in storage.iterdir():
        kept.unlink()
    emptied = send_all(folder, peer, state, associations=1)
    assert (emptied.sent, emptied.already_there) == (count, 0)


def test_a_home_keeps_its_id_and_another_home_has_another(tmp_path: Path) -> None:
    first = Home.prepare(tmp_path / "first", NodeKind.COUNTY)
    second = Home.prepare(tmp_path / "second", NodeKind.COUNTY)
    assert first.node_id() == first.node_id() != second.node_id()
    assert len(f"YILIAN_{first.node_id()}") <= 16
