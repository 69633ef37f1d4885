"""ServiceRequest: what is ordered where the asker works."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa

from kernel.errors import Invalid, Stale
from kernel.fhir.datatypes import DICOM_UIDS, accession_system
from kernel.fhir.query import Criterion, Query, Token
from kernel.fhir.resource import (
    ID,
    LAST_UPDATED,
    Asker,
    Found,
    Interaction,
    InvalidResource,
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
    by_instant,
    coded,
    run,
)
from kernel.policy import Act as Duty, register_house, roles_for, sees_own_orders_only
from referrals.fhir.order_in import PLACES, Revoked, Subject, changes_of, new_order
from referrals.fhir.order_resource import PRIORITY, STATUS, examination_system, resource_of
from referrals.fhir.reading_in import placing
from referrals.fhir.register import by, look, of_numbers, within
from referrals.orders import store
from referrals.orders.acts import Acts, Seen
from referrals.orders.machine import Act
from referrals.orders.model import (
    REASON_MAX,
    Order,
    OrderMissing,
    Patient,
    State,
    parse_text,
    version_tag,
)
from referrals.orders.records import RecordKind
from referrals.orders.store import ORDER_COLUMNS, order_of
from referrals.orders.tables import accession_former, orders
from referrals.orders.views import may_see

_STATUS_SYSTEM: Final = "http://hl7.org/fhir/request-status"
_PRIORITY_SYSTEM: Final = "http://hl7.org/fhir/request-priority"
_OID: Final = "urn:oid:"
_READERS: Final = roles_for(Duty.READ_ORDERS)
_ORDERERS: Final = roles_for(Duty.ORDER_EXAMINATION)


def _whom(name: str) -> SearchParameter:
    return SearchParameter(
        name=name,
        type=ParameterType.REFERENCE,
        documentation="Whom it is for.",
        targets=("Patient",),
        chains=frozenset({"identifier"}),
    )


DEFINITION: Final = ResourceDefinition(
    type="ServiceRequest",
    documentation="Examinations ordered where the asker works; create orders one there.",
    roles={
        Interaction.READ: _READERS,
        Interaction.VREAD: _READERS,
        Interaction.SEARCH_TYPE: _READERS,
        Interaction.CREATE: _ORDERERS,
        Interaction.UPDATE: _ORDERERS,
    },
    parameters=(
        ID,
        LAST_UPDATED,
        SearchParameter(
            name="authored", type=ParameterType.DATE, documentation="When it was ordered."
        ),
        SearchParameter(
            name="code", type=ParameterType.TOKEN, documentation="Of the house's catalogue."
        ),
        SearchParameter(
            name="identifier",
            type=ParameterType.TOKEN,
            documentation="Accession number, now or before, or the planned Study Instance UID.",
        ),
        SearchParameter(
            name="occurrence", type=ParameterType.DATE, documentation="When it is planned."
        ),
        _whom("patient"),
        SearchParameter(
            name="priority",
            type=ParameterType.TOKEN,
            documentation="stat, urgent or routine.",
            modifiers=frozenset({"not"}),
        ),
        SearchParameter(
            name="status",
            type=ParameterType.TOKEN,
            documentation="active, completed or revoked.",
            modifiers=frozenset({"not"}),
        ),
        _whom("subject"),
    ),
    sorts=frozenset({"_lastUpdated", "authored", "occurrence"}),
    includes={"patient": "subject", "subject": "subject"},
    mandatory=frozenset({"status", "intent", "subject"}),
    summary=frozenset(
        {"identifier", "replaces", "category", "priority", "code", "orderDetail", "bodySite"}
        | {"occurrenceDateTime", "authoredOn", "requester", "performer", "reasonCode"}
    ),
)


class OrderRoom:
    """Orders at the FHIR door (``gateway.fhir.ports.WritableProvider``)."""

    def __init__(self, acts: Acts) -> None:
        self._acts = acts

    @property
    def definition(self) -> ResourceDefinition:
        """What can be done with orders."""
        return DEFINITION

    def read(self, conn: sa.Connection, asker: Asker, key: str) -> Found:
        """Return the order; raises ``OrderMissing``."""
        return self._found(conn, asker, [_own(conn, asker, key)])[0]

    def vread(self, conn: sa.Connection, asker: Asker, key: str, version: str) -> Found:
        """Return the order as a version had it; raises ``OrderMissing``."""
        _own(conn, asker, key)
        for kept in store.versions_of(conn, RecordKind.ORDER, key):
            if f"{kept.version.version}.{kept.version.node}" == version:
                record = store.record_at(conn, RecordKind.ORDER, key, kept.version)
                if isinstance(record, Order):
                    return self._found(conn, asker, [record])[0]
        raise OrderMissing

    def search(self, conn: sa.Connection, asker: Asker, query: Query) -> Page:
        """Return a page of the orders the asker may see."""
        house, columns = register_house(asker.principal), orders.c
        statement = sa.select(*ORDER_COLUMNS).where(
            columns.institution == house, *(_condition(house, each) for each in query.criteria)
        )
        if sees_own_orders_only(asker.principal):
            statement = statement.where(columns.ordered_by == asker.principal.username)
        sorts = {
            "_lastUpdated": by_instant(columns.updated_at),
            "authored": by_instant(columns.ordered_at),
            "occurrence": by_instant(columns.scheduled_at),
        }
        found = run(conn, query, statement, SortKey(columns.id), sorts)
        rows = [order_of({str(c.name): row[c.name] for c in ORDER_COLUMNS}) for row in found.rows]
        return found.page(self._found(conn, asker, rows))

    def create(self, conn: sa.Connection, asker: Asker, resource: Mapping[str, Any]) -> str:
        """Order where the asker works and return the id."""
        house = register_house(asker.principal)
        subject, new = new_order(resource, house)
        patient = _patient(conn, house, subject)
        with placing(PLACES, "ServiceRequest"):
            made = within(
                self._acts, conn, lambda page: self._acts.order(page, by(asker), patient, new)
            )
        return made.id

    def update(
        self,
        conn: sa.Connection,
        asker: Asker,
        key: str,
        version: str,
        resource: Mapping[str, Any],
    ) -> None:
        """Change when, how urgently or why, or cancel; what says the same changes nothing."""
        before, seen = _own(conn, asker, key), Seen(key, version)
        if version_tag(before) != version:
            raise Stale("it was changed after it was read; read it again")
        told = changes_of(before, resource)
        with placing(PLACES, "ServiceRequest"):
            if isinstance(told, Revoked):
                why = _reason(told)
                within(
                    self._acts,
                    conn,
                    lambda page: self._acts.move(page, by(asker), seen, Act.CANCEL, why),
                )
            elif told is not None:
                within(
                    self._acts,
                    conn,
                    lambda page: self._acts.change(page, by(asker), seen, told),
                )

    def _found(self, conn: sa.Connection, asker: Asker, found: list[Order]) -> list[Found]:
        people = store.patients_by_id(conn, (order.patient for order in found))
        return [_shown(asker, order, people.get(order.patient)) for order in found]


def _reason(revoked: Revoked) -> str:
    why = parse_text(revoked.reason, longest=REASON_MAX, code="invalid-reason")
    if not why:
        raise Invalid("say why", code="reason-missing")
    return why


def _shown(asker: Asker, order: Order, patient: Patient | None) -> Found:
    # What a node told of an order opens no other institution's patient.
    own = patient if patient is not None and patient.institution == order.institution else None
    return Found(
        id=order.id,
        version=version_tag(order),
        resource=resource_of(order, own),
        last_updated=order.updated_at,
        look=look(asker, f"order:{order.id}", own.patient_id if own else ""),
    )


def _own(conn: sa.Connection, asker: Asker, key: str) -> Order:
    found = store.find_order(conn, key)
    if found is None or not may_see(found, asker.principal):
        raise OrderMissing
    return found


def _patient(conn: sa.Connection, house: str, subject: Subject) -> str:
    """Return whom to order for; another institution's is as good as nobody."""
    place = "ServiceRequest.subject"
    if subject.number is not None:
        found = list(conn.scalars(of_numbers(house, [subject.number]).limit(2)))
        if len(found) == 1:
            return found[0]
        raise InvalidResource("nobody, or more than one", place, code="patient-not-found")
    there = store.find_patient(conn, subject.id)
    if there is None or there.institution != house:
        raise InvalidResource("no such patient here", place, code="patient-not-found")
    return there.id


