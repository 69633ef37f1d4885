"""A Patient that came, as somebody to register or as changes of what is registered. Pure."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

from kernel.fhir.datatypes import RESIDENT_IDS, patient_number_system
from kernel.fhir.resource import InvalidResource
from referrals.fhir.reading_in import (
    Json,
    check_elements,
    codings,
    inner,
    is_masked,
    items,
    local_id,
    text,
)
from referrals.orders.asked import NewPatient, PatientChanges
from referrals.orders.model import Patient, PatientStatus, Sex

_TYPE: Final = "Patient"
_ELEMENTS: Final = frozenset(
    {"identifier", "active", "name", "telecom", "gender", "birthDate", "deceasedBoolean"}
    | {"deceasedDateTime", "address", "maritalStatus", "multipleBirthBoolean", "photo", "contact"}
    | {"multipleBirthInteger", "communication", "generalPractitioner", "managingOrganization"}
    | {"link"}
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_SEXES: Final = {"male": Sex.MALE, "female": Sex.FEMALE, "other": Sex.OTHER, "unknown": Sex.UNKNOWN}
PLACES: Final = {
    "invalid-name": "Patient.name",
    "invalid-patient-id": "Patient.identifier",
    "invalid-resident-id": "Patient.identifier",
    "resident-id-differs": "Patient.identifier",
    "already-registered": "Patient.identifier",
    "invalid-phone": "Patient.telecom",
    "invalid-birth-date": "Patient.birthDate",
}
"""By code of an error of the register, the element it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a Patient says; None for what its sender saw masked."""

    name: str
    name_pinyin: str
    sex: Sex
    birth_date: dt.date | None
    patient_id: str
    resident_id: str | None
    phone: str | None


def new_patient(resource: Json, institution: str) -> NewPatient:
    """Return whom to register at *institution*.

    Raises:
        InvalidResource: it is no Patient of R4, or says what cannot be of a new one.
    """
    told = _read(resource, institution)
    if resource.get("active", True) is not True:
        raise InvalidResource("whoever is registered is active", "Patient.active")
    if told.resident_id is None or told.phone is None:
        raise InvalidResource("a new patient's numbers are told", "Patient.identifier")
    return NewPatient(
        name=told.name,
        name_pinyin=told.name_pinyin,
        sex=told.sex,
        birth_date=told.birth_date,
        resident_id=told.resident_id,
        phone=told.phone,
        patient_id=told.patient_id,
    )


def changes_of(before: Patient, resource: Json) -> PatientChanges:
    """Return what *resource* says otherwise than *before*; what it leaves out is taken away.

    The Patient ID and the birth date stay where they are left out, and what was masked stays.

    Raises:
        InvalidResource: it is no Patient of R4, or says what this door does not change.
    """
    told = _read(resource, before.institution)
    if resource.get("active", True) is not (before.status is PatientStatus.ACTIVE):
        raise InvalidResource("a person says who somebody is, not this door", "Patient.active")
    return PatientChanges(
        name=told.name if told.name != before.name else None,
        name_pinyin=told.name_pinyin
        if told.name_pinyin and told.name_pinyin != before.name_pinyin
        else None,
        sex=told.sex,
        birth_date=told.birth_date,
        resident_id=told.resident_id,
        phone=told.phone,
        patient_id=told.patient_id or None,
    )


def _read(resource: Json, institution: str) -> _Told:
    check_elements(resource, _TYPE, _ELEMENTS)
    house = text(inner(resource, "managingOrganization", _TYPE), "reference", _TYPE)
    place = "Patient.managingOrganization"
    if house and local_id(house, "Organization", place) != institution:
        raise InvalidResource("another institution's", place, code="no-target")
    name, pinyin = _names(resource)
    patient_id, resident_id = _numbers(resource, institution)
    return _Told(
        name=name,
        name_pinyin=pinyin,
        sex=_sex(resource),
        birth_date=_birth_date(resource),
        patient_id=patient_id,
        resident_id=resident_id,
        phone=_phone(resource),
    )


def _names(resource: Json) -> tuple[str, str]:
    names = [_name(each, place) for each, place in items(resource, "name", _TYPE)]
    names = [name for name in names if name]
    if not names:
        raise InvalidResource("a name is asked for", "Patient.name")
    # The one in characters is the name; one in letters beside it says how that is spelled.
    written = next((name for name in names if not name.isascii()), names[0])
    spelled = next((name for name in names if name.isascii() and name != written), "")
    return written, spelled


def _name(name: Json, place: str) -> str:
    whole = text(name, "text", place).strip()
    if whole:
        return whole
    given = name.get("given", [])
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise InvalidResource("a list of texts", f"{place}.given")
    parts = [part for part in (text(name, "family", place), *given) if part.strip()]
    between = " " if all(part.isascii() for part in parts) else ""
    return between.join(parts)


def _numbers(resource: Json, institution: str) -> tuple[str, str | None]:
    patient_id = ""
    resident_id: str | None = ""
    own = patient_number_system(institution)
    for each, place in items(resource, "identifier", _TYPE):
        system, value = text(each, "system", place), text(each, "value", place)
        if system == RESIDENT_IDS:
            resident_id = None if not value and is_masked(each, place) else value
        elif system == own or (not system and _is_record_number(each, place)):
            patient_id = value
        elif system.startswith("urn:yilian:institution:"):
            raise InvalidResource("another institution's", f"{place}.system", code="no-target")
    return patient_id, resident_id


def _is_record_number(identifier: Json, place: str) -> bool:
    kind = inner(identifier, "type", place)
    return any(code == "MR" for _, code in codings(kind, f"{place}.type"))


def _phone(resource: Json) -> str | None:
    for each, place in items(resource, "telecom", _TYPE):
        if text(each, "system", place) == "phone":
            value = text(each, "value", place)
            return None if not value and is_masked(each, place) else value
    return ""


def _sex(resource: Json) -> Sex:
    told = text(resource, "gender", _TYPE) or "unknown"
    if told not in _SEXES:
        raise InvalidResource("male, female, other or unknown", "Patient.gender")
    return _SEXES[told]


def _birth_date(resource: Json) -> dt.date | None:
    told = text(resource, "birthDate", _TYPE)
    if not told:
        return None
    try:
        # Part of a day's form is another day's to the parser: 2026-W01-1.
        return dt.date.fromisoformat(told if _DAY.fullmatch(told) else "")
    except ValueError as exc:
        raise InvalidResource("a whole day", "Patient.birthDate") from exc
