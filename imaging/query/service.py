"""A search as one read: rows, and what only the instances themselves can tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from imaging.archive.series_metadata import instance_json
from imaging.archive.tables import instance
from imaging.query.answer import from_instance, returned, row_json
from imaging.query.attributes import PATIENT_NAME, Level
from imaging.query.model import Query
from imaging.query.paging import PagingMemory
from imaging.query.run import run_query
from kernel.identity import Principal
from kernel.policy import masked_id, masked_name, reach, shows_full_name
from kernel.sql.db import Database

_IN_MAX: Final = 500
_OWN: Final = {Level.STUDY: instance.c.study, Level.SERIES: instance.c.series}
_NAME: Final = f"{PATIENT_NAME:08X}"
_NUMBER: Final = "00100020"
_BIRTH_DATE: Final = "00100030"


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gives."""

    objects: Sequence[dict[str, Any]]
    """DICOM JSON objects."""
    more: bool
    """There are rows after these."""


class Search:
    """Searches of one process."""

    def __init__(self, database: Database, paging: PagingMemory) -> None:
        self._database = database
        self._paging = paging

    async def run(self, query: Query, principal: Principal, *, root: str) -> Found:
        """Return what *principal* may find of *query*.

        Who may not know the patients gets them masked, and nothing but what the index keeps.

        Args:
            query: what is asked for.
            principal: who asks.
            root: absolute address of the DICOMweb service, for Retrieve URL.

        Raises:
            QueryTooSlow: over five seconds; a narrower query may work.
        """
        # Headers name a patient in more places than can be masked.
        shows_all = shows_full_name(principal)
        search = (principal.user_id, query.level, query.keys, query.limit)
        bound = self._paging.bound(search) if query.offset else None

        def read(conn: sa.Connection) -> tuple[Found, int]:
            page = run_query(conn, query, reach(principal), bound=bound)
            tags = returned(query)
            objects = [row_json(row, query, tags, root=root) for row in page.rows]
            if shows_all:
                _add_from_instances(conn, query, [row["id"] for row in page.rows], objects)
            return Found(objects, page.more), page.bound

        found, seen = await self._database.read(read)
        if not query.offset:
            self._paging.begin(search, seen)
        if not shows_all:
            for each in found.objects:
                _mask(each)
        return found


def _add_from_instances(
    conn: sa.Connection, query: Query, ids: Sequence[int], objects: Sequence[dict[str, Any]]
) -> None:
    tags = from_instance(query)
    everything = query.include_all and query.level is Level.INSTANCE
    if not (tags or everything):
        return
    names = {f"{tag:08X}" for tag in tags}
    kept = _metadata(conn, query.level, ids)
    for row, each in zip(ids, objects, strict=True):
        if row not in kept:
            continue
        told = msgspec.json.decode(instance_json(kept[row]), type=dict[str, Any])
        for name, element in told.items():
            if name not in each and (everything or name in names):
                each[name] = element


def _metadata(conn: sa.Connection, level: Level, ids: Sequence[int]) -> dict[int, bytes]:
    """Return the metadata of the first instance of each entity."""
    kept: dict[int, bytes] = {}
    for at in range(0, len(ids), _IN_MAX):
        part = ids[at : at + _IN_MAX]
        if level is Level.INSTANCE:
            query = sa.select(instance.c.id, instance.c.metadata_json).where(
                instance.c.id.in_(part)
            )
        else:
            own = _OWN[level]
            first = (
                sa.select(own.label("owner"), sa.func.min(instance.c.id).label("first"))
                .where(own.in_(part))
                .group_by(own)
                .subquery()
            )
            query = sa.select(first.c.owner, instance.c.metadata_json).join(
                instance, instance.c.id == first.c.first
            )
        kept.update((row[0], row[1]) for row in conn.execute(query))
    return kept


def _mask(each: dict[str, Any]) -> None:
    name = each.get(_NAME)
    if name and name.get("Value"):
        name["Value"] = [
            {group: masked_name(text) for group, text in value.items()} for value in name["Value"]
        ]
    number = each.get(_NUMBER)
    if number and number.get("Value"):
        number["Value"] = [masked_id(text) for text in number["Value"]]
    if _BIRTH_DATE in each:
        each[_BIRTH_DATE] = {"vr": "DA"}
