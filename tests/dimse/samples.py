"""Small synthetic objects; none of them is anybody's."""

import io
import struct
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

from kernel.dicom.dataset import FileSource, read_file_meta
from tests.dimse.wire_bytes import CT

INSTANCE = "2.25.990007"


def small_ct(number: int, *, rows: int = 16, syntax: str = ExplicitVRLittleEndian) -> FileDataset:
    """Return a CT slice of *rows* x *rows*, its SOP Instance UID 2.25.99000 and *number*."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(CT)
    meta.MediaStorageSOPInstanceUID = UID(f"2.25.99000{number}")
    meta.TransferSyntaxUID = UID(syntax)
    ds = FileDataset("none", {}, file_meta=meta, preamble=bytes(128))
    ds.SOPClassUID = CT
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID = "2.25.990001"
    ds.SeriesInstanceUID = "2.25.990002"
    ds.PatientName = "Test^Patient"
    ds.PatientID = "990000"
    ds.Modality = "CT"
    ds.Rows = ds.Columns = rows
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 0
    pixels = np.random.default_rng(number).integers(0, 4096, (rows, rows), dtype="u2")
    order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
    ds.PixelData = pixels.astype(order).tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def encoded(ds: FileDataset) -> bytes:
    """Return *ds* as a whole Part 10 file."""
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def write_ct(
    path: Path, *, number: int, rows: int = 16, syntax: str = ExplicitVRLittleEndian
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(small_ct(number, rows=rows, syntax=syntax)))
    return path


def dataset_bytes(path: Path) -> bytes:
    """Return what of the file at *path* a sender hands over: all after its file meta group."""
    with FileSource(path) as source:
        offset = read_file_meta(source).dataset_offset
        return source.read(offset, source.size - offset)


def element(tag: int, vr: str, value: bytes) -> bytes:
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in {"OB", "OW", "SQ", "UN"}:
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def uid(text: str) -> bytes:
    raw = text.encode("latin-1")
    return raw + b"\0" * (len(raw) & 1)


def dataset(
    *more: bytes, sop_class: str = CT, instance: str = INSTANCE, study: str = "2.25.990001"
) -> bytes:
    """Return a data set in explicit VR little endian with its four UIDs, and *more* at its end."""
    return b"".join(
        [
            element(0x00080016, "UI", uid(sop_class)),
            element(0x00080018, "UI", uid(instance)),
            element(0x0020000D, "UI", uid(study)),
            element(0x0020000E, "UI", uid("2.25.990002")),
            *more,
        ]
    )
