"""A workstation that speaks DIMSE gets what was sent: by C-GET, and by C-MOVE to a known node."""

import asyncio
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.running import ROOT, RunningDemo, until
from tests.demo.test_modality import device
from tests.demo.test_query import found
from tests.dimse.doors import command
from tests.dimse.samples import encoded, small_ct
from tests.dimse.wire_bytes import CT
from tests.ports import free_port
from tests.query_retrieve.peers import content

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(shutil.which("movescu") is None, reason="needs DCMTK (movescu)"),
]


def ask(demo: RunningDemo, program: str, *more: str, study: str) -> str:
    """Return what *program* of DCMTK prints of a study's retrieval."""
    door = demo.door("county")
    code, printed = asyncio.run(
        command(
            *(program, "-v", "-S", "-aet", "WORKSTATION", "-aec", door["ae_title"], *more),
            *("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"),
            *(door["host"], str(door["port"])),
            timeout_s=60,
        )
    )
    assert code == 0, printed
    return printed


@pytest.mark.parametrize(("node", "number"), [("county", 93), ("qingshan", 94)])
def test_what_was_sent_comes_back(
    demo: RunningDemo, tmp_path: Path, node: str, number: int
) -> None:
    sent = small_ct(number)
    study = f"2.25.99{number}01"
    sent.StudyInstanceUID, sent.SeriesInstanceUID = study, f"2.25.99{number}02"
    sent.PatientID = f"990000-R{number}"
    with device(demo, node, CT) as assoc:
        assert assoc.send_c_store(sent).Status == 0
    until(
        lambda: (
            "(Pending)"
            in found(demo, "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study}", "PatientID")
        ),
        60,
        "the study at the county",
    )
    got, moved = tmp_path / "got", tmp_path / "moved"
    got.mkdir()
    moved.mkdir()
    ask(demo, "getscu", "-od", str(got), study=study)
    port = free_port()
    title = f"KEEPER{number}"
    _tell(demo, title, port)
    listener = subprocess.Popen(
        ["storescp", "-aet", title, "-od", str(moved), str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _listens(port), 20, "storescp", alive=listener)
        ask(demo, "movescu", "-aem", title, study=study)
    finally:
        listener.terminate()
        listener.wait(20)
    for folder in (got, moved):
        (file,) = folder.iterdir()
        assert content(file.read_bytes()) == content(encoded(sent))


def _tell(demo: RunningDemo, title: str, port: int) -> None:
    """Write a destination into the county's table, as its administrator does."""
    subprocess.run(
        [
            *(sys.executable, "-m", "yilian", "admin", "--home", str(demo.home / "county")),
            *("ae", "add", title, "county-hospital", "--host", "127.0.0.1", "--port", str(port)),
        ],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=True,
    )


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False
