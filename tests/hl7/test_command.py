"""``yilian admin hl7``: who may send, and a trial message to a door that answers."""

import asyncio
import json
from pathlib import Path

import pytest

from kernel.identity import InstitutionKind
from kernel.settings import NodeKind
from kernel.sql.db import Database
from tests.hl7.door import LIU, open_door, written
from tests.hl7.test_server import opened
from yilian.cli import main
from yilian.wiring.homes import Home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = Home.prepare(tmp_path / "home", NodeKind.COUNTY)
    add = ["institution", "add", "qingshan", "青山卫生院"]
    assert admin(made.root, *add, "--kind", InstitutionKind.TOWNSHIP) == 0
    return made.root


def admin(home: Path, *words: str) -> int:
    return main(["admin", "--home", str(home), "--json", *words])


def test_senders_are_added_changed_listed_and_removed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add = ["hl7", "add", "HIS", "qingshan", "--from", "10.1.2.3", "--from", "10.2.0.0/16"]
    assert admin(home, *add) == 0
    assert admin(home, *add) == 1
    assert "already-there" in capsys.readouterr().err
    assert admin(home, *add, "--change", "--charset", "GB18030", "--ack", "original") == 0
    capsys.readouterr()
    assert admin(home, "hl7", "list") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["application"], row["charset"], row["mode"]) == ("HIS", "GB18030", "original")
    assert row["networks"] == ["10.1.2.3", "10.2.0.0/16"]
    assert admin(home, "hl7", "remove", "HIS") == 0
    assert admin(home, "hl7", "remove", "HIS") == 1
    assert main(["audit", "verify", "--home", str(home)]) == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["HIS", "nowhere", "--from", "10.1.2.3"], "no-such-institution"),
        (["HIS", "qingshan", "--from", "10.1.2"], "invalid-address"),
        (["H|S", "qingshan", "--from", "10.1.2.3"], "invalid-name"),
        (["HIS", "qingshan", "--from", "10.1.2.3", "--charset", "KLINGON"], "invalid-charset"),
        (["HIS", "qingshan", "--from", "10.1.2.3", "--processing", "X"], "invalid-processing-id"),
        (["HIS", "qingshan", "--from", "10.1.2.3", "--host", "his"], "invalid-port"),
    ],
)
def test_a_mistake_has_its_code(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: str
) -> None:
    assert admin(home, "hl7", "add", *words) == 1
    assert code in capsys.readouterr().err


async def test_a_file_is_sent_and_its_answer_shown(
    sqlite_database: Database, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "adt.hl7"
    door = await open_door(sqlite_database)
    for line, told in ((LIU, "MSA|AA|1"), (LIU.replace("|F|", "|X|"), "MSA|AE|1")):
        file.write_bytes(written("ADT^A08", line).replace(b"\r", b"\r\n"))
        async with opened(door) as port:
            words = ["hl7", "send", str(file), "127.0.0.1", str(port)]
            code = await asyncio.to_thread(admin, home, *words)
        assert code == (0 if "AA" in told else 1)
        assert told in capsys.readouterr().out
