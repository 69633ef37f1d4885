"""What is sent over the bad line: a CT grown from a real one, and large synthetic radiographs.

The real CT is cut into nothing new: each slice is one of the scanner's, as it is or mirrored, so
that it compresses as real slices do; only UIDs, patient and number are its own.
"""

import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

_ARCHIVE: Final = "ct-philips-study-a.tar.xz"
_SIDE: Final = 512
_CELL: Final = np.dtype("<u2")


class NoRealImages(RuntimeError):
    """There is no ``../shared/data`` beside the checkout."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One object as a Part 10 file, in explicit VR little endian."""

    part10: bytes
    dataset_offset: int
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


def grown_ct(count: int, *, seed: int, study: int = 1) -> list[Sent]:
    """Return a CT study of one series with *count* slices; the same for the same arguments.

    Raises:
        NoRealImages: nothing to grow it from.
    """
    slices = _real_slices()
    if not slices:
        raise NoRealImages(f"no shared/data/series/{_ARCHIVE} beside the checkout")
    return [_slice(slices[n % len(slices)], n, len(slices), seed, study) for n in range(count)]


def radiograph(number: int, *, seed: int, rows: int = 3000, columns: int = 3000) -> Sent:
    """Return a digital radiograph of ``2 * rows * columns`` bytes: 14 bits, smooth, with noise."""
    return _radiograph(_chest(seed, number, rows, columns), number, f"dx-{seed}")


def alike_radiographs(count: int, *, seed: int, study: int) -> list[Sent]:
    """Return a study of *count* radiographs of 18 MB with the same pixels: a backlog, soon made."""
    cells = _chest(seed, 1, 3000, 3000)
    return [_radiograph(cells, number, f"dx-{seed}-{study}") for number in range(1, count + 1)]


@cache
def _chest(seed: int, number: int, rows: int, columns: int) -> NDArray[np.uint16]:
    draw = np.random.default_rng([seed, number])
    down, across = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    body = 3000 + 5200 * np.exp(-((across - 0.5) ** 2) / 0.09) * np.sin(np.pi * down) ** 0.5
    ribs = 420 * np.sin(38 * down + 6 * (across - 0.5) ** 2)
    signal = body + ribs * (np.abs(across - 0.5) > 0.08)
    cells: NDArray[np.uint16] = np.clip(draw.normal(signal, np.sqrt(signal) / 4), 0, 16383).astype(
        _CELL
    )
    return cells


def _radiograph(cells: NDArray[np.uint16], number: int, run: str) -> Sent:
    ds = _header(run, number, "DX", DigitalXRayImageStorageForPresentation)
    ds.BodyPartExamined = "CHEST"
    ds.PresentationIntentType = "FOR PRESENTATION"
    _pixels(ds, cells, bits=14)
    return _written(ds)


def write_files(objects: Sequence[Sent], folder: Path) -> list[Path]:
    """Write *objects* as files into *folder*, made here; returns them in order."""
    folder.mkdir(parents=True)
    paths = []
    for number, each in enumerate(objects, 1):
        path = folder / f"{number:06d}.dcm"
        path.write_bytes(each.part10)
        paths.append(path)
    return paths


@cache
def _real_slices() -> Sequence[NDArray[np.uint16]]:
    """Return the cells of the real axial slices, in the order of the archive's names."""
    found: dict[str, NDArray[np.uint16]] = {}
    for name, content in _members():
        try:
            ds = pydicom.dcmread(io.BytesIO(content))
        except pydicom.errors.InvalidDicomError:
            continue
        if ds.get("Rows") == ds.get("Columns") == _SIDE and ds.get("BitsAllocated") == 16:
            found[name] = np.frombuffer(ds.PixelData, _CELL).reshape(_SIDE, _SIDE)
    return [found[name] for name in sorted(found)]


def _members() -> Iterator[tuple[str, bytes]]:
    for parent in Path(__file__).resolve().parents:
        archive = parent / "shared" / "data" / "series" / _ARCHIVE
        if archive.is_file():
            break
    else:
        return
    with tarfile.open(archive) as packed:
        for member in packed:
            reader = packed.extractfile(member)
            if reader is not None:
                yield member.name, reader.read()


def _slice(cells: NDArray[np.uint16], number: int, real: int, seed: int, study: int) -> Sent:
    turned = cells
    if (number // real) % 2:
        turned = turned[:, ::-1]
    if (number // real) % 4 > 1:
        turned = turned[::-1]
    ds = _header(f"ct-{seed}-{study}", number + 1, "CT", UID("1.2.840.10008.5.1.4.1.1.2"))
    ds.ImagePositionPatient = ["-175.0", "-175.0", f"{number * 1.5:.1f}"]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.PixelSpacing = ["0.68359375", "0.68359375"]
    ds.SliceThickness = "1.5"
    ds.RescaleIntercept, ds.RescaleSlope = "-1024", "1"
    ds.WindowCenter, ds.WindowWidth = "40", "400"
    _pixels(ds, np.ascontiguousarray(turned), bits=12)
    return _written(ds)


def _header(run: str, number: int, modality: str, sop_class: UID) -> Dataset:
    root = int.from_bytes(hashlib.sha256(run.encode()).digest()[:9], "big")
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = f"2.25.{root}.1.{number}"
    ds.StudyInstanceUID = f"2.25.{root}"
    ds.SeriesInstanceUID = f"2.25.{root}.1"
    ds.FrameOfReferenceUID = f"2.25.{root}.2"
    ds.StudyDate, ds.StudyTime = "20260301", "083000"
    ds.AccessionNumber = f"L{root % 10**10}"
    ds.Modality = modality
    ds.Manufacturer = "Example Imaging"
    ds.InstitutionName = "Example Township Health Centre"
    ds.StudyDescription = "Chest"
    ds.PatientName = "Famil^Givenname=测试^病人"
    ds.PatientID = f"990000-{root % 10**10}"
    ds.PatientBirthDate, ds.PatientSex = "19700314", "M"
    ds.StudyID, ds.SeriesNumber, ds.InstanceNumber = "1", 1, number
    return ds


def _pixels(ds: Dataset, cells: NDArray[np.uint16], *, bits: int) -> None:
    ds.Rows, ds.Columns = cells.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, bits, bits - 1
    ds.PixelRepresentation = 0
    ds.add_new(0x7FE00010, "OW", cells.tobytes())


def _written(ds: Dataset) -> Sent:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = io.BytesIO()
    file = FileDataset(out, ds, file_meta=meta, preamble=bytes(128))
    file.save_as(out, enforce_file_format=True)
    part10 = out.getvalue()
    # The group length stands first in group 2, 12 bytes after preamble and prefix.
    offset = 144 + int.from_bytes(part10[140:144], "little")
    return Sent(
        part10,
        offset,
        str(ds.SOPClassUID),
        str(ds.StudyInstanceUID),
        str(ds.SeriesInstanceUID),
        str(ds.SOPInstanceUID),
    )
