"""What does not count: rejected by a person here or by a note that came, and taken back.

One transaction each: the rows leave the index, counts follow, the trail has it, and an event says
so. The objects themselves stay as long as any other.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from imaging.archive import series_metadata, unfile
from imaging.archive.amending import STUDY_REJECTED, Hand, tell, write_down
from imaging.archive.amendment_tables import rejected_contents, rejections
from imaging.archive.rejected_rows import (
    DIGESTS,
    Kind,
    hidden_content,
    put_back,
    shelf_of,
    take_out,
)
from imaging.archive.rejection_note import Reference, RejectionNote, Title
from imaging.archive.tables import instance, series, study
from kernel.errors import Conflict, Missing, Stale

_IN_MAX: Final = 500
STANDS, UNDONE = "1", "2"
"""The versions of a rejection."""


class RejectionMissing(Missing):
    """There is no such rejection in the asker's reach."""

    code = "rejection-not-found"


class NothingToReject(Conflict):
    """None of what was named is in the study and counts."""

    code = "nothing-to-reject"


class AlreadyBack(Conflict):
    """The rejection was taken back before."""

    code = "already-undone"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rejection comes from."""

    study_instance_uid: str
    institution: str
    """Whose study it is."""
    title: Title
    note: str
    """SOP Instance UID of the rejection note."""
    sent_by: str
    """AE title of whoever sent it; empty where it was made here."""


def chosen(
    conn: sa.Connection,
    study_row: int,
    *,
    series_uids: Collection[str] = (),
    instance_uids: Collection[str] = (),
) -> list[Reference]:
    """Return the study's objects of those series or UIDs; all where neither is named."""
    columns = instance.c
    query = (
        sa.select(series.c.series_instance_uid, columns.sop_instance_uid, columns.sop_class_uid)
        .join(series, series.c.id == columns.series)
        .where(columns.study == study_row)
    )
    found = [Reference(*row) for row in conn.execute(query)]
    if not series_uids and not instance_uids:
        return sorted(found)
    return sorted(
        each
        for each in found
        if each.series_instance_uid in series_uids or each.sop_instance_uid in instance_uids
    )


def reject(  # noqa: PLR0913  # what, why, by which note
    conn: sa.Connection,
    study_row: int,
    uids: Collection[str],
    title: Title,
    hand: Hand,
    *,
    note: str,
    sent_by: str = "",
) -> int:
    """Take the study's objects *uids* out of what counts; returns the row of the rejection.

    Args:
        conn: the transaction.
        study_row: the study they are in.
        uids: SOP Instance UIDs.
        title: why, as the note says it.
        hand: who, and why in their words.
        note: SOP Instance UID of the rejection note.
        sent_by: AE title of whoever sent the note; empty where it is made here.

    Raises:
        NothingToReject: none of *uids* is there.
    """
    shelf = shelf_of(conn, study_row)
    whose, uid = shelf["study"]["institution"], shelf["study"]["study_instance_uid"]
    row = _keep(conn, Source(uid, whose, title, note, sent_by), hand, shelf)
    touched = take_out(conn, row, study_row, uids)
    if not touched:
        raise NothingToReject("none of it is in the study and counts")
    series_metadata.changed(conn, sorted(touched))
    unfile.recount(conn, series_rows=touched, study_rows={study_row})
    write_down(
        conn,
        hand,
        subject=f"study:{uid}",
        patient=shelf["study"]["patient_id"],
        detail={"act": "reject", "rejection": row, "title": title.value, "reason": hand.reason},
    )
    _tell(conn, uid, row, hand.at, hand.username, undone=False)
    return row


def _keep(conn: sa.Connection, source: Source, hand: Hand, shelf: Mapping[str, Any]) -> int:
    made = conn.execute(
        sa.insert(rejections).values(
            study_instance_uid=source.study_instance_uid,
            institution=source.institution,
            title=source.title.value,
            reason=hand.reason,
            note=source.note,
            sent_by=source.sent_by,
            made_by=hand.username,
            made_by_name=hand.name,
            made_at=hand.at,
            shelf=shelf,
        )
    )
    assert made.inserted_primary_key is not None  # noqa: S101  # for the type checker
    return int(made.inserted_primary_key[0])


