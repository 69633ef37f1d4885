"""What other makers' systems hold of an order: its images, and the reports that answer it."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, BasicTextSRStorage, EncapsulatedPDFStorage, ExplicitVRLittleEndian

from tests.browser.workstation import folder_of
from tests.demo.running import RunningDemo
from yilian.samples.studies import uid_of

_DRAWN: Final = b"BT /F1 20 Tf 40 760 Td (CT head: no acute haemorrhage.) Tj ET"
PDF: Final = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
    b"/Resources<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>endobj\n"
    b"4 0 obj<</Length " + str(len(_DRAWN)).encode() + b">>stream\n" + _DRAWN + b"\n"
    b"endstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
)


@dataclass(frozen=True)
class Ordered:
    """An order as the worklist tells a modality of it."""

    accession_number: str
    study_instance_uid: str
    patient_id: str
    patient_name: str

    def stamp(self, ds: Dataset) -> None:
        """Write into *ds* what a modality takes over from the worklist."""
        ds.SpecificCharacterSet = "ISO_IR 192"
        ds.AccessionNumber = self.accession_number
        ds.StudyInstanceUID = self.study_instance_uid
        ds.PatientID, ds.PatientName = self.patient_id, self.patient_name
        ds.pop("OtherPatientIDs", None)


def ordered(demo: RunningDemo, accession: str) -> Ordered:
    """Return the order of that number at the township."""
    page = demo.get("/api/v1/orders?limit=100", at="qingshan", role="technician")
    [row] = [one for one in page["items"] if one["accession_number"] == accession]
    patient: dict[str, Any] = row["patient"]
    return Ordered(accession, row["study_instance_uid"], patient["patient_id"], patient["name"])


def examined(parent: Path, key: str, order: Ordered, *, slices: int) -> Path:
    """Write the images a modality made for *order* into a fresh folder."""
    folder = folder_of(parent, key, slices=slices)
    for path in folder.iterdir():
        path.write_bytes(_changed(path.read_bytes(), [order.stamp]))
    return folder


def earlier_images(parent: Path, key: str, order: Ordered, *, slices: int) -> list[bytes]:
    """Return images of the order's patient from another time, which the county has."""
    folder = folder_of(parent, key, slices=slices, days_ago=200)

    def of_patient(ds: Dataset) -> None:
        own = str(ds.StudyInstanceUID), str(ds.AccessionNumber)
        order.stamp(ds)
        ds.StudyInstanceUID, ds.AccessionNumber = own

    return [_changed(path.read_bytes(), [of_patient]) for path in sorted(folder.iterdir())]


def _changed(content: bytes, changes: Iterable[Any]) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(content))
    for change in changes:
        change(ds)
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def reports(order: Ordered) -> Iterator[bytes]:
    """Yield the order's report as text, then as the PDF that is signed."""
    yield _written(_text(order))
    yield _written(_pdf(order))


def _report(order: Ordered, sop_class: UID, modality: str, number: int) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(uid_of(order.accession_number, modality))
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    order.stamp(ds)
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    ds.SeriesInstanceUID = uid_of(order.accession_number, modality, "series")
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = modality, number, 1
    ds.SeriesDescription = "诊断报告"
    return ds


def _text(order: Ordered) -> FileDataset:
    ds = _report(order, BasicTextSRStorage, "SR", 901)
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "121071", "DCM", "所见"
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence, item.TextValue = [name], "颅内未见出血"
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "VERIFIED"
    ds.ContentSequence = [item]
    return ds


def _pdf(order: Ordered) -> FileDataset:
    ds = _report(order, EncapsulatedPDFStorage, "DOC", 902)
    ds.MIMETypeOfEncapsulatedDocument, ds.DocumentTitle = "application/pdf", "诊断报告"
    ds.EncapsulatedDocument = PDF + b"\0" * (len(PDF) % 2)
    return ds


def _written(ds: FileDataset) -> bytes:
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()
