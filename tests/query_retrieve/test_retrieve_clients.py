"""DCMTK asks for objects and takes them, unmodified: movescu, getscu, storescp."""

import asyncio
import contextlib
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo.running import until
from tests.dimse.doors import command
from tests.dimse.wire_bytes import EXPLICIT_LE, IMPLICIT_LE
from tests.imaging.sample import ROOT
from tests.ports import free_port
from tests.query_retrieve.conftest import KEPT_DENSE, numbers
from tests.query_retrieve.pacs import Pacs
from tests.query_retrieve.peers import content

JPEG_LS = "1.2.840.10008.1.2.4.80"
STUDY_1 = ("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={ROOT}.1")
STUDY_2 = ("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={ROOT}.2")
START_S = 15.0


def asked(pacs: Pacs, program: str, *more: str, keys: tuple[str, ...]) -> tuple[int, str]:
    host, port = pacs.address
    told = [part for key in keys for part in ("-k", key)]
    return asyncio.run(
        command(program, "-v", "-aet", "VIEWER", "-aec", "YILIAN", *more, *told, host, str(port))
    )


@contextlib.contextmanager
def storescp(pacs: Pacs, title: str, folder: Path, *options: str) -> Iterator[Path]:
    """DCMTK listens as *title*, which the archive's table knows."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    process = subprocess.Popen(
        ["storescp", "-aet", title, "-od", str(folder), *options, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    try:
        until(listens, START_S, "storescp", alive=process)
        pacs.knows(title, port)
        yield folder
    finally:
        process.terminate()
        process.wait(START_S)


def contents(folder: Path) -> set[object]:
    return {content(file.read_bytes()) for file in folder.iterdir()}


@pytest.mark.parametrize(
    ("model", "keys", "files"),
    [
        ("-P", ("QueryRetrieveLevel=PATIENT", "PatientID=P2"), "2.1.1 2.1.2"),
        ("-S", STUDY_1, "1.1.1 1.1.2 1.2.1"),
        (
            "-S",
            ("QueryRetrieveLevel=SERIES", STUDY_1[1], f"SeriesInstanceUID={ROOT}.1.1"),
            "1.1.1 1.1.2",
        ),
        (
            "-S",
            (
                "QueryRetrieveLevel=IMAGE",
                STUDY_1[1],
                f"SeriesInstanceUID={ROOT}.1.1",
                f"SOPInstanceUID={ROOT}.1.1.2",
            ),
            "1.1.2",
        ),
    ],
)
@pytest.mark.parametrize("program", ["getscu", "movescu"])
def test_every_level_comes(
    archive: Pacs, tmp_path: Path, program: str, model: str, keys: tuple[str, ...], files: str
) -> None:
    folder = tmp_path / "got"
    folder.mkdir()
    if program == "getscu":
        code, printed = asked(archive, program, model, "-od", str(folder), keys=keys)
    else:
        with storescp(archive, "DCMTK", folder):
            code, printed = asked(archive, program, model, "-aem", "DCMTK", keys=keys)
    assert code == 0, printed
    found = [re.search(rf"{re.escape(ROOT)}[0-9.]*[0-9]", one.name) for one in folder.iterdir()]
    assert numbers(sorted(one[0] for one in found if one)) == files, printed


@pytest.mark.parametrize(
    ("options", "syntax"),
    [
        pytest.param(("+xi",), IMPLICIT_LE, id="implicit-only"),
        pytest.param(("+x=",), EXPLICIT_LE, id="native"),
        pytest.param(("-xf", "{profile}", "JLS"), JPEG_LS, id="jpeg-ls-only"),
    ],
)
def test_a_restricted_destination_gets_equal_pixels_and_elements(
    archive: Pacs, tmp_path: Path, options: tuple[str, ...], syntax: str
) -> None:
    profile = tmp_path / "storescp.cfg"
    profile.write_text(
        "[[TransferSyntaxes]]\n[Only]\nTransferSyntax1 = JPEGLSLossless\n"
        "[[PresentationContexts]]\n[Only]\n"
        "PresentationContext1 = CTImageStorage\\Only\n"
        "[[Profiles]]\n[JLS]\nPresentationContexts = Only\n"
    )
    told = [one.format(profile=profile) for one in options]
    with storescp(archive, "DCMTK", tmp_path / "got", *told) as folder:
        code, printed = asked(archive, "movescu", "-S", "-aem", "DCMTK", keys=STUDY_2)
        assert code == 0, printed
        files = [one.read_bytes() for one in folder.iterdir()]
    assert len(files) == 2, printed
    assert all(f"{syntax}".encode() in file[:1024] for file in files)
    assert contents(tmp_path / "got") == {content(one) for one in KEPT_DENSE}


def test_getscu_gets_what_lies_compressed(archive: Pacs, tmp_path: Path) -> None:
    folder = tmp_path / "got"
    folder.mkdir()
    code, printed = asked(archive, "getscu", "-S", "-od", str(folder), keys=STUDY_2)
    assert code == 0, printed
    assert contents(folder) == {content(one) for one in KEPT_DENSE}


def test_movescu_hears_of_an_unknown_destination(archive: Pacs) -> None:
    code, printed = asked(archive, "movescu", "-S", "-d", "-aem", "ELSEWHERE", keys=STUDY_1)
    assert "A801" in printed.upper(), (code, printed)


def test_movescu_cancels(archive: Pacs, tmp_path: Path) -> None:
    with storescp(archive, "DCMTK", tmp_path / "got"):
        code, printed = asked(
            archive, "movescu", "-S", "-aem", "DCMTK", "--cancel", "1", keys=STUDY_1
        )
    assert code in {0, 69}, printed
    assert re.search(r"Final Move Response|Cancel|Success", printed), printed
