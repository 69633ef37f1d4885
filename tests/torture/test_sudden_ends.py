"""The controls of R02 and R03; tests/demo tries the same on a whole county."""

from pathlib import Path

import pytest

from tests.torture import sudden_ends
from tests.torture.ext4_image import missing

needs_power = pytest.mark.skipif(bool(missing()), reason=missing())
pytestmark = pytest.mark.timeout(240)


@needs_power
async def test_without_flushes_or_with_early_signatures_the_same_trials_find_losses(
    tmp_path: Path,
) -> None:
    for control in await sudden_ends.controls(tmp_path):
        assert control.found.lost > 0, f"{control.taken_out}: {control.found}"
