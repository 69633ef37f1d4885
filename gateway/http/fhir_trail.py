"""AuditEvent: the audit trail, for the audit administrator and privacy officers.

Whoever reads it is in it, as at ``/api/v1/admin/audit``.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from kernel.audit.trail import EVENT_CODES, AuditEvent, audit_entries
from kernel.errors import Missing
from kernel.fhir.datatypes import (
    DICOM_TERMS,
    CodeableConcept,
    Coding,
    Identifier,
    Meta,
    Reference,
    concept,
)
from kernel.fhir.query import Criterion, Query
from kernel.fhir.resource import (
    Asker,
    Found,
    Interaction,
    Look,
    Page,
    ParameterType,
    ResourceDefinition,
    SearchParameter,
)
from kernel.fhir.select import Condition, SortKey, any_of, at_instant, by_instant, coded, run
from kernel.identity import Role
from kernel.policy import Act, Reason, masked_id, roles_for

_READERS: Final = roles_for(Act.READ_AUDIT)
_EVENTS: Final = "urn:yilian:audit-event"
_SUBJECTS: Final = "urn:yilian:audit-subject"
_CHAINS: Final = "urn:yilian:audit-chain"
_HOUSES: Final = "urn:yilian:institution"
_USERNAMES: Final = "urn:yilian:username"
_OUTCOMES: Final = "http://hl7.org/fhir/audit-event-outcome"
_ENTITY_TYPES: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_OBJECT_ROLES: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_PURPOSES: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_IP_ADDRESS: Final = "2"
_NUMBER_MAX: Final = 18
ACTIONS: Final[Mapping[AuditEvent, str]] = MappingProxyType(
    {
        AuditEvent.STARTED: "E",
        AuditEvent.STOPPED: "E",
        AuditEvent.SIGNED_IN: "E",
        AuditEvent.SIGN_IN_REFUSED: "E",
        AuditEvent.SIGNED_OUT: "E",
        AuditEvent.STUDY_SEEN: "R",
        AuditEvent.RECORD_SEEN: "R",
        AuditEvent.QUERIED: "E",
        AuditEvent.REVEALED: "R",
        AuditEvent.STORED: "C",
        AuditEvent.EXPORTED: "R",
        AuditEvent.CHANGED: "U",
        AuditEvent.DELETED: "D",
        AuditEvent.ACCOUNT_CHANGED: "U",
        AuditEvent.NETWORK_CHANGED: "U",
        AuditEvent.AUDIT_READ: "R",
        AuditEvent.ACCESS_REFUSED: "E",
        AuditEvent.EMERGENCY_OPENED: "E",
        AuditEvent.EMERGENCY_REVIEWED: "U",
    }
)
"""FHIR's word for what was done (R4 AuditEventAction)."""
_COLUMNS: Final = (
    *(audit_entries.c.id, audit_entries.c.chain, audit_entries.c.number, audit_entries.c.at),
    *(audit_entries.c.event, audit_entries.c.outcome, audit_entries.c.username),
    *(audit_entries.c.institution, audit_entries.c.address, audit_entries.c.subject),
    *(audit_entries.c.patient, audit_entries.c.reason),
)


def _token(name: str, documentation: str) -> SearchParameter:
    return SearchParameter(name=name, type=ParameterType.TOKEN, documentation=documentation)


DEFINITION: Final = ResourceDefinition(
    type="AuditEvent",
    documentation="The audit trail; a privacy officer reads that of their own institution.",
    roles={Interaction.READ: _READERS, Interaction.SEARCH_TYPE: _READERS},
    parameters=(
        _token("_id", "Number of the row."),
        SearchParameter(
            name="address",
            type=ParameterType.STRING,
            documentation="Where it was asked from.",
            modifiers=frozenset({"exact"}),
        ),
        _token("altid", "Name of the account that acted."),
        SearchParameter(name="date", type=ParameterType.DATE, documentation="When it happened."),
        _token("outcome", "0, 4, 8 or 12."),
        _token("site", "Code of the institution whose people acted."),
        _token("subtype", "What happened, in Yilian's words."),
        _token("type", "What happened, by its DICOM code (PS3.15 A.5.3)."),
    ),
    sorts=frozenset({"date"}),
    mandatory=frozenset({"type", "recorded", "agent", "source"}),
    summary=frozenset({"subtype", "action", "outcome", "purposeOfEvent"}),
)


class AuditEventResource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename={"purpose": "purposeOfEvent"},
    tag_field="resourceType",
    tag="AuditEvent",
):
    """FHIR R4 AuditEvent."""

    id: str
    meta: Meta
    type: Coding
    recorded: str
    agent: tuple[dict[str, Any], ...]
    source: dict[str, Any]
    subtype: tuple[Coding, ...] = ()
    action: str | None = None
    outcome: str | None = None
    purpose: tuple[CodeableConcept, ...] = ()
    entity: tuple[dict[str, Any], ...] = ()


