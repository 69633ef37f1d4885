"""A search as one read: rows, and what only the instances themselves can tell."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from imaging.query.answer import returned, row_json
from imaging.query.attributes import PATIENT_NAME
from imaging.query.headers import add_from_instances
from imaging.query.model import Query
from imaging.query.paging import PagingMemory
from imaging.query.run import run_query
from kernel.identity import Principal
from kernel.policy import masked_id, masked_name, reach, shows_full_name
from kernel.sql.db import Database

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

    async def run(
        self, query: Query, principal: Principal, *, root: str, at: dt.datetime | None = None
    ) -> Found:
        """Return what *principal* may find of *query*.

        Who may not know the patients gets them masked, and nothing but what the index keeps.

        Args:
            query: what is asked for.
            principal: who asks.
            root: absolute address of the DICOMweb service, for Retrieve URL.
            at: the instant; without it nothing is found that *principal* may see for a time only.

        Raises:
            QueryTooSlow: over five seconds; a narrower query may work.
        """
        # Headers name a patient in more places than can be masked.
        shows_all = shows_full_name(principal)
        search = (principal.user_id, query.level, query.keys, query.limit)
        bound = self._paging.bound(search) if query.offset else None

        def read(conn: sa.Connection) -> tuple[Found, int]:
            page = run_query(conn, query, reach(principal, at=at), bound=bound)
            tags = returned(query)
            objects = [row_json(row, query, tags, root=root) for row in page.rows]
            if shows_all:
                add_from_instances(conn, query, [row["id"] for row in page.rows], objects)
            return Found(objects, page.more), page.bound

        found, seen = await self._database.read(read)
        if not query.offset:
            self._paging.begin(search, seen)
        if not shows_all:
            for each in found.objects:
                _mask(each)
        return found


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
