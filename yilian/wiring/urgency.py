"""How urgent studies are, bound: orders and townships' people tell, queue and archive listen."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias

import sqlalchemy as sa

from gateway.exchange.priorities_up import STUDY_PRIORITY, told_priority
from gateway.township.order_urgency import OrderUrgencyWatch
from gateway.township.ports import OrderNames, QueuedStudy
from gateway.township.queue_news import QueueNews
from imaging.archive.model import STUDY_UPDATED
from imaging.archive.urgency import NamedStudy, UrgencyWatch, studies_bearing
from kernel.arrival import Priority
from kernel.events import Event
from kernel.settings import NodeKind
from referrals.orders import store
from referrals.orders.ledger import ORDER_UPDATED
from referrals.orders.model import Order, State
from yilian.wiring.context import Context, follow_outbox
from yilian.wiring.study_orders import order_of

Running: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""Runs until cancelled."""


def ordered_urgency(conn: sa.Connection, study: QueuedStudy | NamedStudy, /) -> Priority | None:
    """Return how urgent the order of *study* is (``OrderUrgency``, ``Urgency``).

    None where it has none, where that is another patient's, and where it was cancelled.
    """
    order = order_of(conn, study)
    return None if order is None or order.state is State.CANCELLED else order.priority


def order_names(conn: sa.Connection, event: Event, /) -> OrderNames | None:
    """Return by what images name the order of *event* (``ChangedOrder``)."""
    order = store.find_order(conn, str(event.payload["id"]))
    return None if order is None else _names_of(order)


def _names_of(order: Order) -> OrderNames:
    return OrderNames(
        institution=order.institution,
        study_instance_uid=order.study_instance_uid,
        accession_numbers=(order.accession_number, *order.former_accession_numbers),
    )


def watch_queued_urgency(
    context: Context, news: QueueNews, on_raised: Callable[[], None]
) -> Running:
    """Return what makes a township's queue follow orders that come or change later."""
    watch = OrderUrgencyWatch(
        context.database,
        news,
        ordered_urgency,
        order_names,
        topic=ORDER_UPDATED,
        on_raised=on_raised,
    )
    return partial(follow_outbox, context, watch.look)


def watch_shown_urgency(context: Context) -> Running:
    """Return what makes a node's study list as urgent as orders and townships' people say."""
    told = [told_urgency] if context.kind is NodeKind.COUNTY else []
    watch = UrgencyWatch(
        context.database,
        context.clock,
        [ordered_urgency, *told],
        {
            STUDY_UPDATED: named_study,
            STUDY_PRIORITY: named_study,
            ORDER_UPDATED: ordered_studies,
        },
    )
    return partial(follow_outbox, context, watch.look)


def told_urgency(conn: sa.Connection, study: NamedStudy, /) -> Priority | None:
    """Return how urgent people of the study's own house made it at their node (``Urgency``)."""
    return told_priority(conn, study.study_instance_uid, study.institution)


def named_study(conn: sa.Connection, event: Event) -> list[str]:
    """Return the study an event names (``Concerned``)."""
    del conn
    return [str(event.payload["study_instance_uid"])]


def ordered_studies(conn: sa.Connection, event: Event) -> list[str]:
    """Return the studies of the order an event is about (``Concerned``)."""
    order = store.find_order(conn, str(event.payload["id"]))
    return [] if order is None else studies_of_order(conn, order)


def studies_of_order(conn: sa.Connection, order: Order) -> list[str]:
    """Return the studies here that name *order*; some may be another patient's."""
    names = _names_of(order)
    return studies_bearing(
        conn, names.institution, names.study_instance_uid, names.accession_numbers
    )
