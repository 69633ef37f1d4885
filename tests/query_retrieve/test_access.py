"""Whose studies a calling entity finds, and what of it stands in the audit trail."""

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from gateway.dimse.ports import ArchiveQuestion
from gateway.dimse.query_options import QueryOptions
from imaging.archive.reach import give_to
from kernel.audit.access_log import Access, AccessLog
from kernel.audit.trail import audit_entries
from kernel.errors import Unavailable
from tests.commitment.desk import peer
from tests.imaging.desk import Desk
from tests.imaging.sample import AT, ROOT, arrival
from tests.query_retrieve.conftest import numbers
from tests.query_retrieve.pacs import BAIHE, QINGSHAN, Pacs, serving, slice_of
from yilian.wiring.archive_find import ArchiveFind

T = TypeVar("T")


def write(pacs: Pacs, change: Callable[[sa.Connection], T]) -> T:
    running = asyncio.run_coroutine_threadsafe(pacs.desk.database.write(change), pacs.loop)
    return running.result(10)


def trail(pacs: Pacs) -> list[tuple[Any, ...]]:
    columns = audit_entries.c
    wanted = (columns.event, columns.user_id, columns.subject, columns.patient, columns.reason)
    rows = asyncio.run_coroutine_threadsafe(
        pacs.desk.rows(sa.select(*wanted).order_by(columns.id)), pacs.loop
    ).result(10)
    return [tuple(row.values()) for row in rows]


def test_what_belongs_to_another_house_is_not_there(pacs: Pacs) -> None:
    assert pacs.ask("STUDY", PatientID="B-9").statuses == [0x0000]
    assert pacs.ask("SERIES", StudyInstanceUID=f"{ROOT}.9").statuses == [0x0000]
    theirs = pacs.ask("STUDY", title="BAIHE", PatientID="")
    assert theirs.said("PatientID") == ["B-9"]


def test_a_search_stands_in_the_trail_before_it_is_answered(tmp_path: Path) -> None:
    patient = "990000199001011234"
    with serving(tmp_path, [(slice_of(1), arrival())]) as pacs:
        pacs.ask("STUDY", PatientID="")
        pacs.ask("SERIES", StudyInstanceUID=f"{ROOT}.1")
        pacs.ask("SERIES", StudyInstanceUID="1.2.3")
        assert trail(pacs) == [
            ("queried", "ae:VIEWER", "studies", "", ""),
            ("study-seen", "ae:VIEWER", f"study:{ROOT}.1", patient, "own-institution"),
        ]


def test_what_was_routed_to_a_house_is_found_by_its_entities(tmp_path: Path) -> None:
    files = [(slice_of(number), arrival(institution=BAIHE)) for number in (1, 2)]
    later = AT + dt.timedelta(hours=1)
    with serving(tmp_path, files) as pacs:
        assert pacs.ask("STUDY", StudyInstanceUID="").entries == []
        assert pacs.ask("PATIENT", model="P", PatientID="").entries == []
        write(
            pacs,
            lambda conn: give_to(conn, f"{ROOT}.1", [QINGSHAN], rule="ct", priority=None, at=later),
        )
        asked = pacs.ask("STUDY", StudyInstanceUID="")
        assert numbers(asked.said("StudyInstanceUID")) == "1"
        counted = pacs.ask("PATIENT", model="P", PatientID="", NumberOfPatientRelatedStudies="")
        assert counted.said("NumberOfPatientRelatedStudies") == ["1"]
        assert len(pacs.ask("SERIES", StudyInstanceUID=f"{ROOT}.1").entries) == 1
        assert trail(pacs)[-1][-1] == "routed-here"


def test_a_patient_is_as_the_newest_study_of_their_own_house_says(tmp_path: Path) -> None:
    mine = (slice_of(1, PatientName="Old^Name"), arrival())
    theirs = (slice_of(2, PatientName="New^Name"), arrival(institution=BAIHE))
    with serving(tmp_path, [mine, theirs]) as pacs:
        for title, name in (("VIEWER", "Old^Name"), ("BAIHE", "New^Name")):
            asked = pacs.ask("PATIENT", model="P", title=title, PatientID="9*", PatientName="")
            assert asked.said("PatientName") == [name]
        assert pacs.ask("PATIENT", model="P", PatientName="New*").entries == []


class _NoTrail(AccessLog):
    async def saw(self, access: Access) -> None:
        del access
        raise Unavailable("no trail")


async def test_nothing_leaves_without_a_row(desk: Desk) -> None:
    await desk.file(slice_of(1))
    archive = ArchiveFind(
        desk.database, _NoTrail(desk.database, desk.clock, chain="none"), desk.clock
    )
    keys = {"QueryRetrieveLevel": "STUDY", "PatientID": ""}
    question = ArchiveQuestion(patient_root=False, keys=keys, options=QueryOptions())
    with pytest.raises(Unavailable):
        await archive.find(question, peer())
