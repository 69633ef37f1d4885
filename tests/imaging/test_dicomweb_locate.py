"""The reads behind WADO-RS on both databases: what is found, in which order, for whom."""

from functools import partial

import pytest
import sqlalchemy as sa

from imaging.archive.reach import give_to
from imaging.archive.tables import instance
from imaging.dicomweb import locate
from imaging.dicomweb.resources import Resource
from imaging.dicomweb.stow_filed import StowFiled
from imaging.dicomweb.unfiled import UnfiledStores
from kernel.identifiers import Uid
from kernel.policy import Reach, Subject
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct

STUDY = Resource(Uid(f"{ROOT}.1"))
SERIES = Resource(Uid(f"{ROOT}.1"), Uid(f"{ROOT}.1.1"))
INSTANCE = Resource(Uid(f"{ROOT}.1"), Uid(f"{ROOT}.1.1"), Uid(f"{ROOT}.1.1.2"))


async def test_finds_a_study_a_series_and_an_instance_with_their_subject(desk: Desk) -> None:
    await desk.file(ct(1), ct(2))
    read = desk.database.read
    for resource in (STUDY, SERIES):
        shelf = await read(partial(locate.find, resource=resource, reach=Reach("qingshan")))
        assert shelf is not None
        assert shelf.subject.institution == "qingshan"
        assert shelf.patient_id == "990000199001011234"
    found = await read(partial(locate.find_instance, resource=INSTANCE, reach=Reach("qingshan")))
    assert found is not None
    _, location = found
    assert location.sop_instance_uid == f"{ROOT}.1.1.2"
    assert location.pixel_length == 512
    assert location.native is None


async def test_says_whether_it_was_routed_to_who_asks(desk: Desk) -> None:
    await desk.file(ct(1))
    find = partial(locate.find, resource=STUDY, reach=Reach("county"))
    before = await desk.database.read(find)
    assert before is not None
    assert before.subject == Subject("qingshan")
    await desk.database.write(
        lambda conn: give_to(
            conn, f"{ROOT}.1", ["county"], rule="all", priority=None, at=desk.clock.now()
        )
    )
    after = await desk.database.read(find)
    assert after is not None
    assert after.subject == Subject("qingshan", frozenset({"county"}))


@pytest.mark.parametrize(
    "resource",
    [
        Resource(Uid("9.9")),
        Resource(Uid(f"{ROOT}.1"), Uid("9.9")),
        Resource(Uid("9.9"), Uid(f"{ROOT}.1.1")),
    ],
)
async def test_finds_nothing_elsewhere(desk: Desk, resource: Resource) -> None:
    await desk.file(ct(1))
    assert (
        await desk.database.read(partial(locate.find, resource=resource, reach=Reach("x"))) is None
    )


async def test_lists_instances_by_series_and_number(desk: Desk) -> None:
    await desk.file(ct(3), ct(1, series=2), ct(1), ct(2))
    shelf = await desk.database.read(partial(locate.find, resource=STUDY, reach=Reach("x")))
    assert shelf is not None
    listed = await desk.database.read(partial(locate.instances, shelf=shelf))
    assert [each.sop_instance_uid.removeprefix(ROOT) for each in listed] == [
        ".1.1.1",
        ".1.1.2",
        ".1.1.3",
        ".1.2.1",
    ]


async def test_the_middle_of_the_largest_series_of_images_stands_for_a_study(desk: Desk) -> None:
    await desk.file(*(ct(number, Modality="SR") for number in range(1, 6)))
    await desk.file(*(ct(number, series=2) for number in range(1, 4)))
    shelf = await desk.database.read(partial(locate.find, resource=STUDY, reach=Reach("x")))
    assert shelf is not None
    found = await desk.database.read(partial(locate.representative, shelf=shelf))
    assert found is not None
    assert found.sop_instance_uid == f"{ROOT}.1.2.2"


async def test_knows_which_uids_are_there_and_how_often_another_content_came(desk: Desk) -> None:
    progress = desk.filer.progress
    filed = StowFiled(desk.database, progress, "dicom", UnfiledStores("dicom", progress))
    await desk.file(ct(1), ct(2), ct(2, pixels=5), ct(2, pixels=5))
    uids = [f"{ROOT}.1.1.{number}" for number in (1, 2, 3)]
    assert await filed.known(uids) == {uids[0]: 0, uids[1]: 2}
    count = await desk.rows(sa.select(sa.func.count().label("n")).select_from(instance))
    assert count == [{"n": 2}]
