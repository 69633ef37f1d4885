"""What is set aside at a township can be given to whoever can mend it."""

import asyncio
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.township.line import LineMeter
from gateway.township.model import Filed
from gateway.township.parcel_queue import line_hold
from gateway.township.queue_news import QueueNews
from gateway.township.spool_index import file_batch
from gateway.township.tables import studies
from imaging.archive.objects import NewObject, put_new
from imaging.archive.objects_fs import FileObjectStore
from kernel.arrival import ContentDigest
from kernel.audit.trail import audit_entries, verify
from kernel.clock import SystemClock
from kernel.identifiers import Uid, object_key
from kernel.journal.writer import Position
from kernel.settings import NodeKind
from kernel.sql.db import Database
from tests.township.node import arrival_of
from tests.uploads.dicom_files import ct_slice
from yilian.cli import main
from yilian.wiring.homes import Home

BROKEN = ct_slice(1)[:-50]


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Home:
    """A township with one instance that waits and two that are set aside, one without bytes."""
    made = Home.prepare(tmp_path / "home", NodeKind.TOWNSHIP)
    assert main(["db", "migrate", "--home", str(made.root)]) == 0
    store = FileObjectStore(made.objects)
    waiting, aside, lost = (
        _filed(ct_slice(1), ""),
        _filed(ct_slice(2), "truncated"),
        _filed(ct_slice(3), "journal-corrupt", kept=False),
    )
    put_new(store, [NewObject(aside.object_key, [BROKEN])])

    async def file() -> None:
        database = await Database.open(made.database_url)
        batch = [waiting, aside, lost]
        await database.write(lambda conn: file_batch(conn, "dicom", Position(1, 5), batch))
        await database.close()

    asyncio.run(file())
    capsys.readouterr()
    return made


def _filed(raw: bytes, reason: str, *, kept: bool = True) -> Filed:
    arrival = arrival_of(raw)
    digest = ContentDigest(dataset="0" * 64)
    key = object_key(Uid.parse(arrival.sop_instance_uid), digest.whole)
    return Filed(
        arrival=arrival,
        header=None,
        object_key=key if kept else "",
        reason_code=reason,
    )


def spool(home: Home, act: str, *words: str) -> int:
    return main(["spool", act, "--home", str(home.root), "--json", *words])


