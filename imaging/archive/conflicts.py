"""What of a study a person must decide: second contents under a UID, and strange patients."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import msgspec
import sqlalchemy as sa

from imaging.archive.amendment_tables import content_decisions
from imaging.archive.locate import StudyRef
from imaging.archive.model import (
    OTHER_PATIENT,
    ConflictPage,
    ConflictRow,
    DecisionRow,
    FirstContent,
    Said,
)
from imaging.archive.series_metadata import instance_json
from imaging.archive.stated import told_by_json
from imaging.archive.study_rows import institution_names
from imaging.archive.tables import instance, instance_conflict, series
from kernel.arrival import ContentDigest
from kernel.dicom.shown import display_name
from kernel.errors import Invalid, Missing
from kernel.policy import masked_number

CONFLICTS_TOTAL_MAX: Final = 10_000
"""Conflicts of a study are counted up to here."""
_CONTENT: Final = "conflict"
_STRANGER: Final = "instance"
_ID: Final = re.compile(rf"({_CONTENT}|{_STRANGER})-([0-9]{{1,18}})", re.ASCII)


_IN_MAX: Final = 500
_NAMES: Final = ("patient_name", "referring_physician_name")


class ConflictMissing(Missing):
    """The study has no such conflict in the asker's reach."""

    code = "conflict-not-found"


class InvalidCursor(Invalid):
    """Not what a page of conflicts gave as ``next_cursor``."""

    code = "invalid-query"


@dataclass(frozen=True, slots=True)
class After:
    """Where a page goes on: behind the last conflict of the page before."""

    content: int | None = 0
    """Second contents of a higher number come; None where all have been shown."""
    stranger: int = 0

    @classmethod
    def parse(cls, cursor: str) -> Self:
        """Return what the id of the last conflict shown means; empty for the first page.

        Raises:
            InvalidCursor: it is no such id.
        """
        if not cursor:
            return cls()
        found = _ID.fullmatch(cursor)
        if found is None:
            raise InvalidCursor("cursor is what an answer gave as next_cursor")
        number = int(found[2])
        return cls(number) if found[1] == _CONTENT else cls(None, number)


def content_row(name: str) -> int:
    """Return the row of the second content the conflict *name* is about.

    Raises:
        ConflictMissing: it is about none.
    """
    found = _ID.fullmatch(name)
    if found is None or found[1] != _CONTENT:
        raise ConflictMissing
    return int(found[2])


def one_conflict(conn: sa.Connection, ref: StudyRef, row: int) -> ConflictRow:
    """Return the study's conflict about the second content *row*.

    Raises:
        ConflictMissing: the study has none.
    """
    query = _second_contents(ref).where(instance_conflict.c.id == row)
    found = conn.execute(query).one_or_none()
    if found is None:
        raise ConflictMissing
    names = institution_names(conn, {found.institution, found.first_institution})
    uid = found.sop_instance_uid
    return _second_content(ref, found, names, versions_of(conn, [uid])[uid])


def versions_of(conn: sa.Connection, sop_instance_uids: Collection[str]) -> Mapping[str, str]:
    """Return, by UID, what names the state of its contents and of what was decided of them."""
    uids = sorted(set(sop_instance_uids))
    contents, decided = instance_conflict.c, content_decisions.c
    found = {uid: ["0", "0", "0"] for uid in uids}
    for at in range(0, len(uids), _IN_MAX):
        part = uids[at : at + _IN_MAX]
        newest = (
            sa.select(contents.sop_instance_uid, sa.func.max(contents.id))
            .where(contents.sop_instance_uid.in_(part))
            .group_by(contents.sop_instance_uid)
        )
        for uid, row in conn.execute(newest):
            found[uid][0] = str(row)
        made = (
            sa.select(
                decided.sop_instance_uid,
                sa.func.max(decided.id),
                sa.func.count(decided.undone_at),
            )
            .where(decided.sop_instance_uid.in_(part))
            .group_by(decided.sop_instance_uid)
        )
        for uid, row, undone in conn.execute(made):
            found[uid][1:] = [str(row), str(undone)]
    return {uid: ".".join(parts) for uid, parts in found.items()}


def conflicts_page(conn: sa.Connection, ref: StudyRef, *, limit: int, after: After) -> ConflictPage:
    """Return at most *limit* of the study's conflicts behind *after*.

    Second contents come first, oldest first; then objects of other patients.
    """
    contents: list[Any] = []
    if after.content is not None:
        query = _second_contents(ref).where(instance_conflict.c.id > after.content)
        contents = list(conn.execute(query.limit(limit + 1)))
    left = limit + 1 - len(contents)
    query = _other_patients(ref).where(instance.c.id > after.stranger)
    strangers = list(conn.execute(query.limit(left))) if left else []
    codes = {row.institution for row in (*contents, *strangers)}
    names = institution_names(conn, codes | {row.first_institution for row in contents})
    versions = versions_of(conn, {row.sop_instance_uid for row in contents})
    rows = [
        *(_second_content(ref, row, names, versions[row.sop_instance_uid]) for row in contents),
        *(_other_patient(ref, row, names) for row in strangers),
    ]
    return ConflictPage(
        items=rows[:limit],
        next_cursor=rows[limit - 1].id if len(rows) > limit else None,
        total=_count(conn, _second_contents(ref)) + _count(conn, _other_patients(ref)),
    )


