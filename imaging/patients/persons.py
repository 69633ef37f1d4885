"""Persons in SQL: patients of several houses joined, and parted again.

Every patient is a person of its own until something says otherwise. A merge writes down which
patients went over, so that it can be taken back; the person that is gone stays, and names the one
it became. Each act is one transaction with its line in the audit trail.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from imaging.archive.amending import Hand, write_down
from imaging.archive.tables import patient
from imaging.patients.matching import Known, NumberKind
from imaging.patients.model import Demographics, PatientIdentity
from imaging.patients.person_terms import index_person, know_name
from imaging.patients.store import ensure_patient
from imaging.patients.tables import match_proposals, patient_numbers, person_merges, persons
from kernel.errors import Conflict, Missing, Stale

OPEN, CONFIRMED, REFUSED = "open", "confirmed", "refused"


class PersonMissing(Missing):
    """There is no such person."""

    code = "person-not-found"


class MergeMissing(Missing):
    """There is no such merge."""

    code = "merge-not-found"


class ProposalMissing(Missing):
    """There is no such proposal."""

    code = "proposal-not-found"


class MergeRefused(Conflict):
    """The two cannot be merged, or no longer parted; the code says why."""

    code = "merge-refused"


class Decided(Conflict):
    """Somebody decided about the proposal before."""

    code = "already-decided"


def note_registered(
    conn: sa.Connection,
    identity: PatientIdentity,
    told: Demographics,
    numbers: Mapping[NumberKind, str],
    *,
    source: str,
    at: dt.datetime,
) -> int:
    """Take down what a trusted source says of a patient; returns the patient's row."""
    row = ensure_patient(conn, identity, told, at=at)
    know_name(conn, row, told.name)
    columns = patient_numbers.c
    before = _numbers(conn, [row]).get(row, {})
    given = {kind: number for kind, number in numbers.items() if number}
    if before == given:
        return row
    conn.execute(sa.delete(patient_numbers).where(columns.patient == row))
    if given:
        conn.execute(
            sa.insert(patient_numbers),
            [
                {"patient": row, "kind": kind, "number": number, "source": source, "noted_at": at}
                for kind, number in sorted(given.items())
            ],
        )
    conn.execute(sa.update(patient).where(patient.c.id == row).values(to_match=True))
    return row


def known(conn: sa.Connection, rows: Collection[int]) -> dict[int, Known]:
    """Return what is known of the patients *rows*."""
    columns = patient.c
    numbers = _numbers(conn, rows)
    query = sa.select(columns.id, columns.name, columns.sex, columns.birth_date)
    return {
        row.id: Known(
            name=row.name, sex=row.sex, birth_date=row.birth_date, numbers=numbers.get(row.id, {})
        )
        for row in conn.execute(query.where(columns.id.in_(sorted(rows))))
    }


def _numbers(conn: sa.Connection, rows: Collection[int]) -> dict[int, dict[NumberKind, str]]:
    columns = patient_numbers.c
    found: dict[int, dict[NumberKind, str]] = {}
    query = sa.select(columns.patient, columns.kind, columns.number)
    for row in conn.execute(query.where(columns.patient.in_(sorted(rows)))):
        found.setdefault(row.patient, {})[NumberKind(row.kind)] = row.number
    return found


def person_of(conn: sa.Connection, row: int, *, at: dt.datetime) -> int:
    """Return the person the patient *row* is, made where it is none yet."""
    found = conn.scalar(sa.select(patient.c.person).where(patient.c.id == row))
    if found is not None:
        return int(found)
    made = conn.execute(sa.insert(persons).values(created_at=at, updated_at=at))
    assert made.inserted_primary_key is not None  # noqa: S101  # for the type checker
    person = int(made.inserted_primary_key[0])
    conn.execute(sa.update(patient).where(patient.c.id == row).values(person=person))
    return person


def decide_proposal(
    conn: sa.Connection, proposal: int, hand: Hand, *, same: bool, seen: str
) -> None:
    """Say that the two of *proposal* are one person, or that they are not.

    Raises:
        ProposalMissing: there is none of that number.
        Decided: somebody said so before.
        Stale: it is not what they saw.
        MergeRefused: the two were merged otherwise meanwhile.
    """
    columns = match_proposals.c
    found = conn.execute(sa.select(*columns).where(columns.id == proposal)).one_or_none()
    if found is None:
        raise ProposalMissing
    if found.state != OPEN:
        raise Decided("somebody decided about it before")
    if str(found.version) != seen:
        raise Stale("read it again")
    conn.execute(
        sa.update(match_proposals)
        .where(columns.id == proposal)
        .values(
            state=CONFIRMED if same else REFUSED,
            version=found.version + 1,
            decided_by=hand.username,
            decided_by_name=hand.name,
            decided_at=hand.at,
        )
    )
    kept, gone = sorted(person_of(conn, each, at=hand.at) for each in (found.one, found.other))
    if same and kept != gone:
        join(conn, kept, gone, hand, basis="person")
    elif not same:
        # What is refused makes no merge that could keep the reason.
        detail = {
            "act": "refuse-match",
            "one": found.one,
            "other": found.other,
            "reason": hand.reason,
        }
        write_down(conn, hand, subject=f"person:{kept}", patient="", detail=detail)


