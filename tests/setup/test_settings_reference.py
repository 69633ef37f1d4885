"""The reference of settings says what the program does now, of every key."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_MADE = "import runpy; print(runpy.run_path('tools/settings_reference.py')['written'](), end='')"
_CELLS = 7


def test_the_page_is_what_the_tool_writes() -> None:
    made = subprocess.run(
        [sys.executable, "-c", _MADE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    page = ROOT / "docs/reference/settings.md"
    assert made.stdout == page.read_text("utf-8"), "run tools/settings_reference.py"


def test_every_key_has_a_meaning() -> None:
    page = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows
    for row in rows:
        cells = row.split("|")
        assert len(cells) == _CELLS, row
        assert cells[-2].strip(), row
