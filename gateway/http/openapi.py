"""``/api/openapi.json``: what the routes declared, as OpenAPI 3.1."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from kernel.web import Declaration, declaration, describe, json_response, permit

_PARAMETER: Final = re.compile(r"{(\w+)(?::[^{}]*(?:{[^{}]*}[^{}]*)*)?}")
_SCHEMAS: Final = "#/components/schemas/{name}"
_PROBLEM: Final = {
    "description": "What went wrong (RFC 9457), with a stable code",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "code"],
                "properties": {
                    "type": {"type": "string"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            }
        }
    },
}


def describe_routes(routes: Iterable[web.RouteDef], *, version: str) -> dict[str, Any]:
    """Return the OpenAPI document of *routes*; those for everything else (``*``) are left out."""
    described = [
        (route, declared)
        for route in routes
        if (declared := declaration(route.handler)) is not None and route.method != "*"
    ]
    types = [
        kind
        for _, declared in described
        for kind in (declared.query, declared.body, declared.answer)
        if kind is not None
    ]
    schemas, components = msgspec.json.schema_components(types, ref_template=_SCHEMAS)
    by_type = dict(zip(map(id, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route, declared in described:
        path = _PARAMETER.sub(r"{\1}", route.path)
        operation = _operation(route, declared, by_type, components)
        paths.setdefault(path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Yilian", "version": version},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "yilian"},
            },
        },
    }


def _operation(
    route: web.RouteDef,
    declared: Declaration,
    schemas: Mapping[int, Any],
    components: Mapping[str, Any],
) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]
    if declared.query is not None:
        parameters += _query_parameters(schemas[id(declared.query)], components)
    success: dict[str, Any] = {"description": HTTPStatus.OK.phrase}
    if declared.answer is not None:
        success["content"] = {"application/json": {"schema": schemas[id(declared.answer)]}}
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()} {route.path}",
        "summary": declared.summary,
        "parameters": parameters,
        "responses": {"2XX": success, "default": _PROBLEM},
        "security": [] if declared.public else [{"bearer": []}, {"session": []}],
    }
    if declared.roles is not None:
        operation["x-roles"] = sorted(declared.roles)
    if not declared.machines:
        operation["x-people-only"] = True
    if declared.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas[id(declared.body)]}},
        }
    return operation


def _query_parameters(
    schema: Mapping[str, Any], components: Mapping[str, Any]
) -> list[dict[str, Any]]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    whole = components.get(name, schema)
    required = set(whole.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": kind}
        for name, kind in whole.get("properties", {}).items()
    ]


class OpenApiDoor:
    """Serves the document, made once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def routes(self) -> list[web.RouteDef]:
        """Return the one route."""
        return [web.get("/api/openapi.json", self.show)]

    @describe("This document")
    @permit(public=True)
    async def show(self, _request: web.Request) -> web.StreamResponse:
        """Answer the document."""
        return json_response(self._document, headers={"Cache-Control": "no-cache"})
