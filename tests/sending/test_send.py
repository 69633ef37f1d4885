"""A folder goes to a DICOM peer that is not ours, and a second run goes on where one stopped."""

import datetime as dt
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID

from gateway.dimse.outgoing import Peer
from gateway.dimse.scu import echo
from kernel.identifiers import AETitle
from tests.ports import free_port
from yilian.samples.studies import STUDIES, files_of
from yilian.sending.ledger import Ledger
from yilian.sending.run import StoreRun
from yilian.sending.survey import Found, Skipped, files_below, survey

STORESCP = shutil.which("storescp")
pytestmark = pytest.mark.skipif(STORESCP is None, reason="needs DCMTK (storescp)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "study"
    (place / "inner").mkdir(parents=True)
    study = next(s for s in STUDIES if s.key == "liu-knee")
    for number, file in enumerate(files_of(study, today=dt.date(2026, 11, 22))):
        (place / "inner" / f"{number}.dcm").write_bytes(file)
    cine = next(s for s in STUDIES if s.key == "long-us")
    (image,) = files_of(cine, today=dt.date(2026, 11, 22))
    (place / "no-preamble").write_bytes(image[132:])
    (place / "notes.txt").write_text("not an image")
    (place / "empty.dcm").write_bytes(b"")
    return place


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[tuple[Peer, Path]]:
    received = tmp_path / "received"
    received.mkdir()
    for _ in range(5):
        port = free_port()
        where = Peer("127.0.0.1", port, AETitle("ANY"), AETitle("SENDER"), timeout_s=10)
        process = subprocess.Popen(
            [STORESCP or "", "--output-directory", str(received), "+xa", "--fork", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if _answers(process, where):
                yield where, received
                return
        finally:
            process.terminate()
            process.wait(10)
    pytest.fail("storescp did not start")


def _answers(process: subprocess.Popen[bytes], peer: Peer) -> bool:
    """Return whether the peer answers; False once it has ended."""
    for _ in range(1000):
        if process.poll() is not None:
            return False
        try:
            socket.create_connection((peer.host, peer.port), timeout=1).close()
        except OSError:
            threading.Event().wait(0.02)
        else:
            echo(peer)
            return True
    return False


def found_in(folder: Path) -> list[Found]:
    return [what for what in map(survey, files_below([folder])) if isinstance(what, Found)]


def test_the_survey_says_what_each_file_is(folder: Path) -> None:
    skipped = {
        what.path.name: what.code
        for what in map(survey, files_below([folder]))
        if isinstance(what, Skipped)
    }
    assert skipped == {"notes.txt": "not-dicom", "empty.dcm": "empty-file"}
    assert {found.path.name: found.whole_part10 for found in found_in(folder)} == {
        "0.dcm": True,
        "1.dcm": True,
        "no-preamble": False,
    }


def test_a_file_whose_meta_names_another_instance_arrives_as_what_it_is(
    folder: Path, peer: tuple[Peer, Path], tmp_path: Path
) -> None:
    where, received = peer
    named = pydicom.dcmread(folder / "inner" / "0.dcm")
    real = named.SOPInstanceUID
    named.file_meta.MediaStorageSOPInstanceUID = UID("2.25.99")
    alone = tmp_path / "alone"
    alone.mkdir()
    named.save_as(alone / "other-meta.dcm", enforce_file_format=False)
    (found,) = found_in(alone)
    assert (found.sop_instance_uid, found.whole_part10) == (real, False)
    ledger = Ledger(folder=tmp_path / "sent")
    summary = StoreRun(where, ledger, lambda _f, _o: None, associations=1).run(
        [found], stop=threading.Event()
    )
    assert summary.complete
    (there,) = map(pydicom.dcmread, received.iterdir())
    assert there.SOPInstanceUID == there.file_meta.MediaStorageSOPInstanceUID == real


def test_all_of_a_folder_arrives_and_arrives_again_where_nobody_can_be_asked(
    folder: Path, peer: tuple[Peer, Path], tmp_path: Path
) -> None:
    where, received = peer
    files = found_in(folder)
    outcomes: list[str] = []
    for _ in range(2):
        ledger = Ledger(folder=tmp_path / "state")
        run = StoreRun(where, ledger, lambda _found, what: outcomes.append(what), associations=2)
        done = run.run(files, stop=threading.Event())
        ledger.close()
        assert done.complete
        assert outcomes == ["sent"] * len(files)
        outcomes.clear()
    assert len(list(received.iterdir())) == len(files)


def test_a_torn_ledger_line_is_ignored(folder: Path, tmp_path: Path) -> None:
    first, second, _ = found_in(folder)
    ledger = Ledger(folder=tmp_path)
    ledger.bind("there")
    ledger.add(first)
    ledger.add(second)
    ledger.close()
    (written,) = tmp_path.glob("*.jsonl")
    written.write_bytes(written.read_bytes()[:-9])
    again = Ledger(folder=tmp_path)
    again.bind("there")
    assert again.has(first)
    assert not again.has(second)
    again.close()


def test_a_stopped_run_names_what_was_not_sent(folder: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    nobody = Peer("127.0.0.1", 1, AETitle("ANY"), AETitle("SENDER"), timeout_s=1)
    ledger = Ledger(folder=tmp_path)
    files = found_in(folder)
    done = StoreRun(nobody, ledger, lambda *_: None, associations=1).run(files, stop=stop)
    ledger.close()
    assert not done.complete
    assert len(done.not_sent) == len(files)
