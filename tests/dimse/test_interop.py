"""DCMTK and pynetdicom as senders, on both event loops, in the clear and over TLS."""

import asyncio
from pathlib import Path

import pydicom
import pynetdicom
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom.sop_class import CTImageStorage, Verification  # type: ignore[attr-defined]

from kernel.errors import StorageFull
from tests.dimse.doors import MemorySink, command, open_door
from tests.dimse.samples import dataset_bytes, write_ct

NATIVE = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
}


async def test_dcmtk_echo() -> None:
    async with open_door(MemorySink()) as door:
        host, port = door.addresses[0]
        code, printed = await command("echoscu", "-v", "-aec", "YILIAN", host, str(port))
    assert code == 0, printed
    assert "Received Echo Response (Success)" in printed


async def test_dcmtk_echo_on_40_contexts_with_every_syntax_it_knows() -> None:
    async with open_door(MemorySink()) as door:
        host, port = door.addresses[0]
        code, printed = await command(
            "echoscu",
            "-pts",
            "38",
            "-ppc",
            "40",
            "--repeat",
            "5",
            "-aec",
            "YILIAN",
            host,
            str(port),
        )
    assert code == 0, printed


async def test_dcmtk_is_told_that_it_called_somebody_else() -> None:
    async with open_door(MemorySink()) as door:
        host, port = door.addresses[0]
        code, printed = await command("echoscu", "-aec", "OTHER", host, str(port))
    assert code != 0
    assert "Called AE Title Not Recognized" in printed


@pytest.mark.parametrize("pdu_bytes", ["4096", "16384", "131072"])
async def test_dcmtk_stores_with_any_pdu_size(tmp_path: Path, pdu_bytes: str) -> None:
    files = [write_ct(tmp_path / f"{n}.dcm", number=n, rows=300) for n in range(5)]
    sink = MemorySink()
    async with open_door(sink) as door:
        host, port = door.addresses[0]
        code, printed = await command(
            "storescu", "-pdu", pdu_bytes, "--max-send-pdu", pdu_bytes, "-aec", "YILIAN",
            host, str(port), *map(str, files),
        )  # fmt: skip
    assert code == 0, printed
    assert [kept.data for kept in sink.kept] == [dataset_bytes(path) for path in files]
    assert sink.open == 0


@pytest.mark.parametrize(
    ("option", "syntax"),
    [
        pytest.param("-xi", NATIVE["implicit"], id="implicit"),
        pytest.param("-xe", NATIVE["explicit"], id="explicit"),
        pytest.param("-xb", NATIVE["big-endian"], id="big-endian"),
        pytest.param("-xd", NATIVE["deflated"], id="deflated"),
    ],
)
async def test_dcmtk_stores_in_the_syntax_it_prefers(
    tmp_path: Path, option: str, syntax: str
) -> None:
    path = write_ct(tmp_path / "one.dcm", number=1, syntax=syntax)
    sink = MemorySink()
    async with open_door(sink) as door:
        host, port = door.addresses[0]
        code, printed = await command(
            "storescu", option, "-aec", "YILIAN", host, str(port), str(path)
        )
    assert code == 0, printed
    (kept,) = sink.kept
    # DCMTK proposes its preference together with the other native syntaxes.
    expected = syntax if option == "-xd" else ExplicitVRLittleEndian
    assert kept.request.transfer_syntax_uid in {expected, ImplicitVRLittleEndian, syntax}
    sent = pydicom.dcmread(path)
    got = pydicom.dcmread(_part10(kept.request.transfer_syntax_uid, kept.data), force=True)
    assert got.SOPInstanceUID == sent.SOPInstanceUID
    assert got.PatientName == sent.PatientName


def _part10(syntax: str, data: bytes) -> pydicom.filebase.DicomBytesIO:
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = UID(syntax)
    head = pydicom.filebase.DicomBytesIO()
    pydicom.filewriter.write_file_meta_info(head, meta, enforce_standard=False)
    return pydicom.filebase.DicomBytesIO(bytes(128) + b"DICM" + head.getvalue() + data)


async def test_several_dcmtk_senders_at_once(tmp_path: Path) -> None:
    for sender in range(4):
        for n in range(10):
            write_ct(tmp_path / f"{sender}" / f"{n}.dcm", number=100 * sender + n)
    sink = MemorySink()
    async with open_door(sink) as door:
        host, port = door.addresses[0]
        results = await asyncio.gather(
            *(
                command(
                    "storescu", "-aec", "YILIAN", host, str(port), "+sd", str(tmp_path / str(n))
                )
                for n in range(4)
            )
        )
    assert [code for code, _ in results] == [0] * 4, results
    assert len({kept.request.sop_instance_uid for kept in sink.kept}) == 40


def _send_with_pynetdicom(port: int, files: list[Path]) -> tuple[list[int], int]:
    ae = pynetdicom.AE(ae_title="PYNETDICOM")
    for syntax in NATIVE.values():
        ae.add_requested_context(CTImageStorage, syntax)
    ae.add_requested_context(Verification)
    role = pynetdicom.build_role(CTImageStorage, scu_role=True, scp_role=False)
    association = ae.associate("127.0.0.1", port, ae_title="YILIAN", ext_neg=[role])
    assert association.is_established
    statuses = [association.send_c_echo().Status]
    statuses += [association.send_c_store(pydicom.dcmread(path)).Status for path in files]
    accepted = len(association.accepted_contexts)
    association.release()
    assert association.is_released
    return statuses, accepted


async def test_pynetdicom_stores_in_every_native_syntax(tmp_path: Path) -> None:
    files = [
        write_ct(tmp_path / f"{number}.dcm", number=number, syntax=syntax)
        for number, syntax in enumerate(NATIVE.values())
    ]
    sink = MemorySink()
    async with open_door(sink) as door:
        statuses, accepted = await asyncio.to_thread(
            _send_with_pynetdicom, door.addresses[0][1], files
        )
    assert statuses == [0] * 5
    assert accepted == 5
    assert [kept.request.transfer_syntax_uid for kept in sink.kept] == list(NATIVE.values())


async def test_senders_are_told_why_an_object_is_refused(tmp_path: Path) -> None:
    sink = MemorySink()
    sink.fail_write = StorageFull("no room")
    path = write_ct(tmp_path / "one.dcm", number=1)
    async with open_door(sink) as door:
        host, port = door.addresses[0]
        code, printed = await command(
            "storescu", "-d", "-aec", "YILIAN", host, str(port), str(path)
        )
    assert code != 0
    assert "0xa700" in printed.lower()
    assert "There is no room left to keep the object." in printed
    assert sink.open == 0
