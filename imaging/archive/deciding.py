"""Which of several contents under one UID answers: decided by a person, and taken back.

One transaction each. Every content stays kept and can be fetched; what came is never changed.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive.amending import STUDY_DECIDED, Hand, tell, write_down
from imaging.archive.amendment_tables import content_decisions
from imaging.archive.answering import answer_with
from imaging.archive.conflicts import ConflictMissing, versions_of
from imaging.archive.examined import Examined
from imaging.archive.tables import instance, instance_conflict, study
from kernel.arrival import ContentDigest, Door, NativeForm
from kernel.errors import Conflict, Missing, Stale


class ContentMissing(Missing):
    """No such content is kept under the UID, or it is another institution's."""

    code = "content-not-found"


class OtherStudy(Conflict):
    """The content says that it belongs to another study, where it cannot answer."""

    code = "content-of-another-study"


class Unreadable(Conflict):
    """The kept object cannot be read any more."""

    code = "content-unreadable"


class AlreadyDecided(Conflict):
    """That content was chosen among all there are, and that stands."""

    code = "already-decided"


class NothingDecided(Conflict):
    """There is no decision to take back."""

    code = "nothing-decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A content kept under a UID."""

    conflict: int
    """Its row of ``instance_conflict``."""
    digest: ContentDigest
    study_instance_uid: str
    """As the content says."""
    object_key: str
    institution: str
    """Which sent it."""
    ae_title: str
    called_ae_title: str
    address: str
    door: Door
    native: NativeForm | None
    received_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """A UID with several contents, and what was decided of it."""

    study_row: int
    study_instance_uid: str
    institution: str
    """Whose study it is."""
    patient_id: str
    sop_instance_uid: str
    answers: str
    """Digest of the content that answers."""
    beside: Mapping[str, Kept]
    """The others, by digest."""
    standing: Mapping[str, Any] | None
    """The newest decision that was not taken back."""
    version: str


_KEPT: Final = tuple(
    column
    for column in instance_conflict.c
    if column.name not in {"metadata_json", "instance", "study", "sop_instance_uid"}
)


def matter_of(conn: sa.Connection, study_row: int, conflict: int) -> Matter:
    """Return the matter the study's conflict *conflict* is of.

    Raises:
        ConflictMissing: the study has no such conflict.
    """
    columns, first = instance_conflict.c, instance.c
    found = conn.execute(
        sa.select(
            first.id,
            first.sop_instance_uid,
            first.dataset_digest,
            first.pixels_digest,
            study.c.study_instance_uid,
            study.c.institution,
            study.c.patient_id,
        )
        .join(instance_conflict, columns.instance == first.id)
        .join(study, study.c.id == columns.study)
        .where(columns.id == conflict, columns.study == study_row)
    ).one_or_none()
    if found is None:
        raise ConflictMissing
    uid = found.sop_instance_uid
    rows = conn.execute(sa.select(*_KEPT).where(columns.sop_instance_uid == uid)).all()
    kept = [_kept(row) for row in rows]
    answers = ContentDigest(dataset=found.dataset_digest, pixels=found.pixels_digest)
    return Matter(
        study_row=study_row,
        study_instance_uid=found.study_instance_uid,
        institution=found.institution,
        patient_id=found.patient_id,
        sop_instance_uid=uid,
        answers=answers.whole,
        beside={each.digest.whole: each for each in kept},
        standing=_standing(conn, uid),
        version=versions_of(conn, [uid])[uid],
    )


def _kept(row: Any) -> Kept:
    native = row.native_transfer_syntax_uid
    return Kept(
        conflict=row.id,
        digest=ContentDigest(dataset=row.dataset_digest, pixels=row.pixels_digest),
        study_instance_uid=row.study_instance_uid,
        object_key=row.object_key,
        institution=row.institution,
        ae_title=row.ae_title,
        called_ae_title=row.called_ae_title,
        address=row.address,
        # Kept before the door was written down.
        door=Door(row.door) if row.door else Door.C_STORE,
        native=NativeForm(
            transfer_syntax_uid=native,
            photometric_interpretation=row.native_photometric_interpretation,
            planar_configuration=row.native_planar_configuration,
            pixel_vr=row.native_pixel_vr,
        )
        if native
        else None,
        received_at=row.received_at or row.kept_at,
    )


def _standing(conn: sa.Connection, uid: str) -> Mapping[str, Any] | None:
    columns = content_decisions.c
    found = conn.execute(
        sa.select(*columns)
        .where(columns.sop_instance_uid == uid, columns.undone_at.is_(None))
        .order_by(columns.id.desc())
        .limit(1)
    ).one_or_none()
    return None if found is None else dict(found._mapping)


@dataclass(frozen=True, slots=True)
class Choice:
    """The content that is to answer."""

    content: str
    """Its digest."""
    read: Examined | None
    """Its object, where it is not the one that answers now; None where nobody can read it."""


