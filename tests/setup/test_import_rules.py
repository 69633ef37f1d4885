"""Imports run one way; the rules are tried on the house and on a house that breaks them."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.setup import checkout
from tests.setup.checkout import ROOT

DEPARTMENTS = ["gateway", "imaging", "referrals", "realtime"]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    asked = [str(program), "--no-logo", "--no-cache"]
    return subprocess.run(
        asked, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_house_keeps_its_import_rules() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout


def kernel_rooms() -> list[str]:
    """What the contract on the kernel names."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = (
        contract
        for contract in asked["tool"]["importlinter"]["contracts"]
        if contract["id"] == "kernel-layers"
    )
    return [name for layer in contract["layers"] for name in layer.split(" | ")]


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        pytest.param("kernel/bad.py", "import imaging", "run one way", id="kernel-up"),
        pytest.param("imaging/bad.py", "import gateway", "run one way", id="between-departments"),
        pytest.param("gateway/bad.py", "import yilian", "run one way", id="program-from-below"),
        pytest.param("gateway/township/bad.py", "import gateway.http.app", "web shell", id="shell"),
        pytest.param("gateway/routing/bad.py", "import aiohttp", "framework", id="framework"),
        pytest.param("imaging/reading/model.py", "import sqlalchemy", "decides", id="pure-model"),
        pytest.param("kernel/dicom/bad.py", "import sqlalchemy", "decides", id="pure-dicom"),
        pytest.param("kernel/errors.py", "import kernel.sql", "one order", id="in-the-kernel"),
        pytest.param("gateway/dimse/pdu_stream.py", "import pynetdicom", "decides", id="pure-pdu"),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, module: str, line: str, contract: str) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ["yilian", "kernel", *DEPARTMENTS, "gateway/http"]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "gateway/http/app.py").touch()
    for name in kernel_rooms():
        (tmp_path / "kernel" / f"{name}.py").touch()
    (tmp_path / module).parent.mkdir(exist_ok=True)
    (tmp_path / module).parent.joinpath("__init__.py").touch()
    (tmp_path / module).write_text(f"{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    broken = [text for text in done.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(contract in text for text in broken), done.stdout


def web_framework_imports(path: Path) -> list[int]:
    """Lines of *path* that import the server side of aiohttp."""
    found = []
    for node in ast.walk(ast.parse(checkout.text(path))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        if any(f"{name}.".startswith("aiohttp.web") for name in names):
            found.append(node.lineno if isinstance(node, ast.Import | ast.ImportFrom) else 0)
    return found


def test_of_the_township_only_its_pages_know_the_web_framework() -> None:
    """Import-linter cannot forbid a part of another library; the client side is allowed."""
    rooms = [path for path in checkout.python() if path.parts[:2] == ("gateway", "township")]
    shells = {path for path in rooms if "http" in path.name}
    assert {path: web_framework_imports(path) for path in rooms if path not in shells} == {
        path: [] for path in rooms if path not in shells
    }


def test_the_dicom_door_loads_no_web_server_and_no_codec() -> None:
    """It starts again in a moment after a crash, on a machine with little memory."""
    program = """
import sys
import yilian.wiring.dicom_role
heavy = ["aiohttp", "imagecodecs", "numpy", "prometheus_client", "pydicom", "pynetdicom"]
print(*sorted(set(heavy) & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == []
