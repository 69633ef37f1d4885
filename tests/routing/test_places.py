"""Destinations of the rules file: what may stand there, and who is refused at the start."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.routing.engine import route
from gateway.routing.model import DestinationKind, Facts
from gateway.routing.places import Sending
from gateway.routing.rules_file import read_rules
from gateway.routing.toml_lines import RulesFileError
from kernel.identity import ApplicationEntity
from kernel.process.child import EX_CONFIG
from tests.cli.test_start_checks import ROOT, home_with, start
from tests.imaging.sample import ct
from yilian.wiring.destinations import missing_from

GOOD = """
fallback = { dicom = "PACS2" }

[[destination]]
dicomweb = "province"
url = "https://pacs.province.example/dicom-web/"
token-file = "secrets/province.token"
parallel = 3
bits-per-s = 8000000

[[destination]]
dicom = "PACS2"
warnings = "set-aside"

[[rule]]
name = "CT goes on"
when.Modality = "CT"
to = [{ reading-list = "county" }, { dicomweb = "province", priority = "urgent" }]
"""


def test_a_rule_sends_to_servers_and_peers() -> None:
    rules = read_rules(GOOD, keywords={"Modality"})
    ct = route(rules, Facts({"Modality": ("CT",)}))
    assert [d.address for d in ct.destinations] == ["reading-list:county", "dicomweb:province"]
    assert [d.address for d in route(rules, Facts({})).destinations] == ["dicom:PACS2"]
    assert rules.sent_to() == {
        "dicomweb:province": Sending(
            DestinationKind.DICOMWEB,
            "province",
            parallel=3,
            bits_per_s=8_000_000,
            url="https://pacs.province.example/dicom-web",
            token_file="secrets/province.token",  # noqa: S106  # a name
        ),
        "dicom:PACS2": Sending(DestinationKind.DICOM, "PACS2", warned_is_taken=False),
    }


@pytest.mark.parametrize(
    ("part", "line", "says"),
    [
        pytest.param('dicom = "A"\nurl = "https://x"', 3, "unknown key 'url'", id="url-of-a-peer"),
        pytest.param('dicomweb = "a"\nurl = "http://pacs/x"', 3, "https://", id="plain"),
        pytest.param('dicomweb = "a"\nurl = "http://127.1/x"', 3, "https://", id="short-loopback"),
        pytest.param('dicomweb = "a"\nurl = "https://u:p@h/x"', 3, "without user", id="userinfo"),
        pytest.param('dicomweb = "a"\nurl = "file:///etc/passwd"', 3, "url is", id="file"),
        pytest.param('dicomweb = "a"\nurl = "https://h:99999/"', 3, "no address", id="port"),
        pytest.param('dicom = "A"\nparallel = 99', 3, "from 1 to 8", id="too-parallel"),
        pytest.param('dicom = "A"\nwarnings = "ok"', 3, "taken, set-aside", id="warnings"),
        pytest.param('dicom = "A"\ndicomweb = "b"', 1, "is one of", id="two-kinds"),
        pytest.param('dicom = "A234567890123456X"', 2, "at most 16", id="long-title"),
    ],
)
def test_a_fault_names_its_line(part: str, line: int, says: str) -> None:
    with pytest.raises(RulesFileError) as caught:
        read_rules(f"[[destination]]\n{part}\n", keywords=())
    assert caught.value.line == line
    assert says in caught.value.detail


def test_a_server_nobody_described_is_refused() -> None:
    text = '[[rule]]\nname = "x"\nto = { dicomweb = "moon" }\n'
    with pytest.raises(RulesFileError, match=r"line 3: no .* where dicomweb 'moon' is"):
        read_rules(text, keywords=())


@pytest.mark.parametrize(
    ("table", "says"),
    [
        pytest.param([], "'PACS2' is not in the table of peers", id="unknown"),
        pytest.param(
            [ApplicationEntity("PACS2", "county", "10.0.0.0/8", 104)],
            "'PACS2' has no host and port in the table",
            id="a-network",
        ),
        pytest.param([ApplicationEntity("PACS2", "county", "10.0.0.9", 104)], "", id="known"),
    ],
)
def test_a_peer_has_to_be_in_the_table(table: list[ApplicationEntity], says: str) -> None:
    found = missing_from(read_rules(GOOD, keywords={"Modality"}), table)
    assert says in found
    assert bool(says) is bool(found)


def test_a_county_does_not_start_with_a_destination_nobody_can_call(tmp_path: Path) -> None:
    home = home_with(tmp_path, '[routing]\nrules = "routes.toml"\n')
    rules = '[[rule]]\nname = "all"\nto = { dicom = "PACS2" }\n'
    (home.root / "routes.toml").write_text(rules, "utf-8")
    ended = start(home)
    assert ended.returncode == EX_CONFIG
    assert "destination dicom 'PACS2' is not in the table of peers" in ended.stderr
    assert "`yilian admin ae add PACS2 INSTITUTION" in ended.stderr


def test_explain_shows_where_a_file_would_be_sent_and_who_would_be_asked(tmp_path: Path) -> None:
    home = home_with(tmp_path, "")
    prior = '[[prior]]\nname = "old CT"\nfrom = ["OLDPACS"]\n'
    (tmp_path / "routes.toml").write_text(GOOD + prior, "utf-8")
    (tmp_path / "ct.dcm").write_bytes(ct())
    files = [str(tmp_path / "ct.dcm"), "--rules", str(tmp_path / "routes.toml")]
    shown = subprocess.run(
        [
            sys.executable,
            "-m",
            "yilian",
            "admin",
            "--home",
            str(home.root),
            "routes",
            "explain",
            *files,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    assert "goes to: reading-list county, dicomweb province urgent  (CT goes on)" in shown
    assert "asks for earlier studies: OLDPACS  (old CT)" in shown
