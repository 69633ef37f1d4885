"""Patient: who is registered where the asker works."""

import datetime as dt
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from kernel.dicom.shown import LEGAL_TIME
from kernel.fhir.datatypes import (
    RESIDENT_IDS,
    ContactPoint,
    Extension,
    HumanName,
    Identifier,
    Meta,
    Reference,
    masked_value,
    number_type,
    patient_number_system,
)
from kernel.fhir.query import Criterion, Query
from kernel.fhir.resource import (
    ID,
    LAST_UPDATED,
    Asker,
    Found,
    Interaction,
    Page,
    ParameterType,
    ResourceDefinition,
    SearchParameter,
)
from kernel.fhir.select import (
    Condition,
    SortKey,
    any_of,
    at_instant,
    by_day,
    by_instant,
    coded,
    on_day,
    run,
)
from kernel.policy import (
    Act,
    masked_id,
    masked_number,
    register_house,
    roles_for,
    sees_own_orders_only,
)
from referrals.fhir.patient_in import PLACES, changes_of, new_patient
from referrals.fhir.reading_in import placing
from referrals.fhir.register import by, look, numbered, sees_numbers, within
from referrals.orders import store
from referrals.orders.acts import Acts, Seen
from referrals.orders.model import Patient, PatientMissing, PatientStatus, Sex, version_tag
from referrals.orders.records import RecordKind
from referrals.orders.search import begins
from referrals.orders.store import PATIENT_COLUMNS, patient_of
from referrals.orders.tables import orders, patient_terms, patients
from referrals.orders.views import masked_phone

GENDERS: Final[Mapping[str, str]] = MappingProxyType(
    {Sex.MALE: "male", Sex.FEMALE: "female", Sex.OTHER: "other", Sex.UNKNOWN: "unknown"}
)
REPRESENTATION: Final = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
_GENDER_SYSTEM: Final = "http://hl7.org/fhir/administrative-gender"
_NO_DAY: Final = dt.date(1, 1, 1)
_NAMES: Final = frozenset({"name", "family", "given"})
_LOOKED_FOR: Final = _NAMES | {"_id", "identifier"}
_LATIN, _CHINESE = "ABC", "IDE"
_READERS: Final = roles_for(Act.READ_ORDERS)
_REGISTRARS: Final = roles_for(Act.REGISTER_PATIENT)

DEFINITION: Final = ResourceDefinition(
    type="Patient",
    documentation="Who is registered where the asker works; create registers there.",
    roles={
        Interaction.READ: _READERS,
        Interaction.VREAD: _READERS,
        Interaction.SEARCH_TYPE: _READERS,
        Interaction.CREATE: _REGISTRARS,
        Interaction.UPDATE: _REGISTRARS,
    },
    parameters=(
        ID,
        LAST_UPDATED,
        SearchParameter(
            name="active",
            type=ParameterType.TOKEN,
            documentation="false: found to be somebody else.",
        ),
        SearchParameter(
            name="birthdate", type=ParameterType.DATE, documentation="Day of birth, legal time."
        ),
        SearchParameter(
            name="family",
            type=ParameterType.STRING,
            documentation="Beginning of the name, in characters or pinyin.",
        ),
        SearchParameter(
            name="gender",
            type=ParameterType.TOKEN,
            documentation="male, female, other or unknown.",
            modifiers=frozenset({"not"}),
        ),
        SearchParameter(
            name="given",
            type=ParameterType.STRING,
            documentation="Beginning of a later part of the name, in characters or pinyin.",
        ),
        SearchParameter(
            name="identifier",
            type=ParameterType.TOKEN,
            documentation="Patient ID of the house, or a whole resident number.",
        ),
        SearchParameter(
            name="name",
            type=ParameterType.STRING,
            documentation="Beginning of the name or a later part, of its pinyin or initials.",
            modifiers=frozenset({"exact"}),
        ),
    ),
    sorts=frozenset({"_lastUpdated", "birthdate", "family"}),
    summary=frozenset(
        {"identifier", "active", "name", "telecom", "gender", "birthDate", "managingOrganization"}
        | {"link"}
    ),
)


