"""What the orders behind studies say anew, bound: the orders change, who looks at a study hears."""

from functools import partial

import sqlalchemy as sa

from imaging.archive.order_news import OrderNews
from kernel.events import Event
from referrals.orders import store
from referrals.orders.ledger import ORDER_UPDATED, PATIENT_UPDATED
from yilian.wiring.context import Context, follow_outbox
from yilian.wiring.study_orders import guessed_age
from yilian.wiring.urgency import Running, ordered_studies, studies_of_order


def watch_order_news(context: Context) -> Running:
    """Return what tells those who look at a study that its order, or its patient, changed."""
    news = OrderNews(
        context.database,
        context.clock,
        guessed_age,
        {ORDER_UPDATED: ordered_studies, PATIENT_UPDATED: registered_studies},
    )
    return partial(follow_outbox, context, news.look)


def registered_studies(conn: sa.Connection, event: Event) -> list[str]:
    """Return the studies of all orders for the patient an event is about (``Concerned``)."""
    orders = store.orders_of_patient(conn, str(event.payload["id"]))
    return [uid for order in orders for uid in studies_of_order(conn, order)]
