"""``/api/v1/patients``: who is registered."""

from functools import partial
from typing import Final

import sqlalchemy as sa
from aiohttp import web

from kernel.audit.trail import AuditEvent
from kernel.errors import Missing
from kernel.events import last_event_id
from kernel.policy import Act as Duty, register_house, roles_for
from kernel.web import (
    PRINCIPAL,
    describe,
    json_response,
    permit,
    read_ask,
    read_json,
    read_query,
    read_version,
)
from referrals.orders import store
from referrals.orders.asked import NewPatient, PatientChanges
from referrals.orders.bodies import (
    PatientPage,
    PatientQuery,
    ReconcileBody,
    RevealBody,
    Revealed,
    SettleBody,
)
from referrals.orders.counter import Counter
from referrals.orders.detail import PatientView, patient_view
from referrals.orders.model import Patient, PatientMissing
from referrals.orders.records import RecordKind
from referrals.orders.search import Narrow, list_patients
from referrals.orders.service import Seen
from referrals.orders.views import local_day, rows_of_patients

_READERS: Final = roles_for(Duty.READ_ORDERS)
_REGISTRARS: Final = roles_for(Duty.REGISTER_PATIENT)
_PATH: Final = "/api/v1/patients"


class PatientsDoor:
    """The routes of registering."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one = f"{_PATH}/{{id}}"
        return [
            web.get(_PATH, self.listing, allow_head=False),
            web.post(_PATH, self.register),
            web.get(one, self.show, allow_head=False),
            web.patch(one, self.correct),
            web.post(f"{one}/reconcile", self.reconcile),
            web.post(f"{one}/settle", self.settle),
            web.post(f"{one}/reveal", self.reveal),
        ]

    @describe("List patients, newest first", query=PatientQuery, answer=PatientPage)
    @permit(roles=_READERS)
    async def listing(self, request: web.Request) -> web.StreamResponse:
        """Answer one page of the patients registered where the asker works.

        Who sees own orders only sees, until they look for somebody, whom they ordered for.
        """
        asked = read_query(request, PatientQuery)
        narrow = self._counter.narrow(
            request, q=asked.q, date_from=asked.date_from, date_to=asked.date_to
        )
        limit = self._counter.limit(asked.limit)
        await self._counter.looked_at_list(request, "patients")
        page = await self._counter.database.read(
            partial(self._page, narrow=narrow, limit=limit, before=asked.cursor)
        )
        return json_response(page)

    def _page(self, conn: sa.Connection, *, narrow: Narrow, limit: int, before: str) -> PatientPage:
        last = last_event_id(conn)
        found = list_patients(conn, narrow, limit=limit + 1, before=before)
        today = local_day(self._counter.clock.now())
        return PatientPage(
            items=rows_of_patients(conn, found[:limit], on=today),
            next_cursor=found[limit - 1].id if len(found) > limit else None,
            last_event_id=last,
        )

    @describe("Register a patient", body=NewPatient, answer=PatientView)
    @permit(roles=_REGISTRARS)
    async def register(self, request: web.Request) -> web.StreamResponse:
        """201 with the patient."""
        body = await read_json(request, NewPatient)
        by, ask = self._counter.by(request), read_ask(request, body)
        return await self._answer(
            request, await self._counter.desk.register(by, body, ask), status=201
        )

    @describe("Show a patient", answer=PatientView)
    @permit(roles=_READERS)
    async def show(self, request: web.Request) -> web.StreamResponse:
        """Answer one patient; the look is in the audit trail before."""
        patient = await self._find(request)
        await self._counter.looked_at(request, f"patient:{patient.id}", patient.patient_id)
        return await self._answer(request, patient.id)

    @describe("Mend what was registered", body=PatientChanges, answer=PatientView)
    @permit(roles=_REGISTRARS)
    async def correct(self, request: web.Request) -> web.StreamResponse:
        """Answer the patient as it then is."""
        body = await read_json(request, PatientChanges)
        by, ask = self._counter.by(request), read_ask(request, body)
        return await self._answer(
            request, await self._counter.desk.correct(by, self._seen(request), body, ask)
        )

    @describe("Say who an unknown patient is", body=ReconcileBody, answer=PatientView)
    @permit(roles=_REGISTRARS)
    async def reconcile(self, request: web.Request) -> web.StreamResponse:
        """Answer the unknown patient, whose orders are the real one's now."""
        body = await read_json(request, ReconcileBody)
        by, ask = self._counter.by(request), read_ask(request, body)
        seen = self._seen(request)
        return await self._answer(
            request, await self._counter.desk.reconcile(by, seen, body.patient, ask)
        )

    @describe("Choose between versions in conflict", body=SettleBody, answer=PatientView)
    @permit(roles=roles_for(Duty.SETTLE_CONFLICT))
    async def settle(self, request: web.Request) -> web.StreamResponse:
        """Answer the patient as it then is."""
        body = await read_json(request, SettleBody)
        by, ask = self._counter.by(request), read_ask(request, body)
        seen = self._seen(request)
        return await self._answer(
            request,
            await self._counter.desk.settle(by, RecordKind.PATIENT, seen, body.keep, ask),
        )

    @describe(
        "Show one masked number; every look is written down", body=RevealBody, answer=Revealed
    )
    @permit(roles=_READERS)
    async def reveal(self, request: web.Request) -> web.StreamResponse:
        """Answer the number once the look at it is in the audit trail."""
        body = await read_json(request, RevealBody)
        patient = await self._find(request)
        subject = f"patient:{patient.id}:{body.field}"
        await self._counter.looked_at(
            request, subject, patient.patient_id, event=AuditEvent.REVEALED
        )
        return json_response(Revealed(field=body.field, value=getattr(patient, body.field)))

    def _seen(self, request: web.Request) -> Seen:
        return Seen(request.match_info["id"], read_version(request))

    async def _find(self, request: web.Request) -> Patient:
        key, who = request.match_info["id"], request[PRINCIPAL]
        found = await self._counter.database.read(partial(store.find_patient, patient=key))
        if found is None or found.institution != register_house(who):
            raise PatientMissing
        return found

    async def _answer(
        self, request: web.Request, key: str, *, status: int = 200
    ) -> web.StreamResponse:
        def read(conn: sa.Connection) -> PatientView:
            patient = store.find_patient(conn, key)
            if patient is None:
                raise Missing
            return patient_view(conn, patient, request[PRINCIPAL], now=self._counter.clock.now())

        view = await self._counter.database.read(read)
        headers = {"ETag": f'"{view.patient.etag}"', "Location": f"{_PATH}/{key}"}
        return json_response(view, status=status, headers=headers)
