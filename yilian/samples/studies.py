"""The demo county's studies as DICOM Part 10 files, the same bytes each time they are made.

Names are invented, resident ids use region code 990000 which belongs to nobody, UIDs lie under
2.25 and depend only on the sample's own name, so that sending them twice changes nothing.
"""

import datetime as dt
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    UltrasoundMultiFrameImageStorage,
)

from yilian.samples import phantoms

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@dataclass(frozen=True, slots=True)
class Person:
    """One invented patient."""

    patient_id: str
    name: str
    sex: str
    born: dt.date


@dataclass(frozen=True, slots=True)
class SampleStudy:
    """One study to send: where it was made, of whom, and what."""

    key: str
    institution: str
    person: Person
    kind: str
    description: str
    body_part: str
    days_ago: int
    slices: int = 1
    charset: str = "ISO_IR 192"


def resident_id(born: dt.date, sequence: int, *, male: bool) -> str:
    """Return a resident number of nobody: region code 990000, right check digit (GB 11643)."""
    body = f"990000{born:%Y%m%d}{sequence * 2 + (1 if male else 0):03d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]


CHEN: Final = Person("QS0031827", "Chen^Jianguo=陈^建国", "M", dt.date(1970, 3, 14))
LIU: Final = Person("QS0031902", "Liu^Xiaofeng=刘^小凤", "F", dt.date(1985, 7, 2))
MA: Final = Person("QS0031744", "Ma^Chenggong=马^成功", "M", dt.date(1955, 1, 20))
ZHAO: Final = Person("DH0007719", "Zhao^Xiuying=赵^秀英", "F", dt.date(1968, 11, 8))
ZHOU: Final = Person("DH0007801", "周明", "M", dt.date(2018, 5, 30))
LONG: Final = Person("DH0007650", "阿卜杜热伊木·阿卜杜热合曼", "M", dt.date(1979, 9, 9))
WU: Final = Person("CH0098123", "Wu^Fang=吴^芳", "F", dt.date(1960, 4, 25))

STUDIES: Final[Sequence[SampleStudy]] = (
    SampleStudy("chen-head", "qingshan", CHEN, "CT-head", "头颅CT平扫", "HEAD", 0, 40),
    SampleStudy("liu-knee", "qingshan", LIU, "DR-knee", "左膝关节正侧位", "KNEE", 0, 2),
    SampleStudy("ma-chest", "qingshan", MA, "CT-chest", "胸部CT平扫", "CHEST", 0, 48, "GB18030"),
    SampleStudy("chen-prior", "qingshan", CHEN, "CT-head", "头颅CT平扫", "HEAD", 400, 24),
    SampleStudy("zhao-chest", "dahe", ZHAO, "DR-chest", "胸部正位", "CHEST", 0, 1),
    SampleStudy("zhou-head", "dahe", ZHOU, "CT-head", "头颅CT平扫", "HEAD", 0, 24, "GB18030"),
    SampleStudy("long-us", "dahe", LONG, "US-heart", "心脏彩超", "HEART", 1, 30),
    SampleStudy("wu-chest", "county-hospital", WU, "DR-chest", "胸部正位", "CHEST", 2, 1),
)


def uid_of(*parts: object) -> str:
    """Return a UID under 2.25 that depends only on *parts*."""
    digest = hashlib.sha256("/".join(["yilian-demo", *map(str, parts)]).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:15], 'big')}"


def files_of(
    study: SampleStudy, *, today: dt.date, taken_at: dt.time = dt.time(10, 21)
) -> Iterator[bytes]:
    """Yield each instance of *study* as a DICOM Part 10 file.

    Args:
        study: one of ``STUDIES``.
        today: from here its day is counted back, legal time.
        taken_at: time of its day.
    """
    last = dt.datetime.combine(today, taken_at)
    seed = int.from_bytes(hashlib.sha256(study.key.encode()).digest()[:4], "big")
    match study.kind:
        case "CT-head":
            yield from _ct(study, phantoms.head_ct(study.slices, seed=seed), last)
        case "CT-chest":
            yield from _ct(study, phantoms.chest_ct(study.slices, seed=seed), last)
        case "US-heart":
            yield _cine(study, phantoms.ultrasound_cine(study.slices, seed=seed), last)
        case kind:
            for number in range(study.slices):
                image = phantoms.radiograph(
                    rows=640, columns=512, joint=kind == "DR-knee", seed=seed + number
                )
                yield _radiograph(study, image, number, last)


