"""Who is registered, for whoever has images of them (``imaging.fhir.ports.Register``)."""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from kernel.fhir.query import Token
from kernel.fhir.resource import Asker
from kernel.policy import Act, Subject, decide, register_house
from referrals.orders.model import PatientStatus, whole_resident_id
from referrals.orders.register import patients_of_resident_id
from referrals.orders.tables import patients


class RegisteredNumbers:
    """The registers of the node's houses, by exact numbers only."""

    def numbers_of(
        self, conn: sa.Connection, asker: Asker, patients_asked: Collection[str], /
    ) -> Sequence[tuple[str, str]]:
        """Return by what the Patient resources asked for, those *asker* may read, are known."""
        house, columns = _house(asker), patients.c
        if not house:
            return []
        query = sa.select(columns.institution, columns.patient_id).where(
            columns.institution == house, columns.id.in_(sorted(patients_asked))
        )
        return [(row[0], row[1]) for row in conn.execute(query)]

    def numbers_like(
        self, conn: sa.Connection, tokens: Sequence[Token], /
    ) -> Sequence[tuple[str, str]]:
        """Return by what whoever has one of the resident numbers in *tokens* is known."""
        return [
            (each.institution, each.patient_id)
            for token in tokens
            for each in patients_of_resident_id(conn, whole_resident_id(token.code))
        ]

    def resources_of(
        self, conn: sa.Connection, asker: Asker, numbers: Collection[tuple[str, str]], /
    ) -> Mapping[tuple[str, str], str]:
        """Return the ids of the Patient resources of *numbers*; of those *asker* may read."""
        house, columns = _house(asker), patients.c
        wanted = sorted({number for institution, number in numbers if institution == house})
        if not house or not wanted:
            return {}
        query = (
            sa.select(columns.patient_id, columns.id)
            .where(
                columns.institution == house,
                columns.patient_id.in_(wanted),
                columns.status == PatientStatus.ACTIVE.value,
            )
            .order_by(columns.id.desc())
        )
        # Where two nodes gave one number out, the first has it.
        return {(house, row[0]): row[1] for row in conn.execute(query)}


def _house(asker: Asker) -> str:
    """Return in whose register *asker* may read, empty for nobody's."""
    house = register_house(asker.principal)
    return house if decide(asker.principal, Act.READ_ORDERS, Subject(house)).allowed else ""