def _of_status(criterion: Criterion) -> Condition:
    states: dict[str, list[State]] = {}
    for state, code in STATUS.items():
        states.setdefault(code, []).append(state)
    return coded(orders.c.state, criterion, _STATUS_SYSTEM, states)


def _of_priority(criterion: Criterion) -> Condition:
    codes = {code: [priority] for priority, code in PRIORITY.items()}
    return coded(orders.c.priority, criterion, _PRIORITY_SYSTEM, codes)


def _of_patient(criterion: Criterion) -> Condition:
    wanted = sorted({target.id for target in criterion.targets})
    return sa.or_(orders.c.patient.in_(wanted), orders.c.first_patient.in_(wanted))


def _condition(house: str, criterion: Criterion) -> Condition:
    if criterion.name == "code":
        return coded(orders.c.examination_code, criterion, examination_system(house))
    if criterion.name == "identifier":
        return any_of([_numbered(house, token) for token in criterion.tokens])
    if criterion.name in {"patient.identifier", "subject.identifier"}:
        return orders.c.patient.in_(of_numbers(house, criterion.tokens))
    return _CONDITIONS[criterion.name](criterion)


_CONDITIONS: Final[Mapping[str, Callable[[Criterion], Condition]]] = MappingProxyType(
    {
        "_id": lambda each: orders.c.id.in_([token.code for token in each.tokens]),
        "_lastUpdated": lambda each: at_instant(orders.c.updated_at, each),
        "authored": lambda each: at_instant(orders.c.ordered_at, each),
        "occurrence": lambda each: at_instant(orders.c.scheduled_at, each),
        "patient": _of_patient,
        "priority": _of_priority,
        "status": _of_status,
        "subject": _of_patient,
    }
)


def _numbered(house: str, token: Token) -> Condition:
    columns, former = orders.c, accession_former.c
    ways: list[Condition] = []
    if token.system in {None, accession_system(house)}:
        gave_up = sa.select(former.order).where(
            former.institution == house, former.accession_number == token.code
        )
        ways += [columns.accession_number == token.code, columns.id.in_(gave_up)]
    if token.system in {None, DICOM_UIDS}:
        ways.append(columns.study_instance_uid == token.code.removeprefix(_OID))
    return any_of(ways)
