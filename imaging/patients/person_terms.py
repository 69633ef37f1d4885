"""By what else the studies of a person are found: the names and numbers of all its patients.

A study is found by the name and the number its images bear. Where a person is several patients, it
is also found by those of the others; one row for each of them, not for each study, since somebody
who comes often has many of both.
"""

from collections.abc import Collection, Iterable
from typing import Final

import sqlalchemy as sa

from imaging.archive.tables import patient, study
from imaging.patients.names import FORM_MAX, fold, name_terms
from imaging.patients.tables import person_merges, person_terms
from imaging.query.conditions import begins_with

_AT_ONCE: Final = 500


def index_person(conn: sa.Connection, person: int) -> None:
    """Make the studies of *person* found by what all its patients are called and numbered.

    A person that is one patient needs no such row, for its images bear what it is called.
    """
    rows = list(conn.scalars(sa.select(patient.c.id).where(patient.c.person == person)))
    if len(rows) > 1:
        for row in sorted(set(rows) - _indexed(conn, rows)):
            _add(conn, row, [])
    elif rows:
        conn.execute(sa.delete(person_terms).where(person_terms.c.patient == rows[0]))


def index_all(conn: sa.Connection, after: int, *, limit: int) -> int | None:
    """Index the next *limit* persons that are several patients; returns the last of them.

    None where there are none behind the person *after*.
    """
    columns = person_merges.c
    query = (
        sa.select(columns.kept)
        .where(columns.undone_at.is_(None), columns.kept > after)
        .distinct()
        .order_by(columns.kept)
        .limit(limit)
    )
    found = list(conn.scalars(query))
    for person in found:
        index_person(conn, person)
    return found[-1] if found else None


def know_name(conn: sa.Connection, row: int, name: str) -> None:
    """Let *name*, or what the row holds now, find the person of the patient *row*.

    Nothing is done where the patient is a person alone.
    """
    if _indexed(conn, [row]):
        _add(conn, row, [name])


def _indexed(conn: sa.Connection, rows: Collection[int]) -> set[int]:
    columns = person_terms.c
    query = sa.select(columns.patient).where(columns.patient.in_(rows)).distinct()
    return set(conn.scalars(query))


def _add(conn: sa.Connection, row: int, names: Iterable[str]) -> None:
    columns = patient.c
    known = conn.execute(sa.select(columns.name, columns.patient_id).where(columns.id == row)).one()
    texts = {term.text for term in name_terms(known.name, *names)}
    texts |= {known.patient_id[:FORM_MAX]} - {""}
    there = sa.select(person_terms.c.text).where(person_terms.c.patient == row)
    new = sorted(texts - set(conn.scalars(there)))
    if new:
        conn.execute(sa.insert(person_terms), [{"text": text, "patient": row} for text in new])


def of_persons(typed: str) -> sa.Select[int]:
    """Return the search for studies of persons with a name or number that begins with *typed*."""
    folded = fold(typed)
    texts = dict.fromkeys(text for text in (typed, folded, folded.replace(" ", "")) if text)
    named = sa.or_(*(begins_with(person_terms.c.text, text) for text in texts))
    one, other = patient.alias(), patient.alias()
    people = sa.select(one.c.person).join(person_terms, person_terms.c.patient == one.c.id)
    return (
        sa.select(study.c.id)
        .join(other, other.c.id == study.c.patient)
        .where(other.c.person.in_(people.where(named)))
    )
