"""A step on a thread that is never left half done."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")


async def finish_in_thread(step: Callable[[], _T]) -> _T:
    """Return what *step* returns, run on a worker thread.

    When the caller is cancelled meanwhile, the step still runs to its end before the cancellation
    goes on: whoever comes next finds files that no thread is writing any more.

    Raises:
        asyncio.CancelledError: after the step ended, whatever its own outcome was.
        Exception: what the step raised.
    """
    future = asyncio.get_running_loop().run_in_executor(None, step)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # looked at, so that asyncio does not report it as forgotten
        raise
