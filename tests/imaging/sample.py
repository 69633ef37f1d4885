"""Small DICOM objects made for tests; no file of anybody is needed."""

import datetime as dt
from io import BytesIO
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from kernel.arrival import Arrival, Door, Priority, Sender

CT = "1.2.840.10008.5.1.4.1.1.2"
AT = dt.datetime(2026, 3, 5, 8, 30, tzinfo=dt.UTC)
ROOT = "1.2.826.0.1.3680043.10.1462"


def ct(number: int = 1, *, study: int = 1, series: int = 1, pixels: int = 0, **more: Any) -> bytes:
    """Return a CT slice of 16x16 as a Part 10 file; *more* are elements by keyword, None drops."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = CT
    ds.SOPInstanceUID = f"{ROOT}.{study}.{series}.{number}"
    ds.StudyDate = "20260305"
    ds.StudyTime = "081500"
    ds.Modality = "CT"
    ds.PatientName = "Zhang^San=张^三"
    ds.PatientID = "990000199001011234"
    ds.PatientBirthDate = "19900101"
    ds.PatientSex = "M"
    ds.AccessionNumber = f"A{study:05d}"
    ds.StudyDescription = "头颅平扫"
    ds.StudyInstanceUID = f"{ROOT}.{study}"
    ds.SeriesInstanceUID = f"{ROOT}.{study}.{series}"
    ds.SeriesNumber = series
    ds.InstanceNumber = number
    ds.SliceThickness = "5"
    ds.PixelSpacing = [0.5, 0.5]
    ds.ImagePositionPatient = [0, 0, number]
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = ds.Columns = 16
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 1
    cells = (np.arange(256, dtype="<i2") + number + pixels).reshape(16, 16)
    ds.PixelData = cells.tobytes()
    ds["PixelData"].VR = "OW"
    for keyword, value in more.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    return part10(ds)


def part10(ds: Dataset, *, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """Return *ds* as a Part 10 file."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    made = BytesIO()
    dcmwrite(made, ds, enforce_file_format=True)
    return made.getvalue()


def arrival(
    *, institution: str = "qingshan", door: Door = Door.C_STORE, at: dt.datetime = AT, **more: Any
) -> Arrival:
    """Return an arrival as a door would write it; the archive believes the bytes for the rest."""
    told: dict[str, Any] = {
        "transfer_syntax_uid": "",
        "sop_class_uid": "",
        "sop_instance_uid": "",
        "study_instance_uid": "",
        "series_instance_uid": "",
        "dataset_offset": 0,
        "size_bytes": 0,
        "priority": Priority.ROUTINE,
    }
    return Arrival(
        door=door,
        received_at=at,
        sender=Sender(institution=institution, ae_title="CT1", address="127.0.0.1"),
        **(told | more),
    )
