"""Hints over Redis or Valkey; apart, because a node without either need not load its client."""

import asyncio
import logging
import os
import time
from contextlib import suppress
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from kernel.process.bus import NullBus

_LOG: Final = logging.getLogger(__name__)
_STREAM: Final = "yilian:hints"
_KEPT: Final = 1000
_HINT_S: Final = 0.5
_AFTER_FAULT_S: Final = 1.0
_BLOCK_S: Final = 5.0
_RECONNECT_S: Final = 0.2


class RedisBus(NullBus):
    """Hints to every process of the node, over one Redis or Valkey.

    ``run`` must be kept running (``kernel.process.owner``), or no hint of others arrives.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self._name = os.urandom(8).hex()
        self._sender = _client(url, _HINT_S)
        self._receiver = _client(url, _BLOCK_S + 2)
        self._silent_until_s = 0.0
        self._up: bool | None = None

    async def notify(self, topic: str) -> None:
        """Hint all processes; while Redis does not answer, only this one."""
        self._tell(topic)
        if time.monotonic() < self._silent_until_s:
            return
        try:
            async with asyncio.timeout(_HINT_S):
                await self._sender.xadd(
                    _STREAM, {"topic": topic, "from": self._name}, maxlen=_KEPT, approximate=True
                )
        except (RedisError, OSError, TimeoutError):
            # One slow hint a second is enough to pay for a Redis that hangs.
            self._silent_until_s = time.monotonic() + _AFTER_FAULT_S

    async def run(self) -> None:
        """Bring hints from other processes to this one's listeners; ends when cancelled."""
        while True:
            try:
                await self._follow()
            except (RedisError, OSError, TimeoutError) as exc:
                self._note(up=False, reason=type(exc).__name__)
            await asyncio.sleep(_RECONNECT_S)

    async def _follow(self) -> None:
        newest: Any = await self._receiver.xrevrange(_STREAM, count=1)
        last = newest[0][0] if newest else b"0-0"
        self._note(up=True)
        # What was hinted while nobody listened is not known any more.
        self._tell(None)
        while True:
            found: Any = await self._receiver.xread(
                {_STREAM: last}, count=_KEPT, block=int(_BLOCK_S * 1000)
            )
            for _, entries in found or ():
                for last, fields in entries:  # noqa: B007  # where the next read begins
                    if fields.get(b"from") != self._name.encode():
                        self._tell(fields.get(b"topic", b"").decode(errors="replace"))

    def _note(self, *, up: bool, reason: str = "") -> None:
        if up is not self._up:
            level = logging.INFO if up else logging.WARNING
            _LOG.log(level, "bus.up" if up else "bus.down", extra={"reason": reason})
        self._up = up

    async def close(self) -> None:
        """Give the connections back."""
        for client in (self._sender, self._receiver):
            with suppress(RedisError, OSError):
                await client.aclose()


def _client(url: str, timeout_s: float) -> "Redis":
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=_HINT_S,
        retry=Retry(NoBackoff(), 0),
    )
