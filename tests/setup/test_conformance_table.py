"""Every line of the DICOMweb conformance statement names tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATEMENT = ROOT / "docs/reference/dicom.md"
TEST = re.compile(r"`([^`]+)::([^`]+)`")


@cache
def _names(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    found = (node for node in ast.walk(tree))
    return frozenset(
        node.name for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_every_promise_of_dicomweb_is_held_by_tests_that_exist() -> None:
    section = STATEMENT.read_text("utf-8").partition("\n## DICOMweb\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 15
    for row in rows:
        held = TEST.findall(row)
        assert held, row
        for path, name in held:
            assert name in _names(path), f"{path}::{name}"
