"""What others sent is decoded where it can do no harm: a worker may die, the house does not."""

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import psutil
import pytest

from kernel.dicom.codecs import DecodeFailed, decode_frame
from kernel.dicom.decode_pool import DecodePool, DecoderBusy
from kernel.dicom.frames import FrameLayout
from kernel.errors import Unavailable
from tests.kernel.objects import gradient
from tests.kernel.test_codecs import layout_for

ROOT = Path(__file__).resolve().parent.parent.parent
J2K = "1.2.840.10008.1.2.4.90"
LS = "1.2.840.10008.1.2.4.80"
RLE = "1.2.840.10008.1.2.5"
CELLS = gradient((96, 80), "<u2", 4095)
LAYOUT = layout_for(CELLS, bits_stored=12)
STREAM = bytes(imagecodecs.jpeg2k_encode(CELLS, level=0, reversible=True, codecformat="j2k"))


@pytest.fixture
def pool() -> Iterator[DecodePool]:
    with DecodePool(workers=1, wait_s=25) as found:
        yield found


def worker_of(pool: DecodePool) -> int:
    """Process id of the pool's only worker, idle now."""
    worker = pool._slots.queue[-1]
    assert worker is not None
    return worker._process.pid


def test_decodes_as_in_a_thread(pool: DecodePool) -> None:
    found = pool.decode(STREAM, J2K, LAYOUT)
    assert found.dtype == CELLS.dtype
    assert np.array_equal(found, CELLS)
    assert np.array_equal(found, decode_frame(STREAM, J2K, LAYOUT))
    colour = gradient((31, 17, 3), "<u1", 255)
    stream = bytes(imagecodecs.jpegls_encode(colour))
    assert np.array_equal(pool.decode(stream, LS, layout_for(colour, bits_stored=8)), colour)


def test_a_damaged_stream_is_refused_and_the_worker_stays(pool: DecodePool) -> None:
    assert pool.decode(STREAM, J2K, LAYOUT).size
    before = worker_of(pool)
    for stream in (b"", b"noise", STREAM[:100]):
        with pytest.raises(DecodeFailed):
            pool.decode(stream, J2K, LAYOUT)
    with pytest.raises(DecodeFailed) as caught:
        pool.decode(STREAM, "1.2.3", LAYOUT)
    assert caught.value.code == "no-decoder"
    assert np.array_equal(pool.decode(STREAM, J2K, LAYOUT), CELLS)
    assert worker_of(pool) == before


def claimed(columns: int, rows: int) -> bytes:
    bomb = bytearray(STREAM)
    struct.pack_into(">4L", bomb, 8, columns, rows, 0, 0)
    struct.pack_into(">4L", bomb, 24, columns, rows, 0, 0)
    return bytes(bomb)


def test_pictures_larger_than_the_limit_are_refused_before_any_process(pool: DecodePool) -> None:
    huge = layout_for(CELLS, bits_stored=12, rows=65535, columns=65535)
    with pytest.raises(DecodeFailed) as caught:
        pool.decode(claimed(2**31 - 1, 2**31 - 1), J2K, huge)
    assert caught.value.code == "frame-too-large"
    assert pool._slots.queue[-1] is None


@pytest.mark.parametrize(("columns", "rows"), [(2**31 - 1, 2**31 - 1), (60000, 60000), (0, 0)])
def test_a_stream_that_claims_a_giant_picture_costs_only_itself(
    pool: DecodePool, columns: int, rows: int
) -> None:
    before = psutil.Process().memory_info().rss
    with pytest.raises(DecodeFailed):
        pool.decode(claimed(columns, rows), J2K, LAYOUT)
    assert psutil.Process().memory_info().rss - before < 50 << 20
    assert np.array_equal(pool.decode(STREAM, J2K, LAYOUT), CELLS)


def test_a_worker_without_enough_memory_refuses_and_goes_on() -> None:
    with DecodePool(workers=1, memory_bytes=300 << 20) as pool:
        big = layout_for(CELLS, bits_stored=16, rows=16000, columns=16000)
        stream = struct.pack("<16L", 2, 64, 80, *[0] * 13) + b"\x81\0" * 8
        with pytest.raises(DecodeFailed):
            pool.decode(stream, RLE, big)
        assert np.array_equal(pool.decode(STREAM, J2K, LAYOUT), CELLS)


