"""A good image sent again mends the copy that came to harm on the township's own disk."""

import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.exchange.model import Kind
from gateway.exchange.returns import ObjectState, ReturnState
from gateway.exchange.tables import return_objects, returns
from gateway.township import queue_acts, spool_index
from gateway.township.keeping import Keeper, KeepSettings
from gateway.township.model import Filed, InstanceState
from gateway.township.spool_index import FiledAs, Outcome
from gateway.township.tables import instances, studies
from gateway.uploads import batches
from gateway.uploads.batches import ChosenFile, EndedFile, FileState, SoughtFile
from kernel.arrival import decode_arrival, encode_arrival
from kernel.clock import SystemClock
from kernel.journal.writer import Position
from kernel.sql.db import Database
from tests.township.node import AT, Node, arrival_of, door_to, node_in
from tests.township.test_stores import file, filed, states
from tests.uploads.county_door import county_door
from tests.uploads.dicom_files import CT, ct_slice

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


def asked_back(study: str, sop_instance_uid: str, key: str) -> Callable[[sa.Connection], None]:
    """Return what notes that a prior came back from the county, and lies under *key*."""

    def note(conn: sa.Connection) -> None:
        conn.execute(
            sa.insert(returns).values(
                study_instance_uid=study,
                kind=Kind.PRIOR.value,
                state=ReturnState.HERE.value,
                asked_by="anna",
                asked_at=AT,
                changed_at=AT,
                objects=1,
            )
        )
        conn.execute(
            sa.insert(return_objects).values(
                study_instance_uid=study,
                series_instance_uid=f"{study}.1",
                sop_instance_uid=sop_instance_uid,
                sop_class_uid=CT,
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                size_bytes=1,
                dataset_digest="",
                pixels_digest="",
                place=0,
                state=ObjectState.HERE.value,
                object_key=key,
            )
        )

    return note


@asynccontextmanager
async def after_its_keep_time(home: Path) -> AsyncIterator[tuple[Node, Path]]:
    """A node whose first image is at the county and no more here, and where it lay."""
    async with (
        county_door(home / "county") as county,
        node_in(home / "node", door_to(county.port)) as node,
    ):
        await node.store([IMAGES[0]])
        await node.until(at_county=1)
        path = await first_file(node)
        settings = KeepSettings(keep=dt.timedelta(days=-1), free_target_bytes=0)
        keeper = Keeper(node.database, node.objects, home, settings, clock=SystemClock())
        assert await keeper.sweep() == 1
        assert not path.exists()
        yield node, path


async def again_and_two_more(node: Node) -> None:
    """Have the first image sent again, and return once all that filing it does is done."""
    await node.store([IMAGES[0], IMAGES[1]])
    await node.until(at_county=2)
    await node.store([IMAGES[2]])
    await node.until(at_county=3)


async def test_a_resend_of_what_was_asked_back_leaves_it_here(tmp_path: Path) -> None:
    async with after_its_keep_time(tmp_path) as (node, path):
        [(study, uid, key)] = await node.rows(
            "study_instance_uid", "sop_instance_uid", "object_key"
        )
        node.objects.put_new([(key, [IMAGES[0]])])
        await node.database.write(asked_back(study, uid, key))
        await again_and_two_more(node)
        assert path.read_bytes() == IMAGES[0]


async def test_a_resend_of_what_the_county_has_and_nobody_asked_back_takes_no_room(
    tmp_path: Path,
) -> None:
    async with after_its_keep_time(tmp_path) as (node, path):
        await again_and_two_more(node)
        assert not path.exists()


async def test_a_resend_deletes_nothing_that_comes_back_meanwhile(
    tmp_path: Path,
) -> None:
    """The object is put on disk by whoever fetches it, and noted once the resend is filed."""
    async with after_its_keep_time(tmp_path) as (node, path):
        [(key,)] = await node.rows("object_key")
        node.objects.put_new([(key, [IMAGES[0]])])
        await again_and_two_more(node)
        assert path.read_bytes() == IMAGES[0]


async def test_only_what_nothing_stands_for_is_gone(database: Database) -> None:
    await file(database, filed(1), filed(2))

    def both_gone(conn: sa.Connection) -> None:
        conn.execute(sa.update(instances).values(state=InstanceState.AT_COUNTY, deleted_at=AT))

    await database.write(both_gone)
    await database.write(asked_back("1.2", "1.2.3.2", filed(2).object_key))
    batch = [filed(1), filed(2), filed(3), filed(1, content="d")]
    gone = await database.read(lambda conn: spool_index.gone_before(conn, batch))
    assert gone == {filed(1).object_key, filed(2).object_key}
    assert await file(database, filed(1), filed(2)) == [Outcome.GONE_BEFORE, Outcome.DUPLICATE]
