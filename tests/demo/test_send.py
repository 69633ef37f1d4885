"""``yilian send`` to a real county and a real township: what they hold is left out, by their id."""

import datetime as dt
import io
import json
from pathlib import Path

import pydicom
import pytest

from tests.demo.running import RunningDemo
from tests.imaging.sample import ct
from yilian.cli import main
from yilian.samples.studies import STUDIES, files_of

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def known(demo: RunningDemo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is run hold the radiologist's token, and remember here what it sent."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("YILIAN_TOKEN", demo.account("radiologist")["token"])


def test_a_second_run_sends_nothing_to_who_has_it_and_all_to_another(
    demo: RunningDemo,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "study"
    folder.mkdir()
    study = next(s for s in STUDIES if s.key == "liu-knee")
    for number, file in enumerate(files_of(study, today=dt.date(2026, 11, 22))):
        (folder / f"{number}.dcm").write_bytes(file)
    count = number + 1

    def sent(*words: str) -> tuple[int, int]:
        capsys.readouterr()
        assert main(["send", str(folder), *words, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        return told["sent"], told["already_there"]

    county = demo.http("county-hospital")
    assert main(["send", str(folder), "--to", county]) == 1
    assert "a token is needed" in capsys.readouterr().out
    monkeypatch.setenv("YILIAN_TOKEN", "ylt_wrong")
    assert main(["send", str(folder), "--to", county]) == 1
    assert "the token is not accepted" in capsys.readouterr().out
    monkeypatch.setenv("YILIAN_TOKEN", demo.account("radiologist")["token"])
    assert sent("--to", county) == (count, 0)
    assert sent("--to", f"{county}/dicom-web") == (0, count)
    for township in demo.ready["townships"]:
        door = township["dicom"]
        to = ("--to", f"{door['host']}:{door['port']}", "--called", door["ae_title"])
        assert sent(*to) == (count, 0), township["name"]
        assert sent(*to) == (0, count), township["name"]
    # The county is known again at its other door.
    door = demo.door("county-hospital")
    to = ("--to", f"{door['host']}:{door['port']}", "--called", door["ae_title"])
    assert sent(*to) == (0, count)


@pytest.mark.usefixtures("known")
def test_what_a_node_refuses_is_told_in_its_words_by_either_door(
    demo: RunningDemo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    study = next(s for s in STUDIES if s.key == "liu-knee")
    whole, other = files_of(study, today=dt.date(2026, 11, 22))
    (folder / "good.dcm").write_bytes(whole)
    nameless = pydicom.dcmread(io.BytesIO(other))
    del nameless.SOPInstanceUID
    nameless.save_as(folder / "nameless.dcm", enforce_file_format=False)
    door = demo.door("qingshan")
    for to in (
        (demo.http("county-hospital"),),
        (f"{door['host']}:{door['port']}", "--called", door["ae_title"]),
    ):
        assert main(["send", str(folder), "--again", "--to", *to]) == 1
        told = capsys.readouterr().out
        assert "nameless.dcm: 0xC000 The object has no SOP class or no SOP instance UID." in told
        assert "1 sent" in told
        assert "1 refused" in told


@pytest.mark.usefixtures("known")
def test_what_is_kept_beside_another_content_is_named(
    demo: RunningDemo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = ("--again", "--to", demo.http("county-hospital"))
    told = []
    file = tmp_path / "image.dcm"
    for number in range(3):
        content = f"content {number}"
        file.write_bytes(ct(1, study=990801, PatientID="990000-SEND", ImageComments=content))
        assert main(["send", str(file), *to, "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert [each["sent"] for each in told] == [1, 1, 1]
    assert [len(each["warned"]) for each in told] == [0, 1, 1]
    assert told[1]["warned"][0]["reason"].startswith("0xB007 kept, but not as what answers")
    assert main(["send", str(file), *to]) == 0
    printed = capsys.readouterr().out
    assert f"warned: {file}: 0xB007" in printed
    assert "1 of those sent with a warning" in printed
