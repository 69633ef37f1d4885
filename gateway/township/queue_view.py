"""The queue as the township's page shows it: one item a study, and one line for the whole day."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from gateway.exchange.completeness import completeness
from gateway.exchange.returns import ObjectState
from gateway.exchange.tables import return_objects
from gateway.township.county_asides import unread_studies
from gateway.township.harm import Harm, harm_of, is_damaged
from gateway.township.model import (
    PRIORITY_OF_RANK,
    Counts,
    InstanceState,
    Patient,
    QueueItem,
    SetAside,
    StudyState,
    state_of,
)
from gateway.township.parcel_queue import in_line
from gateway.township.ports import OrderedPerson
from gateway.township.queue_people import person_of
from gateway.township.queue_places import LEFT, TO_SEND, Now, Place, eta_of, places_of
from gateway.township.tables import instances, studies
from kernel.dicom.shown import date_time, display_name
from kernel.events import EventDraft

SET_ASIDE_SHOWN: Final = 50
_LATELY: Final = 20_000


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Studies of today, and all that are not done."""

    safe_here: int
    """Those of which nothing came to harm on this machine's disk."""
    on_the_line: int
    at_county: int
    needs_attention: int
    eta: dt.datetime | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """Of what moment an item tells, and what other rooms told of its study."""

    now: Now
    expected: int | None
    person: OrderedPerson
    harm: Harm


@dataclass(frozen=True, slots=True)
class _Tally:
    """One study's contents, counted."""

    counts: Counts
    """Of contents: all of them must come over, also a second one under a UID."""
    packed: int


def queue_items(
    conn: sa.Connection, now: Now, *, since: dt.datetime, limit: int, offset: int = 0
) -> list[QueueItem]:
    """Return what is not done, in the order it will be sent, then what was done since *since*.

    What was done before and needs somebody, because something of it could not come back or the
    county cannot read it, stands behind.
    """
    open_first = studies.c.county_received_at.is_not(None)
    keys = list(
        conn.scalars(
            sa.select(studies.c.study_instance_uid)
            .where(sa.or_(_shown(since), _needs_somebody(studies.c)))
            .order_by(
                open_first,
                sa.case((studies.c.county_received_at.is_(None), studies.c.rank), else_=0),
                studies.c.county_received_at.desc(),
                *in_line()[1:],
            )
            .limit(limit)
            .offset(offset)
        )
    )
    return items_of(conn, keys, now)


def items_of(conn: sa.Connection, keys: Sequence[str], now: Now) -> list[QueueItem]:
    """Return the items of the studies *keys*, in that order; unknown ones are left out."""
    rows = {
        row.study_instance_uid: row
        for row in conn.execute(sa.select(studies).where(studies.c.study_instance_uid.in_(keys)))
    }
    tallies = _tallies(conn, keys)
    # Where each UID has one content, contents are instances.
    shown = _instances(conn, [key for key, row in rows.items() if row.conflicts])
    aside, harm = _set_aside(conn, keys), harm_of(conn, keys)
    places = places_of(conn, now)
    expected = now.expected(conn, keys)
    return [
        _item(
            rows[key],
            (tallies[key], shown.get(key, tallies[key].counts)),
            tuple(aside.get(key, ())),
            places.get(key),
            _Asked(now, expected.get(key), person_of(conn, rows[key], now), harm.get(key, Harm())),
        )
        for key in keys
        if key in rows and key in tallies
    ]


