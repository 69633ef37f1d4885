"""Small synthetic DICOM files, as devices make them."""

import io
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

CT = "1.2.840.10008.5.1.4.1.1.2"
ROOT = "1.2.826.0.1.3680043.8.498.990000"


def ct_slice(
    number: int = 1,
    *,
    study: int = 1,
    series: int = 1,
    side: int = 64,
    seed: int = 0,
    implicit: bool = False,
    noise: int = 40,
    **replaced: Any,
) -> bytes:
    """Return one CT slice as a Part 10 file; *noise* decides how well it compresses."""
    uid = f"{ROOT}.{study}.{series}.{number}"
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(CT)
    meta.MediaStorageSOPInstanceUID = UID(uid)
    meta.TransferSyntaxUID = syntax
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = CT
    ds.SOPInstanceUID = uid
    ds.StudyInstanceUID = f"{ROOT}.{study}"
    ds.SeriesInstanceUID = f"{ROOT}.{study}.{series}"
    ds.PatientName = "Chen^Jianguo=陈^建国"
    ds.PatientID = f"990000-{study}"
    ds.PatientSex = "M"
    ds.PatientBirthDate = "19700105"
    ds.StudyDate = "20260301"
    ds.StudyTime = "083000"
    ds.AccessionNumber = f"A{study}"
    ds.StudyDescription = "CT头颅平扫"
    ds.BodyPartExamined = "HEAD"
    ds.Modality = "CT"
    ds.InstanceNumber = number
    ds.SeriesNumber = series
    _pixels(ds, side=side, seed=seed * 1000 + number, noise=noise)
    for keyword, value in replaced.items():
        setattr(ds, keyword, value)
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _pixels(ds: Dataset, *, side: int, seed: int, noise: int) -> None:
    drawn = np.random.default_rng(seed)
    slope = np.add.outer(np.arange(side), np.arange(side))
    cells = (slope + drawn.integers(0, noise + 1, (side, side))).astype("<i2")
    ds.Rows = ds.Columns = side
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = 16
    ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 1
    ds.add_new(0x7FE00010, "OW", cells.tobytes())


def structured_report(number: int = 1, *, study: int = 1, text: str = "未见异常") -> bytes:
    """Return an object without pixels."""
    uid = f"{ROOT}.{study}.9.{number}"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.88.11")
    meta.MediaStorageSOPInstanceUID = UID(uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "GB18030"
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = uid
    ds.StudyInstanceUID = f"{ROOT}.{study}"
    ds.SeriesInstanceUID = f"{ROOT}.{study}.9"
    ds.PatientName = "陈^建国"
    ds.PatientID = f"990000-{study}"
    ds.Modality = "SR"
    ds.ImageComments = text
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def encapsulated_pdf(pdf: bytes, number: int = 1, *, study: int = 1) -> bytes:
    """Return a report as a reading station sends it: a PDF in an object of the study."""
    uid = f"{ROOT}.{study}.8.{number}"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.104.1")
    meta.MediaStorageSOPInstanceUID = UID(uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = uid
    ds.StudyInstanceUID = f"{ROOT}.{study}"
    ds.SeriesInstanceUID = f"{ROOT}.{study}.8"
    ds.PatientName = "Chen^Jianguo=陈^建国"
    ds.PatientID = f"990000-{study}"
    ds.AccessionNumber = f"A{study}"
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "DOC", 900, number
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()
