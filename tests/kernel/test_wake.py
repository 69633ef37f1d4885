"""A hint arrives, or does not; nobody blocks, and nobody fails."""

import threading
from pathlib import Path

import pytest

from kernel.errors import Unavailable
from kernel.process.wake import Wake


async def test_a_hint_crosses_and_many_are_one(tmp_path: Path) -> None:
    receiver = Wake.receiver(tmp_path / "w")
    sender = Wake.sender(tmp_path / "w")
    assert not await receiver.wait(0.01)
    sender.notify()
    assert await receiver.wait(5)
    for _ in range(5000):
        sender.notify()
    assert await receiver.wait(5)
    assert not await receiver.wait(0.05)
    sender.close()
    receiver.close()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240


async def test_a_hint_given_before_the_wait_is_not_lost(tmp_path: Path) -> None:
    receiver = Wake.receiver(tmp_path / "w")
    sender = Wake.sender(tmp_path / "w")
    sender.notify()
    assert await receiver.wait(5)
    sender.close()
    receiver.close()


async def test_a_sender_without_a_receiver_goes_on(tmp_path: Path) -> None:
    sender = Wake.sender(tmp_path / "w")
    sender.notify()
    first = Wake.receiver(tmp_path / "w")
    # As after kill -9: the path is still there, and nobody behind it.
    second = Wake.receiver(tmp_path / "w")
    sender.notify()
    assert await second.wait(5)
    for wake in (sender, first, second):
        wake.close()
        wake.close()
    sender.notify()


async def test_a_hint_from_another_thread_wakes_the_loop() -> None:
    wake = Wake.local()
    assert not await wake.wait(0.01)
    thread = threading.Thread(target=wake.notify)
    thread.start()
    assert await wake.wait(5)
    thread.join()
    wake.close()


def test_a_path_too_long_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        Wake.receiver(tmp_path / ("x" * 120))
    assert refused.value.code == "wake-unavailable"
