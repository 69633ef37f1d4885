"""kill -9 of everything while modalities send: what was acknowledged is there once, none twice."""

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.demo.acknowledged import Modality, peer_of, write_images
from tests.demo.running import RunningDemo, running_demo, until

_PLACES = ("qingshan", "dahe", "county-hospital")
_IMAGES = 60


def _survive(demo: RunningDemo, folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    for kill in range(kills):
        run = f"k{seed}-{kill:03d}"
        senders = [
            Modality(
                peer_of(demo.door(place)),
                write_images(folder / run, _IMAGES, series=number, run=run),
            )
            for number, place in enumerate(_PLACES, 1)
        ]
        for sender in senders:
            sender.start()
        senders[kill % len(senders)].wait_for(chance.randrange(1, _IMAGES))
        demo.kill()
        for sender in senders:
            acknowledged |= sender.finish()
        demo.start()
    assert acknowledged
    until(lambda: acknowledged <= set(demo.instances()), 120, "all acknowledged at the county")
    twice = {uid: n for uid, n in Counter(demo.instances()).items() if n > 1}
    assert not twice
    assert demo.get("/api/v1/studies?conflicts=true")["items"] == []


@pytest.mark.timeout(280)
def test_a_few_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    with running_demo(tmp_path / "home") as demo:
        _survive(demo, tmp_path / "images", kills=3, seed=11)


@pytest.mark.torture
@pytest.mark.timeout(0)
def test_fifty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    with running_demo(tmp_path / "home") as demo:
        _survive(demo, tmp_path / "images", kills=50, seed=50)
