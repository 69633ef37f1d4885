"""The township's page about what is expected and what has arrived: ``/api/v1/completeness``."""

from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from gateway.exchange.heartbeat import StudyState
from gateway.exchange.node_facts import NodeFacts
from kernel.clock import Clock
from kernel.errors import Invalid
from kernel.policy import Act, Subject, require, roles_for
from kernel.sql.db import Database
from kernel.web import PRINCIPAL, describe, json_response, permit, read_query

_ASKED_MAX: Final = 200


class CompletenessQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which studies; all that are under way or came over lately where none is named."""

    study: str = ""
    """Study Instance UIDs with commas between; at most 200."""


class CompletenessList(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is of each study; no patient is in it."""

    items: list[StudyState]


@dataclass(frozen=True, slots=True)
class CompletenessDoor:
    """The one route."""

    database: Database
    clock: Clock
    facts: NodeFacts
    institution: str

    def routes(self) -> list[web.RouteDef]:
        """Return it."""
        return [web.get("/api/v1/completeness", self._list, allow_head=False)]

    @describe(
        "How many images of each study are expected, here and at the county",
        query=CompletenessQuery,
        answer=CompletenessList,
    )
    @permit(roles=roles_for(Act.READ_LIST))
    async def _list(self, request: web.Request) -> web.StreamResponse:
        require(request[PRINCIPAL], Act.READ_LIST, Subject(self.institution))
        wanted = [uid for uid in read_query(request, CompletenessQuery).study.split(",") if uid]
        if len(wanted) > _ASKED_MAX:
            raise Invalid(f"at most {_ASKED_MAX} studies", code="invalid-query")
        at = self.clock.now()
        if wanted:
            items = await self.database.read(partial(self.facts.of_studies, wanted=wanted, at=at))
        else:
            items = await self.database.read(partial(self.facts.studies, at=at))
        return json_response(CompletenessList(items=items))
