"""A workstation that speaks DIMSE finds at the county what was sent there and in a township."""

import shutil
import subprocess

import pytest
from pynetdicom import AE

from gateway.dimse.sop_classes import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from tests.demo.running import RunningDemo, until
from tests.demo.test_modality import device
from tests.dimse.samples import small_ct
from tests.dimse.wire_bytes import CT

FINDSCU = shutil.which("findscu")
pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(FINDSCU is None, reason="needs DCMTK (findscu)"),
]


def found(demo: RunningDemo, *keys: str, model: str = "-S") -> str:
    """Return what findscu prints of its questions and the county's answers."""
    door = demo.door("county")
    asked = [part for key in keys for part in ("-k", key)]
    ran = subprocess.run(
        [
            *(FINDSCU or "", "-v", model, "-aet", "WORKSTATION", "-aec", door["ae_title"]),
            *(*asked, door["host"], str(door["port"])),
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    return (ran.stdout + ran.stderr).decode("utf-8", "replace")


@pytest.mark.parametrize(("node", "number"), [("county", 91), ("qingshan", 92)])
def test_what_was_sent_is_found_at_the_county(demo: RunningDemo, node: str, number: int) -> None:
    sent = small_ct(number)
    sent.StudyInstanceUID, sent.SeriesInstanceUID = f"2.25.99{number}01", f"2.25.99{number}02"
    sent.PatientID = f"990000-Q{number}"
    with device(demo, node, CT) as assoc:
        assert assoc.send_c_store(sent).Status == 0

    def is_there() -> bool:
        said = found(
            demo, "QueryRetrieveLevel=STUDY", f"PatientID={sent.PatientID}", "StudyInstanceUID"
        )
        assert "(Success)" in said, said
        return said.count("(Pending)") == 1

    until(is_there, 60, "the study at the county")
    images = found(
        demo,
        "QueryRetrieveLevel=IMAGE",
        f"PatientID={sent.PatientID}",
        f"StudyInstanceUID={sent.StudyInstanceUID}",
        f"SeriesInstanceUID={sent.SeriesInstanceUID}",
        "SOPInstanceUID",
        model="-P",
    )
    assert images.count("(Pending)") == 1, images
    assert sent.SOPInstanceUID in images


def test_a_township_has_no_archive_to_ask(demo: RunningDemo) -> None:
    door = demo.door("qingshan")
    ae = AE(ae_title="WORKSTATION")
    ae.acse_timeout = ae.network_timeout = 30
    for sop_class in (PATIENT_ROOT_FIND, STUDY_ROOT_FIND):
        ae.add_requested_context(sop_class)
    assoc = ae.associate(door["host"], door["port"], ae_title=door["ae_title"])
    try:
        assert [context.result for context in assoc.rejected_contexts] == [3, 3]
    finally:
        assoc.release() if assoc.is_established else assoc.abort()
