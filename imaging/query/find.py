"""C-FIND over the archive: the search behind QIDO, its rows as plain attributes, page by page."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from imaging.query.attributes import (
    ATTRIBUTES,
    INSTANCE_AVAILABILITY,
    PATIENT_INSTANCES,
    PATIENT_SERIES,
    PATIENT_STUDIES,
    REQUEST_ATTRIBUTES,
    REQUEST_ATTRIBUTES_SEQUENCE,
    Attribute,
    Kind,
    Level,
)
from imaging.query.headers import add_from_instances
from imaging.query.model import Attributes, Query, Value
from imaging.query.parse_find import Find
from imaging.query.patients import related, run_patients
from imaging.query.run import Page, run_query
from kernel.dicom.dictionary import keyword_of, tag_of
from kernel.policy import Reach
from kernel.sql.db import Database

PAGE: Final = 1000
VALUE_MAX: Final = 10_240
"""Longer values come out empty: the longest a data element of a query has, LT, has as many."""
_RELATED: Final = frozenset({PATIENT_STUDIES, PATIENT_SERIES, PATIENT_INSTANCES})
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


async def find(
    database: Database, asked: Find, reach: Reach, *, page: int = PAGE
) -> AsyncIterator[Attributes]:
    """Yield what *asked* finds in *reach*, newest first, at most ``asked.query.limit`` rows.

    Args:
        database: the index.
        asked: what is looked for, and what of it is said.
        reach: whose studies the asker may find.
        page: rows of one read; what arrives between two is not in the answer.

    Raises:
        QueryTooSlow: a page took over five seconds; a narrower query may work.
    """
    bound: int | None = None
    for offset in range(0, asked.query.limit, page):
        some = replace(asked.query, offset=offset, limit=min(page, asked.query.limit - offset))

        def read(
            conn: sa.Connection, query: Query = some, bound: int | None = bound
        ) -> tuple[Page, list[Attributes]]:
            return _read(conn, query, asked, reach, bound)

        found, entries = await database.read(read)
        for entry in entries:
            yield entry
        if not found.more:
            return
        bound = found.bound


def _read(
    conn: sa.Connection, query: Query, asked: Find, reach: Reach, bound: int | None
) -> tuple[Page, list[Attributes]]:
    run = run_patients if query.level is Level.PATIENT else run_query
    page = run(conn, query, reach, bound=bound)
    ids = [row["id"] for row in page.rows]
    told: list[dict[str, Any]] = [{} for _ in ids]
    add_from_instances(conn, query, ids, told)
    tags = {keyword: tag_of(keyword) or 0 for keyword in asked.asked}
    counts: Mapping[int, Mapping[int, int]] = {}
    if query.level is Level.PATIENT and not _RELATED.isdisjoint(tags.values()):
        counts = related(conn, page.rows, reach)
    entries: list[Attributes] = [
        {
            keyword: narrowed(
                _value(tag, row, headers, counts.get(row["id"], {})), asked.asked[keyword]
            )
            for keyword, tag in tags.items()
        }
        for row, headers in zip(page.rows, told, strict=True)
    ]
    return page, entries


def _value(
    tag: int, row: Mapping[str, Any], headers: Mapping[str, Any], counts: Mapping[int, int]
) -> Value:
    name = f"{tag:08X}"
    attribute = ATTRIBUTES.get(tag)
    if attribute is not None:
        return _kept(attribute, row[name])
    if tag == INSTANCE_AVAILABILITY:
        return "ONLINE"
    if tag == REQUEST_ATTRIBUTES_SEQUENCE:
        return _requests(row)
    if tag in _RELATED:
        return str(counts.get(tag, 0))
    return plain_value(headers.get(name, {}))


def _kept(attribute: Attribute, value: Any) -> str:
    text = "" if value is None else str(value)
    if attribute.kind is Kind.TIME and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if len(text) <= VALUE_MAX else ""


def _requests(row: Mapping[str, Any]) -> tuple[Attributes, ...]:
    item = {
        attribute.keyword: _kept(attribute, row[f"{tag:08X}"])
        for tag, attribute in REQUEST_ATTRIBUTES.items()
        if row[f"{tag:08X}"]
    }
    return (item,) if item else ()


def narrowed(value: Value, asked: Value) -> Value:
    """Return *value* with what *asked* names of each item; of an empty item, or none, all."""
    if not isinstance(value, tuple) or not isinstance(asked, tuple) or not asked or not asked[0]:
        return value
    return tuple(
        {keyword: narrowed(item.get(keyword, ""), key) for keyword, key in asked[0].items()}
        for item in value
    )


def plain_value(element: Mapping[str, Any]) -> Value:
    """Return the value of a DICOM JSON *element*; bulk and binary values come out empty."""
    values: Sequence[Any] = element.get("Value", ())
    if element.get("vr") == "SQ":
        return tuple(_plain_item(item) for item in values if item)
    text = "\\".join(_plain(value) for value in values)
    return text if len(text) <= VALUE_MAX else ""


def _plain_item(item: Mapping[str, Any]) -> Attributes:
    return {keyword_of(int(tag, 16)) or tag: plain_value(element) for tag, element in item.items()}


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in _GROUPS).rstrip("=")
    return str(value)