def merge(conn: sa.Connection, kept: int, gone: int, hand: Hand, *, seen: str) -> int:
    """Say that the person *gone* is the person *kept*; returns the row of the merge.

    Raises:
        PersonMissing: one of them is not there.
        MergeRefused: they are the same (``merge-with-itself``), or one is part of another person
            (``merged-already``), which also stops every circle.
        Stale: *kept* is not what they saw.
    """
    first, second = _person(conn, kept), _person(conn, gone)
    if kept == gone:
        raise MergeRefused("nobody is merged with themselves", code="merge-with-itself")
    if first.merged_into is not None or second.merged_into is not None:
        raise MergeRefused("one of them is part of another person", code="merged-already")
    if str(first.version) != seen:
        raise Stale("read it again")
    return join(conn, kept, gone, hand, basis="person")


def _person(conn: sa.Connection, person: int) -> Any:
    found = conn.execute(sa.select(persons).where(persons.c.id == person)).one_or_none()
    if found is None:
        raise PersonMissing
    return found


def join(conn: sa.Connection, kept: int, gone: int, hand: Hand, *, basis: str) -> int:
    """Make *gone* part of *kept*, neither being part of another; returns the row of the merge."""
    moved = members(conn, gone)
    conn.execute(sa.update(patient).where(patient.c.person == gone).values(person=kept))
    _changed(conn, kept, hand.at)
    _changed(conn, gone, hand.at, merged_into=kept)
    made = conn.execute(
        sa.insert(person_merges).values(
            kept=kept,
            gone=gone,
            patients=moved,
            basis=basis,
            reason=hand.reason,
            made_by=hand.username,
            made_by_name=hand.name,
            made_at=hand.at,
        )
    )
    index_person(conn, kept)
    assert made.inserted_primary_key is not None  # noqa: S101  # for the type checker
    row = int(made.inserted_primary_key[0])
    detail = {"act": "merge-persons", "merge": row, "gone": gone, "basis": basis}
    write_down(conn, hand, subject=f"person:{kept}", patient="", detail=detail)
    return row


def unmerge(conn: sa.Connection, person: int, row: int, hand: Hand, *, seen: str) -> None:
    """Take the merge *row* of *person* back: the patients that went over go back.

    Raises:
        PersonMissing, MergeMissing: not there.
        MergeRefused: it was taken back (``already-undone``), or *person* was merged into another
            since (``merged-further``), which comes first.
        Stale: *person* is not what they saw.
    """
    now, columns = _person(conn, person), person_merges.c
    found = conn.execute(
        sa.select(columns.id, columns.gone, columns.patients, columns.undone_at).where(
            columns.id == row, columns.kept == person
        )
    ).one_or_none()
    if found is None:
        raise MergeMissing
    if found.undone_at is not None:
        raise MergeRefused("it was taken back before", code="already-undone")
    if now.merged_into is not None:
        raise MergeRefused("take the later merge back first", code="merged-further")
    if str(now.version) != seen:
        raise Stale("read it again")
    part(conn, found, hand)


def part(conn: sa.Connection, merge: Any, hand: Hand) -> None:
    """Take *merge* back, a row with its ``id``, ``gone`` and ``patients``.

    The patients that went over go back, those of them that have not gone elsewhere since.
    """
    conn.execute(
        sa.update(person_merges)
        .where(person_merges.c.id == merge.id)
        .values(
            undone_at=hand.at,
            undone_by=hand.username,
            undone_by_name=hand.name,
            undone_reason=hand.reason,
        )
    )
    person = _standing_for(conn, merge.gone)
    conn.execute(
        sa.update(patient)
        .where(patient.c.id.in_(merge.patients), patient.c.person == person)
        .values(person=merge.gone)
    )
    _changed(conn, person, hand.at)
    _changed(conn, merge.gone, hand.at, merged_into=None)
    for each in (person, merge.gone):
        index_person(conn, each)
    detail = {"act": "part-persons", "merge": merge.id, "gone": merge.gone}
    write_down(conn, hand, subject=f"person:{person}", patient="", detail=detail)


def _standing_for(conn: sa.Connection, person: int) -> int:
    """Return the person that *person* is part of now, which is none else's."""
    while (
        into := conn.scalar(sa.select(persons.c.merged_into).where(persons.c.id == person))
    ) is not None:
        person = into
    return person


def _changed(conn: sa.Connection, person: int, at: dt.datetime, **values: int | None) -> None:
    conn.execute(
        sa.update(persons)
        .where(persons.c.id == person)
        .values(version=persons.c.version + 1, updated_at=at, **values)
    )


def row_of(conn: sa.Connection, identity: PatientIdentity) -> int | None:
    """Return the row of the patient *identity*, None where the archive has none."""
    columns = patient.c
    found: int | None = conn.scalar(
        sa.select(columns.id).where(
            columns.patient_id == identity.patient_id,
            columns.issuer == identity.issuer,
            columns.assigner == identity.assigner,
        )
    )
    return found


def members(conn: sa.Connection, person: int) -> Sequence[int]:
    """Return the rows of the patients *person* is."""
    columns = patient.c
    query = sa.select(columns.id).where(columns.person == person).order_by(columns.id)
    return list(conn.scalars(query))