def undo(conn: sa.Connection, rejection: int, hand: Hand, *, seen: str) -> str:
    """Let what *rejection* took out count again; returns the study's UID.

    Raises:
        RejectionMissing: there is none of that number.
        AlreadyBack: it was taken back.
        Stale: what its maker saw is another state.
    """
    columns = rejections.c
    found = conn.execute(
        sa.select(
            columns.study_instance_uid, columns.institution, columns.shelf, columns.undone_at
        ).where(columns.id == rejection)
    ).one_or_none()
    if found is None:
        raise RejectionMissing
    if found.undone_at is not None:
        raise AlreadyBack("it was taken back before")
    if seen != STANDS:
        raise Stale("read it again")
    conn.execute(
        sa.update(rejections)
        .where(columns.id == rejection)
        .values(
            undone_at=hand.at,
            undone_by=hand.username,
            undone_by_name=hand.name,
            undone_reason=hand.reason,
        )
    )
    if found.shelf:
        _count_again(conn, rejection, found.study_instance_uid, found.shelf, hand.at)
    conn.execute(
        sa.delete(rejected_contents).where(
            rejected_contents.c.rejection == rejection, rejected_contents.c.kind == Kind.AWAITED
        )
    )
    write_down(
        conn,
        hand,
        subject=f"study:{found.study_instance_uid}",
        patient=str(found.shelf["study"]["patient_id"]) if found.shelf else "",
        detail={"act": "undo-rejection", "rejection": rejection, "reason": hand.reason},
    )
    _tell(
        conn,
        found.study_instance_uid,
        rejection,
        hand.at,
        hand.username,
        undone=True,
    )
    return str(found.study_instance_uid)


def _count_again(
    conn: sa.Connection, rejection: int, uid: str, shelf: Mapping[str, Any], at: dt.datetime
) -> None:
    columns = rejections.c
    # The study as it was when it was last here, whichever rejection took the rest of it.
    newest = next(
        each
        for each in conn.scalars(
            sa.select(columns.shelf)
            .where(columns.study_instance_uid == uid)
            .order_by(columns.id.desc())
        )
        if each
    )
    whole = {"study": newest["study"], "reach": newest["reach"], "series": shelf["series"]}
    study_row, touched = put_back(conn, rejection, whole, at=at)
    series_metadata.changed(conn, sorted(touched))
    unfile.recount(conn, series_rows=touched, study_rows={study_row})
    conn.execute(sa.update(study).where(study.c.id == study_row).values(updated_at=at))


def _tell(  # what happened to what
    conn: sa.Connection, uid: str, rejection: int, at: dt.datetime, by: str, *, undone: bool
) -> None:
    there = conn.execute(
        sa.select(study.c.id, study.c.instance_count).where(study.c.study_instance_uid == uid)
    ).one_or_none()
    whose = conn.scalars(
        sa.select(rejections.c.institution).where(rejections.c.id == rejection)
    ).one()
    told = {
        "study_instance_uid": uid,
        "rejection": rejection,
        "undone": undone,
        "by": by,
        "instance_count": there.instance_count if there else 0,
    }
    row = there.id if there else None
    tell(conn, STUDY_REJECTED, told, study=row, institution=whose, at=at)


