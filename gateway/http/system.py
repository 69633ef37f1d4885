"""``/api/v1/admin``: institutions and DICOM peers, the system administrator's part (三员)."""

from typing import Final

import msgspec
from aiohttp import web

from gateway.accounts.administration import Administration
from gateway.accounts.versions import Seen, version_of
from kernel.errors import Invalid
from kernel.identity import ApplicationEntity, Institution, InstitutionKind
from kernel.policy import Act, roles_for
from kernel.web import PRINCIPAL, describe, json_response, permit, read_json, read_version

_ROOT: Final = "/api/v1/admin"
_SYSTEM: Final = roles_for(Act.MANAGE_SYSTEM)


class InstitutionBody(msgspec.Struct, frozen=True, kw_only=True):
    """An institution without its code, which is in the address."""

    name: str
    kind: InstitutionKind
    parent: str | None = None
    phone: str = ""


class InstitutionView(InstitutionBody, frozen=True, kw_only=True):
    """An institution as the system administrator sees it."""

    code: str
    version: str
    """What to send as If-Match to change it."""


class PeerBody(msgspec.Struct, frozen=True, kw_only=True):
    """A DICOM peer without its title, which is in the address."""

    institution: str
    host: str = ""
    port: int = 0
    max_associations: int = 8
    charset_hint: str = ""
    may_store: bool = True
    may_query: bool = False
    tls_required: bool = False


class PeerView(PeerBody, frozen=True, kw_only=True):
    """A DICOM peer as the system administrator sees it."""

    ae_title: str
    version: str
    """What to send as If-Match to change it."""


class SystemDoor:
    """Institutions and DICOM peers."""

    def __init__(self, administration: Administration) -> None:
        self._administration = administration

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        one_institution = f"{_ROOT}/institutions/{{code}}"
        one_peer = f"{_ROOT}/application-entities/{{ae_title}}"
        return [
            web.get(f"{_ROOT}/institutions", self.institutions),
            web.put(one_institution, self.put_institution),
            web.get(f"{_ROOT}/application-entities", self.peers),
            web.put(one_peer, self.put_peer),
            web.delete(one_peer, self.remove_peer),
        ]

    @describe("Every institution", answer=list[InstitutionView])
    @permit(roles=_SYSTEM)
    async def institutions(self, _request: web.Request) -> web.StreamResponse:
        """Answer them by code."""
        found = await self._administration.institutions()
        return json_response(
            [
                InstitutionView(
                    code=one.code,
                    name=one.name,
                    kind=one.kind,
                    parent=one.parent,
                    phone=one.phone,
                    version=version_of(one),
                )
                for one in found
            ]
        )

    @describe("Add or change an institution", body=InstitutionBody)
    @permit(roles=_SYSTEM)
    async def put_institution(self, request: web.Request) -> web.StreamResponse:
        """204; a change names the version it was made from."""
        body = await read_json(request, InstitutionBody)
        institution = Institution(
            request.match_info["code"], body.name, body.kind, body.parent, body.phone
        )
        await self._administration.put_institution(
            request[PRINCIPAL], institution, seen=_seen(request)
        )
        return web.Response(status=204)

    @describe("Every DICOM peer", answer=list[PeerView])
    @permit(roles=_SYSTEM)
    async def peers(self, _request: web.Request) -> web.StreamResponse:
        """Answer them by title."""
        found = await self._administration.peers()
        return json_response([_peer_view(one) for one in found])

    @describe("Add or change a DICOM peer", body=PeerBody)
    @permit(roles=_SYSTEM)
    async def put_peer(self, request: web.Request) -> web.StreamResponse:
        """204; a change names the version it was made from."""
        body = await read_json(request, PeerBody)
        peer = ApplicationEntity(request.match_info["ae_title"], **msgspec.structs.asdict(body))
        await self._administration.put_peer(request[PRINCIPAL], peer, seen=_seen(request))
        return web.Response(status=204)

    @describe("Forget a DICOM peer")
    @permit(roles=_SYSTEM)
    async def remove_peer(self, request: web.Request) -> web.StreamResponse:
        """204, or 404; with If-Match only while it is that version."""
        version = read_version(request) if "If-Match" in request.headers else None
        title = request.match_info["ae_title"]
        await self._administration.remove_peer(request[PRINCIPAL], title, version=version)
        return web.Response(status=204)


def _peer_view(peer: ApplicationEntity) -> PeerView:
    return PeerView(
        ae_title=peer.ae_title,
        institution=peer.institution,
        host=peer.host,
        port=peer.port,
        max_associations=peer.max_associations,
        charset_hint=peer.charset_hint,
        may_store=peer.may_store,
        may_query=peer.may_query,
        tls_required=peer.tls_required,
        version=version_of(peer),
    )


def _seen(request: web.Request) -> Seen:
    """Return what the request says it was made from (RFC 9110 13.1)."""
    absent = request.headers.get("If-None-Match", "").strip()
    if absent not in {"", "*"}:
        raise Invalid("If-None-Match is * or not there", code="invalid-if-none-match")
    return Seen(read_version(request) if "If-Match" in request.headers else "", bool(absent))
