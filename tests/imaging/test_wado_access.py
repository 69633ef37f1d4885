"""Who may see what through WADO-RS, and that it is written down."""

import pytest
import sqlalchemy as sa

from imaging.archive.reach import give_to
from kernel.audit.trail import AuditEvent, audit_entries
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor

STUDY = f"/studies/{ROOT}.1"
SERIES = f"{STUDY}/series/{ROOT}.1.1"
INSTANCE = f"{SERIES}/instances/{ROOT}.1.1.1"


EVERYTHING = [
    STUDY,
    SERIES,
    INSTANCE,
    f"{STUDY}/metadata",
    f"{SERIES}/metadata",
    f"{INSTANCE}/metadata",
    f"{INSTANCE}/frames/1",
    f"{INSTANCE}/bulkdata/7FE00010",
    f"{STUDY}/bulkdata",
    f"{SERIES}/pixeldata",
    f"{INSTANCE}/pixeldata",
    f"{STUDY}/rendered",
    f"{SERIES}/rendered",
    f"{INSTANCE}/rendered",
    f"{INSTANCE}/frames/1/rendered",
    f"{STUDY}/thumbnail",
    f"{SERIES}/thumbnail",
    f"{INSTANCE}/thumbnail",
    f"{INSTANCE}/frames/1/thumbnail",
]


@pytest.mark.parametrize("path", EVERYTHING)
async def test_another_institution_finds_nothing_until_it_is_routed_there(
    sqlite_desk: Desk, door: WebDoor, path: str
) -> None:
    await sqlite_desk.file(ct())
    assert (await door.get(path))[0] == 200
    status, _, body = await door.get(path, who="other")
    assert status == 404
    assert body == (await door.get(path.replace(ROOT, "9.9"), who="other"))[2]
    await sqlite_desk.database.write(
        lambda conn: give_to(
            conn, f"{ROOT}.1", ["baihe"], rule="all", priority=None, at=sqlite_desk.clock.now()
        )
    )
    assert (await door.get(path, who="other"))[0] == 200
    assert (await door.get(path, who="manager"))[0] == 403


async def test_a_series_or_instance_is_found_only_where_it_belongs(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct(1), ct(1, study=2))
    wrong = [
        f"/studies/{ROOT}.2/series/{ROOT}.1.1/metadata",
        f"/studies/{ROOT}.2/series/{ROOT}.2.1/instances/{ROOT}.1.1.1/frames/1",
        f"/studies/{ROOT}.1/series/{ROOT}.2.1/instances/{ROOT}.1.1.1",
    ]
    for path in wrong:
        assert (await door.get(path))[0] == 404


async def test_the_first_look_is_in_the_trail_and_later_ones_are_counted(
    sqlite_desk: Desk, door: WebDoor
) -> None:
    await sqlite_desk.file(ct(1), ct(2))
    await door.get(f"{SERIES}/metadata")
    for number in (1, 2):
        await door.get(f"{SERIES}/instances/{ROOT}.1.1.{number}/frames/1")
    await door.get(f"{INSTANCE}/frames/1", who="machine")
    columns = audit_entries.c
    query = sa.select(columns.event, columns.username, columns.subject).order_by(columns.id)
    rows = await sqlite_desk.rows(query)
    assert [(row["event"], row["username"], row["subject"]) for row in rows] == [
        (AuditEvent.STUDY_SEEN, "li", f"study:{ROOT}.1"),
        (AuditEvent.STUDY_SEEN, "node", f"study:{ROOT}.1"),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/studies/../../etc/passwd/metadata",
        "/studies/1.2.%2e%2e/metadata",
        "/studies/abc/metadata",
        f"/studies/{'1' * 65}/metadata",
        "/studies/1.2.\uff13/metadata",
        f"/studies/{ROOT}.1/series/x/metadata",
        "/studies/1..2/metadata",
        f"{SERIES}/instances/%00/frames/1",
    ],
)
async def test_what_is_no_uid_is_refused(sqlite_desk: Desk, door: WebDoor, path: str) -> None:
    await sqlite_desk.file(ct())
    assert (await door.get(path))[0] in {400, 404}
