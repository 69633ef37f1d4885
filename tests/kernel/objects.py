"""Small synthetic objects in every encoding, made with pydicom and numpy."""

import struct
import warnings
from collections.abc import Sequence
from copy import deepcopy
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as Items

from kernel.dicom.dataset import (
    DEFLATED,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    BytesSource,
    FileMeta,
    Scan,
    file_meta_bytes,
    read_file_meta,
    scan,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
UID = "2.25.990000"
NATIVE = (IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED)


def element(tag: int, vr: str, value: bytes, *, length: int | None = None) -> bytes:
    """One element in explicit VR little endian, its length as stated."""
    stated = len(value) if length is None else length
    group, number = tag >> 16, tag & 0xFFFF
    if vr in {"OB", "OW", "SQ", "UN", "UT", "UC", "OV", "OF", "OD"}:
        return struct.pack("<HH2sHL", group, number, vr.encode(), 0, stated) + value
    return struct.pack("<HH2sH", group, number, vr.encode(), stated) + value


def implicit(tag: int, value: bytes, *, length: int | None = None) -> bytes:
    """One element in implicit VR little endian, its length as stated."""
    stated = len(value) if length is None else length
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, stated) + value


def item(content: bytes = b"", *, length: int | None = None) -> bytes:
    """One sequence item or fragment."""
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content) if length is None else length) + content


ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
UNDEFINED = 0xFFFFFFFF
SOP = element(0x00080016, "UI", CT.encode() + b"\0" * (len(CT) & 1)) + element(
    0x00080018, "UI", (UID + ".1").encode() + b"\0" * (len(UID + ".1") & 1)
)


def part10(dataset: bytes, transfer_syntax_uid: str = EXPLICIT_LE) -> bytes:
    """A data set behind a proper file head."""
    head = file_meta_bytes(
        sop_class_uid=CT, sop_instance_uid=f"{UID}.1", transfer_syntax_uid=transfer_syntax_uid
    )
    return head + dataset


def walked(data: bytes) -> tuple[BytesSource, FileMeta, Scan]:
    """An object read as every door reads it."""
    source = BytesSource(data)
    meta = read_file_meta(source)
    found = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    return source, meta, found


def image(cells: npt.NDArray[Any], *, bits_stored: int | None = None, **more: Any) -> Dataset:
    """An image object of one or more frames (the first axis, where ``frames`` says so)."""
    frames = more.pop("frames", None)
    planar = more.pop("planar", 0)
    shape = cells.shape[1:] if frames else cells.shape
    width = cells.dtype.itemsize * 8
    ds = Dataset()
    ds.SpecificCharacterSet = "GB18030"
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.SOPClassUID, ds.SOPInstanceUID = CT, f"{UID}.1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{UID}.2", f"{UID}.3"
    ds.StudyDate, ds.StudyTime, ds.Modality = "20240229", "081500.25", "CT"
    ds.PatientName, ds.PatientID = "Zhang^San=张^三", "990000-1"
    ds.StudyDescription = "胸部平扫"
    ds.SeriesNumber, ds.InstanceNumber = 3, 7
    ds.PixelSpacing = ["0.5", "0.5"]
    ds.add_new(0x00190010, "LO", "YILIAN TEST")
    ds.add_new(0x00191001, "US", [1, 2, 515])
    ds.add_new(0x00191002, "FD", 1.5)
    ds.ReferencedImageSequence = Items([Dataset(), Dataset()])
    ds.ReferencedImageSequence[0].ReferencedSOPInstanceUID = f"{UID}.9"
    ds.ReferencedImageSequence[0].ReferencedFrameNumber = [1, 2]
    ds.Rows, ds.Columns = shape[0], shape[1]
    ds.SamplesPerPixel = 3 if len(shape) > 2 else 1
    ds.PhotometricInterpretation = "RGB" if len(shape) > 2 else "MONOCHROME2"
    if len(shape) > 2:
        ds.PlanarConfiguration = planar
    if frames:
        ds.NumberOfFrames = frames
    ds.BitsAllocated, ds.BitsStored = width, bits_stored or width
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(cells.dtype.kind == "i")
    if planar:
        cells = np.moveaxis(cells, -1, -3)
    raw = cells.tobytes()
    ds.PixelData = raw + b"\0" * (len(raw) & 1)
    ds["PixelData"].VR = "OB" if width == 8 else "OW"
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return ds


def encoded(ds: Dataset, transfer_syntax_uid: str = EXPLICIT_LE) -> bytes:
    """*ds* as a Part 10 object; cells of its pixel data must be in little endian."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.UID(transfer_syntax_uid)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        ds.SOPClassUID,
        ds.SOPInstanceUID,
    )
    copy = deepcopy(ds)
    if transfer_syntax_uid == EXPLICIT_BE and "PixelData" in copy:
        raw, width = copy.PixelData, copy.BitsAllocated // 8
        if width == 1 and copy["PixelData"].VR == "OW":
            width = 2
        copy["PixelData"] = pydicom.DataElement(
            0x7FE00010,
            copy["PixelData"].VR,
            np.frombuffer(raw, f"<u{width}").astype(f">u{width}").tobytes(),
        )
    out = BytesIO()
    file = pydicom.FileDataset(out, copy, file_meta=meta, preamble=b"\0" * 128)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(out, file, enforce_file_format=True)
    return out.getvalue()


def encapsulated(ds: Dataset, streams: Sequence[bytes], transfer_syntax_uid: str) -> bytes:
    """*ds* with its pixel data replaced by one fragment for each stream."""
    copy = deepcopy(ds)
    copy["PixelData"] = pydicom.DataElement(0x7FE00010, "OB", encapsulate(list(streams)))
    copy["PixelData"].is_undefined_length = True
    return encoded(copy, transfer_syntax_uid)


def dataset_bytes(ds: Dataset, *, is_implicit: bool = False, is_little: bool = True) -> bytes:
    """Only the data set of *ds*."""
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = is_implicit, is_little
    write_dataset(out, ds)
    return out.getvalue()


def gradient(shape: tuple[int, ...], dtype: str, top: int) -> npt.NDArray[Any]:
    """A picture with edges and noise, the same each time, values in 0..top."""
    rng = np.random.default_rng(sum(shape) * 31 + top)
    rows, columns = np.indices(shape[:2])
    plane = (rows * 7 + columns * 3) % (top + 1)
    cells = plane if len(shape) == 2 else np.stack([plane, plane[::-1], plane[:, ::-1]], axis=-1)
    noise = rng.integers(0, max(2, top // 8), size=shape)
    return np.minimum(cells + noise, top).astype(dtype)