class PatientLink(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That somebody is somebody else."""

    other: Reference
    type: str


class PatientResource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename="camel",
    tag_field="resourceType",
    tag="Patient",
):
    """FHIR R4 Patient."""

    id: str
    meta: Meta
    identifier: tuple[Identifier, ...] = ()
    active: bool | None = None
    name: tuple[HumanName, ...] = ()
    telecom: tuple[ContactPoint, ...] = ()
    gender: str | None = None
    birth_date: str | None = None
    managing_organization: Reference | None = None
    link: tuple[PatientLink, ...] = ()


class PatientRoom:
    """Patients at the FHIR door (``gateway.fhir.ports.WritableProvider``)."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts
        self._spellings = acts.ledger.spellings

    @property
    def definition(self) -> ResourceDefinition:
        """What can be done with patients."""
        return DEFINITION

    def read(self, conn: sa.Connection, asker: Asker, key: str) -> Found:
        """Return the patient; raises ``PatientMissing``."""
        return self._found(asker, _own(conn, asker, key))

    def vread(self, conn: sa.Connection, asker: Asker, key: str, version: str) -> Found:
        """Return the patient as a version had it; raises ``PatientMissing``."""
        _own(conn, asker, key)
        for kept in store.versions_of(conn, RecordKind.PATIENT, key):
            if f"{kept.version.version}.{kept.version.node}" == version:
                record = store.record_at(conn, RecordKind.PATIENT, key, kept.version)
                if isinstance(record, Patient):
                    return self._found(asker, record)
        raise PatientMissing

    def search(self, conn: sa.Connection, asker: Asker, query: Query) -> Page:
        """Return a page of the register the asker works in."""
        house = register_house(asker.principal)
        columns = patients.c
        statement = sa.select(*PATIENT_COLUMNS).where(
            columns.institution == house,
            *(self._condition(house, each) for each in query.criteria),
        )
        looked_for = any(each.name in _LOOKED_FOR for each in query.criteria)
        if sees_own_orders_only(asker.principal) and not looked_for:
            # Who looks for somebody finds anybody in the register; a list shows one's own.
            mine = sa.select(orders.c.patient).where(
                orders.c.institution == house, orders.c.ordered_by == asker.principal.username
            )
            statement = statement.where(columns.id.in_(mine))
        sorts = {
            "_lastUpdated": by_instant(columns.updated_at),
            "birthdate": by_day(sa.func.coalesce(columns.birth_date, _NO_DAY, type_=sa.Date())),
            "family": SortKey(columns.name_pinyin),
        }
        found = run(conn, query, statement, SortKey(columns.id), sorts)
        people = [
            patient_of({str(c.name): row[c.name] for c in PATIENT_COLUMNS}) for row in found.rows
        ]
        return found.page(self._found(asker, each) for each in people)

    def create(self, conn: sa.Connection, asker: Asker, resource: Mapping[str, Any]) -> str:
        """Register somebody where the asker works and return the id."""
        new = new_patient(resource, register_house(asker.principal))
        with placing(PLACES, "Patient"):
            made = within(self._acts, conn, lambda page: self._acts.register(page, by(asker), new))
        return made.id

    def update(
        self,
        conn: sa.Connection,
        asker: Asker,
        key: str,
        version: str,
        resource: Mapping[str, Any],
    ) -> None:
        """Mend what was registered; what the asker sees masked stays as it is."""
        changes = changes_of(_own(conn, asker, key), resource)
        seen = Seen(key, version)
        with placing(PLACES, "Patient"):
            within(
                self._acts,
                conn,
                lambda page: self._acts.correct(page, by(asker), seen, changes),
            )

    def _condition(self, house: str, criterion: Criterion) -> Condition:
        if criterion.name == "identifier":
            return numbered(house, criterion.tokens)
        if criterion.name in _NAMES:
            return any_of([self._called(house, criterion, text) for text in criterion.texts])
        return _CONDITIONS[criterion.name](criterion)

    def _called(self, house: str, criterion: Criterion, text: str) -> Condition:
        columns = patients.c
        if criterion.modifier == "exact":
            return sa.or_(columns.name == text, columns.name_pinyin == text)
        folded = self._spellings.folded(text)
        if not folded:
            return sa.false()
        terms = patient_terms.c
        somehow = columns.id.in_(
            sa.select(terms.patient).where(terms.institution == house, begins(terms.text, folded))
        )
        first = sa.or_(
            sa.func.lower(columns.name).startswith(folded, autoescape=True),
            sa.func.lower(columns.name_pinyin).startswith(folded, autoescape=True),
        )
        later = sa.or_(
            sa.func.lower(sa.func.substr(columns.name, 2, type_=sa.Text())).contains(
                folded, autoescape=True
            ),
            sa.func.lower(columns.name_pinyin).contains(f" {folded}", autoescape=True),
        )
        match criterion.name:
            case "family":
                return sa.and_(columns.institution == house, first)
            case "given":
                return sa.and_(somehow, later)
            case _:
                return somehow

    def _found(self, asker: Asker, patient: Patient) -> Found:
        return Found(
            id=patient.id,
            version=version_tag(patient),
            resource=resource_of(patient, numbers=sees_numbers(asker)),
            last_updated=patient.updated_at,
            look=look(asker, f"patient:{patient.id}", patient.patient_id),
        )


def _own(conn: sa.Connection, asker: Asker, key: str) -> Patient:
    found = store.find_patient(conn, key)
    if found is None or found.institution != register_house(asker.principal):
        raise PatientMissing
    return found


def _active(criterion: Criterion) -> Condition:
    active = patients.c.status == PatientStatus.ACTIVE.value
    ways = {"true": active, "false": sa.not_(active)}
    return any_of([ways[token.code] for token in criterion.tokens if token.code in ways])


def _gender(criterion: Criterion) -> Condition:
    codes = {code: [sex] for sex, code in GENDERS.items()}
    return coded(patients.c.sex, criterion, _GENDER_SYSTEM, codes)


_CONDITIONS: Final[Mapping[str, Callable[[Criterion], Condition]]] = MappingProxyType(
    {
        "_id": lambda each: patients.c.id.in_([token.code for token in each.tokens]),
        "_lastUpdated": lambda each: at_instant(patients.c.updated_at, each),
        "active": _active,
        "birthdate": lambda each: on_day(patients.c.birth_date, each, LEGAL_TIME),
        "gender": _gender,
    }
)


def resource_of(patient: Patient, *, numbers: bool) -> PatientResource:
    """Return *patient* as FHIR has it; *numbers* are written out or masked."""
    number = masked_number(patient.patient_id)
    whole = numbers or number == patient.patient_id
    own = Identifier(
        use="official" if not patient.temporary else "temp",
        type=number_type("MR"),
        system=patient_number_system(patient.institution),
        value=patient.patient_id if whole else None,
        beside=None if whole else masked_value(number),
        assigner=Reference(reference=f"Organization/{patient.institution}"),
    )
    given: tuple[Identifier, ...] = ()
    if resident := patient.resident_id:
        shown = resident if numbers else None
        beside = None if numbers else masked_value(masked_id(resident))
        given = (
            Identifier(
                use="official",
                type=number_type("NI"),
                system=RESIDENT_IDS,
                value=shown,
                beside=beside,
            ),
        )
    telecom: tuple[ContactPoint, ...] = ()
    if phone := patient.phone:
        beside = None if numbers else masked_value(masked_phone(phone))
        telecom = (ContactPoint(system="phone", value=phone if numbers else None, beside=beside),)
    links: tuple[PatientLink, ...] = ()
    if patient.reconciled_with:
        other = Reference(reference=f"Patient/{patient.reconciled_with}")
        links = (PatientLink(other=other, type="replaced-by"),)
    return PatientResource(
        id=patient.id,
        meta=Meta(version_id=version_tag(patient), last_updated=patient.updated_at.isoformat()),
        identifier=(own, *given),
        active=patient.status is PatientStatus.ACTIVE,
        name=_names(patient),
        telecom=telecom,
        gender=GENDERS[patient.sex],
        birth_date=patient.birth_date.isoformat() if patient.birth_date else None,
        managing_organization=Reference(reference=f"Organization/{patient.institution}"),
        link=links,
    )


def _names(patient: Patient) -> tuple[HumanName, ...]:
    written = HumanName(
        extension=(
            Extension(
                url=REPRESENTATION, value_code=_LATIN if patient.name.isascii() else _CHINESE
            ),
        ),
        use="temp" if patient.temporary else "official",
        text=patient.name,
    )
    if not patient.name_pinyin or patient.name_pinyin == patient.name:
        return (written,)
    family, *given = patient.name_pinyin.split(" ")
    spelled = HumanName(
        extension=(Extension(url=REPRESENTATION, value_code=_LATIN),),
        use=written.use,
        text=patient.name_pinyin,
        family=family,
        given=tuple(given),
    )
    return (written, spelled)
