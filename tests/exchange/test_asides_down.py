"""What the county set aside is known at the township: told, kept, and sent again where it comes."""

import datetime as dt
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from gateway.exchange.asides_down import AsidesDown, take_asides
from gateway.exchange.feed import prune, read_feed, take_page
from gateway.exchange.model import Source
from gateway.exchange.tables import feed, nodes
from gateway.township import county_asides, spool_index
from gateway.township.model import InstanceState, StudyState
from gateway.township.queue_view import items_of, queue_items, totals
from gateway.township.spool_index import Outcome
from gateway.township.tables import instances, studies
from imaging.archive.open_asides import open_asides
from imaging.archive.refiling import Refiling
from imaging.archive.tables import set_aside
from kernel.arrival import Arrival, ContentDigest
from kernel.identity import Institution, InstitutionKind, put_institution
from kernel.sql.db import Database
from tests.exchange.two_nodes import until
from tests.imaging.desk import Desk, open_desk
from tests.imaging.sample import arrival as arrived
from tests.imaging.test_refiling import counted, refiler, refuse, take_it
from tests.township.node import Node, door_to, node_in
from tests.township.test_stores import AT, NOW, file, filed
from tests.uploads.county_door import County, county_door
from tests.uploads.dicom_files import ROOT, ct_slice

pytestmark = pytest.mark.timeout(90)
UID = f"{ROOT}.1.1.1"
IMAGE = ct_slice(1)
HANDLERS = {"instance-aside": take_asides(lambda: NOW)}
DAY = dt.timedelta(days=1)


@pytest_asyncio.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    """The county's archive, which knows one node of Qingshan; once on each kind of database."""

    def enrol(conn: sa.Connection) -> None:
        for code in ("qingshan", "shiqiao"):
            put_institution(conn, Institution(code, code, InstitutionKind.TOWNSHIP), at=AT)
        conn.execute(
            sa.insert(nodes).values(
                id="n1", institution="qingshan", public_key="00", enrolled_at=AT
            )
        )

    await database.write(enrol)
    async with open_desk(database, tmp_path / "archive") as opened:
        yield opened


def teller(desk: Desk) -> AsidesDown:
    return AsidesDown(desk.database, desk.clock, open_asides)


async def follow(desk: Desk, node: Node) -> None:
    """Have the county tell what changed, and the node read it."""
    await teller(desk).tell_changed()
    read = partial(read_feed, institution="qingshan", node="n1", after=0, protocol=1)
    page = await desk.database.read(read)
    source = Source("county", "qingshan", AT)
    take = partial(take_page, page=page, handlers=HANDLERS, source=source)
    assert await node.database.write(take) == 0


async def come(desk: Desk, county: County, known: list[Arrival]) -> None:
    """File at the county what has come to its door since."""
    for arrival, raw in county.committed()[len(known) :]:
        known.append(arrival)
        await desk.file(raw, told=arrival)


async def shown(node: Node) -> tuple[int, int, StudyState]:
    """Return how many images the county has by the page, how many of them it cannot read."""
    [item] = await node.database.read(
        lambda conn: queue_items(conn, NOW, since=NOW.at + DAY, limit=9)
    )
    return item.instances.at_county, item.unread_at_county, item.state


async def test_what_the_county_could_not_file_is_told_and_a_resend_of_it_reaches_it(
    desk: Desk, tmp_path: Path
) -> None:
    known: list[Arrival] = []
    async with (
        county_door(tmp_path / "door") as county,
        node_in(tmp_path / "node", door_to(county.port)) as node,
    ):
        await refuse(desk, UID)
        await node.store([IMAGE])
        await node.until(at_county=1)
        await come(desk, county, known)
        assert await counted(desk) == (0, 0, 1)
        await follow(desk, node)
        assert await shown(node) == (1, 1, StudyState.AT_COUNTY)
        await take_it(desk)
        await node.store([IMAGE])
        await until(lambda: len(county.committed()) == 2)
        await node.until(at_county=1)
        await come(desk, county, known)
        # What was set aside is the same image: it is filed before, and counts for nothing.
        [one] = await refiler(desk).file_again(UID)
        assert one.outcome is Refiling.FILED_BEFORE
        assert (await counted(desk))[:2] == (1, 0)
        await follow(desk, node)
        rows = await node.database.read(
            lambda conn: items_of(conn, [str(known[0].study_instance_uid)], NOW)
        )
        assert [(row.instances.at_county, row.unread_at_county) for row in rows] == [(1, 0)]
        # From now on it is a duplicate again.
        await node.store([IMAGE, ct_slice(2)])
        await node.until(at_county=2)
        assert len(county.committed()) == 3


