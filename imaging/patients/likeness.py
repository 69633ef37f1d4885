"""Whom a patient is by its numbers, and whom it may be: persons are asked about, each once.

A patient that may be very many persons is asked about none of them: so many alike are what a device
writes for whoever has no name, or tests itself with. The many numbers of one known person are one.
"""

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from imaging.archive.amending import Hand
from imaging.archive.tables import patient
from imaging.patients.matching import CERTAIN, Known, Verdict, verdict
from imaging.patients.person_terms import know_name
from imaging.patients.persons import OPEN, REFUSED, join, known, person_of
from imaging.patients.tables import match_proposals, patient_numbers, person_merges

_NUMBERED_MOST: Final = 200
"""Patients with one certain number that are compared."""
_LIKE_MOST: Final = 200
"""Spellings of persons of one birth date and sex that are compared; a county's day has fewer."""
_READ_MOST: Final = 2000
"""Patients of one birth date and sex whose persons are looked for, the newest; somebody who comes
thrice a week, with a new number each time, has as many in a decade."""
_ASKED_MOST: Final = 10
"""Questions about one patient at once; a person answers them one by one."""

_WHOSE: Final = sa.func.coalesce(patient.c.person, -patient.c.id).label("whose")
"""The person a patient is; one nobody has looked at is its own, below zero."""


def to_match(conn: sa.Connection, *, limit: int) -> list[int]:
    """Return patients of whom something new is known, the oldest first."""
    columns = patient.c
    query = sa.select(columns.id).where(columns.to_match).order_by(columns.id).limit(limit)
    return list(conn.scalars(query))


def match(conn: sa.Connection, row: int, hand: Hand) -> None:
    """Join the patient *row* to those its numbers make it, and ask about the persons it may be.

    Once about each, and not about those somebody said it is not. Where it may be more than ten
    persons, nothing is asked.
    """
    person_of(conn, row, at=hand.at)
    mine = known(conn, [row])[row]
    perhaps = []
    for other, theirs in sorted(known(conn, _alike(conn, row, mine)).items()):
        match verdict(mine, theirs):
            case Verdict.SAME:
                _join(conn, row, other, hand)
            case Verdict.PERHAPS:
                perhaps.append(other)
            case Verdict.APART:
                pass
    _ask(conn, row, perhaps, hand)
    know_name(conn, row, mine.name)
    conn.execute(sa.update(patient).where(patient.c.id == row).values(to_match=False))


def _alike(conn: sa.Connection, row: int, mine: Known) -> list[int]:
    """Return patients to compare *row* with: of a person one with each spelling of the name."""
    columns, numbers = patient.c, patient_numbers.c
    found: set[int] = set()
    for kind in CERTAIN & mine.numbers.keys():
        same = (numbers.number == mine.numbers[kind]) & (numbers.kind == kind)
        found.update(conn.scalars(sa.select(numbers.patient).where(same).limit(_NUMBERED_MOST)))
    if mine.birth_date and mine.sex:
        near = (
            sa.select(columns.id, columns.name, _WHOSE)
            .where(columns.birth_date == mine.birth_date, columns.sex == mine.sex)
            .order_by(columns.id.desc())
            .limit(_READ_MOST)
            .subquery()
        ).c
        each = sa.select(sa.func.min(near.id)).group_by(near.whose, near.name)
        found.update(conn.scalars(each.order_by(sa.func.max(near.id).desc()).limit(_LIKE_MOST)))
    return sorted(found - {row})


def _join(conn: sa.Connection, one: int, other: int, hand: Hand) -> None:
    """Make two patients one person by number, unless somebody said they are not."""
    kept, gone = sorted(person_of(conn, each, at=hand.at) for each in (one, other))
    if kept == gone or _said_apart(conn, kept, gone, one, other):
        return
    join(conn, kept, gone, hand, basis="number")


def _said_apart(conn: sa.Connection, kept: int, gone: int, one: int, other: int) -> bool:
    pair, proposals, merges = sorted((one, other)), match_proposals.c, person_merges.c
    refused = sa.select(proposals.id).where(
        proposals.one == pair[0], proposals.other == pair[1], proposals.state == REFUSED
    )
    parted = sa.select(merges.id).where(
        merges.kept.in_((kept, gone)), merges.gone.in_((kept, gone)), merges.undone_at.is_not(None)
    )
    return conn.scalar(refused) is not None or conn.scalar(parted.limit(1)) is not None


def _ask(conn: sa.Connection, row: int, perhaps: Collection[int], hand: Hand) -> None:
    mine = person_of(conn, row, at=hand.at)
    columns = patient.c
    query = sa.select(columns.id, _WHOSE).where(columns.id.in_(sorted(perhaps)))
    # Of each person the patient that came first.
    persons: dict[int, int] = {}
    for other, whose in sorted((each.id, each.whose) for each in conn.execute(query)):
        persons.setdefault(whose, other)
    asked = _asked_about(conn, mine)
    unanswered = {
        whose: other
        for whose, other in persons.items()
        if whose != mine and asked.get(whose, OPEN) == OPEN
    }
    if len(unanswered) > _ASKED_MOST:
        return
    for whose, other in unanswered.items():
        if whose not in asked:
            _propose(conn, row, other, hand)


def ask_once(conn: sa.Connection, one: int, other: int, hand: Hand) -> None:
    """Ask whether the patients *one* and *other* are one person, unless somebody was asked."""
    mine, theirs = (person_of(conn, row, at=hand.at) for row in (one, other))
    if theirs not in _asked_about(conn, mine):
        _propose(conn, one, other, hand)


def _propose(conn: sa.Connection, one: int, other: int, hand: Hand) -> None:
    person_of(conn, other, at=hand.at)
    first, second = sorted((one, other))
    conn.execute(
        sa.insert(match_proposals).values(one=first, other=second, state=OPEN, proposed_at=hand.at)
    )


def _asked_about(conn: sa.Connection, person: int) -> dict[int, str]:
    """Return the persons of whom was asked whether they are *person*, and the state of that.

    An answer, also a merge that somebody took back, outweighs what is open.
    """
    columns, merges = match_proposals.c, person_merges.c
    one, other = patient.alias(), patient.alias()
    own = sa.select(patient.c.id).where(patient.c.person == person)
    query = (
        sa.select(columns.state, one.c.person.label("one"), other.c.person.label("other"))
        .join(one, one.c.id == columns.one)
        .join(other, other.c.id == columns.other)
        .where(sa.or_(columns.one.in_(own), columns.other.in_(own)))
    )
    found: dict[int, str] = {}
    for row in conn.execute(query):
        whose = row.other if row.one == person else row.one
        if found.get(whose, OPEN) == OPEN:
            found[whose] = row.state
    parted = sa.select(merges.kept, merges.gone).where(
        merges.undone_at.is_not(None), sa.or_(merges.kept == person, merges.gone == person)
    )
    for kept, gone in conn.execute(parted):
        found[gone if kept == person else kept] = REFUSED
    return found
