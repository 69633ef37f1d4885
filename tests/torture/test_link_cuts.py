"""R05 on both hops."""

from pathlib import Path

import pytest

from tests.torture import link_cuts
from tests.torture.figures import Size

SIZES = [
    pytest.param(Size.SHORT, id="100-cuts"),
    pytest.param(Size.LONG, id="1000-cuts", marks=pytest.mark.torture),
]
pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("size", SIZES)
async def test_a_modality_whose_line_is_cut_at_any_byte_loses_nothing(
    tmp_path: Path, size: Size
) -> None:
    found = await link_cuts.modality_to_township(tmp_path, size)
    assert found.held, str(found)


@pytest.mark.parametrize("size", SIZES)
async def test_a_node_whose_line_is_cut_at_any_byte_loses_nothing_and_repeats_little(
    tmp_path: Path, size: Size
) -> None:
    found = await link_cuts.township_to_county(tmp_path, size)
    assert found.held, str(found)


async def test_without_answers_or_receipts_the_same_trials_find_losses(tmp_path: Path) -> None:
    for control in await link_cuts.controls(tmp_path):
        assert control.failed, control.taken_out
        assert control.found.lost > 0, str(control.found)
