"""Every object of the shared collection, byte by byte: what is valid is kept whole."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel.dicom.dataset import BrokenDataset, FileSource, read_file_meta, scan
from tests.dimse.houses import house
from tests.dimse.peers import Answer, associated

NO_UID = Answer(0xC000, "The object has no SOP class or no SOP instance UID.")
CUT_SHORT = Answer(0xC000, "The object ends too early: it was cut short.")
REFUSED = {
    "charset/chrSQEncoding.dcm": NO_UID,
    "charset/chrSQEncoding1.dcm": NO_UID,
    "dicomdir-tree/DICOMDIR": NO_UID,
    "dicomdir-tree/DICOMDIR-bigEnd": NO_UID,
    "dicomdir-tree/DICOMDIR-empty.dcm": NO_UID,
    "dicomdir-tree/DICOMDIR-implicit": NO_UID,
    "dicomdir-tree/DICOMDIR-nooffset": CUT_SHORT,
    "dicomdir-tree/DICOMDIR-nopatient": NO_UID,
    "dicomdir-tree/DICOMDIR-reordered": NO_UID,
    "dicomdir-tree/TINY_ALPHA/DICOMDIR": NO_UID,
    # Its UIDs were replaced by 64 hexadecimal digits.
    "odd/bad_sequence.dcm": Answer(0xC000, "The SOP class or instance UID is not valid."),
    "pydicom-tests/MR_truncated.dcm": CUT_SHORT,
    "pydicom-tests/UN_sequence.dcm": NO_UID,
    "pydicom-tests/empty_charset_LEI.dcm": NO_UID,
    "pydicom-tests/meta_missing_tsyntax.dcm": NO_UID,
    "pydicom-tests/nested_priv_SQ.dcm": NO_UID,
    "pydicom-tests/no_meta_group_length.dcm": NO_UID,
    "pydicom-tests/priv_SQ.dcm": NO_UID,
    "pydicom-tests/rtplan_truncated.dcm": CUT_SHORT,
    "transfer-syntaxes/JLSL_RGB_ILV0.dcm": NO_UID,
    "transfer-syntaxes/JLSN_RGB_ILV0.dcm": NO_UID,
    "transfer-syntaxes/emri_small_jpeg_2k_lossless_too_short.dcm": CUT_SHORT,
    **{f"worklist/wklist{number}.wl": NO_UID for number in range(1, 6)},
}
SOMETHING = ("1.2.840.10008.5.1.4.1.1.7", "2.25.990099")


def collection() -> Path | None:
    for parent in Path(__file__).resolve().parents:
        folder = parent.parent / "shared" / "data" / "dicom"
        if folder.is_dir():
            return folder
    return None


def objects(folder: Path) -> Iterator[tuple[str, str, str, str, bytes]]:
    """Yield name, transfer syntax, SOP class, SOP instance and data set as a sender reads them."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with FileSource(path) as source:
            try:
                meta = read_file_meta(source)
            except BrokenDataset:
                continue
            data = source.read(meta.dataset_offset, source.size)
            sop_class, instance = SOMETHING
            try:
                found = scan(
                    source,
                    offset=meta.dataset_offset,
                    transfer_syntax_uid=meta.transfer_syntax_uid,
                )
            except BrokenDataset:
                pass
            else:
                sop_class = found.text(0x00080016) or sop_class
                instance = found.text(0x00080018) or instance
        name = path.relative_to(folder).as_posix()
        yield name, meta.transfer_syntax_uid, sop_class, instance, data


@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_every_real_object_is_kept_whole_or_refused_for_its_reason(tmp_path: Path) -> None:
    folder = collection()
    if folder is None:
        pytest.skip("no shared data collection on this machine")
    sent: list[bytes] = []
    refused: dict[str, Answer] = {}
    async with house(tmp_path) as at:
        for name, syntax, sop_class, instance, data in objects(folder):
            async with associated(at.door.addresses[0], sop_class, syntax) as scu:
                answer = await scu.store(data, sop_class=sop_class, instance=instance)
                await scu.release()
            if answer.status:
                refused[name] = answer
            else:
                sent.append(data)
        kept = [stored[arrival.dataset_offset :] for arrival, stored in at.kept()]
    assert refused == REFUSED
    assert len(sent) > 250
    assert kept == sent