def decide(
    conn: sa.Connection,
    study_row: int,
    conflict: int,
    choice: Choice,
    hand: Hand,
    *,
    seen: str,
) -> int:
    """Let a content answer for the UID of *conflict*; returns the row of the decision.

    Args:
        conn: the transaction.
        study_row: the study.
        conflict: the row of one of the UID's conflicts; all of them are decided.
        choice: which content.
        hand: who says so.
        seen: ``Matter.version`` when they looked.

    Raises:
        ConflictMissing: the study has no such conflict.
        ContentMissing: nothing of that digest is kept under the UID.
        AlreadyDecided: just that stands.
        Stale: something came or was decided meanwhile.
    """
    matter = matter_of(conn, study_row, conflict)
    _check_seen(matter, seen)
    content, every = choice.content, sorted({matter.answers, *matter.beside})
    if content not in every:
        raise ContentMissing
    last = matter.standing
    if (
        last
        and last["answers"] == content == matter.answers
        and set(every) <= set(last["contents"])
    ):
        raise AlreadyDecided("that content was chosen before")
    made = conn.execute(
        sa.insert(content_decisions).values(
            study_instance_uid=matter.study_instance_uid,
            sop_instance_uid=matter.sop_instance_uid,
            institution=matter.institution,
            answers=content,
            before=matter.answers,
            contents=every,
            reason=hand.reason,
            made_by=hand.username,
            made_by_name=hand.name,
            made_at=hand.at,
        )
    )
    assert made.inserted_primary_key is not None  # noqa: S101  # for the type checker
    row = int(made.inserted_primary_key[0])
    _answer(conn, matter, content, choice.read, hand.at)
    detail = {
        "act": "decide-content",
        "decision": row,
        "instance": matter.sop_instance_uid,
        "content": content,
        "before": matter.answers,
        "reason": hand.reason,
    }
    _close(conn, matter, row, hand, detail, undone=False)
    return row


def undo(
    conn: sa.Connection,
    study_row: int,
    conflict: int,
    read: Examined | None,
    hand: Hand,
    *,
    seen: str,
) -> int:
    """Take back what was last decided of the UID of *conflict*; returns the row of the decision.

    What answered before answers again; what was decided before that stands again.

    Raises:
        ConflictMissing: the study has no such conflict.
        NothingDecided: no decision of it stands.
        ContentMissing: what answered before is not kept any more.
        Stale: something came or was decided meanwhile.
    """
    matter = matter_of(conn, study_row, conflict)
    _check_seen(matter, seen)
    last = matter.standing
    if last is None:
        raise NothingDecided("nothing was decided of it")
    if last["before"] != matter.answers and last["before"] not in matter.beside:
        raise ContentMissing
    conn.execute(
        sa.update(content_decisions)
        .where(content_decisions.c.id == last["id"])
        .values(
            undone_at=hand.at,
            undone_by=hand.username,
            undone_by_name=hand.name,
            undone_reason=hand.reason,
        )
    )
    _answer(conn, matter, last["before"], read, hand.at)
    detail = {
        "act": "undo-decision",
        "decision": last["id"],
        "instance": matter.sop_instance_uid,
        "content": last["before"],
        "before": matter.answers,
        "reason": hand.reason,
    }
    _close(conn, matter, last["id"], hand, detail, undone=True)
    return int(last["id"])


def _check_seen(matter: Matter, seen: str) -> None:
    if matter.version != seen:
        raise Stale("something came or was decided meanwhile; read it again")


def _answer(
    conn: sa.Connection, matter: Matter, content: str, read: Examined | None, at: dt.datetime
) -> None:
    if content == matter.answers:
        return
    row = matter.beside[content].conflict
    if read is None or read.digest.whole != content:
        raise Unreadable("the kept object cannot be read")
    if read.header.study_instance_uid != matter.study_instance_uid:
        raise OtherStudy("it belongs to another study")
    answer_with(conn, matter.study_row, row, read, at=at)


def _close(  # what was decided of what, by whom
    conn: sa.Connection,
    matter: Matter,
    decision: int,
    hand: Hand,
    detail: Mapping[str, Any],
    *,
    undone: bool,
) -> None:
    """Settle what is decided and what is open again, and say so."""
    _settle(conn, matter, _standing(conn, matter.sop_instance_uid), at=hand.at)
    write_down(
        conn,
        hand,
        subject=f"study:{matter.study_instance_uid}",
        patient=matter.patient_id,
        detail=detail,
    )
    told = {
        "study_instance_uid": matter.study_instance_uid,
        "sop_instance_uid": matter.sop_instance_uid,
        "decision": decision,
        "undone": undone,
        "by": hand.username,
    }
    tell(
        conn,
        STUDY_DECIDED,
        told,
        study=matter.study_row,
        institution=matter.institution,
        at=hand.at,
    )


def _settle(
    conn: sa.Connection, matter: Matter, standing: Mapping[str, Any] | None, *, at: dt.datetime
) -> None:
    """Mark the UID's contents as decided or open: open is what nobody could choose from."""
    columns = instance_conflict.c
    known: Collection[str] = standing["contents"] if standing else ()
    rows = conn.execute(
        sa.select(columns.id, columns.dataset_digest, columns.pixels_digest).where(
            columns.study == matter.study_row,
            columns.sop_instance_uid == matter.sop_instance_uid,
        )
    ).all()
    for row in rows:
        digest = ContentDigest(dataset=row.dataset_digest, pixels=row.pixels_digest).whole
        decided = standing["id"] if standing and digest in known else None
        conn.execute(
            sa.update(instance_conflict).where(columns.id == row.id).values(decision=decided)
        )
    still_open = sa.select(sa.func.count()).where(
        columns.study == matter.study_row, columns.decision.is_(None)
    )
    conn.execute(
        sa.update(study)
        .where(study.c.id == matter.study_row)
        .values(conflict_count=still_open.scalar_subquery(), updated_at=at)
    )
