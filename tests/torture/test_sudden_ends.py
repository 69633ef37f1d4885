"""R02 and R03 on one node at a time; tests/demo tries the same on a whole county."""

from pathlib import Path

import pytest

from tests.torture import sudden_ends
from tests.torture.ext4_image import missing
from tests.torture.figures import Size
from tests.torture.sudden_ends import CUTS, KILLS, Ending

KILLED = [
    pytest.param(KILLS[Size.SHORT], id="few-kills"),
    pytest.param(KILLS[Size.LONG], id="many-kills", marks=pytest.mark.torture),
]
CUT = [
    pytest.param(CUTS[Size.SHORT], id="few-cuts"),
    pytest.param(CUTS[Size.LONG], id="many-cuts", marks=pytest.mark.torture),
]
needs_power = pytest.mark.skipif(bool(missing()), reason=missing())
pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("count", KILLED)
@pytest.mark.parametrize("side", [sudden_ends.township, sudden_ends.county])
async def test_a_node_that_is_killed_at_any_moment_loses_and_doubles_nothing(
    tmp_path: Path, side: sudden_ends.Side, count: int
) -> None:
    found = await side(tmp_path, count, Ending())
    assert found.held, str(found)


@needs_power
@pytest.mark.parametrize("count", CUT)
@pytest.mark.parametrize("side", [sudden_ends.township, sudden_ends.county])
async def test_a_node_whose_power_is_cut_at_any_moment_loses_and_doubles_nothing(
    tmp_path: Path, side: sudden_ends.Side, count: int
) -> None:
    found = await side(tmp_path, count, Ending(powerless=True))
    assert found.held, str(found)


@needs_power
async def test_without_flushes_or_with_early_signatures_the_same_trials_find_losses(
    tmp_path: Path,
) -> None:
    for control in await sudden_ends.controls(tmp_path):
        assert control.found.lost > 0, f"{control.taken_out}: {control.found}"
