"""The spool's and the parcels' rows, on both databases."""

import datetime as dt
from functools import partial

import pytest
import sqlalchemy as sa

from gateway.township import parcel_index, parcel_queue, queue_acts, spool_index
from gateway.township.model import DAMAGED_HERE, RANK, Filed, StudyState
from gateway.township.parcel_index import NoLongerWaiting
from gateway.township.parcel_queue import Board, ParcelRow, Waiting
from gateway.township.queue_places import Now
from gateway.township.queue_view import average_study_bytes, item_events, queue_items, totals
from gateway.township.spool_index import Outcome as FilingOutcome
from gateway.township.tables import instances
from gateway.uploads import batches
from gateway.uploads.batches import ChosenFile, EndedFile, FileState, RefusedMember, SoughtFile
from gateway.uploads.receipts import InstanceOutcome, Outcome
from kernel.arrival import Arrival, ContentDigest, Door, Priority, Sender
from kernel.dicom.header import Header
from kernel.dicom.place import placed
from kernel.journal.writer import Position
from kernel.sql.db import Database

AT = dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC)
NOW = Now(AT + dt.timedelta(minutes=1), 1000.0, dt.UTC)


def filed(
    number: int, *, study: str = "1.2", content: str = "c", priority: Priority = Priority.ROUTINE
) -> Filed:
    header = Header(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid=f"1.2.3.{number}",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        study_instance_uid=study,
        patient_name="Chen=陈",
        modality="CT",
    )
    arrival = Arrival(
        door=Door.C_STORE,
        received_at=AT + dt.timedelta(seconds=number),
        sender=Sender(institution="qingshan"),
        transfer_syntax_uid=header.transfer_syntax_uid,
        sop_class_uid=header.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid,
        study_instance_uid=study,
        series_instance_uid=f"{study}.1",
        dataset_offset=0,
        size_bytes=100,
        priority=priority,
        digest=ContentDigest(dataset=content),
    )
    return Filed(arrival=arrival, header=header, object_key=f"aa/bb/{number}-{content}")


async def file(database: Database, *batch: Filed) -> list[FilingOutcome]:
    told = await database.write(
        lambda conn: spool_index.file_batch(conn, "dicom", Position(1, 5), batch)
    )
    return [one.outcome for one in told]


async def board(database: Database) -> Board:
    return await database.read(partial(parcel_queue.read_board, now=NOW.at))


async def waiting(
    database: Database, *, parcel_bytes: int = 10_000, now: dt.datetime = NOW.at
) -> list[Waiting]:
    """What would travel next of the study whose turn is first."""
    studies = (await board(database)).studies
    if not studies:
        return []
    key = studies[0].study_key
    return await database.read(
        partial(parcel_queue.next_waiting, study_key=key, parcel_bytes=parcel_bytes, now=now)
    )


async def pack(database: Database, parcel_id: str) -> list[int]:
    chosen = await waiting(database)
    rank = (await board(database)).studies[0].precedence[0]
    ids = [one.id for one in chosen]
    row = ParcelRow(parcel_id, chosen[0].study_key, 100, None, 0, rank)
    await database.write(partial(parcel_index.add_parcel, parcel=row, ids=ids, at=AT))
    return ids


async def states(database: Database) -> list[str]:
    query = sa.select(instances.c.state).order_by(instances.c.id)
    return await database.read(lambda conn: list(conn.scalars(query)))


async def test_filing_again_changes_nothing_but_the_cursor(database: Database) -> None:
    first, second = filed(1), filed(1, content="other")
    assert await file(database, first, first) == [FilingOutcome.STORED, FilingOutcome.DUPLICATE]
    assert await file(database, first) == [FilingOutcome.DUPLICATE]
    assert await file(database, second) == [FilingOutcome.CONFLICT]
    at = await database.read(lambda conn: spool_index.position_of(conn, "dicom"))
    assert at == Position(1, 5)
    assert await database.read(lambda conn: spool_index.position_of(conn, "other")) == Position(
        0, 0
    )


async def test_the_most_urgent_study_goes_first_then_the_oldest(database: Database) -> None:
    await file(database, filed(1, study="1.1"), filed(2, study="1.2"))
    await file(database, filed(3, study="1.3", priority=Priority.URGENT))
    order = []
    while chosen := await waiting(database):
        order.append(chosen[0].study_key)
        await pack(database, f"p{len(order)}")
    assert order == ["1.3", "1.1", "1.2"]
    assert await database.read(parcel_index.best_rank) == 1
    assert [one.parcel_id for one in (await board(database)).parcels] == ["p1", "p2", "p3"]
    await database.write(partial(queue_acts.set_paused, study_key="1.3", paused=True))
    assert [one.study_key for one in (await board(database)).parcels] == ["1.1", "1.2"]
    await database.write(partial(queue_acts.put_first, study_key="1.2", at=AT))
    assert [one.study_key for one in (await board(database)).parcels] == ["1.2", "1.1"]


