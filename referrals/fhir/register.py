"""The register one asker works in: by what reason they see it, and by which numbers."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from kernel.audit.trail import AuditEvent
from kernel.fhir.datatypes import RESIDENT_IDS, patient_number_system
from kernel.fhir.query import Token
from kernel.fhir.resource import Asker, Look
from kernel.fhir.select import Condition, any_of
from kernel.identity import PrincipalKind
from kernel.policy import Act, Subject, decide, register_house
from referrals.orders.acts import Acts
from referrals.orders.ledger import By, Page
from referrals.orders.model import Order, Patient, whole_resident_id
from referrals.orders.tables import patients


def by(asker: Asker) -> By:
    """Return who does what *asker* asks for."""
    return By(principal=asker.principal, address=asker.address, reason=reason(asker))


def reason(asker: Asker) -> str:
    """Return why *asker* may see the register they work in."""
    house = register_house(asker.principal)
    return decide(asker.principal, Act.READ_ORDERS, Subject(house)).reason


def look(asker: Asker, subject: str, patient: str) -> Look:
    """Return what the trail says of *asker*'s look at one record."""
    return Look(
        subject=subject, patient=patient, reason=reason(asker), event=AuditEvent.RECORD_SEEN
    )


def sees_numbers(asker: Asker) -> bool:
    """Tell whether numbers of people are written out; people see them by ``reveal`` only."""
    return asker.principal.kind is PrincipalKind.MACHINE


def within(
    acts: Acts, conn: sa.Connection, act: Callable[[Page], Patient | Order]
) -> Patient | Order:
    """Return what *act* writes in somebody's transaction; what it has to tell is told there."""
    page = Page(conn)
    made = act(page)
    acts.ledger.end(page, at=acts.clock.now())
    return made


def numbered(institution: str, tokens: Sequence[Token]) -> Condition:
    """Return the condition on ``order_patients`` that one has one of the numbers asked for.

    A resident number counts whole only, so that nobody tries out who has which.
    """
    ways: list[Condition] = []
    house = patient_number_system(institution)
    for token in tokens:
        if not token.code:
            continue
        if token.system in {None, house}:
            ways.append(patients.c.patient_id == token.code)
        whole = whole_resident_id(token.code)
        if token.system in {None, RESIDENT_IDS} and whole:
            ways.append(patients.c.resident_id == whole)
    return any_of(ways)


def of_numbers(institution: str, tokens: Sequence[Token]) -> sa.Select[str]:
    """Return the ids of the patients of *institution* that ``numbered`` fits."""
    return sa.select(patients.c.id).where(
        patients.c.institution == institution, numbered(institution, tokens)
    )
