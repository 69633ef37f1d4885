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


def test_the_calls_of_a_run_are_counted_by_thread() -> None:
    calls = system_calls.calls_in(
        """\
71 fsync(7</a>) = 0
71 --- SIGCONT {si_signo=SIGCONT} ---
72 fsync(8</b> <unfinished ...>
71 fsync(7</a>) = 0
72 <... fsync resumed>) = 0
72 rename("/a", "/b") = 0
72 +++ killed by SIGKILL +++
"""
    )
    assert calls.in_all() == 4
    assert [calls.to_strike(call) for call in ("fsync", "rename", "link")] == [2, 1, 0]