async def test_a_study_that_becomes_an_emergency_while_it_grows_shows_its_end_at_once(
    database: Database,
) -> None:
    await file(database, *(filed(number) for number in range(1, 4)))
    assert await pack(database, "p1") == [1, 2, 3]
    await file(database, *(filed(number) for number in range(4, 61)))
    coming = AT + dt.timedelta(seconds=61)
    calm = await waiting(database, parcel_bytes=500, now=coming)
    assert [one.id for one in calm] == [4, 5, 6, 7, 8]
    rank = RANK[Priority.EMERGENCY]
    await database.write(partial(queue_acts.set_rank, study_key="1.2", rank=rank))
    assert [one.id for one in await waiting(database, now=coming)] == [30, 60]


async def test_an_instance_is_in_one_parcel_only(database: Database) -> None:
    await file(database, filed(1))
    [only] = await pack(database, "p1")
    row = ParcelRow("p2", "1.2", 100, None, 0, 2)
    with pytest.raises(NoLongerWaiting):
        await database.write(partial(parcel_index.add_parcel, parcel=row, ids=[only], at=AT))
    assert await database.read(parcel_index.all_parcel_ids) == {"p1"}


async def test_a_study_is_at_the_county_when_its_last_image_is_whatever_receipt_is_read_last(
    database: Database,
) -> None:
    await file(database, filed(1), filed(2))
    parcels = []
    for number in (1, 2):
        [chosen] = [one.id for one in await waiting(database)][:1]
        row = ParcelRow(f"p{number}", "1.2", 100, None, 0, 2)
        await database.write(partial(parcel_index.add_parcel, parcel=row, ids=[chosen], at=AT))
        await database.write(
            partial(parcel_index.note_upload, parcel_id=f"p{number}", upload_url="/u")
        )
        await database.write(partial(parcel_index.note_sent, parcel_id=f"p{number}", at=AT))
        parcels.append((f"p{number}", f"1.2.3.{number}"))
    late = AT + dt.timedelta(days=3)
    for (parcel_id, uid), taken_at in zip(reversed(parcels), (late, AT), strict=True):
        outcome = InstanceOutcome(sop_instance_uid=uid, content="c-", outcome=Outcome.ACCEPTED)
        await database.write(
            partial(
                parcel_index.apply_outcomes, parcel_id=parcel_id, outcomes=[outcome], at=taken_at
            )
        )
    [item] = await database.read(partial(queue_items, now=NOW, since=AT, limit=10))
    assert (item.state, item.county_received_at) == (StudyState.AT_COUNTY, late)


async def test_only_a_receipt_brings_an_instance_to_the_county(database: Database) -> None:
    await file(database, filed(1), filed(2), filed(3))
    await pack(database, "p1")
    await database.write(partial(parcel_index.note_upload, parcel_id="p1", upload_url="/u"))
    await database.write(partial(parcel_index.note_sent, parcel_id="p1", at=AT))
    assert await states(database) == ["sent"] * 3
    outcomes = [
        InstanceOutcome(sop_instance_uid="1.2.3.1", content="c-", outcome=Outcome.ACCEPTED),
        InstanceOutcome(
            sop_instance_uid="1.2.3.2", content="c-", outcome=Outcome.REFUSED, code="truncated"
        ),
        InstanceOutcome(sop_instance_uid="1.2.3.3", content="other-", outcome=Outcome.ACCEPTED),
    ]
    await database.write(
        partial(parcel_index.apply_outcomes, parcel_id="p1", outcomes=outcomes, at=AT)
    )
    # The third was not named with its content, so it waits again.
    assert await states(database) == ["at-county", "set-aside", "waiting"]
    due = await database.read(
        partial(spool_index.deletable, before=AT + dt.timedelta(days=1), limit=10)
    )
    assert len(due) == 1
    await database.write(partial(spool_index.mark_deleted, ids=[due[0].id], at=AT))
    assert await file(database, filed(1)) == [FilingOutcome.GONE_BEFORE]
    assert await database.write(partial(queue_acts.retry, study_key="1.2")) == 1
    assert await states(database) == ["at-county", "waiting", "waiting"]


