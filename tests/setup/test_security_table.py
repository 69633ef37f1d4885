"""The table of attacks names tests that exist, and leaves none of the attacks out."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs/reference/security-tests.md"
ROW = re.compile(r"^\| (S\d\d) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`([^`]+)::([^`]+)`")


def _rows() -> list[tuple[str, str]]:
    return [(found[1], found[3]) for found in ROW.finditer(TABLE.read_text("utf-8"))]


def test_every_attack_has_its_row() -> None:
    assert [number for number, _ in _rows()] == [f"S{number:02}" for number in range(1, 44)]


def test_every_row_names_a_test_or_the_part_it_waits_for() -> None:
    for number, held in _rows():
        assert TEST.search(held) or held.startswith("later: "), number


def test_every_named_test_exists() -> None:
    for number, held in _rows():
        for path, name in TEST.findall(held):
            tree = ast.parse((ROOT / path).read_text("utf-8"))
            names = {
                node.name
                for node in ast.walk(tree)
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert name in names, f"{number}: {path}::{name}"
