"""An order as FHIR R4 ServiceRequest has it. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from kernel.arrival import Priority
from kernel.dicom.shown import LEGAL_TIME
from kernel.fhir.datatypes import (
    DICOM_TERMS,
    DICOM_UIDS,
    CodeableConcept,
    Coding,
    Extension,
    Identifier,
    Meta,
    Reference,
    accession_system,
    concept,
    number_type,
)
from referrals.orders.model import Order, Patient, State, version_tag

STATUS: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.ORDERED: "active",
        State.IN_PROGRESS: "active",
        State.COMPLETED: "completed",
        State.DISCONTINUED: "revoked",
        State.CANCELLED: "revoked",
    }
)
PRIORITY: Final[Mapping[Priority, str]] = MappingProxyType(
    {Priority.EMERGENCY: "stat", Priority.URGENT: "urgent", Priority.ROUTINE: "routine"}
)
"""What a person may choose; orders have no other."""
STATUS_REASON: Final = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
_SNOMED: Final = "http://snomed.info/sct"
_IMAGING: Final = concept(_SNOMED, "363679005", "Imaging")


class ServiceRequestResource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename={
        "requested_at": "authoredOn",
        "occurs_at": "occurrenceDateTime",
        "order_detail": "orderDetail",
        "body_site": "bodySite",
        "reason_code": "reasonCode",
    },
    tag_field="resourceType",
    tag="ServiceRequest",
):
    """FHIR R4 ServiceRequest."""

    id: str
    meta: Meta
    status: str
    intent: str
    subject: Reference
    extension: tuple[Extension, ...] = ()
    identifier: tuple[Identifier, ...] = ()
    replaces: tuple[Reference, ...] = ()
    category: tuple[CodeableConcept, ...] = ()
    priority: str | None = None
    code: CodeableConcept | None = None
    order_detail: tuple[CodeableConcept, ...] = ()
    occurs_at: str | None = None
    requested_at: str | None = None
    requester: Reference | None = None
    performer: tuple[Reference, ...] = ()
    reason_code: tuple[CodeableConcept, ...] = ()
    body_site: tuple[CodeableConcept, ...] = ()


def examination_system(institution: str) -> str:
    """Return the system of the codes in the catalogue of the house *institution*."""
    return f"urn:yilian:institution:{institution}:examination"


def username_system() -> str:
    """Return the system of account names."""
    return "urn:yilian:username"


def resource_of(order: Order, patient: Patient | None) -> ServiceRequestResource:
    """Return *order*; its patient is named where they have reached this node."""
    at = order.scheduled_at.astimezone(LEGAL_TIME)
    question = order.clinical_question
    why = CodeableConcept(text=order.ended_reason) if order.ended_reason else None
    return ServiceRequestResource(
        id=order.id,
        meta=Meta(version_id=version_tag(order), last_updated=order.updated_at.isoformat()),
        extension=(Extension(url=STATUS_REASON, value_codeable_concept=why),) if why else (),
        identifier=_numbers(order),
        replaces=(Reference(reference=f"ServiceRequest/{order.replaces}"),)
        if order.replaces
        else (),
        status=STATUS[order.state],
        intent="order",
        category=(_IMAGING,),
        priority=PRIORITY.get(order.priority),
        code=_code(order),
        order_detail=(concept(DICOM_TERMS, order.examination.modality),),
        subject=Reference(
            reference=f"Patient/{order.patient}", display=patient.name if patient else None
        ),
        occurs_at=at.isoformat(),
        requested_at=order.ordered_at.isoformat(),
        requester=Reference(
            type="Practitioner",
            identifier=Identifier(system=username_system(), value=order.ordered_by),
            display=order.ordered_by_name or None,
        )
        if order.ordered_by
        else None,
        performer=(Reference(reference=f"Organization/{order.institution}"),),
        reason_code=(CodeableConcept(text=question),) if question else (),
        body_site=(CodeableConcept(text=order.examination.body_part),)
        if order.examination.body_part
        else (),
    )


def _numbers(order: Order) -> tuple[Identifier, ...]:
    house = accession_system(order.institution)
    kind = number_type("ACSN")
    return (
        Identifier(use="usual", type=kind, system=house, value=order.accession_number),
        *(
            Identifier(use="old", type=kind, system=house, value=number)
            for number in order.former_accession_numbers
        ),
        Identifier(use="secondary", system=DICOM_UIDS, value=f"urn:oid:{order.study_instance_uid}"),
    )


def _code(order: Order) -> CodeableConcept:
    examination = order.examination
    coding = Coding(
        system=examination_system(order.institution),
        code=examination.code,
        display=examination.name,
    )
    return CodeableConcept(coding=(coding,), text=examination.name)