def test_a_frame_whose_worker_is_killed_is_tried_once_more(pool: DecodePool) -> None:
    assert pool.decode(STREAM, J2K, LAYOUT).size
    first = worker_of(pool)
    os.kill(first, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(pool.decode, STREAM, J2K, LAYOUT)
        while pool._slots.qsize():
            assert not asked.done()
        os.kill(first, signal.SIGKILL)
        assert np.array_equal(asked.result(20), CELLS)
    assert worker_of(pool) != first
    os.kill(worker_of(pool), signal.SIGKILL)
    assert np.array_equal(pool.decode(STREAM, J2K, LAYOUT), CELLS)


def test_a_worker_that_takes_too_long_is_killed() -> None:
    with DecodePool(workers=1, deadline_s=0.5) as pool:
        # Its start may take longer than the deadline on a busy machine; that too must be clean.
        for _ in range(40):
            try:
                pool.decode(STREAM, J2K, LAYOUT)
                break
            except DecodeFailed:
                continue
        first = worker_of(pool)
        os.kill(first, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(DecodeFailed) as caught:
            pool.decode(STREAM, J2K, LAYOUT)
        assert caught.value.code == "decoder-ended"
        assert time.monotonic() - started < 10


def test_many_threads_share_few_workers() -> None:
    with DecodePool(workers=2) as pool, ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda _: pool.decode(STREAM, J2K, LAYOUT), range(30)))
        assert all(np.array_equal(one, CELLS) for one in found)
        assert pool._slots.qsize() == 2


def test_waiting_for_a_worker_has_an_end() -> None:
    with DecodePool(workers=1, wait_s=0.05) as pool:
        slot = pool._slots.get()
        with pytest.raises(DecoderBusy):
            pool.decode(STREAM, J2K, LAYOUT)
        pool._slots.put(slot)


def test_a_closed_pool_leaves_no_process_and_refuses() -> None:
    pool = DecodePool(workers=1)
    pool.decode(STREAM, J2K, LAYOUT)
    pid = worker_of(pool)
    pool.close()
    pool.close()
    assert not psutil.pid_exists(pid)
    with pytest.raises(Unavailable):
        pool.decode(STREAM, J2K, LAYOUT)


def test_workers_end_with_a_killed_parent() -> None:
    program = (
        "import sys, time\n"
        "from tests.kernel.test_decode_pool import LAYOUT, STREAM, J2K, DecodePool, worker_of\n"
        "pool = DecodePool(workers=1)\n"
        "pool.decode(STREAM, J2K, LAYOUT)\n"
        "print(worker_of(pool), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        parent.wait(10)
    gone, alive = psutil.wait_procs([worker], timeout=10)
    assert (len(gone), len(alive)) == (1, 0)


def test_a_worker_knows_no_secret(pool: DecodePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YILIAN_SECRET", "990000")
    pool.decode(STREAM, J2K, LAYOUT)
    assert "YILIAN_SECRET" not in psutil.Process(worker_of(pool)).environ()


def test_random_damage_never_ends_the_parent(pool: DecodePool) -> None:
    rng = np.random.default_rng(7)
    streams: list[tuple[str, bytes, FrameLayout]] = [(J2K, STREAM, LAYOUT)]
    grey: npt.NDArray[Any] = gradient((40, 30), "<u1", 255)
    small = layout_for(grey, bits_stored=8)
    streams.append((LS, bytes(imagecodecs.jpegls_encode(grey)), small))
    streams.append(("1.2.840.10008.1.2.4.50", bytes(imagecodecs.jpeg8_encode(grey)), small))
    streams.append(
        ("1.2.840.10008.1.2.4.70", bytes(imagecodecs.jpeg8_encode(grey, lossless=True)), small)
    )
    streams.append(("1.2.840.10008.1.2.4.201", bytes(imagecodecs.htj2k_encode(grey)), small))
    for _ in range(20):
        for syntax, stream, layout in streams:
            damaged = bytearray(stream)
            for at in rng.integers(0, len(stream), 4):
                damaged[at] = int(rng.integers(0, 256))
            try:
                shape = pool.decode(bytes(damaged), syntax, layout).shape
            except DecodeFailed:
                continue
            assert shape == layout.shape