def _ct(
    study: SampleStudy, images: Sequence[phantoms.Pixels], last: dt.datetime
) -> Iterator[bytes]:
    for number, image in enumerate(images):
        ds = _start(study, CTImageStorage, "CT", number, last)
        ds.SeriesDescription, ds.SliceThickness = "5.0 mm 软组织", 5
        ds.ImagePositionPatient = [-125, -125, -5.0 * (len(images) - number)]
        ds.ImageOrientationPatient, ds.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.9765625, 0.9765625]
        ds.FrameOfReferenceUID = uid_of(study.key, "frame")
        ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -1024, 1, "HU"
        head = study.body_part == "HEAD"
        ds.WindowCenter, ds.WindowWidth = (
            ([40, 600], [80, 2800]) if head else ([40, -500], [400, 1500])
        )
        ds.KVP, ds.Manufacturer, ds.PatientPosition = 120, "Yilian Phantom", "HFS"
        yield _pixels(ds, (image.astype(np.int32) + 1024).astype(np.uint16), 12, "MONOCHROME2")


def _radiograph(
    study: SampleStudy, image: npt.NDArray[np.uint16], number: int, last: dt.datetime
) -> bytes:
    digital = study.body_part == "CHEST"
    uid = DigitalXRayImageStorageForPresentation if digital else ComputedRadiographyImageStorage
    ds = _start(study, uid, "DX" if digital else "CR", number, last)
    ds.ImagerPixelSpacing, ds.PixelIntensityRelationship = [0.6, 0.6], "LOG"
    ds.ViewPosition = "PA" if digital else ("AP", "LL")[number % 2]
    ds.WindowCenter, ds.WindowWidth = 1500, 2600
    return _pixels(ds, image, 12, "MONOCHROME2")


def _cine(study: SampleStudy, images: npt.NDArray[np.uint8], last: dt.datetime) -> bytes:
    ds = _start(study, UltrasoundMultiFrameImageStorage, "US", 0, last)
    ds.NumberOfFrames, ds.FrameTime = len(images), 40
    ds.FrameIncrementPointer = 0x00181063
    return _pixels(ds, images, 8, "MONOCHROME2")


def _start(
    study: SampleStudy, sop_class: str, modality: str, number: int, last: dt.datetime
) -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = study.charset
    when = last - dt.timedelta(days=study.days_ago)
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, uid_of(study.key, number)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid_of(study.key), uid_of(study.key, "series")
    ds.PatientName, ds.PatientID = study.person.name, study.person.patient_id
    ds.IssuerOfPatientID = study.institution
    ds.PatientSex, ds.PatientBirthDate = study.person.sex, f"{study.person.born:%Y%m%d}"
    ds.PatientAge = f"{(when.date() - study.person.born).days // 365:03d}Y"
    male = study.person.sex == "M"
    ds.OtherPatientIDs = resident_id(study.person.born, len(study.person.patient_id), male=male)
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = f"{when:%Y%m%d}"
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = f"{when:%H%M%S}"
    ds.StudyID = str(int.from_bytes(hashlib.sha256(study.key.encode()).digest()[:2], "big"))
    ds.AccessionNumber = f"A{ds.StudyID}"
    ds.StudyDescription, ds.BodyPartExamined, ds.Modality = (
        study.description,
        study.body_part,
        modality,
    )
    ds.SeriesNumber, ds.InstanceNumber = 1, number + 1
    ds.ReferringPhysicianName, ds.Laterality = "Li^Zhiqiang=李^志强", ""
    return ds


def _pixels(ds: Dataset, image: npt.NDArray[Any], bits_stored: int, photometric: str) -> bytes:
    ds.Rows, ds.Columns = image.shape[-2:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, photometric, 0
    ds.BitsAllocated, ds.BitsStored = image.dtype.itemsize * 8, bits_stored
    ds.HighBit = bits_stored - 1
    raw = np.ascontiguousarray(image).tobytes()
    ds.PixelData = raw + b"\0" * (len(raw) % 2)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        ds.SOPClassUID,
        ds.SOPInstanceUID,
    )
    out = io.BytesIO()
    whole = FileDataset(out, ds, file_meta=meta, preamble=b"\0" * 128)
    whole.save_as(out, enforce_file_format=True)
    return out.getvalue()
