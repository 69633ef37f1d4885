"""R11 on one node; tests/demo/test_full_disk.py tries the whole program."""

from pathlib import Path

import pytest

from tests.torture import full_disk
from tests.torture.figures import Size

SIZES = [
    pytest.param(Size.SHORT, id="once"),
    pytest.param(Size.LONG, id="often", marks=pytest.mark.torture),
]
pytestmark = [
    pytest.mark.skipif(bool(full_disk.missing()), reason=full_disk.missing()),
    pytest.mark.timeout(150),
]


@pytest.mark.parametrize("size", SIZES)
async def test_a_full_disk_refuses_and_loses_nothing_it_acknowledged(
    tmp_path: Path, size: Size
) -> None:
    found = await full_disk.township(tmp_path, size)
    assert found.held, str(found)


async def test_a_node_that_answers_first_is_found_out_on_a_full_disk(tmp_path: Path) -> None:
    [control] = await full_disk.controls(tmp_path)
    assert control.found.lost > 0, str(control.found)
