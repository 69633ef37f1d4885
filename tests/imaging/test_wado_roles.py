"""Which roles get a study's headers and pixels: by every address there is."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from imaging.dicomweb.qido import ROOT as SERVICE
from kernel.identity import CARE, Role
from tests.databases import open_filled
from tests.imaging.desk import open_desk
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor, open_door

SEARCHES = {
    f"{SERVICE}{path}"
    for path in (
        "/studies",
        "/series",
        "/instances",
        "/studies/{study}/series",
        "/studies/{study}/instances",
        "/studies/{study}/series/{series}/instances",
    )
}

NO_CONTENT = {SERVICE, f"{SERVICE}/", f"{SERVICE}/commitment-requests/{{transaction}}"}
"""What tells of no patient."""
BY_QUERY = (
    f"?requestType=WADO&studyUID={ROOT}.1&seriesUID={ROOT}.1.1&objectUID={ROOT}.1.1.1"
    "&contentType=image/jpeg"
)


@pytest_asyncio.fixture
async def door(sqlite_url: str, tmp_path: Path) -> AsyncIterator[WebDoor]:
    database = await open_filled(sqlite_url)
    async with open_desk(database, tmp_path) as desk:
        await desk.file(ct(1), ct(1, pixels=7))
        async with open_door(desk, filing=False) as opened:
            yield opened
    await database.close()


def _contents(door: WebDoor) -> list[str]:
    """Return every address of a header or of pixels, of the one object that is there."""
    named = {
        "{study}": f"{ROOT}.1",
        "{series}": f"{ROOT}.1.1",
        "{instance}": f"{ROOT}.1.1.1",
        "{frames}": "1",
        "{path}": "7FE00010",
        "{conflict}": "conflict-1",
    }
    found = []
    server = door.url.removesuffix(SERVICE)
    for path in sorted({*door.paths} - SEARCHES - NO_CONTENT):
        for name, value in named.items():
            path = path.replace(name, value)  # noqa: PLW2901
        assert "{" not in path
        found.append(f"{server}{path}{BY_QUERY if path == '/wado' else ''}")
    assert len(found) >= 23
    return found


@pytest.mark.parametrize("role", sorted({*Role} - CARE))
async def test_who_gets_names_masked_gets_no_content_by_any_address(
    door: WebDoor, role: Role
) -> None:
    for path in _contents(door):
        status, _, body = await door.get(path, who=role)
        assert status == 403, path
        assert b"Zhang" not in body


async def test_who_cares_for_the_patient_gets_content_by_every_address(door: WebDoor) -> None:
    for path in _contents(door):
        status, _, _ = await door.get(path, who="radiologist")
        assert status == 200, path


@pytest.mark.parametrize("role", sorted(CARE))
async def test_each_role_in_care_reads_headers(door: WebDoor, role: Role) -> None:
    status, _, body = await door.get(
        f"/studies/{ROOT}.1/metadata", who=role, Accept_Encoding="identity"
    )
    assert status == 200
    assert b"Zhang" in body
