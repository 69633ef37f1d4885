"""Who did what, and who saw whom: rows chained by hash, one chain for each writing process.

A row holds the hash of the row before it in its chain, so that a changed, removed or inserted row
shows. The newest row of each chain is signed once a day with a key outside the database and
written to a file beside it, so that a chain cut short or written anew shows as well. Rows are only
ever added: the tables refuse UPDATE and DELETE.

How often somebody looked again is counted beside the row, not in it.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from kernel.sql.columns import JsonDocument, RowId, UtcDateTime, metadata

ORIGIN: Final = "origin"
"""What stands for the hash before the first row of a chain."""
_PAGE: Final = 1000


class AuditEvent(StrEnum):
    """What happened; the DICOM code of PS3.15 A.5.3 stands in ``EVENT_CODES``."""

    STARTED = "started"
    STOPPED = "stopped"
    SIGNED_IN = "signed-in"
    SIGN_IN_REFUSED = "sign-in-refused"
    SIGNED_OUT = "signed-out"
    STUDY_SEEN = "study-seen"
    RECORD_SEEN = "record-seen"
    REVEALED = "phi-revealed"
    """One masked field of a patient was shown whole."""
    QUERIED = "queried"
    STORED = "stored"
    EXPORTED = "exported"
    CHANGED = "changed"
    DELETED = "deleted"
    ACCOUNT_CHANGED = "account-changed"
    NETWORK_CHANGED = "network-changed"
    AUDIT_READ = "audit-read"
    ACCESS_REFUSED = "access-refused"
    EMERGENCY_OPENED = "emergency-opened"
    """110127, Emergency Override Started, is what it is a type of."""
    EMERGENCY_REVIEWED = "emergency-reviewed"


EVENT_CODES: Final[Mapping[AuditEvent, str]] = {
    AuditEvent.STARTED: "110100",
    AuditEvent.STOPPED: "110100",
    AuditEvent.SIGNED_IN: "110114",
    AuditEvent.SIGN_IN_REFUSED: "110114",
    AuditEvent.SIGNED_OUT: "110114",
    AuditEvent.STUDY_SEEN: "110103",
    AuditEvent.RECORD_SEEN: "110110",
    AuditEvent.REVEALED: "110110",
    AuditEvent.QUERIED: "110112",
    AuditEvent.STORED: "110104",
    AuditEvent.EXPORTED: "110106",
    AuditEvent.CHANGED: "110110",
    AuditEvent.DELETED: "110105",
    AuditEvent.ACCOUNT_CHANGED: "110113",
    AuditEvent.NETWORK_CHANGED: "110113",
    AuditEvent.AUDIT_READ: "110101",
    AuditEvent.ACCESS_REFUSED: "110113",
    AuditEvent.EMERGENCY_OPENED: "110113",
    AuditEvent.EMERGENCY_REVIEWED: "110113",
}


class HashName(StrEnum):
    """Which hash binds the rows; SM3 where GB/T 39786 asks for it."""

    SHA256 = "sha256"
    SM3 = "sm3"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the trail."""

    at: dt.datetime
    event: AuditEvent
    outcome: int = 0
    """0 success, 4 minor failure, 8 serious failure, 12 major failure (PS3.15 A.5.2)."""
    user_id: str = ""
    username: str = ""
    institution: str = ""
    """Code of the institution the user acts for."""
    address: str = ""
    subject: str = ""
    """What it was about, such as ``study:1.2.3`` or ``account:wang``."""
    patient: str = ""
    reason: str = ""
    """Why it was allowed or refused (``kernel.policy``)."""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """The first place where a chain does not hold."""

    chain: str
    number: int
    what: str
    """``changed``, ``missing``, ``cut-short``, ``head-differs`` or ``signature``."""


