"""Who knows what is safe: the county's receipts at a township, the archive at the county."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from gateway.commitment.model import Verdict
from gateway.dimse.ports import Reference
from gateway.township import spool_index
from gateway.township.model import InstanceState
from gateway.township.tables import instances
from imaging.archive.amendment_tables import rejected_contents
from imaging.archive.cursor import cursor
from imaging.archive.rejected_rows import Kind
from imaging.archive.tables import instance, set_aside, study_reach
from kernel.journal.frames import Position

DICOM_JOURNAL: Final = "dicom"
"""The journal of the DICOM door."""
_IN_MAX: Final = 500


class Safe(StrEnum):
    """From when on a township says of an instance that it is safe (``township.commitment``)."""

    COUNTY = "county"
    """The county's receipt is here."""
    SPOOL = "spool"
    """It is durable on the township's own disk, and nothing keeps it there."""


class TownshipCommitted:
    """Binds ``gateway.commitment.ports.Committed`` to the spool and the county's receipts.

    All a township holds is its own institution's.
    """

    def __init__(self, safe: Safe) -> None:
        self._safe = safe

    def look(
        self, conn: sa.Connection, references: Sequence[Reference], institution: str
    ) -> Sequence[Verdict]:
        """Return what is known of each of *references*."""
        del institution
        columns = instances.c
        found: dict[str, list[tuple[str, str]]] = {}
        for some in _parts(references):
            query = sa.select(columns.sop_instance_uid, columns.arrival, columns.state).where(
                columns.sop_instance_uid.in_(some)
            )
            for row in conn.execute(query):
                kept = (str(row.arrival["sop_class_uid"]), row.state)
                found.setdefault(row.sop_instance_uid, []).append(kept)
        return [self._verdict(one, found.get(one.sop_instance_uid, [])) for one in references]

    def caught_up(self, conn: sa.Connection, mark: Position) -> bool:
        """Whether the spool has filed the door's journal up to *mark*."""
        return spool_index.position_of(conn, DICOM_JOURNAL) >= mark

    def _verdict(self, reference: Reference, kept: Sequence[tuple[str, str]]) -> Verdict:
        if not kept:
            return Verdict.NOT_HERE
        # Several contents may have come under one UID; all of them have to be safe.
        states = {state for sop_class, state in kept if sop_class == reference.sop_class_uid}
        if not states:
            return Verdict.OTHER_CLASS
        # What is set aside or was released may be damaged, or not be here at all.
        on_the_way = {InstanceState.WAITING, InstanceState.PACKED, InstanceState.SENT}
        safe = {InstanceState.AT_COUNTY}
        if self._safe is Safe.SPOOL:
            safe |= on_the_way
        if states <= safe:
            return Verdict.COMMITTED
        return Verdict.WAITING if states & (on_the_way - safe) else Verdict.FAILED


class CountyCommitted:
    """Binds ``gateway.commitment.ports.Committed`` to the archive's index."""

    def look(
        self, conn: sa.Connection, references: Sequence[Reference], institution: str
    ) -> Sequence[Verdict]:
        """Return what is known of each of *references*, as *institution* may see it."""
        may = sa.or_(
            instance.c.institution == institution,
            sa.exists().where(
                study_reach.c.study == instance.c.study,
                study_reach.c.institution == institution,
                # Safe keeping is the sender's business; no grant to look at something asks for it.
                study_reach.c.reason == "",
            ),
        )
        kept: dict[str, str] = {}
        aside: set[str] = set()
        for some in _parts(references):
            filed = sa.select(instance.c.sop_instance_uid, instance.c.sop_class_uid).where(
                instance.c.sop_instance_uid.in_(some), may
            )
            kept |= _pairs(conn.execute(filed))
            # What somebody rejected is hidden, and kept like all else.
            hidden = rejected_contents.c
            rejected = sa.select(hidden.sop_instance_uid, hidden.row).where(
                hidden.sop_instance_uid.in_(some), hidden.kind == Kind.ANSWERS
            )
            kept |= {
                row.sop_instance_uid: row.row["sop_class_uid"]
                for row in conn.execute(rejected)
                if row.row["institution"] == institution
            }
            unusable = sa.select(set_aside.c.sop_instance_uid).where(
                set_aside.c.sop_instance_uid.in_(some), set_aside.c.institution == institution
            )
            aside |= set(conn.scalars(unusable))
        return [_archived(one, kept, aside) for one in references]

    def caught_up(self, conn: sa.Connection, mark: Position) -> bool:
        """Whether the archive has filed the door's journal up to *mark*."""
        return cursor(conn, DICOM_JOURNAL) >= mark


def _archived(reference: Reference, kept: Mapping[str, str], aside: set[str]) -> Verdict:
    sop_class = kept.get(reference.sop_instance_uid)
    if sop_class is not None:
        same = sop_class == reference.sop_class_uid
        return Verdict.COMMITTED if same else Verdict.OTHER_CLASS
    return Verdict.FAILED if reference.sop_instance_uid in aside else Verdict.NOT_HERE


def _pairs(rows: Iterable[sa.Row[Any]]) -> dict[str, str]:
    return {row.sop_instance_uid: row.sop_class_uid for row in rows}


def _parts(references: Sequence[Reference]) -> Iterable[list[str]]:
    uids = list({one.sop_instance_uid for one in references})
    for start in range(0, len(uids), _IN_MAX):
        yield uids[start : start + _IN_MAX]
