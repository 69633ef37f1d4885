"""The table of promises names tests that exist and, for each promise, what its absence breaks."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs/promises.md"
PROMISES_MIN = 8
PATH = re.compile(r"`(tests/[^`:]+)`")
TEST = re.compile(r"`(tests/[^`:]+)::([^`]+)`")


def _rows() -> list[list[str]]:
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


def test_every_promise_has_all_its_cells() -> None:
    rows = _rows()
    assert len(rows) >= PROMISES_MIN
    for row in rows:
        assert len(row) == 4, row[0]
        assert all(row), row[0]


@pytest.mark.parametrize("row", _rows(), ids=lambda row: str(row[0])[:30])
def test_what_a_row_names_is_there(row: list[str]) -> None:
    for name in PATH.findall(row[2]):
        assert list(ROOT.glob(name)), name
    named = TEST.findall(row[3])
    assert named or row[3].startswith(("none yet", "not built yet")), row[0]
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        functions = ast.FunctionDef | ast.AsyncFunctionDef
        assert name in {n.name for n in ast.walk(tree) if isinstance(n, functions)}, name
