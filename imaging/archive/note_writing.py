"""A rejection note as a Part 10 file (PS3.16 TID 2010). Pure.

Apart from ``rejection_note``, which every process reads with, because few ever write one and
pydicom takes long to load.
"""

import datetime as dt
from collections.abc import Mapping
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from imaging.archive.rejection_note import (
    DESCRIPTION,
    KEY_OBJECTS,
    MEANINGS,
    Reference,
    RejectionNote,
)
from kernel.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from kernel.dicom.shown import LEGAL_TIME


def write_note(
    note: RejectionNote, patient: Mapping[str, str], *, uid: str, series_uid: str, at: dt.datetime
) -> bytes:
    """Return *note* as a Part 10 file (TID 2010).

    Args:
        note: what it says.
        patient: by keyword, what the study says of its patient and order.
        uid: SOP Instance UID of the note.
        series_uid: of its own series.
        at: when it was made.
    """
    ds = Dataset()
    local = at.astimezone(LEGAL_TIME)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = KEY_OBJECTS, uid
    ds.StudyInstanceUID, ds.SeriesInstanceUID = note.study_instance_uid, series_uid
    for keyword, value in patient.items():
        setattr(ds, keyword, value)
    ds.Modality, ds.Manufacturer = "KO", IMPLEMENTATION_VERSION_NAME
    ds.SeriesNumber = ds.InstanceNumber = 1
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.ContentDate, ds.ContentTime = local.strftime("%Y%m%d"), local.strftime("%H%M%S")
    ds.TimezoneOffsetFromUTC = local.strftime("%z")
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = [_code(note.title, "DCM", MEANINGS[note.title])]
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    ds.ContentTemplateSequence = [template]
    ds.CurrentRequestedProcedureEvidenceSequence = [_evidence(note)]
    ds.ContentSequence = [_text_item(note.description)] if note.description else []
    ds.ContentSequence.extend(_reference_item(each) for each in note.references)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = UID(KEY_OBJECTS)
    ds.file_meta.MediaStorageSOPInstanceUID = UID(uid)
    ds.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    ds.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    made = BytesIO()
    dcmwrite(made, ds, enforce_file_format=True)
    return made.getvalue()


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _evidence(note: RejectionNote) -> Dataset:
    evidence = Dataset()
    evidence.StudyInstanceUID = note.study_instance_uid
    evidence.ReferencedSeriesSequence = []
    for series_uid in sorted({each.series_instance_uid for each in note.references}):
        of_series = Dataset()
        of_series.SeriesInstanceUID = series_uid
        of_series.ReferencedSOPSequence = [
            _sop(each) for each in note.references if each.series_instance_uid == series_uid
        ]
        evidence.ReferencedSeriesSequence.append(of_series)
    return evidence


def _sop(reference: Reference) -> Dataset:
    sop = Dataset()
    sop.ReferencedSOPClassUID = reference.sop_class_uid
    sop.ReferencedSOPInstanceUID = reference.sop_instance_uid
    return sop


def _text_item(text: str) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence = [_code(*DESCRIPTION)]
    item.TextValue = text
    return item


def _reference_item(reference: Reference) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "COMPOSITE"
    item.ReferencedSOPSequence = [_sop(reference)]
    return item
