"""Values nobody would send, for every route a node describes in its OpenAPI document.

The same seed makes the same requests, so that what was found once is found again.
"""

import asyncio
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from yarl import URL

_WITHIN_S: Final = 20.0
_SERVER_FAULT: Final = 500
_STREAMS: Final = frozenset({"/api/v1/events"})
_DEEP: Final = 200
_NESTED: Final = 6

TEXTS: Final = (
    *("", " ", "0", "-1", "1", "1.2.3", "1.2.840.10008.1.1", "..", ".", "../../etc/passwd", "*"),
    *(
        "?",
        "%",
        "_",
        "\\",
        "'",
        '"',
        ";--",
        "<script>",
        "\x00",
        "a\x00b",
        "\n",
        "\r\nX: y",
        "刘小凤",
    ),
    *("🩻", "é", "\u202e", "null", "NaN", "1e309", "True", "9" * 19, "9" * 400, "a" * 3000),
    *("20260230", "2026-05-12", "2026-05-12T10:00:00+99:00", "0000-00-00", "20250101-", "-"),
    *("1." * 40, "1.2.840." + "9" * 70, "conflict-1", "instance-1", "conflict-" + "9" * 30),
)
NUMBERS: Final = (0, -1, 1, 2, 50, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 1.5, 1e308)
# What DICOMweb and tus read besides what the document says.
_QUERY_NAMES: Final = (
    *("limit", "offset", "cursor", "includefield", "fuzzymatching", "PatientName", "StudyDate"),
    *("00100010", "00081030.00080100", "ModalitiesInStudy", "accept", "window", "viewport"),
    *("quality", "wait", "q", "last_event_id", "before", "x"),
)
_ACCEPT: Final = (
    *("*/*", "", "application/json", "application/dicom+json", "image/jpeg", "image/png;q=x"),
    'multipart/related; type="application/dicom"; transfer-syntax=*',
    'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.3',
    *("application/dicom; transfer-syntax=1.2.840.10008.1.2.4.202", "/", ";;;", "text/html"),
)
_TYPES: Final = (
    *("application/json", "application/dicom", "application/offset+octet-stream", "text/plain"),
    *('multipart/related; type="application/dicom"; boundary=b', "multipart/related", "x"),
)
_HEADERS: Final[Mapping[str, Sequence[str]]] = {
    "Tus-Resumable": ("1.0.0", "0.0.0", "x"),
    "Upload-Length": ("0", "5", "-1", "9" * 30, "x"),
    "Upload-Offset": ("0", "5", "-1", "9" * 30, "x"),
    "Upload-Metadata": (
        "kind ZGljb20=,filename YQ==,batch YQ==",
        "kind",
        "kind !!!",
        ",,",
        "a b c",
    ),
    "Upload-Checksum": ("sha256 AAAA", "md5 x", "x"),
    "Range": ("bytes=0-1", "bytes=5-1", "bytes=-", "bytes=0-0,5-9", "x=1"),
    "If-None-Match": ("*", '"x"', "x"),
    "Last-Event-ID": ("0", "-1", "9" * 30, "x"),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as the document says."""

    method: str
    path: str
    told: Mapping[str, Any]

    @property
    def roles(self) -> Sequence[str]:
        """Who may call it; empty for everybody."""
        return tuple(self.told.get("x-roles", ()))


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None

    def __str__(self) -> str:
        shown = {name: value for name, value in self.headers.items() if name != "Authorization"}
        body = b"" if self.body is None else self.body[:200]
        return f"{self.method} {self.url[:300]} {shown} {body!r}"


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Return every operation of an OpenAPI document, in its order."""
    return [
        Operation(method.upper(), path, told)
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]


class Generator:
    """Makes requests for the operations of one document."""

    def __init__(
        self, document: Mapping[str, Any], seed: str, *, known: Sequence[str] = ()
    ) -> None:
        """Make them from *seed*.

        Args:
            document: the OpenAPI document.
            seed: says which.
            known: texts that name something there, to come further than to a 404.
        """
        self._schemas = document.get("components", {}).get("schemas", {})
        self._chance = random.Random(seed)
        self._texts = (*TEXTS, *(text for text in known for _ in range(8)))

    def asked(self, operation: Operation, token: str) -> Asked:
        """Return one request of *operation* by the owner of *token*, empty for a stranger."""
        path, query = operation.path, []
        for parameter in operation.told.get("parameters", ()):
            value = self._flat(parameter.get("schema", {}))
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(value, safe=""))
            elif parameter.get("required") or self._sometimes(0.4):
                query.append((parameter["name"], value))
        while self._sometimes(0.3):
            query.append((self._chance.choice(_QUERY_NAMES), self._flat({})))
        told = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in query)
        body = self._body(operation)
        headers = {"Accept": self._chance.choice(_ACCEPT)}
        headers |= {
            name: self._chance.choice(values)
            for name, values in _HEADERS.items()
            if self._sometimes(0.15)
        }
        if body is not None:
            described = "requestBody" in operation.told and self._sometimes(0.9)
            headers["Content-Type"] = _TYPES[0] if described else self._chance.choice(_TYPES)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return Asked(operation.method, f"{path}?{told}" if told else path, headers, body)

    def _body(self, operation: Operation) -> bytes | None:
        if operation.method in {"GET", "HEAD", "OPTIONS"}:
            return None
        content = operation.told.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if schema is None or self._sometimes(0.1):
            return self._chance.choice(
                (
                    b"",
                    b"{",
                    b"[]",
                    b'"\\ud800"',
                    b"\xff\xfe\x00",
                    b"[" * _DEEP,
                    b'{"a":' * _DEEP + b"1" + b"}" * _DEEP,
                    b"--b\r\nContent-Type: application/dicom\r\n\r\nDICM\r\n--b--\r\n",
                    bytes(128) + b"DICM" + bytes(40),
                    self._chance.randbytes(600),
                )
            )
        return json.dumps(self._value(schema, 0)).encode()

    def _value(self, schema: Mapping[str, Any], depth: int) -> Any:
        """Return something of *schema*, or something that is not."""
        if depth > _NESTED or self._sometimes(0.15):
            return self._anything()
        if "$ref" in schema:
            return self._value(self._schemas[schema["$ref"].rpartition("/")[2]], depth + 1)
        if several := schema.get("anyOf") or schema.get("oneOf"):
            return self._value(self._chance.choice(several), depth + 1)
        if schema.get("type") == "object":
            return self._object(schema, depth)
        if schema.get("type") == "array":
            items = schema.get("items") or {}
            return [self._value(items, depth + 1) for _ in range(self._chance.randrange(4))]
        return self._single(schema)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            name: self._value(kind, depth + 1)
            for name, kind in schema.get("properties", {}).items()
            if self._sometimes(0.95 if name in required else 0.5)
        }

    def _single(self, schema: Mapping[str, Any]) -> Any:
        if "enum" in schema:
            return self._chance.choice(schema["enum"])
        choices: dict[object, Sequence[Any]] = {
            "integer": NUMBERS,
            "number": NUMBERS,
            "boolean": (True, False),
            "null": (None,),
        }
        return self._chance.choice(choices.get(schema.get("type"), (self._text(),)))

    def _anything(self) -> Any:
        return self._chance.choice(
            (None, True, [], {}, [[]], {"a": {}}, self._chance.choice(NUMBERS), self._text())
        )

    def _flat(self, schema: Mapping[str, Any]) -> str:
        value = self._value(schema, 5)
        return str(value) if isinstance(value, str) else json.dumps(value)

    def _text(self) -> str:
        if self._sometimes(0.1):
            points = (self._chance.randrange(1, 0xD800) for _ in range(self._chance.randrange(20)))
            return "".join(map(chr, points))
        return self._chance.choice(self._texts)

    def _sometimes(self, share: float) -> bool:
        return self._chance.random() < share


