"""The control of R12."""

from pathlib import Path

import pytest

from tests.torture import clock_jumps

pytestmark = pytest.mark.timeout(120)


async def test_a_keeper_that_believes_any_clock_is_found_out(tmp_path: Path) -> None:
    [control] = await clock_jumps.controls(tmp_path)
    assert control.failed
    assert control.found.broken
