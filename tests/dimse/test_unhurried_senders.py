"""Senders that leave Nagle's algorithm on, as DCMTK's tools do, are not made to wait for it."""

import asyncio
import socket
import time

import pytest

from tests.dimse.doors import MemorySink, open_door
from tests.dimse.peers import SUCCESS, connected
from tests.dimse.wire_bytes import any_store_command, p_data, pdv

_STORES = 40
_A_DELAYED_ACKNOWLEDGEMENT_S = 0.04


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="Linux alone has the switch")
async def test_an_object_in_several_writes_is_not_held_up_by_our_acknowledgements() -> None:
    took = []
    async with open_door(MemorySink()) as door, connected(door.addresses[0]) as scu:
        scu.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        await scu.associate()
        for number in range(_STORES):
            began = time.perf_counter()
            await scu.send(p_data(pdv(3, 3, any_store_command(f"2.25.990000.{number}"))))
            for control in (0, 2):
                # Let the write before it go out by itself.
                await asyncio.sleep(0)
                await scu.send(p_data(pdv(3, control, bytes(4000))))
            assert await scu.answer() == SUCCESS
            took.append(time.perf_counter() - began)
    # Held up, every single one would wait that long; a busy machine delays only some.
    assert min(took[_STORES // 2 :]) < _A_DELAYED_ACKNOWLEDGEMENT_S * 0.75
