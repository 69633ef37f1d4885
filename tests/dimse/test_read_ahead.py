"""What is read ahead is bounded by its bytes, in order, and whole or known not to be."""

import asyncio

import pytest

from gateway.dimse.read_ahead import ReadAhead
from kernel.errors import Unavailable


async def put(ahead: ReadAhead[str], done: list[str]) -> None:
    for name in ("a", "b", "c"):
        await ahead.begin(name)
        for _ in range(4):
            await ahead.piece(bytes(1000))
        await ahead.close()
        done.append(name)
    await ahead.end()


async def test_no_more_is_read_than_has_room() -> None:
    ahead: ReadAhead[str] = ReadAhead(most_bytes=3000)
    done: list[str] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(put(ahead, done))
        for _ in range(20):
            await asyncio.sleep(0)
        assert done == []
        assert await ahead.next() == "a"
        assert [len(piece) async for piece in ahead.pieces()] == [1000] * 4
        for _ in range(20):
            await asyncio.sleep(0)
        assert done == ["a"]
        # What nobody wants of the second is passed over.
        assert await ahead.next() == "b"
        assert await ahead.next() == "c"
        assert len([piece async for piece in ahead.pieces()]) == 4
        assert await ahead.next() is None


async def test_what_breaks_off_says_so_and_the_next_comes() -> None:
    ahead: ReadAhead[str] = ReadAhead()
    await ahead.begin("half")
    await ahead.piece(b"1")
    await ahead.break_off(Unavailable("the disk fails"))
    await ahead.begin("nothing of it")
    await ahead.end()
    assert await ahead.next() == "half"
    pieces = ahead.pieces()
    assert await anext(pieces) == b"1"
    with pytest.raises(Unavailable):
        await anext(pieces)
    assert await ahead.next() == "nothing of it"
    assert await ahead.next() is None
