"""What became of the files people chose in a browser, kept so that a page can go on from there."""

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from typing import Final

import msgspec
import sqlalchemy as sa

from kernel.sql.db import JsonDocument, UtcDateTime, metadata


class FileState(StrEnum):
    """How far one chosen file is."""

    RECEIVING = "receiving"
    """On its way, or being looked at."""
    SAFE = "safe"
    """What it holds is durable in this node's journal."""
    REFUSED = "refused"
    """Broken or hostile; the reason says how."""
    SKIPPED = "skipped"
    """Not an image, and nothing is wrong with that."""


class RefusedMember(msgspec.Struct, frozen=True, kw_only=True):
    """One file inside a zip that was not taken."""

    name: str
    reason_code: str


class ChosenFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a batch, as the page sees it."""

    upload_id: str
    filename: str
    state: FileState
    reason_code: str = ""
    reason: str = ""
    study_instance_uid: str = ""
    accepted: int = 0
    """Objects taken from it: one, or those of a zip."""
    refused: tuple[RefusedMember, ...] = ()
    """Members of a zip that were not taken, at most 200 of them."""


class EndedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A chosen file that came to its end, and whose it was."""

    file: ChosenFile
    institution: str
    user_id: str
    batch: str
    size_bytes: int
    sop_instance_uid: str = ""
    ended_at: dt.datetime


class SoughtFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file a page asks about before sending it."""

    name: str
    size: int
    sop_instance_uid: str = ""
    study_instance_uid: str = ""


WantedAgain = Callable[[sa.Connection, Collection[str]], Collection[str]]
"""Tells which SOP Instance UIDs have to be sent again, safe as they once were."""


def nothing_again(conn: sa.Connection, sop_instance_uids: Collection[str]) -> Collection[str]:
    """Want nothing again (``WantedAgain``)."""
    del conn, sop_instance_uids
    return ()


upload_files: Final = sa.Table(
    "upload_files",
    metadata,
    sa.Column("upload_id", sa.String(26), primary_key=True),
    sa.Column("institution", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("batch", sa.String(64), nullable=False),
    sa.Column("filename", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason_code", sa.String(64), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    # Empty for a zip.
    sa.Column("sop_instance_uid", sa.String(64), nullable=False),
    sa.Column("study_instance_uid", sa.String(64), nullable=False),
    sa.Column("accepted", sa.Integer, nullable=False),
    sa.Column("refused", JsonDocument, nullable=False),
    sa.Column("ended_at", UtcDateTime, nullable=False, index=True),
    sa.Index("ix_upload_files_batch", "institution", "batch"),
    sa.Index("ix_upload_files_sop_instance", "institution", "sop_instance_uid"),
)


def note_ended(conn: sa.Connection, ended: EndedFile) -> None:
    """Keep how a file ended; the same upload again replaces what was kept."""
    file = ended.file
    conn.execute(sa.delete(upload_files).where(upload_files.c.upload_id == file.upload_id))
    conn.execute(
        sa.insert(upload_files).values(
            upload_id=file.upload_id,
            institution=ended.institution,
            user_id=ended.user_id,
            batch=ended.batch,
            filename=file.filename,
            size_bytes=ended.size_bytes,
            state=file.state,
            reason_code=file.reason_code,
            reason=file.reason,
            sop_instance_uid=ended.sop_instance_uid,
            study_instance_uid=file.study_instance_uid,
            accepted=file.accepted,
            refused=msgspec.to_builtins(file.refused),
            ended_at=ended.ended_at,
        )
    )


def files_of(conn: sa.Connection, institution: str, batch: str) -> list[ChosenFile]:
    """Return the ended files of a batch, oldest first."""
    columns = upload_files.c
    query = (
        sa.select(
            columns.upload_id,
            columns.filename,
            columns.state,
            columns.reason_code,
            columns.reason,
            columns.study_instance_uid,
            columns.accepted,
            columns.refused,
        )
        .where(columns.institution == institution, columns.batch == batch)
        .order_by(columns.upload_id)
    )
    return [
        ChosenFile(
            upload_id=row.upload_id,
            filename=row.filename,
            state=FileState(row.state),
            reason_code=row.reason_code,
            reason=row.reason,
            study_instance_uid=row.study_instance_uid,
            accepted=row.accepted,
            refused=msgspec.convert(row.refused, tuple[RefusedMember, ...]),
        )
        for row in conn.execute(query)
    ]


def safe_already(
    conn: sa.Connection,
    institution: str,
    batch: str,
    sought: Sequence[SoughtFile],
    wanted_again: WantedAgain = nothing_again,
) -> set[str]:
    """Return the names of *sought* that need not be sent again.

    A file is here when one of that name and size in the same batch is safe, or one of that SOP
    instance and size in any batch: a changed file of the same instance has another length, or is
    sent again and found to be a conflict where it belongs. What came to harm here since is not.
    """
    columns = upload_files.c
    safe = sa.and_(columns.institution == institution, columns.state == FileState.SAFE)
    name_of_uid = sa.select(columns.filename, columns.size_bytes, columns.sop_instance_uid)
    named = conn.execute(name_of_uid.where(safe, columns.batch == batch)).all()
    uids = sorted({file.sop_instance_uid for file in sought if file.sop_instance_uid})
    by_uid: set[tuple[str, int]] = set()
    for begin in range(0, len(uids), 500):
        query = sa.select(columns.sop_instance_uid, columns.size_bytes).where(
            safe, columns.sop_instance_uid.in_(uids[begin : begin + 500])
        )
        by_uid.update((row.sop_instance_uid, row.size_bytes) for row in conn.execute(query))
    known = {row.sop_instance_uid for row in named} | {uid for uid, _ in by_uid}
    again = set(wanted_again(conn, known - {""}))
    by_name = {(row.filename, row.size_bytes) for row in named if row.sop_instance_uid not in again}
    by_uid = {(uid, size) for uid, size in by_uid if uid not in again}
    return {
        file.name
        for file in sought
        if (file.name, file.size) in by_name or (file.sop_instance_uid, file.size) in by_uid
    }


def forget_before(conn: sa.Connection, before: dt.datetime) -> int:
    """Forget files that ended before *before*; returns how many."""
    gone = conn.execute(sa.delete(upload_files).where(upload_files.c.ended_at < before))
    return gone.rowcount