def aside(home: Home, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert spool(home, "aside") == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


async def _exports(home: Home) -> list[Any]:
    database = await Database.open(home.database_url)
    try:
        columns = audit_entries.c
        query = sa.select(columns.username, columns.subject, columns.detail).where(
            columns.event == "exported"
        )
        assert await database.read(verify) == []
        return await database.read(lambda conn: list(conn.execute(query)))
    finally:
        await database.close()


@pytest.mark.parametrize("by", ["id", "sop_instance_uid"])
def test_it_is_copied_byte_for_byte_and_the_trail_says_so(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    first = aside(home, capsys)[0]
    assert first["reason_code"] == "truncated"
    assert spool(home, "export", str(first[by]), str(tmp_path / "out")) == 0
    (path,) = json.loads(capsys.readouterr().out)
    assert Path(path).read_bytes() == BROKEN
    assert Path(path).name == f"{first['sop_instance_uid']}-{first['id']}.dcm"
    assert Path(path).stat().st_mode & 0o077 == 0
    ((username, subject, detail),) = asyncio.run(_exports(home))
    assert (username, subject) == ("operator", f"study:{first['study_instance_uid']}")
    assert detail == {
        "act": "export-aside",
        "sop_instance_uid": first["sop_instance_uid"],
        "code": "truncated",
    }
    # It is still here, and nothing is written over.
    assert aside(home, capsys)[0] == first
    assert spool(home, "export", str(first[by]), str(tmp_path / "out")) == 1
    assert "file-exists" in capsys.readouterr().err


def test_what_is_not_set_aside_or_has_no_bytes_is_not_given_out(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = aside(home, capsys)[1]
    assert lost["reason_code"] == "journal-corrupt"
    for which in ("1", str(lost["id"]), "1.2.3", "9" * 40, "../../etc/passwd", ""):
        assert spool(home, "export", which, str(tmp_path / "out")) == 1
        assert "nothing-set-aside" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert asyncio.run(_exports(home)) == []


def test_what_is_set_aside_is_released_and_taken_back(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    [first, second] = aside(home, capsys)
    assert spool(home, "release", str(first["id"])) == 0
    capsys.readouterr()
    assert [row["id"] for row in aside(home, capsys)] == [second["id"]]
    assert spool(home, "release", str(first["id"])) != 0
    assert spool(home, "release", str(first["id"]), "--undo") == 0
    capsys.readouterr()
    assert aside(home, capsys) == [first, second]
    assert spool(home, "release", "999") != 0
    assert asyncio.run(_exports(home)) == []


def test_the_list_says_how_urgent_each_study_is(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    async def make_urgent() -> None:
        database = await Database.open(home.database_url)
        try:
            await database.write(lambda conn: conn.execute(sa.update(studies).values(rank=0)))
        finally:
            await database.close()

    assert spool(home, "list") == 0
    [study] = json.loads(capsys.readouterr().out)
    assert (study["priority"], study["waiting"], study["set-aside"]) == ("routine", 1, 2)
    asyncio.run(make_urgent())
    assert main(["spool", "list", "--home", str(home.root)]) == 0
    assert "priority=emergency" in capsys.readouterr().out


def test_the_list_says_that_everything_is_held_by_whom_and_how_to_end_it(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert spool(home, "pause", "--minutes", "30") == 0
    until = json.loads(capsys.readouterr().out)["held_until"]
    assert spool(home, "list") == 0
    out, err = capsys.readouterr()
    assert isinstance(json.loads(out), list)
    assert f"held until {until} by operator" in err
    assert "yilian spool resume" in err
    assert spool(home, "resume") == 0
    capsys.readouterr()
    assert spool(home, "list") == 0
    assert "held" not in capsys.readouterr().err


def test_what_is_tried_again_freed_or_held_is_in_the_trail(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    [first, _] = aside(home, capsys)
    study = first["study_instance_uid"]
    assert spool(home, "release", str(first["id"])) == 0
    assert spool(home, "release", str(first["id"]), "--undo") == 0
    assert spool(home, "retry", study) == 0
    assert spool(home, "retry", "1.2.3") == 1
    assert spool(home, "pause", "--minutes", "30") == 0
    assert spool(home, "resume") == 0
    columns = audit_entries.c
    query = sa.select(columns.subject, columns.detail).where(columns.event == "changed")

    async def read() -> list[tuple[str, str]]:
        database = await Database.open(home.database_url)
        try:
            rows = await database.read(lambda conn: conn.execute(query.order_by(columns.id)).all())
            return [(row.subject, row.detail["act"]) for row in rows]
        finally:
            await database.close()

    assert asyncio.run(read()) == [
        (f"study:{study}", "release"),
        (f"study:{study}", "take-back"),
        (f"study:{study}", "retry"),
        ("line:county", "hold-line"),
        ("line:county", "free-line"),
    ]


def test_the_line_is_held_for_some_minutes_and_freed(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert spool(home, "pause", "--minutes", "30") == 0
    until = dt.datetime.fromisoformat(json.loads(capsys.readouterr().out)["held_until"])
    minutes = (until - SystemClock().now()).total_seconds() / 60
    assert 28 <= minutes <= 30
    assert _held(home)
    assert spool(home, "resume") == 0
    assert json.loads(capsys.readouterr().out) == {"held_until": None}
    assert not _held(home)


@pytest.mark.parametrize("minutes", ["0", "1441", "-5", "x", ""])
def test_a_hold_has_an_end(home: Home, minutes: str) -> None:
    with pytest.raises(SystemExit):
        spool(home, "pause", "--minutes", minutes)
    assert not _held(home)


@pytest.mark.parametrize("act", [["list"], ["aside"], ["pause", "--minutes", "1"]])
def test_a_county_that_lets_the_node_not_in_is_told_with_what_to_do(
    home: Home, capsys: pytest.CaptureFixture[str], act: list[str]
) -> None:
    home.settings_file.write_text('[township]\ncounty_url = "https://county.example"\n', "utf-8")
    assert spool(home, *act) == 0
    assert capsys.readouterr().err == ""
    for code, words in (
        ("bad-token", ["does not accept this node's token", "yilian admin token add"]),
        ("node-revoked", ["has let this node go", "yilian township enrol CODE"]),
    ):
        asyncio.run(_line(home, code))
        assert spool(home, *act) == 0
        out, err = capsys.readouterr()
        json.loads(out)
        assert err.count("\n") == 1
        assert all(word in err for word in [*words, f"[{code}]"])
    # What passes by itself, or has passed, is no reason to call anybody.
    for code in ("line-down", ""):
        asyncio.run(_line(home, code))
        assert spool(home, *act) == 0
        assert capsys.readouterr().err == ""


def test_a_node_without_a_county_says_why_nothing_leaves(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert spool(home, "list") == 0
    assert "yilian township enrol CODE --county URL" in capsys.readouterr().err


async def _line(home: Home, code: str) -> None:
    """Let the node's sender tell of its line: down with *code*, or up."""
    database = await Database.open(home.database_url)
    news = QueueNews(database, LineMeter(), SystemClock(), institution="qingshan", zone=dt.UTC)
    try:
        await (news.lost(code) if code else news.reached())
    finally:
        await database.close()


def _held(home: Home) -> bool:
    async def read() -> bool:
        database = await Database.open(home.database_url)
        try:
            now = SystemClock().now()
            hold = await database.read(lambda conn: line_hold(conn, now=now))
            return hold is not None
        finally:
            await database.close()

    return asyncio.run(read())


def test_a_county_has_no_spool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    county = Home.prepare(tmp_path / "county", NodeKind.COUNTY)
    assert main(["spool", "list", "--home", str(county.root)]) == 1
    assert "is no township's home" in capsys.readouterr().err
