"""What a county could not file is seen by whoever looks after it, and given out."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kernel.settings import NodeKind
from kernel.sql.db import Database
from tests.imaging.desk import open_desk
from tests.imaging.sample import ct
from yilian.cli import main
from yilian.doctor import filing
from yilian.wiring.homes import Home

BROKEN = ct(2)[:-50]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.prepare(tmp_path / "home", NodeKind.COUNTY)
    assert main(["db", "migrate", "--home", str(made.root)]) == 0
    return made


def receive(home: Home, *files: bytes, file: bool) -> None:
    """Take *files* at the DICOM door of *home* and, where asked, file them."""

    async def run() -> None:
        database = await Database.open(f"sqlite:///{home.root}/db/yilian.sqlite")
        folder = home.root / "at-work"
        async with open_desk(database, folder) as desk:
            await desk.receive(*files)
            if file:
                await desk.file_all()
        await database.close()
        if not file:
            home.journal("dicom").parent.mkdir(exist_ok=True)
            (folder / "journal").rename(home.journal("dicom"))
        else:
            for each in (folder / "objects").glob("??/??/*"):
                place = home.objects / each.relative_to(folder / "objects")
                place.parent.mkdir(parents=True)
                each.rename(place)

    asyncio.run(run())


def findings(home: Home, capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    capsys.readouterr()
    main(["doctor", "--home", str(home.root), "--json"])
    return {each["what"]: each for each in json.loads(capsys.readouterr().out)}


def test_what_is_set_aside_is_told_listed_and_exported(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "filing" not in findings(home, capsys)
    receive(home, BROKEN, file=True)
    found = findings(home, capsys)["filing"]
    assert not found["good"]
    assert "1 set aside" in str(found["found"])
    assert "truncated" in str(found["found"])
    admin = ["admin", "--home", str(home.root), "--json", "set-aside"]
    assert main([*admin, "list"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["reason"], one["institution"]) == ("truncated", "qingshan")
    assert main([*admin, "export", str(one["id"]), str(tmp_path / "out")]) == 0
    path = Path(json.loads(capsys.readouterr().out)["file"])
    assert path.read_bytes() == BROKEN
    assert main([*admin, "export", str(one["id"]), str(tmp_path / "out")]) == 1
    assert "file-exists" in capsys.readouterr().err
    assert main([*admin, "export", "77", str(tmp_path / "out")]) == 1
    assert "nothing-set-aside" in capsys.readouterr().err


def change(home: Home, statement: str) -> None:
    async def run() -> None:
        database = await Database.open(f"sqlite:///{home.root}/db/yilian.sqlite")
        await database.write(lambda conn: conn.exec_driver_sql(statement))
        await database.close()

    asyncio.run(run())


def test_what_was_refused_is_filed_from_here_once_that_is_mended(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    change(home, "CREATE TRIGGER no BEFORE INSERT ON instance BEGIN SELECT RAISE(ABORT, 'no'); END")
    receive(home, ct(1), file=True)
    assert "set-aside retry --all" in str(findings(home, capsys)["filing"]["mend"])
    admin = ["admin", "--home", str(home.root), "--json", "set-aside"]
    assert main([*admin, "retry"]) == main([*admin, "retry", "1", "--all"]) == 1
    capsys.readouterr()
    assert main([*admin, "retry", "--all"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["outcome"] == "refused"
    change(home, "DROP TRIGGER no")
    for outcome in ("filed", None):
        assert main([*admin, "retry", "--all"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert [one["outcome"] for one in told] == ([outcome] if outcome else [])
    assert "filing" not in findings(home, capsys)
    assert main([*admin, "retry", "77"]) == 1
    assert "nothing-set-aside" in capsys.readouterr().err


def test_a_journal_that_is_not_filed_is_told(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(filing, "_LOOK_AGAIN_S", 0.01)
    assert "filing of journal dicom" not in findings(home, capsys)
    receive(home, ct(1), file=False)
    assert not findings(home, capsys)["filing of journal dicom"]["good"]


def test_a_database_that_lacks_a_table_is_told(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "what is in the database" not in findings(home, capsys)
    with closing(sqlite3.connect(home.root / "db" / "yilian.sqlite")) as raw:
        raw.execute("ALTER TABLE filing_set_aside RENAME TO gone")
        raw.commit()
    found = findings(home, capsys)["what is in the database"]
    assert not found["good"]
    assert str(found["found"]).endswith("OperationalError")
