"""A person who decides which of two contents answers, over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from aiohttp import ClientSession

from imaging.archive import http as archive_http
from imaging.archive.examine import Examiner
from imaging.archive.http_decisions import DecisionDoor
from imaging.archive.tables import study
from tests.imaging.desk import Desk, HereDecoder
from tests.imaging.door import serve
from tests.imaging.sample import ROOT, ct

STUDY = f"{ROOT}.1"
PATH = f"/api/v1/studies/{STUDY}"
INSTANCE = f"/studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.1"
FIRST = ct(1)
OTHER_PIXELS = ct(1, pixels=7)
OTHER_PATIENT = ct(
    1,
    PatientID="0007",
    PatientName="Li^Si=李四",
    PatientBirthDate="19800202",
    AccessionNumber="B9",
    StudyDescription="胸部",
    SeriesDescription="other",
    InstanceNumber=5,
    Modality="DX",
    ReferringPhysicianName="Wang^Wu",
)


@dataclass(slots=True)
class Person:
    """Somebody who decides."""

    session: ClientSession
    url: str
    acts: int = 0

    async def __call__(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, str]:
        self.acts += 1
        sent = {"Idempotency-Key": f"act-{self.acts}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        async with self.session.request(
            method, f"{self.url}{PATH}{path}", json=body, headers=sent
        ) as answer:
            told = await answer.json(content_type=None)
            return answer.status, told, answer.headers.get("ETag", "")

    async def conflicts(self) -> list[dict[str, Any]]:
        """Return the study's conflicts."""
        _, page, _ = await self("GET", "/conflicts")
        found: list[dict[str, Any]] = page["items"]
        return found

    async def choose(self, number: int = 0, *, first: bool = False) -> dict[str, Any]:
        """Say that the second content of the conflict *number* answers, or the first."""
        each = (await self.conflicts())[number]
        content = each["first"]["digest"] if first else each["digest"]
        body = {"content": content, "reason": "taken twice"}
        status, made, _ = await self(
            "POST", f"/conflicts/{each['id']}", body, If_Match=f'"{each["etag"]}"'
        )
        assert status == 201, made
        return dict(made)

    async def take_back(self, number: int = 0) -> dict[str, Any]:
        """Take back what was decided last of the conflict *number*."""
        each = (await self.conflicts())[number]
        path, body = f"/conflicts/{each['id']}/undo", {"reason": "it was right"}
        status, made, _ = await self("POST", path, body, If_Match=f'"{each["etag"]}"')
        assert status == 200, made
        return dict(made)


@asynccontextmanager
async def somebody(desk: Desk) -> AsyncIterator[Person]:
    examiner = Examiner(decoder=HereDecoder(), charset_hint=lambda _: "")
    decisions = DecisionDoor(desk.objects, examiner, chain="test-amendments")
    routes = [*archive_http.routes(), *decisions.routes()]
    async with serve(desk, routes) as server, ClientSession() as session:
        yield Person(session, str(server.make_url("")).rstrip("/"))


async def open_ones(desk: Desk) -> int:
    (row,) = await desk.rows(sa.select(study.c.conflict_count))
    return int(row["conflict_count"])
