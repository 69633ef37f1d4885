"""Whichever thread comes first, streams are right from the first one on."""

import subprocess
import sys
import textwrap

import pytest

SIX_AT_ONCE = textwrap.dedent(
    """
    import threading
    import numpy as np
    from kernel.dicom.openjph import htj2k_decode, htj2k_encode
    start, wrong = threading.Barrier(6), []
    def run(seed):
        cells = np.random.default_rng(seed).integers(-1000, 1000, (150, 150)).astype(np.int16)
        start.wait(10)
        try:
            same = np.array_equal(htj2k_decode(htj2k_encode(cells, resolutions=5)), cells)
        except RuntimeError:
            same = False
        if not same:
            wrong.append(seed)
    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print("wrong", wrong)
    """
)


@pytest.mark.parametrize(
    "processes", [2, pytest.param(300, marks=[pytest.mark.torture, pytest.mark.timeout(300)])]
)
def test_six_threads_that_begin_at_once_write_right_streams(processes: int) -> None:
    for _ in range(processes):
        done = subprocess.run(
            [sys.executable, "-c", SIX_AT_ONCE], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "wrong []"
