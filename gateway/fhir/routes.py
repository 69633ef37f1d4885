"""``/fhir``: the routes, made from what the rooms hand in; each declares whom it lets in."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from gateway.fhir.answers import (
    answer,
    check_form,
    headers_of,
    preferences,
    searchset,
    to_json,
    unchanged,
)
from gateway.fhir.body import BUNDLE_BYTES, RESOURCE_BYTES, read_resource
from gateway.fhir.capability import capability
from gateway.fhir.interactions import ROOT, Rooms, Searched
from gateway.fhir.outcome import warning
from gateway.fhir.ports import ResourceProvider
from gateway.fhir.preconditions import read_if_match
from gateway.fhir.search import CURSOR, Asked, Pair, parse_search, write_cursor
from gateway.fhir.transactions import Transactions
from kernel.audit.access_log import Access
from kernel.audit.trail import AuditEvent
from kernel.clock import Clock
from kernel.errors import Invalid, PlatformError, Unsupported
from kernel.fhir.resource import Asker, Found, Interaction, ResourceDefinition
from kernel.sql.db import Database
from kernel.web import (
    ACCESS_LOG,
    ADDRESS,
    KIB,
    PRINCIPAL,
    SIGN_IN_ID,
    Handler,
    describe,
    permit,
    read_body,
)

_FORM: Final = "application/x-www-form-urlencoded"
_FORM_BYTES: Final = 16 * KIB
_PAIRS_MAX: Final = 64


class FhirDoor:
    """The county's FHIR door."""

    def __init__(
        self,
        providers: Iterable[ResourceProvider],
        database: Database,
        clock: Clock,
        *,
        version: str,
    ) -> None:
        """Serve *providers*, at program *version*."""
        self._rooms = Rooms(providers)
        self._database = database
        self._clock = clock
        self._version = version
        self._since = clock.now()
        self._transactions = Transactions(self._rooms, database)

    def routes(self) -> list[web.RouteDef]:
        """Return every route of this door."""
        found: list[web.RouteDef] = [
            web.get(f"{ROOT}/metadata", self.metadata, allow_head=False),
            web.post(ROOT, self.bundle),
            web.post(f"{ROOT}/", self.bundle),
        ]
        for definition in self._rooms.definitions:
            found += self._resource_routes(definition)
        return found

    def _resource_routes(self, definition: ResourceDefinition) -> list[web.RouteDef]:
        kind, base = definition.type, f"{ROOT}/{definition.type}"
        one = f"{base}/{{id}}"
        get = partial(web.get, allow_head=False)
        table: list[tuple[Interaction, Callable[..., web.RouteDef], str, Handler, str]] = [
            (Interaction.SEARCH_TYPE, get, base, self._searches(definition), "Search"),
            (
                Interaction.SEARCH_TYPE,
                web.post,
                f"{base}/_search",
                self._searches(definition),
                "Search",
            ),
            (Interaction.READ, get, one, self._reads(kind), "Read"),
            (Interaction.VREAD, get, f"{one}/_history/{{version}}", self._reads(kind), "Read"),
            (Interaction.CREATE, web.post, base, self._creates(kind), "Create"),
            (Interaction.UPDATE, web.put, one, self._updates(kind), "Change"),
        ]
        found = []
        for interaction, method, path, handler, word in table:
            if interaction in definition.roles:
                declared = permit(roles=definition.roles[interaction], body_bytes=RESOURCE_BYTES)
                found.append(method(path, describe(f"{word} {kind} (FHIR R4)")(declared(handler))))
        return found

    def _asker(self, request: web.Request) -> Asker:
        return Asker(
            principal=request[PRINCIPAL],
            at=self._clock.now(),
            address=request.get(ADDRESS, ""),
            origin=str(request.url.origin()),
        )

    @describe("What this door can do (FHIR R4 CapabilityStatement)")
    @permit(public=True)
    async def metadata(self, request: web.Request) -> web.StreamResponse:
        """Answer the CapabilityStatement."""
        check_form(request)
        url = f"{request.url.origin()}{ROOT}"
        said = capability(
            self._rooms.definitions, url=url, version=self._version, since=self._since
        )
        return answer(said, headers={"Cache-Control": "no-cache"})

    @describe("Batch or transaction (FHIR R4 Bundle)")
    @permit(body_bytes=BUNDLE_BYTES)
    async def bundle(self, request: web.Request) -> web.StreamResponse:
        """Answer what became of each entry; of a transaction nothing is done or all of it."""
        check_form(request)
        body = await read_resource(request, limit=BUNDLE_BYTES)
        whole = preferences(request).get("return") == "representation"
        answered = await self._transactions.answer(self._asker(request), body, whole=whole)
        await self._saw(request, answered.shown)
        return answer(answered.bundle)

    def _reads(self, kind: str) -> Handler:
        async def read(request: web.Request) -> web.StreamResponse:
            check_form(request)
            asker, key = self._asker(request), request.match_info["id"]
            version = request.match_info.get("version")
            if version is None:
                found = await self._database.read(
                    lambda conn: self._rooms.read(conn, asker, kind, key)
                )
            else:
                found = await self._database.read(
                    lambda conn: self._rooms.vread(conn, asker, kind, key, version)
                )
            if unchanged(request, found.version):
                return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers_of(found))
            definition = self._rooms.definition(kind)
            # Of the parameters of a search, those that say how an answer looks.
            pairs = [pair for pair in request.query.items() if pair[0] in {"_summary", "_elements"}]
            asked = parse_search(definition, pairs, asker.at, strict=False)
            await self._saw(request, [found])
            return answer(self._rooms.shown(found, asked), headers=headers_of(found))

        return read

    def _searches(self, definition: ResourceDefinition) -> Handler:
        async def search(request: web.Request) -> web.StreamResponse:
            check_form(request)
            asker = self._asker(request)
            strict = preferences(request).get("handling") == "strict"
            pairs = [*request.query.items(), *await _form(request)]
            asked = parse_search(definition, pairs, asker.at, strict=strict)
            found = await self._database.read(
                lambda conn: self._rooms.search(conn, asker, definition.type, asked)
            )
            await self._saw(request, (*found.matches, *found.included), searched=definition.type)
            return answer(self._searchset(asker, definition.type, asked, found))

        return search

    def _searchset(self, asker: Asker, kind: str, asked: Asked, found: Searched) -> object:
        base = f"{asker.origin}{ROOT}/{kind}"
        query = urlencode(asked.used)
        links = [("self", f"{base}?{query}" if query else base)]
        if found.after is not None:
            links.append(("next", f"{base}?{CURSOR}={write_cursor(found.after, asked.used)}"))
        beside = None
        if asked.ignored:
            named = ", ".join(name[:64] for name in asked.ignored[:8])
            beside = warning("not-supported", f"not known here and left out: {named}")
        matches, included = (
            [(self._rooms.address(asker, each), self._rooms.shown(each, asked)) for each in some]
            for some in (found.matches, found.included)
        )
        return searchset(links, found.total, matches, included, beside)

    def _creates(self, kind: str) -> Handler:
        async def create(request: web.Request) -> web.StreamResponse:
            check_form(request)
            asker, resource = self._asker(request), await read_resource(request)
            told = request.headers.get("If-None-Exist")
            condition = None if told is None else _pairs(told.partition("?")[2] or told)
            made = await self._database.write(
                lambda conn: self._rooms.create(conn, asker, kind, resource, condition)
            )
            status = HTTPStatus.CREATED if made.created else HTTPStatus.OK
            return await self._changed(request, kind, made.found, status)

        return create

    def _updates(self, kind: str) -> Handler:
        async def update(request: web.Request) -> web.StreamResponse:
            check_form(request)
            asker, address = self._asker(request), (kind, request.match_info["id"])
            version = read_if_match(request.headers.get("If-Match", ""))
            resource = await read_resource(request)
            found = await self._database.write(
                lambda conn: self._rooms.update(conn, asker, address, version, resource)
            )
            return await self._changed(request, kind, found, HTTPStatus.OK)

        return update

    async def _changed(
        self, request: web.Request, kind: str, found: Found, status: int
    ) -> web.StreamResponse:
        location = f"{request.url.origin()}{ROOT}/{kind}/{found.id}"
        if Interaction.VREAD in self._rooms.definition(kind).roles:
            location += f"/_history/{found.version}"
        headers = headers_of(found) | {"Location": location}
        if preferences(request).get("return") == "minimal":
            return web.Response(status=status, headers=headers)
        await self._saw(request, [found])
        return answer(to_json(found), status=status, headers=headers)

    async def _saw(
        self, request: web.Request, found: Sequence[Found], *, searched: str = ""
    ) -> None:
        """Return once each look at a patient is in the trail, and the search itself."""
        looks = [
            Access(
                request[PRINCIPAL],
                look.subject,
                look.patient,
                look.reason,
                address=request.get(ADDRESS, ""),
                sign_in=request.get(SIGN_IN_ID, ""),
                event=look.event,
            )
            for look in dict.fromkeys(each.look for each in found)
            if look is not None
        ]
        if searched:
            looks.append(
                Access(
                    request[PRINCIPAL],
                    f"fhir:{searched}",
                    "",
                    "",
                    address=request.get(ADDRESS, ""),
                    sign_in=request.get(SIGN_IN_ID, ""),
                    event=AuditEvent.QUERIED,
                )
            )
        log = request.app[ACCESS_LOG]
        try:
            # Together, so that they share one commit.
            async with asyncio.TaskGroup() as group:
                for each in looks:
                    group.create_task(log.saw(each))
        except* PlatformError as failed:
            error: BaseException = failed
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from None


async def _form(request: web.Request) -> Sequence[Pair]:
    if request.method != "POST":
        return ()
    if request.content_type != _FORM and request.body_exists:
        raise Unsupported(f"send {_FORM}", code="unsupported-media-type")
    raw = await read_body(request, limit=_FORM_BYTES)
    try:
        return _pairs(raw.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise Invalid("parameters are UTF-8", code="invalid-parameter") from exc


def _pairs(text: str) -> list[Pair]:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_PAIRS_MAX)
    except ValueError as exc:
        raise Invalid(f"at most {_PAIRS_MAX} parameters", code="invalid-parameter") from exc
