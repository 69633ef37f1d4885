"""The controls of R06, R07 and R22."""

from pathlib import Path

import pytest

from tests.torture import outage

pytestmark = pytest.mark.timeout(240)


async def test_without_receipts_the_same_trials_find_losses(tmp_path: Path) -> None:
    for control in await outage.controls(tmp_path):
        assert control.found.lost > 0, f"{control.taken_out}: {control.found}"


async def test_a_node_that_gives_up_or_keeps_no_order_is_found_out(tmp_path: Path) -> None:
    gives_up, *unordered = await outage.controls_of_the_outage(tmp_path)
    assert gives_up.found.lost > 0, str(gives_up.found)
    for control in unordered:
        assert control.failed, f"{control.taken_out}: {control.found}"
        assert control.found.lost == 0, str(control.found)