async def test_what_the_county_files_from_what_it_kept_is_told_too(
    desk: Desk, tmp_path: Path
) -> None:
    known: list[Arrival] = []
    async with (
        county_door(tmp_path / "door") as county,
        node_in(tmp_path / "node", door_to(county.port)) as node,
    ):
        await refuse(desk, UID)
        await node.store([IMAGE, ct_slice(2)])
        await node.until(at_county=2)
        await come(desk, county, known)
        await follow(desk, node)
        assert await shown(node) == (2, 1, StudyState.AT_COUNTY)
        assert await teller(desk).tell_changed() == 0
        await take_it(desk)
        await refiler(desk).file_again(UID)
        assert await teller(desk).tell_changed() == 1
        await follow(desk, node)
        columns = instances.c
        assert (
            await node.database.read(
                lambda conn: list(
                    conn.scalars(sa.select(columns.id).where(county_asides.is_unread()))
                )
            )
            == []
        )
        assert await counted(desk) == (2, 0, 0)


async def test_a_house_without_a_node_is_told_nothing_and_an_old_letter_is_told_again(
    desk: Desk,
) -> None:
    def letters(conn: sa.Connection) -> list[tuple[str, str, int]]:
        columns = feed.c
        rows = conn.execute(sa.select(columns.institution, columns.key, columns.version))
        return [tuple(row) for row in rows]

    await desk.receive(ct_slice(1)[:-50], told=told_by("shiqiao"))
    await desk.receive(ct_slice(1)[:-50], told=told_by("qingshan"))
    await desk.file_all()
    assert len(await desk.rows(sa.select(set_aside.c.id))) == 2
    assert await teller(desk).tell_changed() == 1
    assert await desk.database.read(letters) == [("qingshan", UID, 1)]
    # The newest number always stays, so that nodes do not seem to have read too far.
    await desk.database.write(lambda conn: conn.execute(sa.insert(feed).values(_other(AT))))
    later = desk.clock.now() + DAY
    assert await desk.database.write(partial(prune, before=later)) == 1
    assert await teller(desk).tell_changed() == 1
    assert ("qingshan", UID, 1) in await desk.database.read(letters)


def _other(at: dt.datetime) -> dict[str, object]:
    return {
        "institution": "qingshan",
        "kind": "account",
        "key": "a",
        "version": 1,
        "body": {},
        "size_bytes": 2,
        "at": at,
    }


def told_by(institution: str) -> Arrival:
    return arrived(institution=institution, sop_instance_uid=UID)


async def at_county(database: Database, *numbers: int) -> None:
    """Have the county sign for images of one study long ago."""
    await file(database, *(filed(number) for number in numbers))

    def sign(conn: sa.Connection) -> None:
        conn.execute(sa.update(instances).values(state=InstanceState.AT_COUNTY, county_at=AT))
        conn.execute(sa.update(studies).values(county_received_at=AT))

    await database.write(sign)


async def aside(database: Database, *contents: str) -> list[str]:
    reasons = dict.fromkeys(contents, "not-filed")
    put = partial(county_asides.put, sop_instance_uid="1.2.3.1", reasons=reasons, at=AT)
    return await database.write(put)


CONTENT = ContentDigest(dataset="c").whole


async def test_it_stands_in_the_queue_and_its_file_stays_until_the_county_reads_it(
    database: Database,
) -> None:
    await at_county(database, 1, 2)
    assert await aside(database, CONTENT) == ["1.2"]
    assert await aside(database, CONTENT) == ["1.2"]
    late = NOW.at + DAY
    items = partial(queue_items, now=NOW, since=late, limit=9)
    assert [item.unread_at_county for item in await database.read(items)] == [1]
    summary = partial(totals, now=NOW, since=late)
    assert (await database.read(summary)).needs_attention == 1
    due = partial(spool_index.deletable, before=late, limit=9)
    assert [one.kept.sop_instance_uid for one in await database.read(due)] == ["1.2.3.2"]
    wanted = partial(spool_index.wanted_again, sop_instance_uids=["1.2.3.1", "1.2.3.2"])
    assert await database.read(wanted) == {"1.2.3.1"}
    assert await aside(database) == ["1.2"]
    assert await database.read(items) == []
    assert (await database.read(summary)).needs_attention == 0
    assert len(await database.read(due)) == 2
    assert await database.read(wanted) == set()


async def test_a_resend_waits_again_also_where_its_file_was_deleted_before(
    database: Database,
) -> None:
    await at_county(database, 1, 2)
    await database.write(lambda conn: spool_index.mark_deleted(conn, [1, 2], AT))
    await aside(database, CONTENT, "another")
    anew = await database.read(lambda conn: spool_index.written_anew(conn, [filed(1), filed(2)]))
    assert anew == {filed(1).object_key}
    told = await database.write(
        lambda conn: spool_index.file_batch(conn, "dicom", None, [filed(1), filed(2)], anew)
    )
    assert [one.outcome for one in told] == [Outcome.ANEW, Outcome.GONE_BEFORE]
    columns = instances.c
    query = sa.select(columns.state, columns.deleted_at, columns.county_at).order_by(columns.id)
    rows = await database.read(lambda conn: [tuple(row) for row in conn.execute(query)])
    assert rows == [("waiting", None, None), ("at-county", AT, AT)]
    # While it is on its way it is not what the county has; told once more, it waits all the same.
    [item] = await database.read(partial(items_of, keys=["1.2"], now=NOW))
    assert (item.unread_at_county, item.county_received_at) == (0, None)
