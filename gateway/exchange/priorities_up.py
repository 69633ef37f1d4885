"""How urgent a township's people made a study goes up, for the county to read it in that order.

Parcels say it as well. A letter says it also after the last of them was made.
"""

import datetime as dt
from typing import Final

import msgspec
import sqlalchemy as sa

from gateway.exchange.model import Kind, Source
from gateway.exchange.outbox import write_letters
from gateway.exchange.tables import study_priorities
from gateway.township.model import PRIORITY_OF_RANK
from gateway.township.tables import studies
from kernel.arrival import Priority
from kernel.events import publish
from kernel.letter import InvalidLetter, Letter

STUDY_PRIORITY: Final = "study.priority-told"
"""Topic of the event that a township has said how urgent one of its studies is."""
_UID_MAX: Final = 64


class PriorityBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a letter of kind ``study-priority`` says; its key is the Study Instance UID."""

    institution: str
    priority: Priority


def tell_priority(conn: sa.Connection, study: str, *, at: dt.datetime) -> None:
    """Write the letter of a study of the queue whose rank a person has just chosen."""
    columns = studies.c
    row = conn.execute(
        sa.select(columns.institution, columns.rank, columns.rank_choices).where(
            columns.study_instance_uid == study
        )
    ).one_or_none()
    if row is None:
        return
    body = PriorityBody(institution=row.institution, priority=PRIORITY_OF_RANK[row.rank])
    told = msgspec.to_builtins(body)
    letter = Letter(Kind.STUDY_PRIORITY.value, study, row.rank_choices, told)
    write_letters(conn, [letter], at=at)


def take_priority(conn: sa.Connection, letter: Letter, source: Source, /) -> None:
    """Keep, at the county, how urgent a township's people made a study (``ports.Handler``).

    The study may not be here yet; whoever keeps studies hears of it by an event.
    """
    body = msgspec.convert(letter.body, PriorityBody)
    if len(letter.key) > _UID_MAX:
        raise InvalidLetter("a UID has at most 64 characters")
    columns = study_priorities.c
    mine = (columns.study_instance_uid == letter.key) & (columns.institution == source.institution)
    known = conn.scalar(sa.select(columns.version).where(mine))
    if known is not None and known >= letter.version:
        return
    values = {"priority": body.priority.value, "version": letter.version, "told_at": source.at}
    if known is None:
        conn.execute(
            sa.insert(study_priorities).values(
                study_instance_uid=letter.key, institution=source.institution, **values
            )
        )
    else:
        conn.execute(sa.update(study_priorities).where(mine).values(values))
    told = {"study_instance_uid": letter.key, "priority": body.priority.value}
    publish(conn, STUDY_PRIORITY, told, institution=source.institution, at=source.at)


def told_priority(conn: sa.Connection, study: str, institution: str) -> Priority | None:
    """Return how urgent people of *institution* made its study; None where they said nothing."""
    columns = study_priorities.c
    found = conn.scalar(
        sa.select(columns.priority).where(
            columns.study_instance_uid == study, columns.institution == institution
        )
    )
    return None if found is None else Priority(found)


def forget_priorities(conn: sa.Connection, *, before: dt.datetime) -> None:
    """Drop what was told before *before*: the study has come, or never will."""
    conn.execute(sa.delete(study_priorities).where(study_priorities.c.told_at < before))
