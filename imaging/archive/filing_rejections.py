"""Arrivals that concern rejections: notes, and objects of UIDs that do not count.

What was rejected stays rejected, whatever comes again; its sender is told it was stored, for it
is kept. A note counts only from the institution whose study it names, and also for what of it
comes later.
"""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from imaging.archive import rejecting
from imaging.archive.examined import Examined
from imaging.archive.filing_rows import conflict_row
from imaging.archive.rejected_rows import Kind
from imaging.archive.rejection_note import KEY_OBJECTS, RejectionNote, read_note
from imaging.archive.series_metadata import instance_json

_LOG: Final = logging.getLogger(__name__)


def note_in(conn: sa.Connection, each: Examined) -> RejectionNote | None:
    """Return what *each* rejects; None where it is no note, or not its sender's to reject."""
    sop_class = each.header.sop_class_uid
    if sop_class != KEY_OBJECTS:
        return None
    told = msgspec.json.decode(instance_json(each.metadata_json), type=dict[str, Any])
    note = read_note(sop_class, told)
    if note is None:
        return None
    owner = rejecting.owner_of(conn, note.study_instance_uid)
    return note if owner in {None, each.arrival.sender.institution} else None


def arrived(
    conn: sa.Connection, each: Examined, hidden: Sequence[Mapping[str, Any]], *, at: dt.datetime
) -> None:
    """Keep *each*, of a UID that does not count, as hidden as what is there of it."""
    uid = each.header.sop_instance_uid
    for content in hidden:
        if (content["dataset_digest"], content["pixels_digest"]) == (
            each.digest.dataset,
            each.digest.pixels,
        ):
            rejecting.seen_again(conn, content["id"])
            break
    else:
        first = hidden[0]
        rejecting.keep_hidden(
            conn,
            first["rejection"],
            Kind.NOTE if first["kind"] == Kind.NOTE else Kind.BESIDE,
            conflict_row(each, at),
            series_uid=first["series_instance_uid"],
        )
    _LOG.info("filing.rejected-again", extra={"sop_instance_uid": uid})


def settle(
    conn: sa.Connection,
    notes: Sequence[tuple[Examined, RejectionNote]],
    awaited: Mapping[str, int],
    *,
    at: dt.datetime,
    chain: str,
) -> None:
    """Do what *notes* say, and what earlier ones said of objects that have come only now.

    Args:
        conn: the transaction, in which all that came with them is filed.
        notes: each with what it says.
        awaited: by SOP Instance UID, the rejection whose note named it.
        at: the present instant.
        chain: of the audit trail.
    """
    for rejection in sorted(set(awaited.values())):
        uids = [uid for uid, each in awaited.items() if each == rejection]
        rejecting.reject_late(conn, rejection, uids, at=at)
    for each, note in notes:
        uid, sender = each.header.sop_instance_uid, each.arrival.sender
        row = rejecting.note_known(conn, uid)
        if row is None:
            hand = rejecting.machine_hand(
                ae_title=sender.ae_title,
                institution=sender.institution,
                address=sender.address,
                reason=note.description,
                at=at,
                chain=chain,
            )
            row = rejecting.reject_by_note(conn, note, hand, note=uid, sent_by=sender.ae_title)
        series_uid = each.header.series_instance_uid
        rejecting.keep_hidden(conn, row, Kind.NOTE, conflict_row(each, at), series_uid=series_uid)
