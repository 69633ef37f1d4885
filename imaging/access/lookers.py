"""Who looked at a patient: every row of the trail that is about them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from imaging.access.model import Looker, LookersPage, NobodyFound
from imaging.access.numbers import Named
from imaging.archive.locate import StudyRef
from imaging.archive.looks import subject_of
from imaging.archive.model import InstitutionRow
from imaging.archive.study_rows import institution_names
from imaging.archive.tables import patient, study
from imaging.patients.model import PatientIdentity
from imaging.query.ways import within_reach
from kernel.audit.reading import TrailLine, read_looks
from kernel.policy import Reach


class Records(Protocol):
    """Knows what else of a patient is kept than images."""

    def __call__(
        self, conn: sa.Connection, identities: Sequence[PatientIdentity], /
    ) -> Collection[str]:
        """Return the subjects by which the trail tells of their records."""
        ...


class NodeTrails(Protocol):
    """Knows what people did at townships' machines."""

    def __call__(
        self, conn: sa.Connection, identities: Sequence[PatientIdentity], limit: int, /
    ) -> Sequence[Looker]:
        """Return at most *limit* rows about any of *identities*, the newest first.

        Each is looked for at the machines of the house that gave the number, its ``assigner``.
        """
        ...


@dataclass(frozen=True, slots=True)
class Watched:
    """What of a patient the trails are asked for."""

    subjects: set[str]
    identities: Sequence[PatientIdentity]


@dataclass(frozen=True, slots=True)
class Trails:
    """Where it is written who looked."""

    records: Records
    nodes: NodeTrails

    def of_study(
        self, conn: sa.Connection, ref: StudyRef, reach: Reach, *, before: int | None, limit: int
    ) -> LookersPage:
        """Return who looked at the patient of the study *ref*.

        Args:
            conn: a connection to read from.
            ref: a study the asker found.
            reach: the asker's; of the patient's other studies those in it are told of.
            before: number of the last row of the page before; None for the first.
            limit: most rows to return.
        """
        number = conn.scalar(sa.select(study.c.patient).where(study.c.id == ref.id))
        watched = self._watched(conn, () if number is None else (number,), reach)
        watched.subjects.update(_named(ref.study_instance_uid))
        return self.page(conn, watched, before=before, limit=limit)

    def of_number(self, conn: sa.Connection, named: Named, reach: Reach) -> Watched:
        """Return what to ask the trails of whom a number names.

        Raises:
            NobodyFound: nobody of whom a study is in *reach*.
        """
        watched = self._watched(conn, named.patients, reach)
        query = sa.select(study.c.study_instance_uid).where(
            study.c.id.in_(named.studies), within_reach(reach)
        )
        for uid in conn.scalars(query):
            watched.subjects.update(_named(uid))
        if not watched.subjects:
            raise NobodyFound
        return watched

    def page(
        self, conn: sa.Connection, watched: Watched, *, before: int | None, limit: int
    ) -> LookersPage:
        """Return at most *limit* rows of who looked below *before*, newest first."""
        lines = read_looks(conn, watched.subjects, before=before, limit=limit)
        names = institution_names(conn, {line.institution for line in lines})
        return LookersPage(
            items=[_looker(line, names) for line in lines],
            at_nodes=[] if before else list(self.nodes(conn, watched.identities, limit)),
            next_before=lines[-1].id if len(lines) == limit else None,
        )

    def _watched(self, conn: sa.Connection, patients: Sequence[int], reach: Reach) -> Watched:
        subjects, identities = set[str](), list[PatientIdentity]()
        for number in patients:
            found = conn.execute(
                sa.select(study.c.study_instance_uid, study.c.institution).where(
                    study.c.patient == number, within_reach(reach)
                )
            ).all()
            if not found:
                continue
            for row in found:
                subjects.update(_named(row.study_instance_uid))
            who = conn.execute(
                sa.select(patient.c.patient_id, patient.c.assigner).where(patient.c.id == number)
            ).one()
            # A register knows its numbers without an issuer.
            houses = {row.institution for row in found} | ({who.assigner} - {""})
            own = [PatientIdentity(who.patient_id, "", house) for house in sorted(houses)]
            subjects.update(self.records(conn, own))
            identities += own
        return Watched(subjects, identities)


def _named(study_instance_uid: str) -> set[str]:
    return {subject_of(study_instance_uid), subject_of(study_instance_uid, "patient_id")}


def _looker(line: TrailLine, names: dict[str, str]) -> Looker:
    return Looker(
        id=line.id,
        at=line.at,
        last_at=line.last_at or line.at,
        times=1 + line.later_accesses,
        username=line.username,
        institution=InstitutionRow(line.institution, names.get(line.institution, line.institution)),
        event=line.event,
        reason=line.reason,
        purpose=str(line.detail.get("purpose_of_use", "")),
        subject=line.subject,
    )