async def faults(
    session: aiohttp.ClientSession,
    document: Mapping[str, Any],
    tokens: Mapping[str, str],
    *,
    seed: str,
    each: int,
    known: Sequence[str] = (),
) -> tuple[int, list[str]]:
    """Ask every operation *each* times; return how often it was asked and what broke.

    Args:
        session: of the node, with its address as base.
        document: its OpenAPI document.
        tokens: by role.
        seed: which requests.
        each: requests for one operation.
        known: texts that name something there.
    """
    generator = Generator(document, seed, known=known)
    chance = random.Random(f"{seed} who")
    found: list[str] = []
    count = 0
    for operation in operations(document):
        for token in _askers(operation, tokens, chance, each):
            asked = generator.asked(operation, token)
            count += 1
            if (broke := await _send(session, asked, stream=operation.path in _STREAMS)) != "":
                found.append(f"{broke}: {asked}")
    return count, found


def _askers(
    operation: Operation, tokens: Mapping[str, str], chance: random.Random, each: int
) -> Iterator[str]:
    """Yield tokens: mostly of those who may, sometimes of anybody, sometimes none."""
    may = [tokens[role] for role in operation.roles if role in tokens] or list(tokens.values())
    for _ in range(each):
        draw = chance.random()
        if draw < 0.05:
            yield ""
        elif draw < 0.15:
            yield chance.choice(list(tokens.values()))
        else:
            yield chance.choice(may)


async def _send(session: aiohttp.ClientSession, asked: Asked, *, stream: bool) -> str:
    """Return what is wrong with the answer, empty where nothing is."""
    url = URL(asked.url, encoded=True)
    try:
        async with (
            asyncio.timeout(_WITHIN_S),
            session.request(
                asked.method, url, headers=asked.headers, data=asked.body, allow_redirects=False
            ) as answer,
        ):
            if not stream:
                await answer.read()
            if answer.status >= _SERVER_FAULT:
                return f"{answer.status}"
    except TimeoutError:
        return "no answer"
    except aiohttp.ClientError as exc:
        return type(exc).__name__
    return ""