def _count(conn: sa.Connection, query: sa.Select[Any]) -> int:
    some = query.with_only_columns(sa.literal(1)).order_by(None).limit(CONFLICTS_TOTAL_MAX)
    return conn.scalar(sa.select(sa.func.count()).select_from(some.subquery())) or 0


def _second_contents(ref: StudyRef) -> sa.Select[Any]:
    columns, first, decided = instance_conflict.c, instance.c, content_decisions.c
    return (
        sa.select(
            columns.id,
            columns.sop_instance_uid,
            columns.kept_at,
            columns.reason,
            columns.institution,
            columns.ae_title,
            columns.seen_count,
            columns.size_bytes,
            columns.dataset_digest,
            columns.pixels_digest,
            first.dataset_digest.label("first_dataset_digest"),
            first.pixels_digest.label("first_pixels_digest"),
            columns.metadata_json,
            first.metadata_json.label("first_metadata_json"),
            decided.answers,
            decided.reason.label("decided_reason"),
            decided.made_by,
            decided.made_by_name,
            decided.made_at,
            first.received_at.label("first_received_at"),
            first.institution.label("first_institution"),
            first.ae_title.label("first_ae_title"),
            first.size_bytes.label("first_size_bytes"),
            series.c.series_instance_uid.label("first_series"),
        )
        .join(instance, first.id == columns.instance)
        .join(series, series.c.id == first.series)
        .outerjoin(content_decisions, decided.id == columns.decision)
        .where(columns.study == ref.id)
        .order_by(columns.id)
    )


def _second_content(ref: StudyRef, row: Any, names: dict[str, str], version: str) -> ConflictRow:
    own = ContentDigest(dataset=row.dataset_digest, pixels=row.pixels_digest)
    first = ContentDigest(dataset=row.first_dataset_digest, pixels=row.first_pixels_digest)
    parts = (("dataset", own.dataset != first.dataset), ("pixels", own.pixels != first.pixels))
    return ConflictRow(
        id=f"{_CONTENT}-{row.id}",
        sop_instance_uid=row.sop_instance_uid,
        kept_at=row.kept_at,
        reason=row.reason,
        differs=[part for part, other in parts if other],
        says=_says(row) if row.institution == ref.subject.institution else [],
        institution=row.institution,
        institution_name=names.get(row.institution, row.institution),
        ae_title=row.ae_title,
        seen_count=row.seen_count,
        size_bytes=row.size_bytes,
        content=f"/api/v1/studies/{ref.study_instance_uid}/conflicts/{_CONTENT}-{row.id}/instance",
        first=FirstContent(
            received_at=row.first_received_at,
            institution=row.first_institution,
            institution_name=names.get(row.first_institution, row.first_institution),
            ae_title=row.first_ae_title,
            size_bytes=row.first_size_bytes,
            digest=first.whole,
            content=_instance_path(ref, row.first_series, row.sop_instance_uid),
        ),
        digest=own.whole,
        etag=version,
        decision=None
        if row.made_at is None
        else DecisionRow(
            content=row.answers,
            reason=row.decided_reason,
            made_by=row.made_by_name or row.made_by,
            made_at=row.made_at,
        ),
    )


def _says(row: Any) -> list[Said]:
    first, other = _told(row.first_metadata_json), _told(row.metadata_json)
    return [
        Said(field=name, first=first[name], other=other[name])
        for name in first
        if first[name] != other[name]
    ]


def _told(metadata_json: bytes) -> dict[str, str]:
    told = told_by_json(msgspec.json.decode(instance_json(metadata_json), type=dict[str, Any]))
    named = {name: display_name(told[name]) for name in _NAMES}
    return told | named | {"patient_id": masked_number(told["patient_id"])}


def _other_patients(ref: StudyRef) -> sa.Select[Any]:
    columns = instance.c
    return (
        sa.select(
            columns.id,
            columns.sop_instance_uid,
            columns.received_at,
            columns.institution,
            columns.ae_title,
            columns.size_bytes,
            series.c.series_instance_uid,
        )
        .join(series, series.c.id == columns.series)
        .where(columns.study == ref.id, columns.oddities.contains(OTHER_PATIENT))
        .order_by(columns.id)
    )


def _other_patient(ref: StudyRef, row: Any, names: dict[str, str]) -> ConflictRow:
    return ConflictRow(
        id=f"{_STRANGER}-{row.id}",
        sop_instance_uid=row.sop_instance_uid,
        kept_at=row.received_at,
        reason=OTHER_PATIENT,
        institution=row.institution,
        institution_name=names.get(row.institution, row.institution),
        ae_title=row.ae_title,
        size_bytes=row.size_bytes,
        content=_instance_path(ref, row.series_instance_uid, row.sop_instance_uid),
    )


def _instance_path(ref: StudyRef, series_uid: str, sop_uid: str) -> str:
    return f"/dicom-web/studies/{ref.study_instance_uid}/series/{series_uid}/instances/{sop_uid}"
