"""QIDO-RS: search for studies, series and instances (PS3.18 10.6)."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from imaging.archive.locate import Elsewhere, nowhere
from imaging.archive.looks import look_at_list, look_at_study
from imaging.dicomweb.answers import dataset_form, multipart_type, new_boundary, refusal
from imaging.dicomweb.compression import encoded_response
from imaging.dicomweb.native_xml import parts
from imaging.dicomweb.negotiate import XML, NotAcceptable
from imaging.query.attributes import Level
from imaging.query.model import Query
from imaging.query.parse_qido import parse_qido
from imaging.query.service import Search
from kernel.policy import Act, roles_for
from kernel.web import CLOCK, PRINCIPAL, Handler, describe, permit

ROOT: Final = "/dicom-web"
_ENCODE: Final = msgspec.json.Encoder().encode
_AGENT: Final = "299 yilian"
_NAMED_MAX: Final = 8
_TOO_MANY: Final = (
    "The number of results exceeded the maximum supported by the server. "
    "Additional results can be requested."
)


def routes(search: Search, elsewhere: Elsewhere = nowhere) -> list[web.RouteDef]:
    """Return the search transactions of *search* under ``/dicom-web``.

    Args:
        search: answers them.
        elsewhere: knows the studies that were here and are only at another node now.
    """
    of_study, of_series = "/studies/{study}", "/studies/{study}/series/{series}"
    found = [
        (Level.STUDY, "/studies"),
        (Level.SERIES, "/series"),
        (Level.SERIES, f"{of_study}/series"),
        (Level.INSTANCE, "/instances"),
        (Level.INSTANCE, f"{of_study}/instances"),
        (Level.INSTANCE, f"{of_series}/instances"),
    ]
    return [web.get(ROOT + path, _handler(search, level, elsewhere)) for level, path in found]


def _handler(search: Search, level: Level, elsewhere: Elsewhere) -> Handler:
    @describe(f"Search for {level.name.lower()} entities (QIDO-RS)")
    @permit(roles=roles_for(Act.READ_LIST))
    async def find(request: web.Request) -> web.Response:
        try:
            media = dataset_form(request)
        except NotAcceptable as exc:
            return refusal(exc, HTTPStatus.NOT_ACCEPTABLE)
        study = request.match_info.get("study", "")
        query = parse_qido(
            level,
            request.query.items(),
            study_instance_uid=study,
            series_instance_uid=request.match_info.get("series", ""),
        )
        if study:
            await look_at_study(request, study, elsewhere=elsewhere)
        else:
            await look_at_list(request, "dicom-web")
        found = await search.run(
            query,
            request[PRINCIPAL],
            root=f"{request.url.origin()}{ROOT}",
            at=request.app[CLOCK].now(),
        )
        answer = await _answer(request, found.objects, media)
        for warning in _warnings(query, cut=found.more and query.limited_by_us):
            answer.headers.add("Warning", f'{_AGENT} "{warning}"')
        return answer

    return find


async def _answer(
    request: web.Request, objects: Sequence[dict[str, Any]], media: str
) -> web.Response:
    headers = {"Content-Type": media, "Cache-Control": "no-store"}
    if media != XML:
        return await encoded_response(request, _ENCODE(objects), headers)
    if not objects:
        # A multipart has at least one part.
        return web.Response(status=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})
    boundary = new_boundary()
    body = await asyncio.to_thread(lambda: b"".join(parts(objects, boundary)))
    headers["Content-Type"] = multipart_type(XML, boundary)
    return await encoded_response(request, body, headers)


def _warnings(query: Query, *, cut: bool) -> list[str]:
    warnings = [_TOO_MANY] if cut else []
    if query.ignored:
        named = ", ".join(_printable(name) for name in query.ignored[:_NAMED_MAX])
        warnings.append(f"These parameters are not supported and were ignored: {named}")
    if hopeless := query.hopeless():
        warnings.append(f"Nothing can match: {'; '.join(hopeless[:_NAMED_MAX])}")
    return warnings


def _printable(name: str) -> str:
    """Return *name* as it may stand in a header's quoted string."""
    return "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "?" for c in name)
