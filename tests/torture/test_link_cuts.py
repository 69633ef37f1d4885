"""The controls of R05."""

from pathlib import Path

import pytest

from tests.torture import link_cuts

pytestmark = pytest.mark.timeout(240)


async def test_without_answers_or_receipts_the_same_trials_find_losses(tmp_path: Path) -> None:
    for control in await link_cuts.controls(tmp_path):
        assert control.failed, control.taken_out
        assert control.found.lost > 0, str(control.found)
