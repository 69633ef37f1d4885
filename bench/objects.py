"""Synthetic CT slices as DICOM Part 10 files: noise of tissue, a header like a scanner's, new UIDs.

One template is made by pydicom; every object is the template with its own UIDs, number and a block
of its own pixels written over the same places, so that thousands are made in a second.
"""

import datetime as dt
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

CT: Final = str(CTImageStorage)
SMALL_SIDE: Final = 54
"""Rows and columns of an object of 8 KB."""
LARGE_SIDE: Final = 512
"""Rows and columns of an object of 526 KB."""
_STUDY, _SERIES, _INSTANCE = (f"2.25.{digit * 20}" for digit in "123")
_NUMBER: Final = "424242"
_PATIENT: Final = "BENCH00000000000"
_ACCESSION: Final = "ACCESSION0000000"
_NAME: Final = "Famil^Givenname"
_DATE: Final = "19991231"
_BORN: Final = "19010203"
_MARKS: Final = (_STUDY, _SERIES, _INSTANCE, _NUMBER, _PATIENT, _ACCESSION, _NAME, _DATE, _BORN)
_SURNAMES: Final = ("Zhang", "Huang", "Jiang", "Zheng", "Zhong", "Liang", "Xiang", "Chang")
_FIRST_DAY: Final = dt.date(2016, 1, 1)
_DAYS: Final = 3650
_FIRST_BORN: Final = dt.date(1930, 1, 1)
_DAYS_OF_BIRTH: Final = 30_000
_DESCRIBED: Final[tuple[tuple[str, Any], ...]] = (
    ("SpecificCharacterSet", "ISO_IR 192"),
    ("ImageType", ["ORIGINAL", "PRIMARY", "AXIAL", "HELIX"]),
    ("StudyDate", _DATE),
    ("SeriesDate", _DATE),
    ("AcquisitionDate", _DATE),
    ("ContentDate", _DATE),
    ("StudyTime", "101500.120000"),
    ("SeriesTime", "101512.330000"),
    ("AcquisitionTime", "101520.000000"),
    ("ContentTime", "101522.540000"),
    ("AccessionNumber", _ACCESSION),
    ("Modality", "CT"),
    ("Manufacturer", "Example Imaging"),
    ("InstitutionName", "Example Township Health Centre"),
    ("ReferringPhysicianName", "Example^Doctor"),
    ("StationName", "CT01"),
    ("StudyDescription", "Chest plain scan"),
    ("SeriesDescription", "1.0 mm lung"),
    ("ManufacturerModelName", "Scanner 64"),
    ("PatientName", f"{_NAME}=测试^病人"),
    ("PatientBirthDate", _BORN),
    ("PatientSex", "M"),
    ("PatientAge", "056Y"),
    ("BodyPartExamined", "CHEST"),
    ("ScanOptions", "HELIX"),
    ("SliceThickness", "1.0"),
    ("KVP", "120"),
    ("DataCollectionDiameter", "500"),
    ("DeviceSerialNumber", "000000"),
    ("SoftwareVersions", "1.0"),
    ("ProtocolName", "Chest routine"),
    ("ReconstructionDiameter", "350"),
    ("GantryDetectorTilt", "0"),
    ("TableHeight", "151.5"),
    ("RotationDirection", "CW"),
    ("ExposureTime", "500"),
    ("XRayTubeCurrent", "220"),
    ("Exposure", "110"),
    ("FilterType", "BODY"),
    ("GeneratorPower", "40"),
    ("FocalSpots", "1.2"),
    ("ConvolutionKernel", "B60f"),
    ("PatientPosition", "HFS"),
    ("StudyID", "1"),
    ("SeriesNumber", "3"),
    ("AcquisitionNumber", "1"),
    ("ImagePositionPatient", ["-175.0", "-175.0", "120.5"]),
    ("ImageOrientationPatient", ["1", "0", "0", "0", "1", "0"]),
    ("PositionReferenceIndicator", "SN"),
    ("SliceLocation", "120.5"),
    ("SamplesPerPixel", 1),
    ("PhotometricInterpretation", "MONOCHROME2"),
    ("PixelSpacing", ["0.68359375", "0.68359375"]),
    ("BitsAllocated", 16),
    ("BitsStored", 12),
    ("HighBit", 11),
    ("PixelRepresentation", 0),
    ("WindowCenter", ["-600", "40"]),
    ("WindowWidth", ["1200", "400"]),
    ("RescaleIntercept", "-1024"),
    ("RescaleSlope", "1"),
    ("RescaleType", "HU"),
)


