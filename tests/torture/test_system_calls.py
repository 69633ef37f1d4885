"""The controls of R01 and R04."""

from pathlib import Path

import pytest

from tests.torture import system_calls

pytestmark = [
    pytest.mark.skipif(bool(system_calls.missing()), reason=system_calls.missing()),
    pytest.mark.timeout(240),
]


async def test_a_node_that_answers_or_signs_before_it_has_written_is_found_out(
    tmp_path: Path,
) -> None:
    for control in await system_calls.controls(tmp_path):
        assert control.found.lost > 0, f"{control.taken_out}: {control.found}"
