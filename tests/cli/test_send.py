"""``yilian send`` says what it could not send, and its exit code is true."""

import datetime as dt
import json
from pathlib import Path

import pytest

from yilian.cli import main
from yilian.samples.studies import STUDIES, files_of


def test_a_broken_image_is_named_and_the_exit_code_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    study = next(s for s in STUDIES if s.key == "wu-chest")
    (whole,) = files_of(study, today=dt.date(2026, 11, 22))
    folder = tmp_path / "cd"
    folder.mkdir()
    (folder / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    (folder / "readme.txt").write_text("not an image")
    assert main(["send", str(folder), "--to", "127.0.0.1:1", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["refused"] == [{"path": str(folder / "cut.dcm"), "reason": "truncated"}]
    assert told["skipped"] == {"not-dicom": 1}


def test_a_folder_that_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["send", str(tmp_path / "none"), "--to", "127.0.0.1:1"]) == 1
    assert "no-such-folder" in capsys.readouterr().err
