"""Administration from the command line, on a home of its own."""

import json
from pathlib import Path

import pytest

from kernel.settings import NodeKind
from yilian.cli import main
from yilian.samples.studies import STUDIES, files_of
from yilian.wiring.homes import Home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = Home.prepare(tmp_path / "home", NodeKind.COUNTY)
    made.settings_file.write_text(
        '[node]\ninstitution = "county-hospital"\n[routing]\nrules = "routes.toml"\n', "utf-8"
    )
    (made.root / "routes.toml").write_text(
        '[[rule]]\nname = "head"\nwhen.BodyPartExamined = "HEAD"\n'
        'to = { reading-list = "county-hospital", priority = "emergency" }\n',
        "utf-8",
    )
    return made.root


def admin(home: Path, *words: str) -> int:
    return main(["admin", "--home", str(home), "--json", *words])


def test_institutions_people_peers_and_tokens_are_made_and_listed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert admin(home, "institution", "add", "county-hospital", "县医院", "--kind", "county") == 0
    assert (
        admin(
            home,
            *("institution", "add", "qingshan", "青山卫生院", "--kind", "township"),
            *("--parent", "county-hospital"),
        )
        == 0
    )
    capsys.readouterr()
    assert (
        admin(
            home,
            "user",
            "add",
            "lijing",
            "李静",
            "--institution",
            "qingshan",
            "--role",
            "technician",
        )
        == 0
    )
    made = json.loads(capsys.readouterr().out)
    assert made["username"] == "lijing"
    assert len(made["password"]) >= 12
    assert admin(home, "ae", "add", "CT_QS", "qingshan", "--charset", "GB18030") == 0
    assert admin(home, "token", "add", "lijing", "--label", "test", "--days", "3") == 0
    token = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert token["token"].startswith("ylt_")
    assert admin(home, "ae", "list") == 0
    (peer,) = json.loads(capsys.readouterr().out)
    assert (peer["ae_title"], peer["charset_hint"]) == ("CT_QS", "GB18030")
    assert admin(home, "token", "revoke", token["id"]) == 0
    assert main(["audit", "verify", "--home", str(home)]) == 0


def test_a_mistake_is_one_line_with_its_code(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert admin(home, "user", "add", "x", "X", "--institution", "nowhere") == 1
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert "[" in shown.err


def test_the_rules_file_is_checked_and_explained(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import datetime as dt  # noqa: PLC0415

    study = next(s for s in STUDIES if s.key == "chen-head")
    file = tmp_path / "ct.dcm"
    file.write_bytes(next(files_of(study, today=dt.date(2026, 11, 22))))
    assert main(["admin", "--home", str(home), "routes", "check"]) == 0
    assert main(["admin", "--home", str(home), "routes", "explain", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "rule 'head' (line 1): MATCHES" in shown
    assert "goes to: reading-list county-hospital emergency  (head)" in shown
    (home / "routes.toml").write_text('[[rule]]\nname = "x"\nwhen.Bodypart = 1\n', "utf-8")
    assert main(["admin", "--home", str(home), "routes", "check"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "routes.toml: line 1: rule 'x' has no destination" in first
    assert "routes.toml: line 3: 'Bodypart' is neither" in second


def test_the_public_key_stays_the_same(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["admin", "--home", str(home), "key"]) == 0
    first, second = capsys.readouterr().out.split()
    assert first == second
    assert len(bytes.fromhex(first)) == 32


def test_a_key_others_can_read_is_not_used(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["admin", "--home", str(home), "key"])
    Home(home).secret("node.key").chmod(0o644)
    assert main(["admin", "--home", str(home), "key"]) == 1
    assert "chmod 600" in capsys.readouterr().err


def test_a_folder_that_is_no_home_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert admin(tmp_path, "user", "list") == 1
    assert "no-such-home" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("institution", "add", "qingshan", "青山", "--kind", "township"),
        ("ae", "add", "CT_QS", "county-hospital"),
    ],
)
def test_what_is_there_already_is_changed_only_when_asked(
    home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    house = ("institution", "add", "county-hospital", "县医院", "--kind", "county")
    assert admin(home, *house) == 0
    assert admin(home, *words, "--change") == 1
    assert admin(home, *words) == 0
    assert admin(home, *words) == 1
    assert "already-there" in capsys.readouterr().err
    assert admin(home, *words, "--change") == 0
