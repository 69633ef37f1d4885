"""kill -9 of everything while modalities send: what was acknowledged is there once, none twice."""

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.demo.acknowledged import Modality, images
from tests.demo.running import RunningDemo, running_demo, until

_PLACES = ("qingshan", "dahe", "county-hospital")
_IMAGES = 60


def _survive(demo: RunningDemo, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    for kill in range(kills):
        senders = [
            Modality(demo.door(place), images(_IMAGES, series=number, run=f"kill-{seed}-{kill}"))
            for number, place in enumerate(_PLACES, 1)
        ]
        for sender in senders:
            sender.start()
        _some_moment(demo, senders, kill, chance)
        demo.kill()
        for sender in senders:
            acknowledged |= sender.finish()
        demo.start()
    until(lambda: acknowledged <= set(demo.instances()), 180, "all acknowledged at the county")
    found = Counter(demo.instances())
    twice = {uid: count for uid, count in found.items() if count > 1}
    print(  # noqa: T201  # the figures of the trial
        f"{kills} kills: {len(acknowledged)} acknowledged, {len(acknowledged & set(found))} of "
        f"them at the county, {len(found)} there in all, {len(twice)} twice"
    )
    assert acknowledged
    assert not twice
    assert demo.get("/api/v1/studies?conflicts=true")["items"] == []


def _some_moment(
    demo: RunningDemo, senders: list[Modality], kill: int, chance: random.Random
) -> None:
    """Return in the middle of sending, or while the county files what a township forwards."""
    place = kill % len(senders)
    count = chance.randrange(1, _IMAGES)
    if chance.random() < 0.6:
        senders[place].wait_for(count)
    else:
        until(lambda: len(demo.get(senders[place].study_path)) >= count, 60, "a part to be filed")


@pytest.mark.timeout(280)
def test_a_few_kills_lose_nothing_and_double_nothing(mortal: RunningDemo) -> None:
    _survive(mortal, kills=2, seed=11)


@pytest.mark.torture
@pytest.mark.timeout(0)
def test_fifty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    with running_demo(tmp_path / "home") as demo:
        _survive(demo, kills=50, seed=50)
