"""The control of R11; tests/demo/test_full_disk.py tries the whole program."""

from pathlib import Path

import pytest

from tests.torture import full_disk

pytestmark = [
    pytest.mark.skipif(bool(full_disk.missing()), reason=full_disk.missing()),
    pytest.mark.timeout(150),
]


async def test_a_node_that_answers_first_is_found_out_on_a_full_disk(tmp_path: Path) -> None:
    [control] = await full_disk.controls(tmp_path)
    assert control.found.lost > 0, str(control.found)
