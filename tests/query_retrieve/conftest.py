"""One archive for a whole table of questions; nothing of it is changed by asking."""

import contextlib
from collections.abc import Callable, Iterator

import pytest
from pydicom.dataset import Dataset

from tests.databases import PostgresServer, new_database
from tests.imaging.compressed import as_sent
from tests.imaging.conftest import desk, sqlite_desk  # noqa: F401
from tests.imaging.sample import ROOT, arrival
from tests.query_retrieve.pacs import BAIHE, Filed, Pacs, serving, slice_of


def _request(step: str, procedure: str) -> list[Dataset]:
    item = Dataset()
    item.ScheduledProcedureStepID = step
    item.RequestedProcedureID = procedure
    return [item]


def library() -> Filed:
    """Return the objects of the table: three patients, four studies, and one of another house."""
    old = {"StudyDate": "20250101", "StudyTime": "080000"}
    middle = {
        "StudyDate": "20250630",
        "StudyTime": "120000",
        "PatientName": "Müller^Jörg",
        "PatientID": "P_2%",
        "PatientSex": "F",
        "PatientBirthDate": "19501231",
        "AccessionNumber": "ZX-2025-0042",
        "StudyDescription": "50% DOSE_CT",
    }
    new = {
        "StudyDate": "20260101",
        "StudyTime": "235959.5",
        "PatientName": "Wang^Xiaoming=王^小明",
        "PatientID": "PX2Y",
        "Modality": "DX",
        "StudyDescription": "CHEST pa",
        "ReferringPhysicianName": "Chen^Yi",
    }
    mine: list[bytes] = [
        slice_of(1, **old, OtherPatientIDs="OLD-1"),
        slice_of(1, number=2, **old),
        slice_of(1, series=2, **old, Modality="SR", RequestAttributesSequence=_request("S1", "R1")),
        slice_of(2, **middle),
        slice_of(3, **new),
        # The first patient again, later.
        slice_of(4, StudyDate="20260305", StudyTime="100000", PatientName="Zhang^San=張^三"),
    ]
    theirs = slice_of(9, PatientID="B-9", PatientName="Bai^He=白^荷")
    return [(file, None) for file in mine] + [(theirs, arrival(institution=BAIHE))]


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def pacs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pacs]:
    """The archive of ``library``, once on each kind of database."""
    with contextlib.ExitStack() as stack:
        url = ""
        if request.param == "postgres":
            server: PostgresServer = request.getfixturevalue("postgres_server")
            template: Callable[[], str] = request.getfixturevalue("postgres_template")
            url = stack.enter_context(new_database(server, template()))
        folder = tmp_path_factory.mktemp("archive")
        yield stack.enter_context(serving(folder, library(), postgres_url=url))


def numbers(uids: list[str]) -> str:
    """Return the studies, series or instances of *uids* as the samples number them."""
    return " ".join(uid.removeprefix(f"{ROOT}.") for uid in uids)


KEPT_DENSE = (slice_of(2, PatientID="P2"), slice_of(2, number=2, PatientID="P2"))
"""Slices that lie in the archive as a township sent them, in HTJ2K."""
SR = "1.2.840.10008.5.1.4.1.1.88.11"


def report_of(study: int, number: int = 1, **more: object) -> bytes:
    """Return an object without pixels."""
    gone = dict.fromkeys(
        [
            *("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated"),
            *("BitsStored", "HighBit", "PixelRepresentation", "PixelData", "PixelSpacing"),
            *("SliceThickness", "ImagePositionPatient", "ImageType"),
        ]
    )
    told = {"SOPClassUID": SR, "Modality": "SR", **gone, **more}
    return slice_of(study, number=number, series=5, **told)


def shelf() -> Filed:
    """Return the objects of the retrievals: three patients, one of them with two studies."""
    mine: list[bytes] = [
        slice_of(1),
        slice_of(1, number=2),
        slice_of(1, series=2),
        slice_of(3, PatientID="P3"),
        report_of(3, PatientID="P3"),
        slice_of(4, StudyDate="20260401"),
    ]
    theirs = slice_of(9, PatientID="B-9")
    return [
        *((file, None) for file in mine),
        *(as_sent(file) for file in KEPT_DENSE),
        (theirs, arrival(institution=BAIHE)),
    ]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    """The archive of ``shelf``, on SQLite."""
    with serving(tmp_path_factory.mktemp("shelf"), shelf()) as found:
        yield found
