"""SQL of studies that came back from the county, or are to."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
import sqlalchemy as sa

from gateway.exchange.model import Kind, Source
from gateway.exchange.outbox import write_letters
from gateway.exchange.sendings import SendView, sends_of
from gateway.exchange.tables import return_objects, returns
from kernel.arrival import NativeForm
from kernel.events import publish
from kernel.letter import Letter

if TYPE_CHECKING:
    from gateway.exchange.return_letters import NamedObject

HandlerFunction: TypeAlias = Callable[[sa.Connection, Letter, Source], None]
TOPIC: Final = "prior.updated"


class ReturnState(StrEnum):
    """How far a study is on its way back."""

    ASKED = "asked"
    """The county has not answered yet."""
    FETCHING = "fetching"
    HERE = "here"
    """Every object is here, and is what the county named."""
    SET_ASIDE = "set-aside"
    """What is not here of it could not be had; the code says why, and a person may try again."""
    REFUSED = "refused"
    """The county has no such study for this house."""


class ObjectState(StrEnum):
    """How far one object is."""

    WAITING = "waiting"
    HERE = "here"
    SET_ASIDE = "set-aside"
    """What came is not what the county named, or the county gives it no more."""


@dataclass(frozen=True, slots=True)
class ReturnedObject:
    """One object of such a study."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    size_bytes: int
    dataset_digest: str
    pixels_digest: str
    native: NativeForm | None
    state: ObjectState
    code: str
    object_key: str
    failures: int
    """In a row, since the county named it so."""


class ReturnView(msgspec.Struct, frozen=True, kw_only=True):
    """One study on its way back."""

    study_instance_uid: str
    kind: str
    """``prior`` or ``report``."""
    state: ReturnState
    code: str
    objects: int | None
    """How many there are; None before the county has said."""
    here: int
    set_aside: int
    asked_at: dt.datetime
    changed_at: dt.datetime
    sends: list[SendView]


def ask(conn: sa.Connection, study: str, by: str, *, at: dt.datetime) -> None:
    """Ask the county for *study*, in one transaction with the letter; again asks again."""
    kind = Kind.PRIOR.value
    know(conn, study, kind, at=at, by=by)
    state = ReturnState.ASKED.value
    _change(conn, study, at=at, kind=kind, state=state, code="", asked_by=by, asked_at=at)
    try_again(conn, study)
    number = round(at.timestamp() * 1000)
    write_letters(conn, [Letter(Kind.PRIOR_REQUEST.value, study, number, {})], at=at)


def try_again(conn: sa.Connection, study: str) -> int:
    """Hold nothing against the objects of *study* any more; returns how many were set aside."""
    columns = return_objects.c
    mine = sa.and_(columns.study_instance_uid == study, columns.state != ObjectState.HERE.value)
    count = sa.select(sa.func.count()).where(mine, columns.state == ObjectState.SET_ASIDE.value)
    aside = conn.scalar(count) or 0
    conn.execute(
        sa.update(return_objects)
        .where(mine)
        .values(state=ObjectState.WAITING.value, code="", failures=0, not_before=None)
    )
    return aside


def know(
    conn: sa.Connection, study: str, kind: str, *, at: dt.datetime, by: str = "county"
) -> None:
    """Have a row for *study*."""
    if not kind_of(conn, study):
        conn.execute(
            sa.insert(returns).values(
                study_instance_uid=study,
                kind=kind,
                state=ReturnState.ASKED.value,
                asked_by=by,
                asked_at=at,
                changed_at=at,
            )
        )


def kind_of(conn: sa.Connection, study: str) -> str:
    """Return whether *study* is here as a ``prior`` or as ``report``; empty where it is not."""
    query = sa.select(returns.c.kind).where(returns.c.study_instance_uid == study)
    return conn.scalar(query) or ""


def refuse(
    conn: sa.Connection, study: str, code: str, *, institution: str, at: dt.datetime
) -> None:
    """Note that the county gives nothing, and tell the pages; what is here already stays."""
    _change(conn, study, at=at, state=ReturnState.REFUSED.value, code=code)
    tell(conn, study, institution=institution, at=at)