def totals(conn: sa.Connection, now: Now, *, since: dt.datetime) -> Totals:
    """Return the summary line over studies of today and all that are not done."""
    columns = instances.c
    per_study = (
        sa.select(
            studies.c.study_instance_uid,
            studies.c.county_received_at,
            sa.func.count().filter(columns.state == InstanceState.SET_ASIDE).label("aside"),
            sa.func.count().filter(columns.state.in_(LEFT)).label("left"),
            sa.func.count().filter(is_damaged()).label("damaged"),
        )
        .join(instances, columns.study_instance_uid == studies.c.study_instance_uid)
        .where(_shown(since))
        .group_by(studies.c.study_instance_uid, studies.c.county_received_at)
        .subquery()
    )
    row = conn.execute(
        sa.select(
            sa.func.count().filter(per_study.c.damaged == 0),
            sa.func.count().filter(per_study.c.left > 0),
            sa.func.count().filter(per_study.c.county_received_at.is_not(None)),
            sa.func.count().filter(per_study.c.aside > 0, ~_needs_somebody(per_study.c)),
        )
    ).one()
    also = sa.select(sa.func.count()).select_from(studies).where(_needs_somebody(studies.c))
    left_bytes = conn.scalar(
        sa.select(sa.func.sum(columns.size_bytes)).where(columns.state.in_(TO_SEND))
    )
    return Totals(
        safe_here=row[0],
        on_the_line=row[1],
        at_county=row[2],
        needs_attention=row[3] + (conn.scalar(also) or 0),
        eta=eta_of(int(left_bytes or 0) - sum(now.over.values()), now),
    )


def item_events(conn: sa.Connection, keys: Sequence[str], now: Now) -> list[EventDraft]:
    """Return a ``queue.updated`` event for each of the studies *keys*."""
    found = {
        row.study_instance_uid: row.institution
        for row in conn.execute(
            sa.select(studies.c.study_instance_uid, studies.c.institution).where(
                studies.c.study_instance_uid.in_(keys)
            )
        )
    }
    return [
        EventDraft("queue.updated", msgspec.to_builtins(item), found[item.study_instance_uid])
        for item in items_of(conn, keys, now)
    ]


def _shown(since: dt.datetime) -> sa.ColumnElement[bool]:
    done = studies.c.county_received_at
    return sa.or_(done.is_(None), done >= since)


def _needs_somebody(of: Any) -> sa.ColumnElement[bool]:
    """Return whether something of the study could not come back, or the county cannot read it."""
    not_back = sa.exists().where(
        return_objects.c.study_instance_uid == of.study_instance_uid,
        return_objects.c.state == ObjectState.SET_ASIDE.value,
    )
    return sa.or_(not_back, of.study_instance_uid.in_(unread_studies()))


def _tallies(conn: sa.Connection, keys: Sequence[str]) -> dict[str, _Tally]:
    columns = instances.c
    counted: dict[str, dict[str, tuple[int, int]]] = {}
    for row in conn.execute(
        sa.select(
            columns.study_instance_uid,
            columns.state,
            sa.func.count().label("count"),
            sa.func.sum(columns.size_bytes).label("bytes"),
        )
        .where(columns.study_instance_uid.in_(keys))
        .group_by(columns.study_instance_uid, columns.state)
    ):
        by_state = counted.setdefault(row.study_instance_uid, {})
        by_state[row.state] = (int(row[2]), int(row[3]))
    return {key: _tally(by_state) for key, by_state in counted.items()}


def _tally(by_state: dict[str, tuple[int, int]]) -> _Tally:
    def count(state: InstanceState) -> int:
        return by_state.get(state, (0, 0))[0]

    return _Tally(
        Counts(
            here=sum(number for number, _ in by_state.values()),
            sent=count(InstanceState.SENT) + count(InstanceState.AT_COUNTY),
            at_county=count(InstanceState.AT_COUNTY),
            set_aside=count(InstanceState.SET_ASIDE),
            released=count(InstanceState.RELEASED),
        ),
        packed=count(InstanceState.PACKED),
    )


