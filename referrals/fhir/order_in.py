"""A ServiceRequest that came, as an order, as changes of one, or as its end. Pure."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from kernel.arrival import Priority
from kernel.fhir.datatypes import accession_system
from kernel.fhir.query import Token
from kernel.fhir.resource import InvalidResource
from referrals.fhir.order_resource import STATUS, STATUS_REASON, examination_system
from referrals.fhir.reading_in import Json, check_elements, codings, inner, items, local_id, text
from referrals.orders.asked import NewOrder, OrderChanges
from referrals.orders.model import Order

_TYPE: Final = "ServiceRequest"
_ELEMENTS: Final = frozenset(
    {"identifier", "instantiatesCanonical", "instantiatesUri", "basedOn", "replaces"}
    | {"requisition", "status", "intent", "category", "priority", "doNotPerform", "code"}
    | {"orderDetail", "quantityQuantity", "quantityRatio", "quantityRange", "subject"}
    | {"encounter", "occurrenceDateTime", "occurrencePeriod", "occurrenceTiming", "bodySite"}
    | {"asNeededBoolean", "asNeededCodeableConcept", "authoredOn", "requester", "performer"}
    | {"performerType", "locationCode", "locationReference", "reasonCode", "reasonReference"}
    | {"insurance", "supportingInfo", "specimen", "note", "patientInstruction"}
    | {"relevantHistory"}
)
_PRIORITIES: Final = {
    "": Priority.ROUTINE,
    "routine": Priority.ROUTINE,
    "urgent": Priority.URGENT,
    "asap": Priority.URGENT,
    "stat": Priority.EMERGENCY,
}
PLACES: Final = {
    "examination-not-found": "ServiceRequest.code",
    "patient-not-found": "ServiceRequest.subject",
    "reconciled": "ServiceRequest.subject",
    "invalid-scheduled-at": "ServiceRequest.occurrenceDateTime",
    "invalid-priority": "ServiceRequest.priority",
    "invalid-clinical-question": "ServiceRequest.reasonCode",
    "invalid-accession-number": "ServiceRequest.identifier",
    "accession-number-taken": "ServiceRequest.identifier",
    "invalid-reason": "ServiceRequest.extension",
    "reason-missing": "ServiceRequest.extension",
    "act-not-allowed": "ServiceRequest.status",
}
"""By code of an error of the orders' room, the element it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom it is about: one of the two."""

    id: str = ""
    number: Token | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The order is not to be done."""

    reason: str


def new_order(resource: Json, institution: str) -> tuple[Subject, NewOrder]:
    """Return whom to order for, and what.

    Raises:
        InvalidResource: it is no ServiceRequest of R4, or says what cannot be ordered here.
    """
    _check(resource)
    if resource.get("status") != "active":
        raise InvalidResource("an order is active when it is made", "ServiceRequest.status")
    return _subject(resource), NewOrder(
        examination=_examination(resource, institution),
        scheduled_at=_when(resource),
        priority=_priority(resource),
        clinical_question=_question(resource),
        accession_number=_accession_number(resource, institution),
    )


def changes_of(before: Order, resource: Json) -> OrderChanges | Revoked | None:
    """Return what *resource* says otherwise than *before*, None for nothing.

    Raises:
        InvalidResource: it is no ServiceRequest of R4, or says otherwise what cannot be changed.
    """
    _check(resource)
    _check_same(before, resource)
    status = resource.get("status")
    if status == "revoked" and STATUS[before.state] != "revoked":
        return Revoked(reason=_reason(resource))
    if status != STATUS[before.state]:
        raise InvalidResource(
            f"from {STATUS[before.state]} this door takes it to revoked only",
            "ServiceRequest.status",
            code="status-not-allowed",
        )
    when, priority, question = _when(resource), _priority(resource), _question(resource)
    changes = OrderChanges(
        scheduled_at=when if when is not None and when != before.scheduled_at else None,
        priority=priority if priority is not before.priority else None,
        clinical_question=question if question != before.clinical_question else None,
    )
    return None if changes == OrderChanges() else changes


def _check(resource: Json) -> None:
    check_elements(resource, _TYPE, _ELEMENTS)
    if resource.get("intent") != "order":
        raise InvalidResource("an order is taken here", "ServiceRequest.intent")
    if resource.get("doNotPerform", False) is not False:
        raise InvalidResource("an order to do something", "ServiceRequest.doNotPerform")


def _check_same(before: Order, resource: Json) -> None:
    subject = _subject(resource)
    if subject.id and subject.id != before.patient:
        raise InvalidResource("an order stays its patient's", "ServiceRequest.subject")
    if "code" in resource and _examination(resource, before.institution) != before.examination.code:
        raise InvalidResource("another examination is another order", "ServiceRequest.code")
    number = _accession_number(resource, before.institution)
    if number and number not in {before.accession_number, *before.former_accession_numbers}:
        raise InvalidResource("an order keeps its number", "ServiceRequest.identifier")


def _subject(resource: Json) -> Subject:
    place = "ServiceRequest.subject"
    subject = inner(resource, "subject", _TYPE)
    if reference := text(subject, "reference", place):
        return Subject(id=local_id(reference, "Patient", place))
    identifier = inner(subject, "identifier", place)
    system = text(identifier, "system", f"{place}.identifier")
    if value := text(identifier, "value", f"{place}.identifier"):
        return Subject(number=Token(value, system or None))
    raise InvalidResource("a reference to a Patient, or a number of theirs", place)


def _examination(resource: Json, institution: str) -> str:
    place = "ServiceRequest.code"
    own = examination_system(institution)
    for system, code in codings(inner(resource, "code", _TYPE), place):
        if code and system == own:
            return code
    raise InvalidResource(f"a code of {own}", place, code="examination-not-found")


def _priority(resource: Json) -> Priority:
    told = text(resource, "priority", _TYPE)
    if told not in _PRIORITIES:
        raise InvalidResource("routine, urgent, asap or stat", "ServiceRequest.priority")
    return _PRIORITIES[told]


def _when(resource: Json) -> dt.datetime | None:
    told = text(resource, "occurrenceDateTime", _TYPE)
    if not told:
        return None
    place = "ServiceRequest.occurrenceDateTime"
    try:
        at = dt.datetime.fromisoformat(told)
    except ValueError as exc:
        raise InvalidResource("a moment with its offset", place) from exc
    if at.tzinfo is None:
        raise InvalidResource("a moment with its offset", place)
    return at


def _question(resource: Json) -> str:
    told = [text(each, "text", place) for each, place in items(resource, "reasonCode", _TYPE)]
    return "\n".join(filter(None, told))


def _accession_number(resource: Json, institution: str) -> str:
    own = accession_system(institution)
    for each, place in items(resource, "identifier", _TYPE):
        system, value = text(each, "system", place), text(each, "value", place)
        kind = codings(inner(each, "type", place), f"{place}.type")
        named = system == own or (not system and any(code == "ACSN" for _, code in kind))
        if named and each.get("use") != "old":
            return value
        if system.startswith("urn:yilian:institution:") and system != own:
            raise InvalidResource("another institution's", f"{place}.system", code="no-target")
    return ""


def _reason(resource: Json) -> str:
    for each, place in items(resource, "extension", _TYPE):
        if each.get("url") == STATUS_REASON:
            return text(inner(each, "valueCodeableConcept", place), "text", place)
    return ""
