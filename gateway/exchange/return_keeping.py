"""What came from the county goes from the township again, in its time; reports stay longer."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import sqlalchemy as sa

from gateway.exchange.model import Kind
from gateway.exchange.report_classes import REPORT_CLASSES
from gateway.exchange.returns import ReturnState
from gateway.exchange.sendings import SendState
from gateway.exchange.tables import return_objects, return_sends, returns
from gateway.township.keeping import Forget, forget_nothing
from gateway.township.model import KeptObject
from gateway.township.ports import ObjectFiles
from gateway.township.tables import instances
from gateway.uploads.threads import finish_in_thread
from kernel.clock import Clock
from kernel.sql.db import Database

_FORGOTTEN_AT_ONCE: Final = 20
_TIDY_EVERY_S: Final = 3600.0
_OVER: Final = (ReturnState.HERE, ReturnState.REFUSED, ReturnState.SET_ASIDE)


def forget_before(
    conn: sa.Connection, before: dt.datetime, *, reports_before: dt.datetime
) -> list[KeptObject]:
    """Forget objects of studies nothing has happened to since *before*; returns those to delete.

    Reports, which are small, stay until *reports_before*. What is still to come or to be sent on
    stays, and of what the queue holds as well only the row goes.
    """
    columns, objects = returns.c, return_objects.c
    waits = sa.exists().where(
        return_sends.c.study_instance_uid == columns.study_instance_uid,
        return_sends.c.state == SendState.WAITING.value,
    )
    over = columns.state.in_([state.value for state in _OVER])
    due = sa.or_(objects.sop_class_uid.not_in(REPORT_CLASSES), columns.changed_at < reports_before)
    mine = objects.study_instance_uid == columns.study_instance_uid
    nothing_stays = sa.or_(sa.exists().where(mine, due), ~sa.exists().where(mine))
    query = sa.select(columns.study_instance_uid).where(
        columns.changed_at < before, over, ~waits, nothing_stays
    )
    old = list(conn.scalars(query.limit(_FORGOTTEN_AT_ONCE)))
    going = (
        sa.select(objects.sop_instance_uid, objects.object_key)
        .join(returns, mine)
        .where(objects.study_instance_uid.in_(old), due)
    )
    held = sa.exists().where(
        instances.c.object_key == objects.object_key, instances.c.deleted_at.is_(None)
    )
    files = conn.execute(going.where(objects.object_key != "", ~held)).all()
    uids = [row.sop_instance_uid for row in conn.execute(going)]
    of_these = objects.study_instance_uid.in_(old)
    conn.execute(sa.delete(return_objects).where(of_these, objects.sop_instance_uid.in_(uids)))
    conn.execute(sa.delete(return_sends).where(return_sends.c.study_instance_uid.in_(old)))
    left = sa.exists().where(mine)
    gone = columns.study_instance_uid.in_(old)
    conn.execute(sa.delete(returns).where(gone, ~left))
    # Only its reports are left.
    conn.execute(sa.update(returns).where(gone).values(kind=Kind.REPORT.value, objects=0))
    return [KeptObject(row.sop_instance_uid, row.object_key) for row in files]


@dataclass(frozen=True, slots=True)
class TidySettings:
    """How long what came from the county stays."""

    keep: dt.timedelta
    keep_reports: dt.timedelta = dt.timedelta(days=180)
    """They are small, and asked for again and again."""
    forget: Forget = forget_nothing


async def keep_tidy(
    database: Database, objects: ObjectFiles, settings: TidySettings, clock: Clock
) -> None:
    """Delete what came from the county and lay here for long, until cancelled.

    Rows go first: an object without a row is lost room, a row without its object a lie.
    """
    while True:
        now = clock.now()
        gone = await database.write(partial(_forget, settings=settings, now=now))
        for each in gone:
            await finish_in_thread(partial(objects.delete, each.key))
        await asyncio.sleep(0 if gone else _TIDY_EVERY_S)


def _forget(
    conn: sa.Connection, *, settings: TidySettings, now: dt.datetime
) -> Sequence[KeptObject]:
    gone = forget_before(conn, now - settings.keep, reports_before=now - settings.keep_reports)
    settings.forget(conn, gone)
    return gone
