"""What somebody at the machine is told of damaged objects."""

import json
from pathlib import Path

import pytest

from kernel.settings import NodeKind
from tests.imaging.sample import ct
from tests.integrity.county import county, object_files
from tests.integrity.damage import flip, key_of
from yilian.cli import main
from yilian.wiring.homes import Home


def db(*words: object) -> int:
    return main(["db", *map(str, words)])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return county(tmp_path / "home", [ct(1), ct(2), ct(1, pixels=3)])


def test_a_flipped_bit_is_found_by_reading_and_by_nothing_less(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert db("verify", "--objects", "--home", home.root) == 0
    assert "3 objects read" in capsys.readouterr().out
    flip(object_files(home)[0], 700)
    assert db("verify", "--home", home.root) == 0
    assert db("damaged", "--home", home.root) == 0
    assert "nothing is damaged" in capsys.readouterr().out
    assert db("verify", "--objects", "--home", home.root) == 1
    assert "digest-differs" in capsys.readouterr().out
    assert db("damaged", "--home", home.root) == 1
    listed = capsys.readouterr().out
    assert key_of(object_files(home)[0]) in listed
    assert "1 damaged" in listed
    assert "Zhang" not in listed
    main(["doctor", "--home", str(home.root), "--json"])
    (finding,) = [f for f in json.loads(capsys.readouterr().out) if f["what"] == "stored objects"]
    assert (finding["good"], finding["found"]) == (False, "1 are damaged")


def test_bad_questions_are_answered_in_one_line(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert db("verify", "--objects", "--rate", "0", "--home", home.root) == 1
    assert "--rate is above 0" in capsys.readouterr().err
    assert db("damaged", "--home", tmp_path / "nowhere") == 1
    assert "[no-such-home]" in capsys.readouterr().err
    township = Home.prepare(tmp_path / "township", NodeKind.TOWNSHIP)
    assert db("damaged", "--home", township.root) == 1
    assert "[unsupported]" in capsys.readouterr().err
    home.objects.rename(tmp_path / "unmounted")
    assert db("verify", "--objects", "--home", home.root) == 1
    assert "is its disk mounted?" in capsys.readouterr().err
