"""Every task has an owner: what fails is started again, what ends is not, nothing is left."""

import asyncio

import pytest

from kernel.process.owner import Owner, RestartPolicy

QUICK = RestartPolicy(first_s=0.001, most_s=0.002)


async def test_work_that_fails_is_started_again_until_it_returns() -> None:
    runs = 0
    done = asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs < 4:
            raise ValueError("not yet")
        done.set()

    async with Owner(policy=QUICK) as owner, asyncio.timeout(10):
        owner.keep("work", work)
        await done.wait()
        assert owner.faults == {"work": 3}
    assert runs == 4


async def test_a_failure_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    done = asyncio.Event()

    async def fails() -> None:
        raise RuntimeError("on purpose")

    async def goes_on() -> None:
        await asyncio.sleep(0.01)
        done.set()

    async with Owner(policy=QUICK) as owner, asyncio.timeout(10):
        owner.once("fails", fails())
        owner.once("goes-on", goes_on())
        await done.wait()
    assert [record.message for record in caplog.records] == ["task.failed"]


async def test_leaving_cancels_and_awaits_all_of_them() -> None:
    ended = []

    async def forever(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async with Owner() as owner:
        owner.keep("a", lambda: forever("a"))
        owner.once("b", forever("b"))
        await asyncio.sleep(0.01)
    assert sorted(ended) == ["a", "b"]


async def test_an_error_in_the_body_reaches_the_caller_after_the_tasks_ended() -> None:
    ended = asyncio.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def body() -> None:
        async with Owner() as owner:
            owner.keep("forever", forever)
            await asyncio.sleep(0.01)
            raise KeyError("body")

    with pytest.raises(KeyError):
        await body()
    assert ended.is_set()


async def test_a_task_that_swallows_a_cancellation_is_asked_again() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    async with asyncio.timeout(5), Owner() as owner:
        owner.once("stubborn", stubborn())
        await asyncio.sleep(0.01)
