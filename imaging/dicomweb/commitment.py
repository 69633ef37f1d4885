"""Storage commitment over the web: may the sender delete its copies? (PS3.18 13)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

import msgspec
from aiohttp import web

from imaging.dicomweb.answers import answered, json_form, refusal
from imaging.dicomweb.negotiate import NotAcceptable
from imaging.dicomweb.resources import ROOT
from imaging.dicomweb.unfiled import UnfiledStores
from kernel.errors import Invalid, Missing
from kernel.identifiers import InstitutionCode, Uid
from kernel.policy import Act, Subject, require, roles_for
from kernel.web import ADDRESS, PRINCIPAL, describe, permit, read_json

BODY_BYTES: Final = 4 << 20
INSTANCES_MAX: Final = 10_000
ASK_AGAIN_S: Final = 5
_REFERENCED: Final = "00081199"
_FAILED: Final = "00081198"
_SOP_CLASS: Final = "00081150"
_SOP_INSTANCE: Final = "00081155"
_REASON: Final = "00081197"


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance somebody asks about."""

    sop_class: Uid
    sop_instance: Uid


@dataclass(frozen=True, slots=True)
class CommitmentAnswer:
    """What became of the instances of one request."""

    committed: Sequence[tuple[str, str]]
    """SOP class and SOP instance of those that are kept for good."""
    failed: Sequence[tuple[str, str, int]]
    """The others, with Failure Reason (0008,1197; PS3.3 C.14.1.1)."""


class Commitments(Protocol):
    """Who keeps commitment requests and knows what is safe."""

    async def ask(
        self,
        transaction: Uid,
        instances: Sequence[Instance],
        institution: InstitutionCode,
        address: str,
    ) -> CommitmentAnswer | None:
        """Keep the request; return its result, None while that is not known.

        Raises:
            Conflict: *institution* asked something else under *transaction*.
        """
        ...

    async def result(
        self, transaction: Uid, institution: InstitutionCode
    ) -> CommitmentAnswer | None:
        """Return the result of a request, None while it is not known.

        Raises:
            Missing: *institution* made no such request.
        """
        ...


class InvalidCommitment(Invalid):
    """The body is no Storage Commitment Request Module (PS3.18 J.1)."""

    code = "invalid-commitment-request"


class NoSuchRequest(Missing):
    """The asker's institution made no request of that name, or it was forgotten."""

    code = "no-such-request"


class CommitmentDoor:
    """Requests and their results."""

    def __init__(self, commitments: Commitments, unfiled: UnfiledStores | None) -> None:
        """Hand requests to *commitments*, what the asker stored filed first (*unfiled*)."""
        self._commitments = commitments
        self._unfiled = unfiled

    def routes(self) -> list[web.RouteDef]:
        """Return the two routes."""
        path = f"{ROOT}/commitment-requests/{{transaction}}"
        return [web.post(path, self.ask), web.get(path, self.result, allow_head=False)]

    @describe("Ask whether objects are kept for good (storage commitment)")
    @permit(roles=roles_for(Act.STORE_STUDY), body_bytes=BODY_BYTES)
    async def ask(self, request: web.Request) -> web.StreamResponse:
        """Answer 200 with the result, or 202 while it is not known."""
        try:
            media = json_form(request)
        except NotAcceptable as exc:
            return refusal(exc, HTTPStatus.NOT_ACCEPTABLE)
        transaction, institution = _named(request)
        body: Any = await read_json(request, object, limit=BODY_BYTES)
        instances = parse_request(body)
        if self._unfiled is not None:
            await self._unfiled.settle(request)
        found = await self._commitments.ask(
            transaction, instances, institution, request.get(ADDRESS, "")
        )
        return _response(found, media)

    @describe("The result of a commitment request")
    @permit(roles=roles_for(Act.STORE_STUDY))
    @answered
    async def result(self, request: web.Request) -> web.StreamResponse:
        """Answer as ``ask`` does, of a request that was made before."""
        media = json_form(request)
        return _response(await self._commitments.result(*_named(request)), media)


def _named(request: web.Request) -> tuple[Uid, InstitutionCode]:
    principal = request[PRINCIPAL]
    require(principal, Act.STORE_STUDY, Subject(principal.institution))
    return Uid.parse(request.match_info["transaction"]), InstitutionCode(principal.institution)


def parse_request(body: Any) -> list[Instance]:
    """Return the instances a Storage Commitment Request Module names, each once.

    Args:
        body: decoded DICOM JSON, one object, by itself or in an array.

    Raises:
        InvalidCommitment: it names none, too many, or one without its UIDs.
    """
    dataset = body[0] if isinstance(body, list) and len(body) == 1 else body
    items = _values(dataset, _REFERENCED)
    if not items:
        raise InvalidCommitment("Referenced SOP Sequence (0008,1199) names no instance")
    if len(items) > INSTANCES_MAX:
        raise InvalidCommitment(f"at most {INSTANCES_MAX} instances")
    found = [Instance(_uid(item, _SOP_CLASS), _uid(item, _SOP_INSTANCE)) for item in items]
    return list(dict.fromkeys(found))


def _values(dataset: Any, tag: str) -> Sequence[Any]:
    element = dataset.get(tag) if isinstance(dataset, Mapping) else None
    values = element.get("Value") if isinstance(element, Mapping) else None
    return values if isinstance(values, list) else []


def _uid(item: Any, tag: str) -> Uid:
    values = _values(item, tag)
    if len(values) != 1 or not isinstance(values[0], str):
        raise InvalidCommitment(f"an item has no single value of ({tag[:4]},{tag[4:]})")
    return Uid.parse(values[0])


def _response(found: CommitmentAnswer | None, media: str) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    if found is None:
        headers["Retry-After"] = str(ASK_AGAIN_S)
        return web.Response(status=HTTPStatus.ACCEPTED, headers=headers)
    body = msgspec.json.encode(response_module(found))
    return web.Response(body=body, headers={**headers, "Content-Type": media})


def response_module(found: CommitmentAnswer) -> dict[str, Any]:
    """Return the Storage Commitment Response Module (PS3.18 J.2) as DICOM JSON."""
    made: dict[str, Any] = {}
    if found.failed:
        items = [
            _reference(sop_class, instance) | {_REASON: {"vr": "US", "Value": [reason]}}
            for sop_class, instance, reason in found.failed
        ]
        made[_FAILED] = {"vr": "SQ", "Value": items}
    if found.committed:
        made[_REFERENCED] = {"vr": "SQ", "Value": [_reference(*one) for one in found.committed]}
    return made


def _reference(sop_class: str, instance: str) -> dict[str, Any]:
    return {
        _SOP_CLASS: {"vr": "UI", "Value": [sop_class]},
        _SOP_INSTANCE: {"vr": "UI", "Value": [instance]},
    }
