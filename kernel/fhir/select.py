"""Criteria as SQL, and pages that stay together while new rows arrive.

A page goes on behind the last row shown, not at a number of rows: what comes in meanwhile neither
pushes a row onto two pages nor lets one fall out between them.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kernel.errors import Invalid
from kernel.fhir.query import Criterion, Query, Span, Total
from kernel.fhir.resource import Found, Page

COUNTED: Final = 10_000
"""Matches are counted up to here unless an exact number is asked for."""
_KEY_MAX: Final = 128
Condition = sa.ColumnElement[bool]
Read = Callable[[str], Any]


class BrokenCursor(Invalid):
    """A page is asked for by something no answer gave."""

    code = "invalid-cursor"


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column a search can be sorted by; it is never NULL."""

    column: sa.ColumnElement[Any]
    write: Callable[[Any], str] = str
    read: Read = str


def by_instant(column: sa.ColumnElement[Any]) -> SortKey:
    """Return the key of a column of instants."""
    return SortKey(column, dt.datetime.isoformat, dt.datetime.fromisoformat)


def by_day(column: sa.ColumnElement[Any]) -> SortKey:
    """Return the key of a column of days."""
    return SortKey(column, dt.date.isoformat, dt.date.fromisoformat)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """One page of a table."""

    rows: Sequence[Mapping[str, Any]]
    total: int | None
    after: tuple[str, ...] | None

    def page(self, found: Iterable[Found]) -> Page:
        """Return the page on which *found* stands for the rows."""
        return Page(found=tuple(found), total=self.total, after=self.after)


def run(
    conn: sa.Connection,
    query: Query,
    statement: sa.Select[Any],
    key: SortKey,
    sorts: Mapping[str, SortKey],
) -> Rows:
    """Return the page of *statement* that *query* asks for, the highest *key* first.

    Args:
        conn: one snapshot.
        query: its page, order and count; what it is narrowed by is in *statement*.
        statement: all matches, unordered.
        key: names a row, and orders rows that are alike otherwise.
        sorts: by parameter, what a search may be sorted by.

    Raises:
        BrokenCursor: ``query.after`` is no place in this search.
    """
    total = _total(conn, query, statement)
    if query.count == 0:
        return Rows(rows=(), total=total, after=None)
    first = sorts[query.sort] if query.sort else None
    keys = [first, key] if first is not None else [key]
    # Within one moment the newest still come first where the newest are asked for.
    down = query.descending or first is None
    marks = [each.column.label(f"_key{number}") for number, each in enumerate(keys)]
    page = statement.add_columns(*marks)
    if query.after is not None:
        page = page.where(_behind(keys, query.after, down=down))
    order = [each.column.desc() if down else each.column.asc() for each in keys]
    found = [
        dict(row) for row in conn.execute(page.order_by(*order).limit(query.count + 1)).mappings()
    ]
    after = None
    if len(found) > query.count:
        last = found[query.count - 1]
        after = tuple(each.write(last[f"_key{number}"]) for number, each in enumerate(keys))
    for row in found:
        for mark in marks:
            del row[mark.name]
    return Rows(rows=found[: query.count], total=total, after=after)


def _total(conn: sa.Connection, query: Query, statement: sa.Select[Any]) -> int | None:
    if query.total is Total.NONE:
        return None
    most = None if query.total is Total.ACCURATE else COUNTED + 1
    counted = conn.scalar(sa.select(sa.func.count()).select_from(statement.limit(most).subquery()))
    number = int(counted or 0)
    return None if most is not None and number >= most else number


def _behind(keys: Sequence[SortKey], after: Sequence[str], *, down: bool) -> Condition:
    if len(after) != len(keys) or any(len(part) > _KEY_MAX for part in after):
        raise BrokenCursor("follow the next link as it was given")
    try:
        values = [each.read(part) for each, part in zip(keys, after, strict=True)]
    except ValueError as exc:
        raise BrokenCursor("follow the next link as it was given") from exc
    beyond: Condition = sa.false()
    same: Condition = sa.true()
    for each, value in zip(keys, values, strict=True):
        further = each.column < value if down else each.column > value
        beyond = sa.or_(beyond, sa.and_(same, further))
        same = sa.and_(same, each.column == value)
    return beyond


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Return that one of *conditions* holds; nothing does where there is none."""
    return sa.or_(sa.false(), *conditions)


def coded(
    column: sa.ColumnElement[str],
    criterion: Criterion,
    system: str,
    codes: Mapping[str, Sequence[str]] | None = None,
) -> Condition:
    """Return that a column holds one of the codes asked for, or none with ``:not``.

    Args:
        column: of codes as the room keeps them.
        criterion: of tokens.
        system: of the codes as FHIR names them.
        codes: by the code of FHIR, those of the room it stands for; None where they are the same.
    """
    wanted: set[str] = set()
    for token in criterion.tokens:
        if token.system not in {None, system}:
            continue
        if codes is None:
            wanted.add(token.code)
        elif token.code:
            wanted.update(codes.get(token.code, ()))
        else:
            wanted.update(each for some in codes.values() for each in some)
    found = column.in_(sorted(wanted))
    return sa.not_(found) if criterion.modifier == "not" else found


def at_instant(column: sa.ColumnElement[Any], criterion: Criterion) -> Condition:
    """Return that an instant lies where *criterion* says."""
    return any_of([_in_span(column, span, span.first, span.last) for span in criterion.spans])


def on_day(
    column: sa.ColumnElement[Any], criterion: Criterion, zone: dt.tzinfo, *, shape: str = ""
) -> Condition:
    """Return that a day of *zone* lies where *criterion* says.

    Args:
        column: days, NULL for none.
        criterion: of instants; part of a day stands for all of it.
        zone: whose days they are.
        shape: how a day is written where the column holds text, such as ``%Y%m%d``.
    """
    found = []
    for span in criterion.spans:
        first = _day(span.first, zone, up=False)
        last = _day(span.last, zone, up=True)
        ends = [each.strftime(shape) if each and shape else each for each in (first, last)]
        found.append(_in_span(column, span, *ends))
    return any_of(found)


def _day(at: dt.datetime | None, zone: dt.tzinfo, *, up: bool) -> dt.date | None:
    if at is None:
        return None
    local = at.astimezone(zone)
    begun = local.time() != dt.time()
    return local.date() + dt.timedelta(days=1) if up and begun else local.date()


def _in_span(column: sa.ColumnElement[Any], span: Span, first: Any, last: Any) -> Condition:
    inside: list[Condition] = [column.is_not(None)]
    if first is not None:
        inside.append(column >= first)
    if last is not None:
        inside.append(column < last)
    held = sa.and_(*inside)
    return sa.and_(column.is_not(None), sa.not_(held)) if span.outside else held
