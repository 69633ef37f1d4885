"""All that a county answers about its images, to be held against another county's answers."""

import json
from collections import Counter
from typing import Any

import sqlalchemy as sa

from imaging.archive.tables import instance_conflict, study
from tests.imaging.desk import Desk
from tests.imaging.web_door import WebDoor, open_door, parts_of

JSON = "application/dicom+json"
OBJECTS = 'multipart/related; type="application/dicom"; transfer-syntax=*'
NATIVE = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'
FRAMES = 'multipart/related; type="application/octet-stream"'
LEVELS = ("studies", "series", "instances")
NAMES = {"studies": "0020000D", "series": "0020000E", "instances": "00080018"}

Answers = dict[str, Any]


async def answers(desk: Desk, *, who: str = "own") -> Answers:
    """Return, by what was asked, what the county in *desk* answers *who* by DICOMweb."""
    found: Answers = {}
    async with open_door(desk, filing=False) as door:
        told = await _queries(door, found, who)
        for study, series, sop in told:
            place = f"/studies/{study}/series/{series}"
            for level in (f"/studies/{study}", place, f"{place}/instances/{sop}"):
                if f"{level}/metadata" not in found:
                    found[f"{level}/metadata"] = await _json(door, f"{level}/metadata", who)
            for accept in (OBJECTS, NATIVE):
                path = f"{place}/instances/{sop}"
                found[f"{path} as {accept}"] = await _parts(door, path, accept, who)
            path = f"{place}/instances/{sop}/frames/1"
            found[path] = await _parts(door, path, FRAMES, who)
            path = f"{place}/instances/{sop}/rendered"
            status, headers, body = await door.get(path, "image/png", who=who)
            found[path] = (status, headers.get("Content-Type"), body)
        await _second_contents(desk, door, found, who)
    return found


async def _queries(door: WebDoor, found: Answers, who: str) -> list[tuple[str, str, str]]:
    asked = [f"/{level}?includefield=all" for level in LEVELS]
    asked += ["/studies?PatientName=Zhang*", "/studies?ModalitiesInStudy=CT", "/series?Modality=CT"]
    for path in asked:
        found[path] = await _json(door, path, who)
    _, rows = found["/instances?includefield=all"]
    return [tuple(row[NAMES[level]]["Value"][0] for level in LEVELS) for row in rows or []]


async def _json(door: WebDoor, path: str, who: str) -> tuple[int, Any]:
    status, _, body = await door.get(path, JSON, who=who, Accept_Encoding="identity")
    # Where it stands is the only thing two counties may say otherwise.
    text = body.decode().replace(door.url, "")
    return status, json.loads(text) if text else None


async def _parts(door: WebDoor, path: str, accept: str, who: str) -> tuple[int, Any]:
    status, headers, body = await door.get(path, accept, who=who)
    return status, parts_of(headers, body) if status == 200 else body


async def _second_contents(desk: Desk, door: WebDoor, found: Answers, who: str) -> None:
    columns = instance_conflict.c
    query = sa.select(columns.id, columns.sop_instance_uid, study.c.study_instance_uid)
    rows = await desk.rows(query.join_from(instance_conflict, study).order_by(columns.id))
    root = door.url.removesuffix("/dicom-web")
    seen: Counter[str] = Counter()
    for row in rows:
        uid = row["sop_instance_uid"]
        seen[uid] += 1
        place = f"{root}/api/v1/studies/{row['study_instance_uid']}/conflicts"
        status, _, body = await door.get(f"{place}/conflict-{row['id']}/instance", who=who)
        found[f"second content {seen[uid]} of {uid}"] = (status, body)