def rejected_now(conn: sa.Connection, uids: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Return, by UID, the contents of *uids* that do not count, and what is awaited of them."""
    columns = rejected_contents.c
    query = sa.select(
        columns.id,
        columns.rejection,
        columns.kind,
        columns.sop_instance_uid,
        columns.dataset_digest,
        columns.pixels_digest,
        columns.series_instance_uid,
    )
    found: dict[str, list[Mapping[str, Any]]] = {}
    for at in range(0, len(uids), _IN_MAX):
        part = list(uids[at : at + _IN_MAX])
        for row in conn.execute(query.where(columns.sop_instance_uid.in_(part))).mappings():
            found.setdefault(row["sop_instance_uid"], []).append(dict(row))
    return found


def seen_again(conn: sa.Connection, content: int) -> None:
    """Count that a rejected content came once more."""
    columns = rejected_contents.c
    conn.execute(
        sa.update(rejected_contents)
        .where(columns.id == content)
        .values(seen_count=columns.seen_count + 1)
    )


def keep_hidden(  # one content and where it belongs
    conn: sa.Connection,
    rejection: int,
    kind: Kind,
    row: Mapping[str, Any],
    *,
    series_uid: str,
) -> None:
    """Keep a content under *rejection* that never was in the index."""
    conn.execute(
        sa.insert(rejected_contents).values(hidden_content(rejection, kind, row, series_uid))
    )


def note_known(conn: sa.Connection, note: str) -> int | None:
    """Return the rejection the note of that UID made, None where it made none."""
    return conn.scalar(sa.select(rejections.c.id).where(rejections.c.note == note))


def owner_of(conn: sa.Connection, uid: str) -> str | None:
    """Return the institution the study *uid* belongs to, None where it is not here."""
    here = conn.scalar(sa.select(study.c.institution).where(study.c.study_instance_uid == uid))
    if here is not None:
        return str(here)
    columns = rejections.c
    # All of it may be rejected.
    gone = sa.select(columns.institution).where(columns.study_instance_uid == uid)
    found: str | None = conn.scalar(gone.order_by(columns.id).limit(1))
    return found


def reject_by_note(
    conn: sa.Connection, said: RejectionNote, hand: Hand, *, note: str, sent_by: str
) -> int:
    """Do what a note that came says; what it names and is not here will be when it comes.

    Returns:
        The row of the rejection.
    """
    uid = said.study_instance_uid
    study_row = conn.scalar(sa.select(study.c.id).where(study.c.study_instance_uid == uid))
    named = {each.sop_instance_uid: each for each in said.references}
    there = {each.sop_instance_uid for each in chosen(conn, study_row)} if study_row else set()
    if study_row and there & named.keys():
        uids = sorted(there & named.keys())
        row = reject(conn, study_row, uids, said.title, hand, note=note, sent_by=sent_by)
    else:
        row = _keep(conn, Source(uid, hand.institution, said.title, note, sent_by), hand, {})
    hidden = rejected_now(conn, sorted(named.keys() - there))
    for missing in sorted(named.keys() - there - hidden.keys()):
        content = {"sop_instance_uid": missing, **dict.fromkeys(DIGESTS, ""), "size_bytes": 0}
        keep_hidden(
            conn,
            row,
            Kind.AWAITED,
            content | {"metadata_json": None},
            series_uid=named[missing].series_instance_uid,
        )
    return row


def reject_late(
    conn: sa.Connection, rejection: int, uids: Collection[str], *, at: dt.datetime
) -> None:
    """Take *uids*, filed a moment ago and named by the note of *rejection*, out of the index.

    What belongs to another institution than the note's stays.
    """
    columns = rejections.c
    made = conn.execute(
        sa.select(columns.study_instance_uid, columns.institution, columns.shelf).where(
            columns.id == rejection
        )
    ).one()
    study_row = conn.scalar(
        sa.select(study.c.id).where(
            study.c.study_instance_uid == made.study_instance_uid,
            study.c.institution == made.institution,
        )
    )
    if study_row is None:
        return
    now = shelf_of(conn, study_row)
    fresh = {each["series_instance_uid"] for each in now["series"]}
    earlier = [
        each for each in made.shelf.get("series", []) if each["series_instance_uid"] not in fresh
    ]
    conn.execute(
        sa.update(rejections)
        .where(columns.id == rejection)
        .values(shelf=now | {"series": [*now["series"], *earlier]})
    )
    awaited = rejected_contents.c
    conn.execute(
        sa.delete(rejected_contents).where(
            awaited.rejection == rejection,
            awaited.kind == Kind.AWAITED,
            awaited.sop_instance_uid.in_(sorted(uids)),
        )
    )
    touched = take_out(conn, rejection, study_row, uids)
    series_metadata.changed(conn, sorted(touched))
    unfile.recount(conn, series_rows=touched, study_rows={study_row})
    _tell(conn, made.study_instance_uid, rejection, at, "", undone=False)


def machine_hand(
    *, ae_title: str, institution: str, address: str, reason: str, at: dt.datetime, chain: str
) -> Hand:
    """Return the hand of whoever sent a rejection note."""
    return Hand(
        institution=institution,
        address=address,
        allowed=f"note:{ae_title}" if ae_title else "note",
        reason=reason,
        at=at,
        chain=chain,
    )
