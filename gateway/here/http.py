"""What can be looked at on this node, for its pages: ``/api/v1/here``, ``/api/v1/earlier``."""

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import Final

import msgspec
import sqlalchemy as sa
from aiohttp import web

from gateway.exchange.county_link import CountyUnreachable
from gateway.here.earlier import CountyStudies, KnownStudy, known_here, number_of, with_what_is_here
from gateway.here.model import EarlierStudy, StudyHere
from gateway.here.ports import RegisteredNumber
from gateway.here.store import WhatIsHere
from kernel.audit.trail import AuditEvent
from kernel.errors import Invalid, Missing
from kernel.identifiers import Uid
from kernel.policy import Act, Subject, require, roles_for
from kernel.sql.db import Database
from kernel.web import PRINCIPAL, describe, json_response, permit, read_query, saw

_ASKED_MAX: Final = 100


class HereQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which studies."""

    study: str
    """Study Instance UIDs with commas between; at most 100."""


class HereList(msgspec.Struct, frozen=True, kw_only=True):
    """What of each of them is here, in the order asked; no patient is in it."""

    items: list[StudyHere]


class EarlierQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whose studies; never by the number itself, which no address may hold."""

    study: str = ""
    """Study Instance UID of one that came through this node."""
    patient: str = ""
    """Or ``id`` of who is registered here."""
    county: bool = False
    """Whether the county is asked as well."""


class EarlierList(msgspec.Struct, frozen=True, kw_only=True):
    """The patient's studies, newest first."""

    items: list[EarlierStudy]
    county: str
    """``told`` its studies are among them, ``unreachable``, ``not-enrolled``, or ``not-asked``."""


@dataclass(frozen=True, slots=True)
class HereDoor:
    """The routes."""

    database: Database
    here: WhatIsHere
    county: CountyStudies | None
    """None where this node is enrolled nowhere."""
    registered: RegisteredNumber
    institution: str
    zone: dt.tzinfo

    def routes(self) -> list[web.RouteDef]:
        """Return them."""
        return [
            web.get("/api/v1/here", self._here, allow_head=False),
            web.get("/api/v1/earlier", self._earlier, allow_head=False),
        ]

    @describe("What of each study can be looked at here", query=HereQuery, answer=HereList)
    @permit(roles=roles_for(Act.READ_LIST))
    async def _here(self, request: web.Request) -> web.StreamResponse:
        require(request[PRINCIPAL], Act.READ_LIST, Subject(self.institution))
        named = read_query(request, HereQuery).study.split(",")
        if len(named) > _ASKED_MAX:
            raise Invalid(f"at most {_ASKED_MAX} studies", code="invalid-query")
        wanted = [Uid.parse(uid).value for uid in dict.fromkeys(named) if uid]
        items = await self.database.read(partial(self.here.of, studies=wanted))
        return json_response(HereList(items=items))

    @describe(
        "Studies of a patient, here and at the county", query=EarlierQuery, answer=EarlierList
    )
    @permit(roles=roles_for(Act.READ_STUDY))
    async def _earlier(self, request: web.Request) -> web.StreamResponse:
        decision = require(request[PRINCIPAL], Act.READ_STUDY, Subject(self.institution))
        asked = read_query(request, EarlierQuery)
        if bool(asked.study) == bool(asked.patient):
            raise Invalid("name a study, or somebody registered", code="invalid-query")
        patient = await self.database.read(partial(self._number, asked=asked))
        if not patient:
            raise Missing("nobody of that number is known here")
        await saw(
            request,
            subject="earlier",
            patient=patient,
            reason=decision.reason,
            event=AuditEvent.QUERIED,
        )
        told, county = await self._of_county(patient) if asked.county else ([], "not-asked")
        own = await self.database.read(
            partial(known_here, patient_id=patient, institution=self.institution)
        )
        known = {study.study_instance_uid: study for study in (*own, *told)}
        ordered = sorted(known.values(), key=lambda one: (one.study_date, one.study_time))
        items = await self.database.read(
            partial(with_what_is_here, known=ordered[::-1], here=self.here, zone=self.zone)
        )
        return json_response(EarlierList(items=items, county=county))

    def _number(self, conn: sa.Connection, *, asked: EarlierQuery) -> str:
        if asked.study:
            return number_of(conn, asked.study, self.institution)
        return self.registered(conn, self.institution, asked.patient)

    async def _of_county(self, patient: str) -> tuple[list[KnownStudy], str]:
        if self.county is None:
            return [], "not-enrolled"
        try:
            return await self.county.of_patient(patient), "told"
        except CountyUnreachable:
            return [], "unreachable"