async def test_a_parcel_taken_apart_frees_what_it_held(database: Database) -> None:
    await file(database, filed(1), filed(2))
    ids = await pack(database, "p1")
    await database.write(partial(parcel_index.dissolve, parcel_id="p1", at=AT))
    assert [one.id for one in await waiting(database)] == ids
    assert await database.read(parcel_index.all_parcel_ids) == set()


async def test_a_refused_parcel_is_halved_until_the_culprit_is_alone(database: Database) -> None:
    await file(database, *(filed(number) for number in range(1, 6)))
    sizes, parcels = [], 0
    while chosen := await waiting(database):
        parcels += 1
        name, numbers = f"p{parcels}", {one.arrival.sop_instance_uid[-1] for one in chosen}
        row = ParcelRow(name, "1.2", 100, None, 0, 2)
        ids = [one.id for one in chosen]
        await database.write(partial(parcel_index.add_parcel, parcel=row, ids=ids, at=AT))
        sizes.append(len(ids))
        if "4" not in numbers:
            outcomes = [
                InstanceOutcome(
                    sop_instance_uid=one.arrival.sop_instance_uid,
                    content="c-",
                    outcome=Outcome.ACCEPTED,
                )
                for one in chosen
            ]
            apply = partial(parcel_index.apply_outcomes, outcomes=outcomes)
            await database.write(partial(apply, parcel_id=name, at=AT))
        elif len(ids) > 1:
            await database.write(partial(parcel_index.halve, parcel_id=name, at=AT))
        else:
            refuse = partial(parcel_index.refuse_parcel, parcel_id=name, code="x", detail="")
            await database.write(partial(refuse, at=AT))
    assert await states(database) == ["at-county"] * 3 + ["set-aside"] + ["at-county"]
    assert max(sizes) == sizes[0]
    assert sizes.count(1) <= 3


async def test_of_a_set_aside_image_a_person_can_say_that_it_shall_not_go(
    database: Database,
) -> None:
    await file(database, filed(1), filed(2))
    [first, second] = await pack(database, "p1")
    receipt = [
        InstanceOutcome(sop_instance_uid="1.2.3.1", content="c-", outcome=Outcome.ACCEPTED),
        InstanceOutcome(
            sop_instance_uid="1.2.3.2", content="c-", outcome=Outcome.REFUSED, code="x"
        ),
    ]
    apply = partial(parcel_index.apply_outcomes, outcomes=receipt)
    await database.write(partial(apply, parcel_id="p1", at=AT))
    release = partial(queue_acts.release, at=AT)
    assert await database.write(partial(release, instance_id=first)) is None
    assert await database.write(partial(release, instance_id=second)) == "1.2"
    assert await states(database) == ["at-county", "released"]
    [item] = await database.read(partial(queue_items, now=NOW, since=AT, limit=10))
    assert (item.state, item.county_received_at) == (StudyState.AT_COUNTY, AT)
    due = await database.read(
        partial(spool_index.deletable, before=AT + dt.timedelta(days=99), limit=10)
    )
    assert [one.id for one in due] == [first]
    assert await database.write(partial(release, instance_id=second, released=False)) == "1.2"
    [item] = await database.read(partial(queue_items, now=NOW, since=AT, limit=10))
    assert item.state is StudyState.SET_ASIDE
    assert await database.write(partial(queue_acts.retry_one, instance_id=second)) == 1
    assert [one.id for one in await waiting(database)] == [second]


@pytest.mark.parametrize(
    ("code", "harmed"), [*((code, 1) for code in sorted(DAMAGED_HERE)), ("too-large", 0)]
)
async def test_what_came_to_harm_on_this_disk_is_not_safe_here(
    database: Database, code: str, harmed: int
) -> None:
    await file(database, filed(1), filed(2), filed(3, study="1.3"))
    assert (await safe(database)) == (2, [0, 0])
    await database.write(partial(queue_acts.set_aside, instance_id=1, code=code, detail="because"))
    assert (await safe(database)) == (2 - harmed, [harmed, 0])
    # Whoever decides that it shall not go has not made it whole.
    await database.write(partial(queue_acts.release, instance_id=1, at=AT))
    assert (await safe(database)) == (2 - harmed, [harmed, 0])


async def safe(database: Database) -> tuple[int, list[int]]:
    """Return how many studies are safe here, and of each how many images came to harm."""
    counted = await database.read(partial(totals, now=NOW, since=AT))
    items = await database.read(partial(queue_items, now=NOW, since=AT, limit=10))
    by_study = sorted((item.study_instance_uid, item.damaged_here) for item in items)
    return counted.safe_here, [harmed for _, harmed in by_study]


