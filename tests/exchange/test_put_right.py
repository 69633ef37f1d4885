"""A study that was put right at the county comes back to its township as it is read there."""

from functools import partial
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa

from gateway.exchange import return_turns, returns
from gateway.exchange.model import Kind, Source
from gateway.exchange.reports_down import ReportsDown
from gateway.exchange.return_letters import NamedObject, StudyReports, send_study
from gateway.exchange.returns import ReturnState
from imaging.archive import correcting
from imaging.archive.model import STUDY_UPDATED
from imaging.archive.tables import study as studies
from imaging.dicomweb.locate import Shelf, instances
from kernel.arrival import ContentDigest
from kernel.policy import Subject
from tests.exchange.prior_place import STUDY, Place, place_in
from tests.exchange.test_reports_down import AT_COUNTY, PDF, reports_of
from tests.exchange.two_nodes import until
from tests.imaging.test_corrections import LI, hand
from tests.uploads.dicom_files import ct_slice, encapsulated_pdf
from yilian.wiring.named_objects import put_right

pytestmark = pytest.mark.timeout(90)


async def row_of(place: Place) -> int:
    query = sa.select(studies.c.id).where(studies.c.study_instance_uid == STUDY)
    found = await place.county.database.read(lambda conn: conn.scalar(query))
    assert found is not None
    return int(found)


async def correct(place: Place, *, seen: str = "0") -> int:
    row = await row_of(place)
    return await place.county.database.write(
        lambda conn: correcting.correct(conn, row, LI, hand(), seen=seen, system="YILIAN")
    )


async def undo(place: Place, made: int) -> None:
    row = await row_of(place)
    await place.county.database.write(
        lambda conn: correcting.undo(conn, row, made, hand(), seen=f"{made}.0")
    )


async def named_as_stored(place: Place) -> list[NamedObject]:
    """What a county of an earlier version says of them."""
    shelf = Shelf(await row_of(place), None, Subject("qingshan"), "")
    found = await place.county.database.read(lambda conn: instances(conn, shelf))
    return [
        NamedObject(
            series_instance_uid=each.series_instance_uid,
            sop_instance_uid=each.sop_instance_uid,
            sop_class_uid=each.sop_class_uid,
            transfer_syntax_uid=each.transfer_syntax_uid,
            size_bytes=each.size_bytes,
            digest=ContentDigest(dataset=each.dataset_digest, pixels=each.pixels_digest),
        )
        for each in found
    ]


async def patients(place: Place) -> list[str]:
    """Whose the objects are that lie at the township now."""
    found = await place.node.database.read(partial(returns.objects_of, study=STUDY))
    if any(one.state is not returns.ObjectState.HERE for one in found):
        return []
    told = []
    for one in found:
        with place.objects.open(one.object_key) as source:
            told.append(str(pydicom.dcmread(BytesIO(source.read(0, source.size))).PatientID))
    return told


async def files(place: Place) -> int:
    return len(list((place.folder.parent / "objects").glob("??/??/*")))


