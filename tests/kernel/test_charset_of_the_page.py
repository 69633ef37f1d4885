"""The name somebody checks in the browser before sending is the name the node files."""

import json
from pathlib import Path
from typing import Any

import pytest

from kernel.dicom.charset import decode_as_declared, settle

# The page's own test reads the same table (charset.test.ts).
CASES = (
    Path(__file__).parents[2] / "gateway/ui/src/features/township/charset-cases.json"
).read_bytes()


@pytest.mark.parametrize("case", json.loads(CASES))
def test_the_node_reads_what_the_page_shows(case: dict[str, Any]) -> None:
    raws = [bytes.fromhex(value) for value in case["values"]]
    charsets, _ = settle(raws, case["charset"].split("\\"))
    assert [decode_as_declared(raw, "PN", charsets) for raw in raws] == case["texts"]
