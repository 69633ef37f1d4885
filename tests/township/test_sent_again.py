"""A good image sent again mends the copy that came to harm on the township's own disk."""

import datetime as dt
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.township import queue_acts, spool_index
from gateway.township.model import Filed, InstanceState
from gateway.township.spool_index import FiledAs, Outcome
from gateway.township.tables import instances, studies
from gateway.uploads import batches
from gateway.uploads.batches import ChosenFile, EndedFile, FileState, SoughtFile
from kernel.arrival import decode_arrival, encode_arrival
from kernel.journal.writer import Position
from kernel.sql.db import Database
from tests.township.node import AT, Node, arrival_of, door_to, node_in
from tests.township.test_stores import file, filed, states
from tests.uploads.county_door import county_door
from tests.uploads.dicom_files import ct_slice

IMAGES = [ct_slice(number, side=64, noise=3000) for number in (1, 2, 3)]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-40] ^= 0x01
    path.write_bytes(content)


def flip_early(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[400] ^= 0x01
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


async def first_file(node: Node) -> Path:
    [key] = (await node.rows("object_key"))[0]
    return node.home / "objects" / str(key)


@pytest.mark.parametrize("harm", [flip, flip_early, cut, Path.unlink])
async def test_a_resend_takes_the_place_of_what_was_set_aside_for_its_file(
    tmp_path: Path, harm: object
) -> None:
    assert callable(harm)
    async with node_in(tmp_path / "node") as node:
        await node.store(IMAGES)
        await node.until(waiting=3)
        path = await first_file(node)
        whole = path.read_bytes()
        harm(path)
    async with (
        county_door(tmp_path / "county") as county,
        node_in(tmp_path / "node", door_to(county.port)) as node,
    ):
        await node.until(at_county=2, set_aside=1)
        await node.store([IMAGES[0]])
        await node.until(at_county=3)
        assert path.read_bytes() == whole
        assert len(county.committed()) == 3
        assert len({arrival.sop_instance_uid for arrival, _ in county.committed()}) == 3
        objects = tmp_path / "node" / "objects"
        assert not (objects / ".damaged").exists()
        assert list((objects / ".incoming").iterdir()) == []


async def test_a_resend_before_anybody_noticed_is_one_and_the_next_one_mends(
    tmp_path: Path,
) -> None:
    async with node_in(tmp_path / "node") as node:
        await node.store(IMAGES)
        await node.until(waiting=3)
        flip(await first_file(node))
        await node.store([IMAGES[0]])
        await node.store([ct_slice(4)])
        await node.until(waiting=4)
    async with (
        county_door(tmp_path / "county") as county,
        node_in(tmp_path / "node", door_to(county.port)) as node,
    ):
        await node.until(at_county=3, set_aside=1)
        await node.store([IMAGES[0]])
        await node.until(at_county=4)


async def test_what_the_journal_lost_comes_with_the_next_resend(tmp_path: Path) -> None:
    """The bytes are gone, the row tells of them; the sender gives them again."""
    async with node_in(tmp_path / "node") as node:
        await node.store([IMAGES[1]])
        await node.until(waiting=1)
    lost = Filed(
        arrival=arrival_of(IMAGES[0]), header=None, object_key="", reason_code="journal-damaged"
    )
    async with (
        county_door(tmp_path / "county") as county,
        node_in(tmp_path / "node", door_to(county.port)) as node,
    ):
        await node.database.write(lambda conn: spool_index.file_batch(conn, "dicom", None, [lost]))
        await node.until(at_county=1, set_aside=1)
        await node.store([IMAGES[0]])
        await node.until(at_county=2)
        conflicts = await node.database.read(
            lambda conn: conn.scalar(sa.select(studies.c.conflicts))
        )
        assert conflicts == 0
        assert len(county.committed()) == 2


async def aside(database: Database, code: str, *, instance_id: int = 1) -> None:
    await database.write(
        partial(queue_acts.set_aside, instance_id=instance_id, code=code, detail="because")
    )


async def file_anew(database: Database, *batch: Filed) -> list[Outcome]:
    def enter(conn: sa.Connection) -> list[FiledAs]:
        anew = spool_index.written_anew(conn, batch)
        return spool_index.file_batch(conn, "dicom", Position(1, 9), batch, anew)

    return [one.outcome for one in await database.write(enter)]


async def test_it_waits_again_and_its_row_tells_of_the_file_that_is_there(
    database: Database,
) -> None:
    await file(database, filed(1), filed(2))
    await aside(database, "digest-mismatch")
    again = filed(1)
    again = Filed(
        arrival=decode_arrival(encode_arrival(again.arrival)),
        header=again.header,
        object_key=again.object_key,
        position_mm=4.0,
    )
    assert await file_anew(database, again, filed(2)) == [Outcome.ANEW, Outcome.DUPLICATE]
    assert await states(database) == ["waiting", "waiting"]
    columns = instances.c
    query = sa.select(columns.alone, columns.reason_code, columns.reason, columns.position_mm)
    row = await database.read(lambda conn: conn.execute(query.order_by(columns.id)).first())
    assert row is not None
    assert tuple(row) == (True, "", "", 4.0)
    assert await file_anew(database, again) == [Outcome.DUPLICATE]


@pytest.mark.parametrize("code", ["too-large", "parcel-institution"])
async def test_what_another_copy_does_not_help_stays_set_aside(
    database: Database, code: str
) -> None:
    await file(database, filed(1))
    await aside(database, code)
    assert await file_anew(database, filed(1)) == [Outcome.DUPLICATE]
    assert await states(database) == ["set-aside"]
    uids = {"1.2.3.1"}
    assert await database.read(lambda conn: spool_index.wanted_again(conn, uids)) == set()


async def test_what_a_person_released_gets_its_file_and_stays_released(database: Database) -> None:
    await file(database, filed(1))
    await aside(database, "object-missing")
    await database.write(partial(queue_acts.release, instance_id=1, at=AT))
    done = sa.select(studies.c.county_received_at)
    assert await database.read(lambda conn: conn.scalar(done)) is not None
    assert await file_anew(database, filed(1)) == [Outcome.ANEW]
    assert await states(database) == [InstanceState.RELEASED]
    assert await database.read(lambda conn: conn.scalar(done)) is not None


async def test_a_page_is_told_to_send_again_what_came_to_harm(database: Database) -> None:
    for number in (1, 2):
        ended = EndedFile(
            file=ChosenFile(upload_id=f"{number:026}", filename=f"{number}", state=FileState.SAFE),
            institution="qingshan",
            user_id="anna",
            batch="b1",
            size_bytes=10,
            sop_instance_uid=f"1.2.3.{number}",
            ended_at=AT + dt.timedelta(seconds=number),
        )
        await database.write(partial(batches.note_ended, ended=ended))
    await file(database, filed(1), filed(2))
    found = partial(
        batches.safe_already,
        institution="qingshan",
        batch="b1",
        sought=[
            SoughtFile(name="1", size=10),
            SoughtFile(name="2", size=10, sop_instance_uid="1.2.3.2"),
        ],
        wanted_again=spool_index.wanted_again,
    )
    assert await database.read(found) == {"1", "2"}
    await aside(database, "digest-mismatch", instance_id=2)
    assert await database.read(found) == {"1"}
    await aside(database, "object-missing", instance_id=1)
    assert await database.read(found) == set()
