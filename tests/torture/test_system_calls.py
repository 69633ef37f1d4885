"""R01 and R04: every place where a node may die or be refused."""

from pathlib import Path

import pytest

from tests.torture import system_calls
from tests.torture.figures import Size

SIZES = [
    pytest.param(Size.SHORT, id="few"),
    pytest.param(Size.LONG, id="every", marks=pytest.mark.torture),
]
pytestmark = [
    pytest.mark.skipif(bool(system_calls.missing()), reason=system_calls.missing()),
    pytest.mark.timeout(240),
]


@pytest.mark.parametrize("size", SIZES)
async def test_a_node_that_dies_at_any_call_loses_and_doubles_nothing(
    tmp_path: Path, size: Size
) -> None:
    found = await system_calls.township(tmp_path, size)
    assert found.runs, "no call was struck"
    assert found.held, str(found)


@pytest.mark.parametrize("size", SIZES)
async def test_a_county_that_dies_at_any_call_loses_and_doubles_nothing(
    tmp_path: Path, size: Size
) -> None:
    found = await system_calls.county(tmp_path, size)
    assert found.runs, "no call was struck"
    assert found.held, str(found)


@pytest.mark.parametrize(
    ("side", "size"),
    [
        pytest.param("township", Size.SHORT, id="township-few"),
        pytest.param("township", Size.LONG, id="township-every", marks=pytest.mark.torture),
        # A county that was refused something is given time before it is started anew: seconds each.
        pytest.param("county", Size.SHORT, id="county-few", marks=pytest.mark.torture),
        pytest.param("county", Size.LONG, id="county-every", marks=pytest.mark.torture),
    ],
)
async def test_a_call_that_fails_loses_and_doubles_nothing(
    tmp_path: Path, side: str, size: Size
) -> None:
    struck = system_calls.township if side == "township" else system_calls.county
    found = await struck(tmp_path, size, refuse=True)
    assert found.runs, "no call was struck"
    assert found.held, str(found)


async def test_a_node_that_answers_or_signs_before_it_has_written_is_found_out(
    tmp_path: Path,
) -> None:
    for control in await system_calls.controls(tmp_path):
        assert control.found.lost > 0, f"{control.taken_out}: {control.found}"
