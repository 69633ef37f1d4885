"""A patient's earlier studies: what passed through this node, and what the county has besides."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bench.line.model import QUICK_LINE
from bench.line.proxy import Line, open_line
from gateway.here.earlier import CountyStudies
from kernel.audit.trail import audit_entries
from tests.exchange.two_nodes import County, county_in, township_in
from tests.here.ward import Ward, ward_in
from tests.uploads.dicom_files import ROOT, ct_slice

pytestmark = pytest.mark.timeout(90)


@asynccontextmanager
async def ward_with_a_county(home: Path) -> AsyncIterator[tuple[Ward, County, Line]]:
    async with county_in(home, archive=True) as county, open_line(county.port, QUICK_LINE) as line:
        enrolled, key = await county.new_node()
        async with (
            township_in(home, line.port, enrolled, key) as node,
            ward_in(home / "ward", CountyStudies(node.link)) as ward,
        ):
            yield ward, county, line


async def earlier(ward: Ward, *, county: bool, who: str = "li") -> tuple[int, Any]:
    asked = "true" if county else "false"
    return await ward.get(f"/api/v1/earlier?study={ROOT}.1&county={asked}", who)


async def test_own_studies_are_known_with_the_line_down_and_the_countys_with_it_up(
    tmp_path: Path,
) -> None:
    own = ct_slice(study=1, StudyDate="20260301")
    only_there = ct_slice(study=2, PatientID="990000-1", StudyDate="20250301")
    anothers = ct_slice(study=3, PatientID="990000-10")
    async with ward_with_a_county(tmp_path) as (ward, county, line):
        assert county.desk is not None
        await county.desk.file(own, only_there, anothers)
        await ward.node.store([own])
        await ward.node.until(waiting=1)
        await ward.show()
        status, page = await earlier(ward, county=False)
        assert (status, page["county"]) == (200, "not-asked")
        assert [one["study_instance_uid"] for one in page["items"]] == [f"{ROOT}.1"]
        status, page = await earlier(ward, county=True)
        assert (status, page["county"]) == (200, "told")
        assert [
            (one["study_instance_uid"], one["images"], one["here"]["images"])
            for one in page["items"]
        ] == [(f"{ROOT}.1", 1, 1), (f"{ROOT}.2", 1, 0)]
        line.take_down()
        status, page = await earlier(ward, county=True)
        assert (status, page["county"]) == (200, "unreachable")
        assert [one["study_instance_uid"] for one in page["items"]] == [f"{ROOT}.1"]


async def test_who_asks_about_whom_is_in_the_trail_and_another_house_may_not(
    tmp_path: Path,
) -> None:
    async with ward_in(tmp_path) as ward:
        assert (await earlier(ward, county=False))[0] == 404
        await ward.node.store([ct_slice(study=1)])
        await ward.node.until(waiting=1)
        assert (await earlier(ward, county=False, who="other"))[0] == 404
        assert (await earlier(ward, county=False, who="manager"))[0] == 403
        status, page = await earlier(ward, county=True)
        assert (status, page["county"], len(page["items"])) == (200, "not-enrolled", 1)
        query = sa.select(audit_entries.c.subject, audit_entries.c.patient)
        seen = await ward.node.database.read(
            lambda conn: [tuple(row) for row in conn.execute(query)]
        )
        assert ("earlier", "990000-1") in seen
