"""An order after an act or a change, before anything is written. Pure."""

import datetime as dt
from dataclasses import replace
from typing import Final

from referrals.orders.asked import (
    OrderChanges,
    checked_priority,
    checked_question,
    checked_time,
)
from referrals.orders.machine import Act, decide
from referrals.orders.model import Order, State, parse_station

_ENDS: Final = frozenset({Act.COMPLETE, Act.DISCONTINUE, Act.CANCEL})


def moved(order: Order, act: Act, at: dt.datetime, *, reason: str = "") -> Order:
    """Return *order* after *act* at the instant *at*; raises ``ActNotAllowed``."""
    after = decide(order.state, act)
    if after is State.IN_PROGRESS:
        return replace(order, state=after, performed_at=order.performed_at or at)
    if act in _ENDS:
        return replace(order, state=after, ended_at=at, ended_reason=reason)
    return replace(order, state=after)


def changed(before: Order, changes: OrderChanges, now: dt.datetime) -> Order:
    """Return *before* with the changes made; raises ``InvalidRegistration``."""
    after = before
    if changes.scheduled_at is not None:
        after = replace(after, scheduled_at=checked_time(changes.scheduled_at, now))
    if changes.station_ae_title is not None:
        after = replace(after, station_ae_title=parse_station(changes.station_ae_title))
    if changes.priority is not None:
        after = replace(after, priority=checked_priority(changes.priority))
    if changes.patient_class is not None:
        after = replace(after, patient_class=changes.patient_class)
    if changes.clinical_question is not None:
        question = checked_question(changes.clinical_question)
        after = replace(after, clinical_question=question)
    return after