def _instances(conn: sa.Connection, keys: Sequence[str]) -> dict[str, Counts]:
    """Return the counts by SOP Instance UID, as the county counts."""
    columns = instances.c

    def with_any(*states: InstanceState) -> sa.Function[int]:
        uid = sa.case((columns.state.in_(states), columns.sop_instance_uid))
        return sa.func.count(uid.distinct())

    query = (
        sa.select(
            columns.study_instance_uid,
            sa.func.count(columns.sop_instance_uid.distinct()),
            with_any(InstanceState.SENT, InstanceState.AT_COUNTY),
            with_any(InstanceState.AT_COUNTY),
            with_any(InstanceState.SET_ASIDE),
            with_any(InstanceState.RELEASED),
        )
        .where(columns.study_instance_uid.in_(keys))
        .group_by(columns.study_instance_uid)
    )
    return {
        row[0]: Counts(
            here=row[1], sent=row[2], at_county=row[3], set_aside=row[4], released=row[5]
        )
        for row in conn.execute(query)
    }


def _set_aside(conn: sa.Connection, keys: Sequence[str]) -> dict[str, list[SetAside]]:
    columns = instances.c
    found: dict[str, list[SetAside]] = {}
    for row in conn.execute(
        sa.select(
            columns.study_instance_uid,
            columns.id,
            columns.sop_instance_uid,
            columns.reason_code,
            columns.reason,
        )
        .where(columns.study_instance_uid.in_(keys), columns.state == InstanceState.SET_ASIDE)
        .order_by(columns.id)
    ):
        shown = found.setdefault(row.study_instance_uid, [])
        if len(shown) < SET_ASIDE_SHOWN:
            shown.append(
                SetAside(
                    id=row.id,
                    sop_instance_uid=row.sop_instance_uid,
                    reason_code=row.reason_code,
                    reason=row.reason,
                )
            )
    return found


def _item(
    row: Any,
    counted: tuple[_Tally, Counts],
    aside: tuple[SetAside, ...],
    place: Place | None,
    asked: _Asked,
) -> QueueItem:
    tally, shown = counted
    now = asked.now
    state = state_of(tally.counts, tally.packed, row.last_received_at, now.at)
    unsent = state not in (StudyState.AT_COUNTY, StudyState.SET_ASIDE)
    eta = place.eta if place and unsent else None
    whole = completeness(
        told=asked.expected,
        here=shown.here,
        arrived=shown.at_county,
        quiet_for=now.at - row.last_received_at,
        quiet=now.quiet,
    )
    return QueueItem(
        study_instance_uid=row.study_instance_uid,
        patient=Patient(
            name=display_name(row.patient_name),
            sex=row.patient_sex if row.patient_sex in ("M", "F", "O") else "",
            age=asked.person.age,
            patient_id=row.patient_id,
            age_estimated=asked.person.estimated,
        ),
        patient_is_now=asked.person.is_now,
        modality=row.modality,
        description=row.description,
        body_part=row.body_part,
        study_date_time=date_time(
            row.study_date, row.study_time, row.timezone_offset_from_utc, zone=now.zone
        ),
        priority=PRIORITY_OF_RANK[row.rank],
        paused=row.paused,
        instances=shown,
        state=state,
        put_first=row.put_first_at is not None,
        position=place.number if place and unsent else None,
        eta=eta,
        completeness=whole,
        county_received_at=row.county_received_at if shown.at_county else None,
        unidentified=row.unidentified,
        conflicts=row.conflicts,
        set_aside=aside,
        damaged_here=asked.harm.damaged_here,
        unread_at_county=asked.harm.unread_at_county,
    )


def average_study_bytes(conn: sa.Connection) -> int | None:
    """Return how much room a study takes here lately, None before there was any."""
    newest = conn.scalar(sa.select(sa.func.max(instances.c.id))) or 0
    size, count = conn.execute(
        sa.select(
            sa.func.sum(instances.c.size_bytes),
            sa.func.count(sa.distinct(instances.c.study_instance_uid)),
        ).where(instances.c.id > newest - _LATELY)
    ).one()
    return int(size) // int(count) if count else None


def freeable_bytes(conn: sa.Connection) -> int:
    """Return the bytes of images whose files are here although the county has signed for them."""
    columns = instances.c
    query = sa.select(sa.func.sum(columns.size_bytes)).where(
        columns.state == InstanceState.AT_COUNTY, columns.deleted_at.is_(None)
    )
    return int(conn.scalar(query) or 0)