async def test_a_prior_that_was_put_right_comes_as_it_is_read(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        await place.county.desk.file(ct_slice(1), ct_slice(2))
        await correct(place)
        await place.ask()
        place.start()
        await until(lambda: place.is_(ReturnState.HERE))
        assert await patients(place) == [LI.patient_id] * 2
        assert (await place.view()).set_aside == 0


async def test_a_report_comes_when_the_study_is_put_right_and_again_when_that_is_taken_back(
    tmp_path: Path,
) -> None:
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        await place.county.desk.file(encapsulated_pdf(PDF), told=AT_COUNTY)
        await place.county.desk.file(ct_slice(1))
        query = sa.update(studies).values(institution="qingshan")
        await place.county.database.write(lambda conn: conn.execute(query))
        down = reports_of(place)
        place.start()

        async def now(patient: str) -> bool:
            await down.name_new()
            if not await place.node.database.read(partial(returns.views, studies=[STUDY])):
                return False
            return await patients(place) == [patient]

        [stated] = {str(pydicom.dcmread(BytesIO(encapsulated_pdf(PDF))).PatientID)}
        await until(lambda: now(stated))
        made = await correct(place)
        await until(lambda: now(LI.patient_id))
        # What it was before is no more here.
        await until(lambda: _one_file(place))
        await undo(place, made)
        await until(lambda: now(stated))


async def _one_file(place: Place) -> bool:
    return await files(place) == 1


async def test_what_was_put_right_between_naming_and_fetching_is_asked_for_anew(
    tmp_path: Path,
) -> None:
    raw = ct_slice(1, side=512, noise=30_000)
    async with place_in(tmp_path) as place:
        await place.named(raw)
        made = await correct(place)
        before = place.line.down.delivered_bytes
        assert await place.fetcher.fetch_next()
        # Not the whole of it went over the line to find that out.
        assert place.line.down.delivered_bytes - before < len(raw) // 2
        assert (await place.view()).set_aside == 0
        while await place.node.sender.send_once():
            pass
        await place.node.follower.follow_once()
        assert await place.fetcher.fetch_next()
        assert await patients(place) == [LI.patient_id]
        # And taken back in the same way, when it is asked for again.
        await undo(place, made)
        await place.ask()
        place.start()
        await until(lambda: place.is_(ReturnState.HERE))
        assert await patients(place) != [LI.patient_id]


async def test_what_an_older_county_named_as_it_is_stored_is_named_anew_when_it_is_updated(
    tmp_path: Path,
) -> None:
    async with place_in(tmp_path) as place:
        county = place.county
        assert county.desk is not None
        await county.desk.file(ct_slice(1))
        await county.desk.file(encapsulated_pdf(PDF), told=AT_COUNTY)
        await correct(place)
        as_stored = await named_as_stored(place)
        reports = [one for one in as_stored if "1.104." in one.sop_class_uid]

        def older(conn: sa.Connection, study: str, /) -> StudyReports:
            return StudyReports("qingshan", reports)

        was = ReportsDown(county.database, county.clock, older, topic=STUDY_UPDATED)
        while await was.name_new():
            pass
        await place.node.follower.follow_once()
        for _ in range(3):
            await place.fetcher.fetch_next()
        assert (await place.view()).state is not ReturnState.HERE
        now = ReportsDown(
            county.database,
            county.clock,
            place.archive.reports,
            topic=STUDY_UPDATED,
            put_right=put_right,
        )
        assert await now.name_again() == 1
        await place.node.follower.follow_once()
        assert await place.fetcher.fetch_next()
        assert await patients(place) == [LI.patient_id]


async def test_a_question_about_reports_does_not_bring_the_whole_study(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        await place.county.desk.file(ct_slice(1), ct_slice(2))
        await place.county.desk.file(encapsulated_pdf(PDF), told=AT_COUNTY)
        await reports_of(place).name_new()
        await place.node.follower.follow_once()
        at = place.node.clock.now()
        await place.node.database.write(partial(return_turns.ask_anew, study=STUDY, at=at))
        while await place.node.sender.send_once():
            pass
        await place.node.follower.follow_once()
        view = await place.view()
        assert (view.kind, view.objects) == ("report", 1)
        # An older county names all of it; no more than the reports is fetched of that either.
        [node] = await place.county.enrolment.nodes()
        to = Source(node.id, node.institution, place.county.clock.now())
        named = await named_as_stored(place)
        await place.county.database.write(
            partial(send_study, kind=Kind.PRIOR, study=STUDY, objects=named, to=to)
        )
        await place.node.follower.follow_once()
        view = await place.view()
        assert (view.kind, view.objects) == ("report", 1)


async def test_control_named_as_it_is_stored_it_never_comes(tmp_path: Path) -> None:
    async with place_in(tmp_path) as place:
        assert place.county.desk is not None
        await place.county.desk.file(ct_slice(1))
        await correct(place)
        [node] = await place.county.enrolment.nodes()
        to = Source(node.id, node.institution, place.county.clock.now())
        named = await named_as_stored(place)
        await place.county.database.write(
            partial(send_study, kind=Kind.PRIOR, study=STUDY, objects=named, to=to)
        )
        await place.node.follower.follow_once()
        for _ in range(3):
            await place.fetcher.fetch_next()
        assert (await place.view()).here == 0
