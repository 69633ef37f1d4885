"""``/api/v1/storage``: which stored objects are damaged, for administrators."""

from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from imaging.archive.damaged import PAGE_MOST, DamagedObject, damaged
from kernel.errors import Invalid
from kernel.policy import Act, roles_for
from kernel.web import DATABASE, describe, json_response, permit, read_query

_PATH: Final = "/api/v1/storage/damaged"
_ROLES: Final = roles_for(Act.WATCH_STORAGE)
_CURSOR_MOST: Final = 18


class DamagedQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of the list."""

    limit: int = 50
    cursor: str = ""
    mended: bool = False
    """Also what is whole again."""


class DamagedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of damages, the first found first."""

    items: list[DamagedObject]
    next_cursor: str | None


class StorageDoor:
    """The routes of the store's health."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.get(_PATH, self.damaged, allow_head=False)]

    @describe("Stored objects that are damaged", query=DamagedQuery, answer=DamagedPage)
    @permit(roles=_ROLES)
    async def damaged(self, request: web.Request) -> web.StreamResponse:
        """Answer a page of them."""
        asked = read_query(request, DamagedQuery)
        if not 0 < asked.limit <= PAGE_MOST:
            raise Invalid(f"limit is 1 to {PAGE_MOST}", code="invalid-limit")
        after = _row(asked.cursor)
        look = partial(damaged, after=after, limit=asked.limit + 1, mended=asked.mended)
        found = list(await request.app[DATABASE].read(look))
        more = len(found) > asked.limit
        items = found[: asked.limit]
        cursor = str(items[-1].id) if more else None
        return json_response(DamagedPage(items=items, next_cursor=cursor))


def _row(cursor: str) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _CURSOR_MOST):
        raise Invalid("no cursor of this list", code="invalid-cursor")
    return int(cursor)
