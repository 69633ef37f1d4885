"""A study as FHIR R4 ImagingStudy has it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from kernel.dicom.shown import date_time, display_name
from kernel.fhir.datatypes import (
    DICOM_TERMS,
    DICOM_UIDS,
    CodeableConcept,
    Coding,
    Identifier,
    Meta,
    Reference,
    accession_system,
    masked_value,
    number_type,
    patient_number_system,
)
from kernel.policy import masked_id, masked_name, masked_number

AVAILABLE: Final = "available"
_DICOMWEB: Final = "dicomweb"
_CONNECTIONS: Final = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
_ANY_MODALITY: Final = "OT"
_NUMBER_MAX: Final = 2**31 - 1
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How one asker sees a study."""

    origin: str
    full_names: bool
    numbers: bool
    """Whether a resident number that a house uses as its own is written out."""
    patient: str
    """Id of the Patient resource they may read; empty for none."""


class EndpointResource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename="camel",
    tag_field="resourceType",
    tag="Endpoint",
):
    """FHIR R4 Endpoint: where the pixels are."""

    id: str
    status: str
    connection_type: Coding
    payload_type: tuple[CodeableConcept, ...]
    payload_mime_type: tuple[str, ...]
    address: str


class SeriesElement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A series of an ImagingStudy."""

    uid: str
    modality: Coding
    number: int | None = None
    description: str | None = None
    number_of_instances: int | None = None
    body_site: Coding | None = None
    started: str | None = None


class ImagingStudyResource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename="camel",
    tag_field="resourceType",
    tag="ImagingStudy",
):
    """FHIR R4 ImagingStudy."""

    id: str
    meta: Meta
    status: str
    subject: Reference
    contained: tuple[EndpointResource, ...] = ()
    identifier: tuple[Identifier, ...] = ()
    modality: tuple[Coding, ...] = ()
    started: str | None = None
    referrer: Reference | None = None
    endpoint: tuple[Reference, ...] = ()
    number_of_series: int | None = None
    number_of_instances: int | None = None
    description: str | None = None
    series: tuple[SeriesElement, ...] = ()


def version_of(study: Row) -> str:
    """Return what names this version of a study, for an ETag: when it was changed."""
    return f"{study['updated_at']:%Y%m%d%H%M%S%f}"


def resource_of(study: Row, series: Sequence[Row], shown: Shown) -> ImagingStudyResource:
    """Return a study from its row and those of its series, as *shown* has it."""
    offset = str(study["timezone_offset_from_utc"])
    accession = str(study["accession_number"])
    own = Identifier(
        use="official",
        system=DICOM_UIDS,
        value=f"urn:oid:{study['study_instance_uid']}",
    )
    number = Identifier(
        use="usual",
        type=number_type("ACSN"),
        system=accession_system(str(study["institution"])),
        value=accession,
    )
    referrer = display_name(str(study["referring_physician_name"]))
    return ImagingStudyResource(
        id=str(study["study_instance_uid"]),
        meta=Meta(version_id=version_of(study), last_updated=study["updated_at"].isoformat()),
        contained=(_endpoint(shown.origin),),
        identifier=(own, number) if accession else (own,),
        status=AVAILABLE,
        modality=tuple(
            Coding(system=DICOM_TERMS, code=code)
            for code in str(study["modalities"]).split("\\")
            if code
        ),
        subject=_subject(study, shown),
        started=date_time(str(study["study_date"]), str(study["study_time"]), offset),
        referrer=Reference(display=referrer) if referrer else None,
        endpoint=(Reference(reference=f"#{_DICOMWEB}"),),
        number_of_series=int(study["series_count"]),
        number_of_instances=int(study["instance_count"]),
        description=str(study["study_description"]).strip() or None,
        series=tuple(_series(each, offset) for each in series),
    )


def _subject(study: Row, shown: Shown) -> Reference:
    name, number = display_name(str(study["patient_name"])), str(study["patient_id"])
    system = patient_number_system(str(study["institution"]))
    identifier = None
    if number:
        seen_number = masked_number(number) if shown.full_names else masked_id(number)
        whole = shown.full_names and (shown.numbers or seen_number == number)
        identifier = Identifier(
            type=number_type("MR"),
            system=system,
            value=number if whole else None,
            beside=None if whole else masked_value(seen_number),
        )
    seen = name if shown.full_names else masked_name(name)
    return Reference(
        reference=f"Patient/{shown.patient}" if shown.patient else None,
        type="Patient",
        identifier=identifier,
        display=seen or None,
    )


def _series(series: Row, offset: str) -> SeriesElement:
    number, part = series["series_number"], str(series["body_part_examined"])
    return SeriesElement(
        uid=str(series["series_instance_uid"]),
        modality=Coding(system=DICOM_TERMS, code=str(series["modality"]) or _ANY_MODALITY),
        number=number if number is not None and 0 <= number <= _NUMBER_MAX else None,
        description=str(series["series_description"]).strip() or None,
        number_of_instances=int(series["instance_count"]),
        body_site=Coding(display=part) if part else None,
        started=date_time(str(series["series_date"]), str(series["series_time"]), offset),
    )


def _endpoint(origin: str) -> EndpointResource:
    return EndpointResource(
        id=_DICOMWEB,
        status="active",
        connection_type=Coding(system=_CONNECTIONS, code="dicom-wado-rs"),
        payload_type=(CodeableConcept(text="DICOM"),),
        payload_mime_type=("application/dicom",),
        address=f"{origin}/dicom-web",
    )
