"""``/api/v1/institutions``: which houses there are, for the lists people choose from."""

import msgspec
from aiohttp import web

from kernel.identity import InstitutionKind, all_institutions
from kernel.sql.db import Database
from kernel.web import describe, json_response, permit


class InstitutionLine(msgspec.Struct, frozen=True, kw_only=True):
    """An institution as everybody may know it; whom to call there is the administrators'."""

    code: str
    name: str
    kind: InstitutionKind
    parent: str | None
    """Code of the institution it belongs to."""


class InstitutionsDoor:
    """The node's houses; nothing of a patient is in them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> list[web.RouteDef]:
        """Return the one route."""
        return [web.get("/api/v1/institutions", self.show, allow_head=False)]

    @describe("The institutions this node knows", answer=list[InstitutionLine])
    @permit()
    async def show(self, _request: web.Request) -> web.StreamResponse:
        """Answer them by code."""
        found = await self._database.read(all_institutions)
        return json_response(
            [
                InstitutionLine(code=one.code, name=one.name, kind=one.kind, parent=one.parent)
                for one in found
            ]
        )
