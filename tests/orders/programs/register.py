"""Registers and orders, and is killed before its n-th statement: ``python -m ... URL N HOW``.

HOW is ``whole`` for the desk as it is, ``apart`` for a desk that registers in one transaction and
orders in the next: the control, which must be found out. Says ``done`` when it was not killed.
"""

import asyncio
import os
import signal
import sys
from typing import Any

import sqlalchemy as sa

from kernel.clock import FrozenClock
from kernel.idempotency import Ask
from kernel.sql.db import Database
from referrals.orders.asked import NewOrder
from referrals.orders.gate import UncheckedGate
from referrals.orders.ledger import Ledger
from referrals.orders.numbers import Numbers
from referrals.orders.ports import keep_to_oneself
from referrals.orders.service import OrderDesk
from tests.orders.desk import AT, HEAD, LIU, QINGSHAN, by
from yilian.wiring.spellings import NameSpellings


def die_before(number: int) -> None:
    """Kill this process before it sends its statement *number*, from 1."""
    left = [number]

    def counted(*_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(sa.Engine, "before_cursor_execute", counted)


async def run(url: str, number: int, how: str) -> None:
    """Register and order once."""
    database = await Database.open(url)
    ledger = Ledger(
        numbers=Numbers(QINGSHAN), spellings=NameSpellings(), chain="orders", post=keep_to_oneself
    )
    desk = OrderDesk(database, FrozenClock(AT), ledger=ledger, gate=UncheckedGate())
    die_before(number)
    new = NewOrder(examination=HEAD.code)
    if how == "whole":
        await desk.order(by(), LIU, new, Ask.parse("u", "order", b""))
    else:
        patient = await desk.register(by(), LIU, Ask.parse("u", "register", b""))
        await desk.order(by(), patient, new, Ask.parse("u", "order", b""))
    sys.stdout.write("done\n")
    sys.stdout.flush()
    await database.close()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