def know_object(conn: sa.Connection, study: str, named: "NamedObject", *, place: int) -> None:
    """Note an object to fetch; one that is here with that content stays as it is."""
    columns = return_objects.c
    mine = (columns.study_instance_uid == study) & (
        columns.sop_instance_uid == named.sop_instance_uid
    )
    there = conn.execute(
        sa.select(
            columns.state,
            columns.dataset_digest,
            columns.pixels_digest,
            columns.size_bytes,
            columns.transfer_syntax_uid,
        ).where(mine)
    ).one_or_none()
    if there is not None:
        same = (there.dataset_digest, there.pixels_digest) == (
            named.digest.dataset,
            named.digest.pixels,
        )
        form = (there.size_bytes, there.transfer_syntax_uid)
        # What is held against an object stands as long as the county says the same of it.
        if same and there.state == ObjectState.HERE:
            return
        if same and form == (named.size_bytes, named.transfer_syntax_uid):
            return
    values: dict[str, Any] = {
        "series_instance_uid": named.series_instance_uid,
        "sop_class_uid": named.sop_class_uid,
        "transfer_syntax_uid": named.transfer_syntax_uid,
        "size_bytes": named.size_bytes,
        "dataset_digest": named.digest.dataset,
        "pixels_digest": named.digest.pixels,
        "native": None if named.native is None else msgspec.to_builtins(named.native),
        "place": place,
        "state": ObjectState.WAITING.value,
        "code": "",
        "shown_at": None,
        "failures": 0,
        "not_before": None,
    }
    if there is not None:
        conn.execute(sa.update(return_objects).where(mine).values(values))
    else:
        conn.execute(
            sa.insert(return_objects).values(
                study_instance_uid=study, sop_instance_uid=named.sop_instance_uid, **values
            )
        )


@dataclass(frozen=True, slots=True)
class Named:
    """How many objects of a study the county named in all, and when it did."""

    objects: int
    version: int


def expect(
    conn: sa.Connection, study: str, named: Named, *, institution: str, at: dt.datetime
) -> None:
    """Note how many objects there are, and tell the pages; an older word changes nothing."""
    newer = (returns.c.study_instance_uid == study) & (returns.c.version <= named.version)
    conn.execute(
        sa.update(returns).where(newer).values(objects=named.objects, version=named.version)
    )
    settle(conn, study, at=at)
    tell(conn, study, institution=institution, at=at)


def returned_aside(conn: sa.Connection) -> int:
    """Return how many objects could not be had from the county."""
    aside = return_objects.c.state == ObjectState.SET_ASIDE.value
    return conn.scalar(sa.select(sa.func.count()).where(aside)) or 0


def objects_of(conn: sa.Connection, study: str) -> list[ReturnedObject]:
    """Return every object of *study*, in order."""
    columns = return_objects.c
    query = object_query().where(columns.study_instance_uid == study).order_by(columns.place)
    return read_objects(conn, query)


def find_object(conn: sa.Connection, study: str, sop: str) -> ReturnedObject | None:
    """Return one object that is here."""
    columns = return_objects.c
    query = object_query().where(
        columns.study_instance_uid == study,
        columns.sop_instance_uid == sop,
        columns.state == ObjectState.HERE.value,
    )
    return next(iter(read_objects(conn, query)), None)


def tell(conn: sa.Connection, study: str, *, institution: str, at: dt.datetime) -> None:
    """Tell the pages how far *study* is."""
    [view] = views(conn, [study])
    publish(conn, TOPIC, msgspec.to_builtins(view), institution=institution, at=at)


