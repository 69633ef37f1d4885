"""The trail cannot be changed without it showing."""

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa

from kernel.audit.heads import (
    check_signed_heads,
    load_or_make_key,
    read_signed_heads,
    sign_heads,
)
from kernel.audit.trail import (
    AuditEntry,
    AuditEvent,
    ChainHead,
    Fault,
    HashName,
    audit_entries,
    audit_heads,
    heads,
    record,
    verify,
)
from kernel.sql.db import Database

AT = dt.datetime(2025, 5, 12, 8, 0, 0, 5, tzinfo=dt.UTC)


def _entry(number: int) -> AuditEntry:
    return AuditEntry(
        at=AT + dt.timedelta(seconds=number),
        event=AuditEvent.STUDY_SEEN,
        user_id="u1",
        username="王医生",
        institution="county",
        subject=f"study:1.2.{number}",
        patient="p1",
        reason="routed-here",
        detail={"n": number, "名": ["张伟"]},
    )


async def _fill(
    database: Database, rows: int, *, chain: str = "gateway", algorithm: HashName = HashName.SHA256
) -> None:
    def write(conn: sa.Connection) -> None:
        for number in range(rows):
            record(conn, chain, _entry(number), algorithm=algorithm)

    await database.write(write)


def _as_superuser(conn: sa.Connection, *statements: str) -> None:
    """Change rows behind the triggers, as whoever owns the database can."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.text("ALTER TABLE audit_entries DISABLE TRIGGER ALL"))
    else:
        conn.execute(sa.text("DROP TRIGGER audit_entries_no_update"))
        conn.execute(sa.text("DROP TRIGGER audit_entries_no_delete"))
    for statement in statements:
        conn.execute(sa.text(statement))


@pytest.mark.parametrize("algorithm", list(HashName))
async def test_a_chain_nobody_touched_holds(database: Database, algorithm: HashName) -> None:
    await _fill(database, 5, algorithm=algorithm)
    await _fill(database, 3, chain="worker")
    assert await database.read(verify) == []
    ends = await database.read(heads)
    assert [(end.chain, end.number) for end in ends] == [("gateway", 5), ("worker", 3)]
    assert ends[0].hash.startswith(f"{algorithm}:")


async def test_a_chain_may_change_its_hash(database: Database) -> None:
    await _fill(database, 2)
    await _fill(database, 2, algorithm=HashName.SM3)
    assert await database.read(verify) == []


async def test_an_empty_trail_holds(database: Database) -> None:
    assert await database.read(verify) == []


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entries SET outcome = 8", "DELETE FROM audit_entries"]
)
async def test_the_table_refuses_to_be_changed(database: Database, statement: str) -> None:
    await _fill(database, 2)
    with pytest.raises(sa.exc.DBAPIError, match="only ever added"):
        await database.write(lambda conn: conn.execute(sa.text(statement)).rowcount)
    assert await database.read(verify) == []


@pytest.mark.parametrize(
    ("statements", "fault"),
    [
        pytest.param(
            ["UPDATE audit_entries SET username = 'x' WHERE number = 4"],
            Fault("gateway", 4, "changed"),
            id="changed",
        ),
        pytest.param(
            ["UPDATE audit_entries SET event = 'never' WHERE number = 4"],
            Fault("gateway", 4, "changed"),
            id="unknown-event",
        ),
        pytest.param(
            ["UPDATE audit_entries SET hash = 'md5:00' WHERE number = 2"],
            Fault("gateway", 2, "changed"),
            id="unknown-hash",
        ),
        pytest.param(
            ["DELETE FROM audit_entries WHERE number = 3"],
            Fault("gateway", 3, "missing"),
            id="removed",
        ),
        pytest.param(
            [
                "UPDATE audit_entries SET number = 99 WHERE number = 2",
                "UPDATE audit_entries SET number = 2 WHERE number = 3",
                "UPDATE audit_entries SET number = 3 WHERE number = 99",
            ],
            Fault("gateway", 2, "changed"),
            id="reordered",
        ),
        pytest.param(
            ["DELETE FROM audit_entries WHERE number > 4"],
            Fault("gateway", 5, "cut-short"),
            id="cut-short",
        ),
        pytest.param(
            ["DELETE FROM audit_entries", "UPDATE audit_heads SET number = 6"],
            Fault("gateway", 1, "cut-short"),
            id="emptied",
        ),
        pytest.param(
            ["DELETE FROM audit_heads"], Fault("gateway", 6, "head-differs"), id="head-removed"
        ),
    ],
)
async def test_verify_names_the_first_bad_row(
    database: Database, statements: list[str], fault: Fault
) -> None:
    await _fill(database, 6)
    await database.write(lambda conn: _as_superuser(conn, *statements))
    assert await database.read(verify) == [fault]


async def test_a_chain_cut_together_with_its_head_is_shown_by_the_signed_head(
    database: Database, tmp_path: Path
) -> None:
    await _fill(database, 6)
    key = load_or_make_key(tmp_path / "secrets" / "audit.pem")
    assert sign_heads(tmp_path, await database.read(heads), key, now=AT) == 1
    assert sign_heads(tmp_path, await database.read(heads), key, now=AT) == 0
    marks, faults = check_signed_heads(read_signed_heads(tmp_path), key.public_key())
    assert faults == []
    assert await database.read(lambda conn: verify(conn, marks=marks)) == []

    def cut(conn: sa.Connection) -> None:
        _as_superuser(conn, "DELETE FROM audit_entries WHERE number > 4")
        kept = conn.scalar(sa.select(audit_entries.c.hash).where(audit_entries.c.number == 4))
        conn.execute(sa.update(audit_heads).values(number=4, hash=kept))

    await database.write(cut)
    assert await database.read(verify) == []  # without the signature nobody would see it
    assert await database.read(lambda conn: verify(conn, marks=marks)) == [
        Fault("gateway", 5, "cut-short")
    ]


def test_a_forged_line_is_named(tmp_path: Path) -> None:
    key = load_or_make_key(tmp_path / "audit.pem")
    sign_heads(tmp_path, [ChainHead("gateway", 3, "sha256:aa")], key, now=AT)
    file = tmp_path / "audit-heads.jsonl"
    file.write_text(file.read_text().replace('"number":3', '"number":2'))
    _, faults = check_signed_heads(read_signed_heads(tmp_path), key.public_key())
    assert faults == [Fault("gateway", 2, "signature")]


def test_the_key_is_made_once_and_is_its_owners_only(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "audit.pem"
    first, second = load_or_make_key(path), load_or_make_key(path)
    assert first.private_bytes_raw() == second.private_bytes_raw()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(PermissionError):
        load_or_make_key(path)