audit_entries: Final = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("id", RowId, primary_key=True, autoincrement=True),
    sa.Column("chain", sa.String(64), nullable=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("outcome", sa.Integer, nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False, index=True),
    sa.Column("username", sa.Text, nullable=False),
    sa.Column("institution", sa.String(64), nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, index=True),
    sa.Column("patient", sa.Text, nullable=False, index=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("detail", JsonDocument, nullable=False),
    sa.Column("hash", sa.String(80), nullable=False),
    sa.UniqueConstraint("chain", "number"),
    sqlite_autoincrement=True,
)

audit_heads: Final = sa.Table(
    "audit_heads",
    metadata,
    sa.Column("chain", sa.String(64), primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(80), nullable=False),
)

audit_counts: Final = sa.Table(
    "audit_counts",
    metadata,
    sa.Column("entry_id", sa.ForeignKey("audit_entries.id"), primary_key=True),
    sa.Column("accesses", sa.BigInteger, nullable=False),
    sa.Column("last_at", UtcDateTime, nullable=False),
)

ONLY_ADD_SQLITE: Final = tuple(
    f"CREATE TRIGGER audit_entries_no_{verb.lower()} BEFORE {verb} ON audit_entries "
    "BEGIN SELECT RAISE(ABORT, 'the audit trail is only ever added to'); END"
    for verb in ("UPDATE", "DELETE")
)
ONLY_ADD_POSTGRESQL: Final = (
    """CREATE OR REPLACE FUNCTION audit_entries_only_add() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit trail is only ever added to'; END $$""",
    """CREATE TRIGGER audit_entries_only_add BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_only_add()""",
)
"""Run once after the table is made, by ``create_all`` and by the migration that makes it."""

for _dialect, _statements in (("sqlite", ONLY_ADD_SQLITE), ("postgresql", ONLY_ADD_POSTGRESQL)):
    for _statement in _statements:
        # A percent sign would be taken for a place-holder of DDL().
        _ddl: sa.DDL = sa.DDL(_statement)  # type: ignore[no-untyped-call]
        sa.event.listen(audit_entries, "after_create", _ddl.execute_if(dialect=_dialect))


def row_hash(algorithm: str, previous: str, chain: str, number: int, entry: AuditEntry) -> str:
    """Return the hash of a row, with its algorithm before it.

    Args:
        algorithm: a ``HashName``.
        previous: hash of the row before it in the chain; ``origin`` for the first.
        chain: name of the chain.
        number: of the row in its chain, from 1 on.
        entry: what the row says.
    """
    content = {
        "chain": chain,
        "number": number,
        "previous": previous,
        "at": entry.at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
        "event": str(entry.event),
        "outcome": entry.outcome,
        "user_id": entry.user_id,
        "username": entry.username,
        "institution": entry.institution,
        "address": entry.address,
        "subject": entry.subject,
        "patient": entry.patient,
        "reason": entry.reason,
        "detail": dict(entry.detail),
    }
    hashed = hashlib.new(algorithm, msgspec.json.encode(content, order="sorted"))
    return f"{algorithm}:{hashed.hexdigest()}"


def record(
    conn: sa.Connection, chain: str, entry: AuditEntry, *, algorithm: HashName = HashName.SHA256
) -> int:
    """Add *entry* to *chain* in *conn*'s transaction and return its row's id.

    Args:
        conn: the transaction that does what the entry says, or comes before the data leaves.
        chain: name of the writing process's chain; two processes never share one.
        entry: what happened; ``detail`` holds strings, whole numbers, booleans, lists and maps.
        algorithm: the hash of this row; a chain may change it.
    """
    head = conn.execute(
        sa.select(audit_heads.c.number, audit_heads.c.hash).where(audit_heads.c.chain == chain)
    ).one_or_none()
    number, previous = (1, ORIGIN) if head is None else (head.number + 1, head.hash)
    digest = row_hash(algorithm, previous, chain, number, entry)
    # The head first: two writers then meet at a row both have read, which the database sorts out.
    values = {"number": number, "hash": digest}
    if head is None:
        conn.execute(sa.insert(audit_heads).values(chain=chain, **values))
    else:
        conn.execute(sa.update(audit_heads).where(audit_heads.c.chain == chain).values(values))
    made = conn.execute(
        sa.insert(audit_entries).returning(audit_entries.c.id),
        {
            "chain": chain,
            "number": number,
            "at": entry.at,
            "event": entry.event.value,
            "outcome": entry.outcome,
            "user_id": entry.user_id,
            "username": entry.username,
            "institution": entry.institution,
            "address": entry.address,
            "subject": entry.subject,
            "patient": entry.patient,
            "reason": entry.reason,
            "detail": dict(entry.detail),
            "hash": digest,
        },
    ).scalar_one()
    return int(made)


def count_accesses(conn: sa.Connection, entry_id: int, more: int, *, at: dt.datetime) -> None:
    """Add *more* later accesses to the row *entry_id*, the last of them at *at*."""
    table = audit_counts
    changed = conn.execute(
        sa.update(table)
        .where(table.c.entry_id == entry_id)
        .values(accesses=table.c.accesses + more, last_at=at)
    )
    if changed.rowcount == 0:
        conn.execute(sa.insert(table).values(entry_id=entry_id, accesses=more, last_at=at))


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Where a chain ends."""

    chain: str
    number: int
    hash: str


def heads(conn: sa.Connection) -> list[ChainHead]:
    """Return the end of every chain, by name."""
    columns = audit_heads.c
    query = sa.select(columns.chain, columns.number, columns.hash).order_by(columns.chain)
    return [ChainHead(*row) for row in conn.execute(query)]


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    entry: AuditEntry
    hash: str


def _rows(conn: sa.Connection, chain: str) -> Iterator[_Row]:
    columns = audit_entries.c
    after = 0
    while True:
        page = conn.execute(
            sa.select(audit_entries)
            .with_only_columns(
                columns.number,
                columns.at,
                columns.event,
                columns.outcome,
                columns.user_id,
                columns.username,
                columns.institution,
                columns.address,
                columns.subject,
                columns.patient,
                columns.reason,
                columns.detail,
                columns.hash,
            )
            .where(columns.chain == chain, columns.number > after)
            .order_by(columns.number)
            .limit(_PAGE)
        ).all()
        for row in page:
            entry = AuditEntry(
                at=row.at,
                event=row.event,
                outcome=row.outcome,
                user_id=row.user_id,
                username=row.username,
                institution=row.institution,
                address=row.address,
                subject=row.subject,
                patient=row.patient,
                reason=row.reason,
                detail=row.detail,
            )
            yield _Row(row.number, entry, row.hash)
        if len(page) < _PAGE:
            return
        after = page[-1].number


class _Broken(Exception):
    def __init__(self, number: int, what: str) -> None:
        super().__init__(what)
        self.number = number
        self.what = what


def _walk(conn: sa.Connection, end: ChainHead, marks: Mapping[int, str]) -> None:
    """Go through one chain; raises ``_Broken`` at the first row that does not hold."""
    previous, number = ORIGIN, 0
    for row in _rows(conn, end.chain):
        number += 1
        algorithm = row.hash.partition(":")[0]
        if row.number != number:
            raise _Broken(number, "missing")
        if algorithm not in set(HashName) or row.hash != row_hash(
            algorithm, previous, end.chain, number, row.entry
        ):
            raise _Broken(number, "changed")
        if marks.get(number, row.hash) != row.hash:
            raise _Broken(number, "head-differs")
        previous = row.hash
    if number < max([end.number, *marks]):
        raise _Broken(number + 1, "cut-short")
    if (number, previous) != (end.number, end.hash):
        raise _Broken(number, "head-differs")


def verify(
    conn: sa.Connection, *, marks: Mapping[str, Mapping[int, str]] | None = None
) -> list[Fault]:
    """Walk every chain and return the first bad row of each that has one; [] when all hold.

    Args:
        conn: a read; give it time, it looks at every row.
        marks: per chain, the hash each number must have (the daily signed heads).
    """
    marks = marks or {}
    known = {head.chain: head for head in heads(conn)}
    seen = set(conn.scalars(sa.select(audit_entries.c.chain).distinct()))
    faults = []
    for chain in sorted(seen | set(known) | set(marks)):
        end = known.get(chain, ChainHead(chain, 1, ""))
        try:
            _walk(conn, end, marks.get(chain, {}))
        except _Broken as broken:
            faults.append(Fault(chain, broken.number, broken.what))
    return faults