def settle(conn: sa.Connection, study: str, *, at: dt.datetime) -> bool:
    """Set the study's word by its objects; returns whether it is over now."""
    columns = return_objects.c
    named = conn.scalar(sa.select(returns.c.objects).where(returns.c.study_instance_uid == study))
    aside = columns.state == ObjectState.SET_ASIDE.value
    known, here, left, code = conn.execute(
        sa.select(
            sa.func.count(),
            sa.func.count().filter(columns.state == ObjectState.HERE.value),
            sa.func.count().filter(aside),
            sa.func.min(columns.code).filter(aside),
        ).where(columns.study_instance_uid == study)
    ).one()
    # A report named by itself may come to a study of which more is here.
    over = bool(known) and here + left == max(known, named or 0)
    state = ReturnState.FETCHING
    if over:
        state = ReturnState.SET_ASIDE if left else ReturnState.HERE
    _change(conn, study, at=at, state=state.value, code=(code or "") if over else "")
    return over


def _change(conn: sa.Connection, study: str, *, at: dt.datetime, **values: object) -> None:
    mine = returns.c.study_instance_uid == study
    conn.execute(sa.update(returns).where(mine).values(changed_at=at, **values))


def object_query() -> sa.Select[Any]:
    """Return what ``read_objects`` reads, of all objects."""
    columns = return_objects.c
    return sa.select(
        columns.study_instance_uid,
        columns.series_instance_uid,
        columns.sop_instance_uid,
        columns.sop_class_uid,
        columns.transfer_syntax_uid,
        columns.size_bytes,
        columns.dataset_digest,
        columns.pixels_digest,
        columns.native,
        columns.state,
        columns.code,
        columns.object_key,
        columns.failures,
    )


def read_objects(conn: sa.Connection, query: sa.Select[Any]) -> list[ReturnedObject]:
    """Return the objects a narrower ``object_query`` finds."""
    return [
        ReturnedObject(
            study_instance_uid=row.study_instance_uid,
            series_instance_uid=row.series_instance_uid,
            sop_instance_uid=row.sop_instance_uid,
            sop_class_uid=row.sop_class_uid,
            transfer_syntax_uid=row.transfer_syntax_uid,
            size_bytes=row.size_bytes,
            dataset_digest=row.dataset_digest,
            pixels_digest=row.pixels_digest,
            native=None if row.native is None else msgspec.convert(row.native, NativeForm),
            state=ObjectState(row.state),
            code=row.code,
            object_key=row.object_key,
            failures=row.failures,
        )
        for row in conn.execute(query)
    ]


def views(
    conn: sa.Connection, studies: Sequence[str] | None, *, limit: int = 200
) -> list[ReturnView]:
    """Return the studies named, or the newest *limit* of all."""
    columns, objects = returns.c, return_objects.c
    query = (
        sa.select(
            columns.study_instance_uid,
            columns.kind,
            columns.state,
            columns.code,
            columns.objects,
            columns.asked_at,
            columns.changed_at,
            sa.func.count().filter(objects.state == ObjectState.HERE.value).label("here"),
            sa.func.count().filter(objects.state == ObjectState.SET_ASIDE.value).label("aside"),
            sa.func.count(objects.sop_instance_uid).label("known"),
        )
        .outerjoin(return_objects, objects.study_instance_uid == columns.study_instance_uid)
        .group_by(*[column for column in columns if column.name in _SHOWN])
        .order_by(columns.asked_at.desc(), columns.study_instance_uid)
        .limit(limit)
    )
    if studies is not None:
        query = query.where(columns.study_instance_uid.in_(list(studies)))
    rows = conn.execute(query).all()
    sends = sends_of(conn, [row.study_instance_uid for row in rows])
    return [
        ReturnView(
            study_instance_uid=row.study_instance_uid,
            kind=row.kind,
            state=ReturnState(row.state),
            code=row.code,
            objects=max(row.objects, row.known) or None,
            here=row.here,
            set_aside=row.aside,
            asked_at=row.asked_at,
            changed_at=row.changed_at,
            sends=sends.get(row.study_instance_uid, []),
        )
        for row in rows
    ]


_SHOWN: Final = frozenset(
    {"study_instance_uid", "kind", "state", "code", "objects", "asked_at", "changed_at"}
)
