"""Who puts bytes on the line, and who waits announced."""

import asyncio

import pytest

from gateway.township.line_places import LinePlaces
from tests.uploads.tus_door import until


class Senders:
    """Uploads that say when they send, and send until they are told."""

    def __init__(self, places: LinePlaces, group: asyncio.TaskGroup) -> None:
        self.places = places
        self.group = group
        self.sending: list[str] = []
        self.over: list[str] = []
        self.left_off: list[str] = []
        self.last = {name: asyncio.Event() for name in "abc"}
        self.answer = {name: asyncio.Event() for name in "abc"}
        self.stop = {name: asyncio.Event() for name in "abc"}

    async def send(self, name: str) -> None:
        async with self.places.place(self.stop[name]) as give_back:
            if give_back is None:
                self.left_off.append(name)
                return
            self.sending.append(name)
            await self.last[name].wait()
            give_back()
            await self.answer[name].wait()
            self.over.append(name)

    def begin(self, *names: str) -> list[asyncio.Task[None]]:
        return [self.group.create_task(self.send(name)) for name in names]


async def test_the_next_one_sends_while_the_one_before_waits_for_its_answer() -> None:
    async with asyncio.TaskGroup() as group:
        made = Senders(LinePlaces(), group)
        made.begin("a", "b", "c")
        await until(lambda: made.sending == ["a"])
        made.last["a"].set()
        await until(lambda: made.sending == ["a", "b"])
        assert made.over == []
        # The answer that comes late gives nothing back a second time.
        made.answer["a"].set()
        await until(lambda: made.over == ["a"])
        assert made.sending == ["a", "b"]
        for name in "bc":
            made.last[name].set()
            made.answer[name].set()
    assert made.sending == ["a", "b", "c"]


async def test_as_many_send_at_a_time_as_the_line_bears() -> None:
    async with asyncio.TaskGroup() as group:
        places = LinePlaces()
        made = Senders(places, group)
        made.begin("a", "b", "c")
        await until(lambda: made.sending == ["a"])
        places.hold(2)
        await until(lambda: made.sending == ["a", "b"])
        places.hold(1)
        made.last["a"].set()
        await asyncio.sleep(0.02)
        assert made.sending == ["a", "b"]
        for name in "abc":
            made.last[name].set()
            made.answer[name].set()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_who_leaves_off_while_waiting_is_in_nobodys_way(cancelled: bool) -> None:
    async with asyncio.TaskGroup() as group:
        places = LinePlaces()
        made = Senders(places, group)
        _, second, _ = made.begin("a", "b", "c")
        await until(lambda: made.sending == ["a"])
        if cancelled:
            second.cancel()
        else:
            made.stop["b"].set()
            places.look()
        made.last["a"].set()
        await until(lambda: made.sending == ["a", "c"])
        assert made.left_off == ([] if cancelled else ["b"])
        for name in "ac":
            made.last[name].set()
            made.answer[name].set()


async def test_a_place_is_given_back_by_whoever_fails() -> None:
    places = LinePlaces()
    with pytest.raises(OSError, match="the line"):
        async with places.place(asyncio.Event()):
            raise OSError("the line")
    async with asyncio.timeout(1), places.place(asyncio.Event()) as give_back:
        assert give_back is not None
