"""R06, R07 and R22."""

from pathlib import Path

import pytest

from tests.torture import outage
from tests.torture.figures import Size

SIZES = [
    pytest.param(Size.SHORT, id="few"),
    pytest.param(Size.LONG, id="many", marks=pytest.mark.torture),
]
pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("size", SIZES)
async def test_after_72_hours_without_a_line_everything_arrives_in_its_order(
    tmp_path: Path, size: Size
) -> None:
    found = await outage.three_days_without_a_line(tmp_path, size)
    assert found.held, str(found)


@pytest.mark.torture
async def test_after_72_hours_without_a_bad_line_everything_arrives_in_its_order(
    tmp_path: Path,
) -> None:
    found = await outage.three_days_without_a_bad_line(tmp_path, Size.LONG)
    assert found.held, str(found)


@pytest.mark.parametrize("size", SIZES)
async def test_what_the_county_loses_before_its_receipt_comes_again(
    tmp_path: Path, size: Size
) -> None:
    found = await outage.a_county_that_loses_parcels(tmp_path, size)
    assert found.held, str(found)


@pytest.mark.parametrize("size", SIZES)
async def test_a_poisoned_study_is_set_aside_and_the_others_go_on(
    tmp_path: Path, size: Size
) -> None:
    found = await outage.a_poisoned_study(tmp_path, size)
    assert found.held, str(found)


async def test_without_receipts_the_same_trials_find_losses(tmp_path: Path) -> None:
    for control in await outage.controls(tmp_path):
        assert control.found.lost > 0, f"{control.taken_out}: {control.found}"


async def test_a_node_that_gives_up_or_keeps_no_order_is_found_out(tmp_path: Path) -> None:
    gives_up, *unordered = await outage.controls_of_the_outage(tmp_path)
    assert gives_up.found.lost > 0, str(gives_up.found)
    for control in unordered:
        assert control.failed, f"{control.taken_out}: {control.found}"
        assert control.found.lost == 0, str(control.found)
