"""DCMTK's findscu asks the archive, unmodified."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.dimse.doors import command
from tests.imaging.sample import ROOT
from tests.query_retrieve.pacs import Pacs


def findscu(
    pacs: Pacs, model: str, *keys: str, title: str = "VIEWER", more: tuple[str, ...] = ()
) -> tuple[int, str]:
    host, port = pacs.address
    asked = [part for key in keys for part in ("-k", key)]
    return asyncio.run(
        command(
            *("findscu", "-v", model, "-aet", title, "-aec", "YILIAN", *more),
            *(*asked, host, str(port)),
        )
    )


def test_a_study_is_found_at_study_root(pacs: Pacs) -> None:
    code, printed = findscu(
        pacs,
        "-S",
        "QueryRetrieveLevel=STUDY",
        "PatientID=PX2Y",
        "PatientName",
        "StudyInstanceUID",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedInstances",
    )
    assert code == 0, printed
    answer = printed.partition("(Pending)")[2]
    assert re.search(rf"\[{re.escape(ROOT)}\.3\W*\]", answer), printed
    assert re.search(r"CS \[DX\].*ModalitiesInStudy", answer)
    assert re.search(r"IS \[1 ?\].*NumberOfStudyRelatedInstances", answer)
    assert re.search(r"AE \[YILIAN\].*RetrieveAETitle", answer)
    assert printed.count("(Pending)") == 1


@pytest.mark.parametrize(
    ("model", "keys", "matches"),
    [
        ("-P", ["QueryRetrieveLevel=PATIENT", "PatientID", "PatientName"], 3),
        ("-P", ["QueryRetrieveLevel=STUDY", "PatientID=PX2Y", "StudyInstanceUID"], 1),
        ("-S", ["QueryRetrieveLevel=STUDY", "StudyDate=20250101-20251231"], 2),
        ("-S", ["QueryRetrieveLevel=SERIES", f"StudyInstanceUID={ROOT}.1", "Modality"], 2),
        (
            "-S",
            [
                "QueryRetrieveLevel=IMAGE",
                f"StudyInstanceUID={ROOT}.1",
                f"SeriesInstanceUID={ROOT}.1.1",
                "SOPInstanceUID",
            ],
            2,
        ),
    ],
)
def test_every_level_of_both_models_answers(
    pacs: Pacs, model: str, keys: list[str], matches: int
) -> None:
    code, printed = findscu(pacs, model, *keys)
    assert code == 0, printed
    assert printed.count("(Pending)") == matches, printed
    assert "Received Final Find Response (Success)" in printed


def test_a_series_without_its_study_is_refused_with_a_sentence(pacs: Pacs) -> None:
    _, printed = findscu(pacs, "-S", "QueryRetrieveLevel=SERIES", more=("-d",))
    assert "A900" in printed.upper(), printed
    assert "StudyInstanceUID has to be one value here." in printed


def test_a_chinese_name_is_asked_and_answered_in_gb18030(pacs: Pacs, tmp_path: Path) -> None:
    name = "王^小明".encode("gb18030").decode("latin-1")
    host, port = pacs.address
    query = tmp_path / "query.dump"
    query.write_bytes(
        b"(0008,0005) CS [GB18030]\n(0008,0052) CS [STUDY]\n(0010,0010) PN ["
        + name.encode("latin-1")
        + b"]\n(0020,000d) UI []\n"
    )
    file, folder = tmp_path / "query.dcm", tmp_path / "found"
    folder.mkdir()

    async def ask() -> str:
        code, printed = await command("dump2dcm", str(query), str(file))
        assert code == 0, printed
        code, printed = await command(
            *("findscu", "-S", "-X", "-od", str(folder), "-aet", "VIEWER", "-aec", "YILIAN"),
            *(host, str(port), str(file)),
        )
        assert code == 0, printed
        (found,) = folder.glob("*.dcm")
        assert b"GB18030" in found.read_bytes()
        return (await command("dcmdump", "+U8", str(found)))[1]

    assert "Wang^Xiaoming=王^小明" in asyncio.run(ask())


def test_a_cancelled_query_ends(pacs: Pacs) -> None:
    code, printed = findscu(
        pacs, "-S", "QueryRetrieveLevel=STUDY", "StudyInstanceUID", more=("--cancel", "1")
    )
    assert code == 0, printed
    assert re.search(r"Final Find Response \((Cancel|Success)", printed), printed


def test_a_device_that_may_not_query_has_no_query_service(pacs: Pacs) -> None:
    code, printed = findscu(pacs, "-S", "QueryRetrieveLevel=STUDY", title="CT1")
    assert code != 0
    assert "No presentation context" in printed or "No Acceptable Presentation" in printed, printed
