"""Data types of FHIR R4 (4.0.1) as they are sent: an element without a value is left out."""

from typing import Final

import msgspec

MASKED: Final = "masked"
"""Code of data-absent-reason for what the asker may not see."""
DATA_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
RENDERED: Final = "http://hl7.org/fhir/StructureDefinition/rendered-value"
IDENTIFIER_TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
DICOM_UIDS: Final = "urn:dicom:uid"
"""System of an identifier that is a DICOM UID; its value begins with ``urn:oid:``."""
DICOM_TERMS: Final = "http://dicom.nema.org/resources/ontology/DCM"
RESIDENT_IDS: Final = "urn:oid:2.16.156.10011.1.3"
"""System of the resident identity number (患者身份证号标识, WS/T 500)."""


class Extension(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An extension with one simple value."""

    url: str
    value_code: str | None = None
    value_string: str | None = None
    value_boolean: bool | None = None
    value_codeable_concept: "CodeableConcept | None" = None


class Extended(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands beside a primitive: ``_value``."""

    extension: tuple[Extension, ...] = ()


class Coding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A code of a system."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A concept, by codes or in words."""

    coding: tuple[Coding, ...] = ()
    text: str | None = None


class Reference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Another resource: by address where the asker may read it, else by its identifier."""

    reference: str | None = None
    type: str | None = None
    identifier: "Identifier | None" = None
    display: str | None = None


class Identifier(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"beside": "_value"}
):
    """A number somebody or something is known by."""

    use: str | None = None
    type: CodeableConcept | None = None
    system: str | None = None
    value: str | None = None
    beside: Extended | None = None
    assigner: Reference | None = None


class HumanName(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A name; Chinese characters stand in ``text``, what is spelled in its parts as well."""

    extension: tuple[Extension, ...] = ()
    use: str | None = None
    text: str | None = None
    family: str | None = None
    given: tuple[str, ...] = ()


class ContactPoint(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"beside": "_value"}
):
    """A telephone."""

    system: str | None = None
    value: str | None = None
    beside: Extended | None = None
    use: str | None = None


class Period(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """From when to when."""

    start: str | None = None
    end: str | None = None


class Meta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Which version, since when."""

    version_id: str | None = None
    last_updated: str | None = None


def concept(system: str, code: str, display: str | None = None) -> CodeableConcept:
    """Return the concept of one code."""
    return CodeableConcept(coding=(Coding(system=system, code=code, display=display),))


def number_type(code: str) -> CodeableConcept:
    """Return what kind of number an identifier is (v2 table 0203)."""
    return concept(IDENTIFIER_TYPES, code)


def masked_value(shown: str) -> Extended:
    """Return what stands in place of a value the asker sees as *shown* only."""
    return Extended(
        extension=(
            Extension(url=DATA_ABSENT, value_code=MASKED),
            Extension(url=RENDERED, value_string=shown),
        )
    )


def patient_number_system(institution: str) -> str:
    """Return the system of the Patient IDs the house *institution* gives out."""
    return f"urn:yilian:institution:{institution}:patient-id"


def accession_system(institution: str) -> str:
    """Return the system of the accession numbers the house *institution* gives out."""
    return f"urn:yilian:institution:{institution}:accession-number"
