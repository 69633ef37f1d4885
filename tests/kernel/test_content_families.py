"""Real objects that lie in several encodings: which are the same content, and which are not."""

from collections import defaultdict

from kernel.dicom.codecs import InThread
from kernel.dicom.content import content_digest
from kernel.dicom.dataset import BrokenDataset
from tests.kernel.objects import walked
from tests.shared_data import need_shared_data, single_files

SAME = [
    {
        "pydicom-tests/MR_small",
        "pydicom-tests/MR_small_RLE",
        "pydicom-tests/MR_small_bigendian",
        "pydicom-tests/MR_small_expb",
        "pydicom-tests/MR_small_implicit",
        "pydicom-tests/MR_small_jp2klossless",
        "pydicom-tests/MR_small_jpeg_ls_lossless",
        "pydicom-tests/MR_small_padded",
    },
    {"pydicom-tests/ExplVR_BigEndNoMeta", "pydicom-tests/ExplVR_LitEndNoMeta"},
    {"pydicom-tests/SC_rgb_jpeg_gdcm", "pydicom-tests/SC_rgb_rle", "transfer-syntaxes/SC_rgb_expb"},
    {
        "pydicom-tests/SC_rgb_rle_16bit",
        "transfer-syntaxes/SC_rgb_16bit",
        "transfer-syntaxes/SC_rgb_expb_16bit",
    },
    {"pydicom-tests/SC_rgb_rle_32bit_2frame", "transfer-syntaxes/SC_rgb_32bit_2frame"},
    {"pydicom-tests/SC_rgb_small_odd", "pydicom-tests/SC_rgb_small_odd_big_endian"},
    {"pydicom-tests/rtdose", "pydicom-tests/rtdose_expb", "pydicom-tests/rtdose_rle"},
    {
        "pydicom-tests/rtdose_1frame",
        "pydicom-tests/rtdose_expb_1frame",
        "pydicom-tests/rtdose_rle_1frame",
    },
    {"pydicom-tests/liver_1frame", "pydicom-tests/liver_expb_1frame"},
    {"transfer-syntaxes/color-pl", "transfer-syntaxes/color-px"},
    {
        "transfer-syntaxes/emri_small",
        "transfer-syntaxes/emri_small_RLE",
        "transfer-syntaxes/emri_small_big_endian",
        "transfer-syntaxes/emri_small_jpeg_2k_lossless",
        "transfer-syntaxes/emri_small_jpeg_ls_lossless",
    },
    {
        "CT-BigEndianExplicit",
        "CT-DeflatedExplicitVRLittleEndian",
        "CT-JPEG2000LosslessOnly",
        "CT-JPEGLSLossless",
        "CT-LittleEndianImplicit",
        "CT-RLELossless",
    },
]
"""Files of one SOP Instance UID with the same content: re-encoded without loss, nothing else."""

DIFFER = {
    "charset/chrFrenMulti": "several patient names",
    "charset/chrFren": "one patient name",
    "charset/chrJapMulti": "character set with an empty first value",
    "charset/chrJapMultiExplicitIR6": "character set with ISO 2022 IR 6 written out",
    "pydicom-tests/JPEG-lossy": "another lossy stream",
    "pydicom-tests/JPGExtended": "another lossy stream",
    "pydicom-tests/JPEG2000-embedded-sequence-delimiter": "a stream cut short",
    "pydicom-tests/JPEG2000": "a lossy stream",
    "pydicom-tests/SC_rgb_dcmtk_+eb+cy+n2": "lossy",
    "pydicom-tests/SC_ybr_full_422_uncompressed": "decoded from lossy, native 4:2:2",
    "pydicom-tests/SC_rgb_jpeg": "lossy",
    "pydicom-tests/SC_rgb_jpeg_dcmd": "decoded from lossy",
    "pydicom-tests/SC_rgb_rle_16bit_2frame": "two frames of 16 bit",
    "pydicom-tests/SC_rgb_rle_2frame": "two frames of 8 bit",
    "pydicom-tests/SC_rgb_rle_32bit": "one frame of 32 bit",
    "pydicom-tests/badVR": "Number of Frames 1A",
    "pydicom-tests/examples_palette": "another header than the RLE ones",
    "transfer-syntaxes/OBXXXX1A_rle": "one frame",
    "transfer-syntaxes/OBXXXX1A_rle_2frame": "two frames",
    "seg/liver": "three frames",
    "pydicom-tests/reportsi": "numeric values filled in",
    "pydicom-tests/reportsi_with_empty_number_tags": "numeric values empty",
    "CT-JPEGProcess14SV1": "its encoder added a Derivation Description",
    "CT-JPEGProcess14": "its encoder added a Derivation Description",
    "test_ecg": "no image comments",
    "wave_dfl": "image comments added",
}
"""Files that share a SOP Instance UID with another file and are other content, and why."""


def short(name: str) -> str:
    name = name.removeprefix("dicom/").removeprefix("ecg/").removesuffix(".dcm")
    if "CTImage.dcm_" in name:
        return "CT-" + name.split("CTImage.dcm_")[1].split("TransferSyntax")[0]
    return name


def test_real_objects_in_several_encodings_are_the_same_exactly_where_the_table_says() -> None:
    need_shared_data()
    instances: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name, data in single_files():
        try:
            _, _, found = walked(data)
        except BrokenDataset:
            continue
        uid = found.text(0x00080018)
        if uid:
            digest = content_digest(found, decoder=InThread())
            instances[uid][digest.whole].add(short(name))
    shared = [groups for groups in instances.values() if sum(map(len, groups.values())) > 1]
    same = [names for groups in shared for names in groups.values() if len(names) > 1]
    alone = {next(iter(n)) for groups in shared for n in groups.values() if len(n) == 1}
    assert sorted(map(sorted, same)) == sorted(map(sorted, SAME))
    assert alone == set(DIFFER)