@dataclass(frozen=True, slots=True)
class Made:
    """One object; its data set begins at ``dataset_offset`` of ``part10``."""

    part10: bytes
    dataset_offset: int
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Examined:
    """Who was examined, and when: what a study is looked for by."""

    patient_id: str
    accession_number: str
    name: str
    birth_date: str
    study_date: str

    @classmethod
    def of(cls, run: int, study: int) -> "Examined":
        """Return the same for the same *run* and number of *study*; ten years of examinations."""
        seed = (study * 2654435761 + run) % 2**32
        given = "".join(chr(97 + seed // 26**place % 26) for place in range(9))
        day = _FIRST_DAY + dt.timedelta(days=seed % _DAYS)
        born = _FIRST_BORN + dt.timedelta(days=seed // 7 % _DAYS_OF_BIRTH)
        return cls(
            patient_id=f"B{run % 10**8:08d}{study:07d}",
            accession_number=f"A{run % 10**8:08d}{study:07d}",
            name=f"{_SURNAMES[seed % len(_SURNAMES)]}^{given}",
            birth_date=f"{born:%Y%m%d}",
            study_date=f"{day:%Y%m%d}",
        )


class Scanner:
    """Makes objects of one size."""

    def __init__(self, side: int, *, seed: int = 1) -> None:
        """Draw the template: *side* x *side* pixels of 12 bits in 16."""
        random = np.random.default_rng(seed)
        pixels = np.clip(random.normal(900, 120, (side, side)), 0, 4095).astype("<u2")
        self._template = _template(side, pixels.tobytes())
        self._places = {mark: _places(self._template, mark) for mark in _MARKS}
        self._own_pixels = len(self._template) - pixels.nbytes
        self._dataset_offset = _dataset_offset(self._template)

    @property
    def size_bytes(self) -> int:
        """Size of each object as a file."""
        return len(self._template)

    def series(self, count: int, *, studies: int = 1, run: int | None = None) -> Iterator[Made]:
        """Yield *count* objects of new UIDs in *studies* new studies, a series each.

        The same *run* gives the same objects; without it they are new.
        """
        run = secrets.randbelow(10**8) if run is None else run
        for number in range(count):
            study = number * studies // count
            yield self._object(run, study, number)

    def _object(self, run: int, study: int, number: int) -> Made:
        study_uid = f"2.25.4{run:011d}{study:08d}"
        series_uid = f"2.25.5{run:011d}{study:08d}"
        instance_uid = f"2.25.6{run:011d}{number:08d}"
        person = Examined.of(run, study)
        told = {
            _STUDY: study_uid,
            _SERIES: series_uid,
            _INSTANCE: instance_uid,
            _NUMBER: f"{number % 10**6:<6d}",
            _PATIENT: person.patient_id,
            _ACCESSION: person.accession_number,
            _NAME: person.name,
            _DATE: person.study_date,
            _BORN: person.birth_date,
        }
        made = bytearray(self._template)
        for mark, text in told.items():
            for place in self._places[mark]:
                made[place : place + len(mark)] = text.encode("ascii")
        made[self._own_pixels : self._own_pixels + 8] = number.to_bytes(4, "little") * 2
        return Made(bytes(made), self._dataset_offset, study_uid, series_uid, instance_uid)


def write_files(objects: Iterator[Made], folder: Path) -> int:
    """Write *objects* as files into *folder*, made here; returns how many."""
    folder.mkdir(parents=True)
    count = 0
    for count, each in enumerate(objects, 1):
        (folder / f"{count:06d}.dcm").write_bytes(each.part10)
    return count


def _template(side: int, pixels: bytes) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = UID(_INSTANCE)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = Dataset()
    for keyword, value in _DESCRIBED:
        setattr(data, keyword, value)
    data.SOPClassUID = CT
    data.SOPInstanceUID = _INSTANCE
    data.StudyInstanceUID = _STUDY
    data.SeriesInstanceUID = _SERIES
    data.FrameOfReferenceUID = f"2.25.{'7' * 20}"
    data.PatientID = _PATIENT
    data.InstanceNumber = _NUMBER
    data.Rows = data.Columns = side
    data.PixelData = pixels
    data["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    file = FileDataset(buffer, data, file_meta=meta, preamble=bytes(128))
    file.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _places(template: bytes, mark: str) -> list[int]:
    sought, found, at = mark.encode("ascii"), [], -1
    while (at := template.find(sought, at + 1)) >= 0:
        found.append(at)
    if not found:
        raise LookupError("the template lost one of its marks")
    return found


def _dataset_offset(template: bytes) -> int:
    # The group length stands first in group 2, 12 bytes after preamble and prefix.
    after = 128 + 4 + 12
    return after + int.from_bytes(template[after - 4 : after], "little")