class TrailRoom:
    """The trail at the FHIR door (``gateway.fhir.ports.ResourceProvider``)."""

    @property
    def definition(self) -> ResourceDefinition:
        """What can be done with the trail."""
        return DEFINITION

    def read(self, conn: sa.Connection, asker: Asker, key: str) -> Found:
        """Return one row; raises ``Missing``."""
        if not (key.isascii() and key.isdigit() and len(key) <= _NUMBER_MAX):
            raise Missing
        statement = sa.select(*_COLUMNS).where(*_reach(asker), audit_entries.c.id == int(key))
        row = conn.execute(statement).mappings().one_or_none()
        if row is None:
            raise Missing
        return _found(dict(row))

    def search(self, conn: sa.Connection, asker: Asker, query: Query) -> Page:
        """Return a page of the rows the asker may read."""
        conditions = [_CONDITIONS[each.name](each) for each in query.criteria]
        statement = sa.select(*_COLUMNS).where(*_reach(asker), *conditions)
        sorts = {"date": by_instant(audit_entries.c.at)}
        found = run(conn, query, statement, SortKey(audit_entries.c.id, str, int), sorts)
        return found.page(map(_found, found.rows))


def _reach(asker: Asker) -> list[Condition]:
    if asker.principal.has(Role.AUDIT_ADMINISTRATOR):
        return []
    return [audit_entries.c.institution == asker.principal.institution]


_OUTCOME_CODES: Final = frozenset({"0", "4", "8", "12"})


def _row_ids(criterion: Criterion) -> Condition:
    codes = [token.code for token in criterion.tokens]
    fits = [int(each) for each in codes if each.isdigit() and len(each) <= _NUMBER_MAX]
    return audit_entries.c.id.in_(fits)


def _address(criterion: Criterion) -> Condition:
    column = audit_entries.c.address
    if criterion.modifier == "exact":
        return column.in_(criterion.texts)
    return any_of([column.startswith(text, autoescape=True) for text in criterion.texts])


def _outcome(criterion: Criterion) -> Condition:
    wanted = [token.code for token in criterion.tokens if token.system in {None, _OUTCOMES}]
    fits = [int(each) for each in wanted if each in _OUTCOME_CODES]
    return audit_entries.c.outcome.in_(fits)


def _dicom_type(criterion: Criterion) -> Condition:
    events: dict[str, list[str]] = {}
    for event, code in EVENT_CODES.items():
        events.setdefault(code, []).append(event)
    return coded(audit_entries.c.event, criterion, DICOM_TERMS, events)


_CONDITIONS: Final[Mapping[str, Callable[[Criterion], Condition]]] = MappingProxyType(
    {
        "_id": _row_ids,
        "address": _address,
        "altid": lambda each: coded(audit_entries.c.username, each, _USERNAMES),
        "date": lambda each: at_instant(audit_entries.c.at, each),
        "outcome": _outcome,
        "site": lambda each: coded(audit_entries.c.institution, each, _HOUSES),
        "subtype": lambda each: coded(audit_entries.c.event, each, _EVENTS),
        "type": _dicom_type,
    }
)


def _found(row: Mapping[str, Any]) -> Found:
    version = "1"  # rows are only ever added
    return Found(
        id=str(row["id"]),
        version=version,
        resource=resource_of(row, version),
        last_updated=row["at"],
        look=Look(
            subject="audit-trail",
            patient="",
            reason=Reason.OWN_DUTY,
            event=AuditEvent.AUDIT_READ,
        ),
    )


def resource_of(row: Mapping[str, Any], version: str) -> AuditEventResource:
    """Return one row of the trail, patients' numbers masked."""
    event, reason = AuditEvent(row["event"]), str(row["reason"])
    purposes: tuple[CodeableConcept, ...] = ()
    if reason:
        emergency = concept(_PURPOSES, "BTG") if reason == Reason.BREAK_GLASS else CodeableConcept()
        purposes = (CodeableConcept(coding=emergency.coding, text=reason),)
    return AuditEventResource(
        id=str(row["id"]),
        meta=Meta(version_id=version, last_updated=row["at"].isoformat()),
        type=Coding(system=DICOM_TERMS, code=EVENT_CODES[event]),
        subtype=(Coding(system=_EVENTS, code=event.value),),
        action=ACTIONS[event],
        recorded=row["at"].isoformat(),
        outcome=str(row["outcome"]),
        purpose=purposes,
        agent=(_agent(row),),
        source=_source(row),
        entity=_entities(row),
    )


def _source(row: Mapping[str, Any]) -> dict[str, Any]:
    place = Identifier(system=_CHAINS, value=f"{row['chain']}-{row['number']}")
    source: dict[str, Any] = {"observer": Reference(identifier=place, display="Yilian")}
    if row["institution"]:
        source["site"] = row["institution"]
    return source


def _agent(row: Mapping[str, Any]) -> dict[str, Any]:
    agent: dict[str, Any] = {"requestor": True}
    if username := row["username"]:
        agent["altId"] = username
        agent["who"] = Reference(identifier=Identifier(system=_USERNAMES, value=username))
    else:
        agent["who"] = Reference(display="Yilian")
    if address := row["address"]:
        agent["network"] = {"address": address, "type": _IP_ADDRESS}
    return agent


def _entities(row: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    found = []
    if subject := row["subject"]:
        found.append(_entity(Identifier(system=_SUBJECTS, value=subject), "2", ""))
    if patient := row["patient"]:
        found.append(_entity(Identifier(value=masked_id(patient)), "1", "1"))
    return tuple(found)


def _entity(identifier: Identifier, kind: str, role: str) -> dict[str, Any]:
    entity: dict[str, Any] = {
        "what": Reference(identifier=identifier),
        "type": Coding(system=_ENTITY_TYPES, code=kind),
    }
    if role:
        entity["role"] = Coding(system=_OBJECT_ROLES, code=role)
    return entity
