"""What an institution can examine: a catalogue per institution, read from a TOML file."""

import re
import tomllib
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

import msgspec
import sqlalchemy as sa

from kernel.errors import Invalid
from referrals.orders.examination_terms import distance, read_terms
from referrals.orders.model import Examination, ExaminationMissing
from referrals.orders.ports import Spellings
from referrals.orders.tables import examinations

_FORM: Final = 1
_ROWS_MAX: Final = 5000
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,15}", re.ASCII)
"""Fits Code Value (VR SH)."""
_TERM: Final = re.compile(r"[A-Z0-9 _]{1,16}", re.ASCII)
"""A CS, such as Modality or Body Part Examined."""
_NAME_MAX: Final = 64


class CatalogueRefused(Invalid):
    """The file is no catalogue; the detail names the row."""

    code = "invalid-catalogue"


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    name: str
    modality: str
    body_part: str = ""
    example: bool = False


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    examination: list[_Row]


def read_catalogue(text: str) -> list[Examination]:
    """Return the examinations of a catalogue file, in its order.

    Raises:
        CatalogueRefused: it is no TOML, of another form, names a code twice, or a row cannot be.
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as exc:
        raise CatalogueRefused(str(exc)) from exc
    if file.version != _FORM:
        raise CatalogueRefused(f"version is {_FORM}")
    rows = [Examination(**msgspec.structs.asdict(row)) for row in file.examination]
    check_rows(rows)
    return rows


def check_rows(rows: Sequence[Examination]) -> None:
    """Raise ``CatalogueRefused`` where *rows* cannot be a catalogue; the detail names the row."""
    if len(rows) > _ROWS_MAX:
        raise CatalogueRefused(f"at most {_ROWS_MAX} examinations")
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        if fault := _fault(row, seen):
            raise CatalogueRefused(f"examination {number}: {fault}")
        seen.add(row.code)


def _fault(row: Examination, seen: set[str]) -> str:
    if not _CODE.fullmatch(row.code):
        return "code: 1 to 16 letters, digits, . _ -"
    if row.code in seen:
        return f"code {row.code} stands there twice"
    if not row.name.strip() or len(row.name) > _NAME_MAX or not row.name.isprintable():
        return f"name: 1 to {_NAME_MAX} characters"
    if not _TERM.fullmatch(row.modality):
        return "modality: a DICOM modality such as CT"
    if row.body_part and not _TERM.fullmatch(row.body_part):
        return "body_part: a DICOM body part such as HEAD, or nothing"
    return ""


def replace_catalogue(
    conn: sa.Connection, institution: str, rows: Sequence[Examination], spellings: Spellings
) -> None:
    """Make *rows* the whole catalogue of *institution*; orders keep what they were made with.

    Only here: other nodes are told by ``catalogue_letters.import_catalogue``.
    """
    conn.execute(sa.delete(examinations).where(examinations.c.institution == institution))
    values = [
        {
            "institution": institution,
            "code": row.code,
            "name": row.name,
            "modality": row.modality,
            "body_part": row.body_part,
            "example": row.example,
            "terms": read_terms(row, spellings),
            "position": number,
        }
        for number, row in enumerate(rows)
    ]
    if values:
        conn.execute(sa.insert(examinations), values)


def find_examinations(
    conn: sa.Connection, institution: str, words: Sequence[str] = (), *, limit: int = _ROWS_MAX
) -> list[Examination]:
    """Return the catalogue of *institution* in its order.

    Args:
        conn: any connection.
        institution: whose.
        words: what somebody looks for (``examination_terms.words_of``); what begins so comes
            before what holds it farther in. Empty for all.
        limit: most rows to return.
    """
    columns = examinations.c
    query = (
        sa.select(
            columns.code,
            columns.name,
            columns.modality,
            columns.body_part,
            columns.example,
            columns.terms,
        )
        .where(columns.institution == institution)
        .order_by(columns.position)
    )
    found: list[tuple[int, Examination]] = []
    for row in conn.execute(query):
        one = Examination(
            code=row.code,
            name=row.name,
            modality=row.modality,
            body_part=row.body_part,
            example=row.example,
        )
        if (far := distance(one, row.terms, words)) is not None:
            found.append((far, one))
    found.sort(key=itemgetter(0))
    return [one for _, one in found[:limit]]


def examination_called(conn: sa.Connection, institution: str, code: str) -> Examination:
    """Return the examination *code* of *institution*; raises ``ExaminationMissing``."""
    found = [row for row in find_examinations(conn, institution) if row.code == code]
    if not found:
        raise ExaminationMissing("the catalogue of this institution has no such examination")
    return found[0]