async def test_a_line_is_held_until_then_and_no_longer(database: Database) -> None:
    until = NOW.at + dt.timedelta(minutes=5)
    await database.write(partial(parcel_queue.hold_line, until=until, by="李静"))
    await database.write(partial(parcel_queue.hold_line, until=until, by="李静"))
    held = await board(database)
    assert (held.held_until, held.held_by) == (until, "李静")
    read = partial(parcel_queue.line_hold, now=until)
    assert await database.read(read) is None
    await database.write(partial(parcel_queue.hold_line, until=None, by=""))
    assert (await board(database)).held_until is None


async def test_the_queue_says_the_same_on_both_databases(database: Database) -> None:
    await file(database, filed(1, study="1.1"), filed(2, study="1.1"), filed(3, study="1.2"))
    view = await database.read(partial(queue_items, now=NOW, since=AT, limit=10))
    assert [(item.study_instance_uid, item.position) for item in view] == [("1.1", 1), ("1.2", 2)]
    assert view[0].eta == NOW.at
    assert view[0].patient.name == "陈"
    counted = await database.read(partial(totals, now=NOW, since=AT))
    assert (counted.safe_here, counted.on_the_line, counted.at_county) == (2, 2, 0)
    drafts = await database.read(partial(item_events, keys=["1.2", "none"], now=NOW))
    assert [draft.payload["study_instance_uid"] for draft in drafts] == ["1.2"]
    assert await database.read(average_study_bytes) == 150


async def test_a_second_content_is_no_second_instance_but_holds_the_study_open(
    database: Database,
) -> None:
    async def shown() -> tuple[object, ...]:
        (item,) = await database.read(partial(queue_items, now=NOW, since=AT, limit=10))
        counts = item.instances
        return counts.here, counts.sent, counts.at_county, counts.set_aside, item.state

    await file(database, filed(1), filed(2))
    await pack(database, "p1")
    await database.write(partial(parcel_index.note_sent, parcel_id="p1", at=AT))
    receipt = [
        InstanceOutcome(sop_instance_uid=f"1.2.3.{n}", content="c-", outcome=Outcome.ACCEPTED)
        for n in (1, 2)
    ]
    await database.write(
        partial(parcel_index.apply_outcomes, parcel_id="p1", outcomes=receipt, at=AT)
    )
    assert await shown() == (2, 2, 2, 0, StudyState.AT_COUNTY)
    await file(database, filed(1, content="other"))
    assert await shown() == (2, 2, 2, 0, StudyState.WAITING)
    await pack(database, "p2")
    assert await shown() == (2, 2, 2, 0, StudyState.SENDING)
    await database.write(
        partial(parcel_index.refuse_parcel, parcel_id="p2", code="too-large", detail="", at=AT)
    )
    assert await shown() == (2, 2, 2, 1, StudyState.SET_ASIDE)


async def test_chosen_files_are_found_again(database: Database) -> None:
    ended = EndedFile(
        file=ChosenFile(
            upload_id="u1",
            filename="a.zip",
            state=FileState.SAFE,
            accepted=2,
            refused=(RefusedMember(name="b", reason_code="not-dicom"),),
        ),
        institution="qingshan",
        user_id="anna",
        batch="b1",
        size_bytes=10,
        ended_at=AT,
    )
    await database.write(partial(batches.note_ended, ended=ended))
    await database.write(partial(batches.note_ended, ended=ended))
    assert await database.read(partial(batches.files_of, institution="qingshan", batch="b1")) == [
        ended.file
    ]
    sought = [SoughtFile(name="a.zip", size=10), SoughtFile(name="a.zip", size=11)]
    found = partial(batches.safe_already, institution="qingshan", batch="b1", sought=sought)
    assert await database.read(found) == {"a.zip"}
    assert await database.write(partial(batches.forget_before, before=AT)) == 0
    assert (
        await database.write(partial(batches.forget_before, before=AT + dt.timedelta(days=1))) == 1
    )


async def test_an_image_of_no_study_stands_in_the_study_the_county_files_it_in(
    database: Database,
) -> None:
    await file(database, filed(1, study=""), filed(2, study=""))
    keys = {one.study_key for one in (await board(database)).studies}
    assert keys == {
        placed(f"1.2.3.{number}", study="", series="").study_instance_uid for number in (1, 2)
    }
