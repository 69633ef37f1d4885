"""R12 on the node that sends."""

from pathlib import Path

import pytest

from tests.torture import clock_jumps
from tests.torture.figures import Size

SIZES = [
    pytest.param(Size.SHORT, id="12-jumps"),
    pytest.param(Size.LONG, id="300-jumps", marks=pytest.mark.torture),
]
pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("size", SIZES)
async def test_a_clock_that_jumps_loses_doubles_and_deletes_nothing(
    tmp_path: Path, size: Size
) -> None:
    found = await clock_jumps.jumps(tmp_path, size)
    assert found.held, str(found)


async def test_a_keeper_that_believes_any_clock_is_found_out(tmp_path: Path) -> None:
    [control] = await clock_jumps.controls(tmp_path)
    assert control.failed
    assert control.found.broken
