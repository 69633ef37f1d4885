"""What makes a study found by what people type: forms of the name, ends of texts, descriptions."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.tables import study_description, study_name, study_suffix
from imaging.patients.names import TermKind, name_terms, suffixes
from imaging.query.attributes import ATTRIBUTES, SHORTEST_SUFFIX

_SUFFIX_OF: Final = {each.column: each.suffix for each in ATTRIBUTES.values() if each.suffix}
_OF_PATIENT: Final = ("patient_name", "patient_id", "accession_number")


def index_patient(conn: sa.Connection, row: int, values: Mapping[str, Any]) -> None:
    """Make the study *row*, new or forgotten before, found by patient and accession number."""
    index_name(conn, row, values)
    index_text(conn, row, "patient_id", [values["patient_id"]])
    index_text(conn, row, "accession_number", [values["accession_number"]])


def forget_patient(conn: sa.Connection, row: int) -> None:
    """Let the study *row* no longer be found by patient and accession number."""
    fields = [_SUFFIX_OF[column] for column in _OF_PATIENT]
    conn.execute(sa.delete(study_name).where(study_name.c.study == row))
    conn.execute(
        sa.delete(study_suffix).where(study_suffix.c.study == row, study_suffix.c.field.in_(fields))
    )


def index_name(conn: sa.Connection, row: int, values: Mapping[str, Any]) -> None:
    """Make the study *row* found by ``patient_name`` and ``patient_name_declared``."""
    terms = name_terms(values["patient_name"], values["patient_name_declared"])
    if not terms:
        return
    conn.execute(
        sa.insert(study_name),
        [{"kind": term.kind.value, "text": term.text, "study": row} for term in sorted(terms)],
    )
    written = [term.text for term in terms if term.kind is TermKind.WRITTEN]
    index_text(conn, row, "patient_name", written)


def index_text(conn: sa.Connection, row: int, column: str, texts: Collection[str]) -> None:
    """Make the study *row* found by what stands inside *texts* of *column*."""
    field = _SUFFIX_OF[column]
    ends = {end for text in texts for end in suffixes(text, shortest=SHORTEST_SUFFIX[field])}
    if ends:
        conn.execute(
            sa.insert(study_suffix),
            [{"field": field, "text": end, "study": row} for end in sorted(ends)],
        )


def know_description(conn: sa.Connection, text: str) -> None:
    """Remember the description *text*, once."""
    known = sa.select(study_description.c.text).where(study_description.c.text == text)
    if text and conn.scalar(known) is None:
        conn.execute(sa.insert(study_description).values(text=text))
