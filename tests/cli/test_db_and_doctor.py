"""Looking after a node from the command line."""

import fcntl
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kernel.settings import NodeKind
from yilian.cli import main
from yilian.wiring.homes import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.prepare(tmp_path / "home", NodeKind.COUNTY)
    assert main(["db", "migrate", "--home", str(made.root)]) == 0
    return made


def test_a_copy_holds_what_the_database_held(home: Home, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    assert main(["db", "backup", "--home", str(home.root), "--to", str(copy)]) == 0
    with closing(sqlite3.connect(copy)) as conn:
        assert conn.execute("SELECT count(*) FROM study").fetchone() == (0,)
    assert main(["db", "backup", "--home", str(home.root), "--to", str(copy)]) == 1


def test_a_missing_object_is_found(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "verify", "--home", str(home.root)]) == 0
    with closing(sqlite3.connect(home.root / "db" / "yilian.sqlite")) as conn, conn:
        at = "2026-11-22 00:00:00"
        conn.execute(
            "INSERT INTO study (id, study_instance_uid, institution, priority, received_at,"
            " updated_at) VALUES (1, '1.2', 'x', 2, ?, ?)",
            (at, at),
        )
        conn.execute(
            "INSERT INTO series (id, study, series_instance_uid, received_at, updated_at)"
            " VALUES (1, 1, '1.3', ?, ?)",
            (at, at),
        )
        conn.execute(
            "INSERT INTO instance (study, series, sop_instance_uid, object_key, size_bytes,"
            " received_at, metadata_json) VALUES (1, 1, '1.4', 'aa/bb/cc', 5, ?, x'00')",
            (at,),
        )
    assert main(["db", "verify", "--home", str(home.root)]) == 1
    assert "aa/bb/cc is missing" in capsys.readouterr().out


def test_the_doctor_names_what_to_mend(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    home.settings_file.write_text("[dicom]\nprot = 4\n", "utf-8")
    assert main(["doctor", "--home", str(home.root), "--json"]) == 1
    findings = {f["what"]: f for f in json.loads(capsys.readouterr().out)}
    assert not findings["settings"]["good"]
    assert "line 2" in findings["settings"]["mend"] or "port" in findings["settings"]["mend"]
    assert findings["Python"]["good"]


def test_the_doctor_finds_the_running_node_the_missing_token_and_the_silent_county(
    tmp_path: Path, closed_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Home.prepare(tmp_path / "township", NodeKind.TOWNSHIP)
    place.settings_file.write_text(
        f'[township]\ncounty_url = "http://127.0.0.1:{closed_port}"\ntoken_file = "secrets/none"\n',
        "utf-8",
    )
    with (place.root / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["doctor", "--home", str(place.root), "--json"]) == 1
    findings = {f["what"]: f for f in json.loads(capsys.readouterr().out)}
    assert findings["ports"]["found"] == "the node is running"
    assert not findings["township.token_file"]["good"]
    assert not findings["county"]["good"]


def test_an_empty_spool_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Home.prepare(tmp_path / "township", NodeKind.TOWNSHIP)
    assert main(["spool", "list", "--home", str(place.root)]) == 0
    assert "everything is at the county" in capsys.readouterr().out
    assert main(["spool", "retry", "--home", str(place.root), "1.2.3"]) == 1
    assert "nothing-set-aside" in capsys.readouterr().err


@pytest.mark.parametrize(
    "verb", ["demo", "county", "township", "send", "admin", "db", "audit", "spool", "doctor"]
)
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = {"db": ["db", "backup"], "audit": ["audit", "verify"], "spool": ["spool", "list"]}
    with pytest.raises(SystemExit) as ended:
        main([*words.get(verb, [verb]), "--help"])
    assert ended.value.code == 0
    assert "example" in capsys.readouterr().out
