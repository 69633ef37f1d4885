"""No single object holds a journal: what is over-long is cut for the index, what fails is aside."""

import base64
import datetime as dt
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from pydicom import config, dcmread

from imaging.archive import ingest
from imaging.archive.blame import TRIES_BESIDE, Blame, blame
from imaging.archive.series_metadata import instance_json
from imaging.archive.tables import instance, patient, series, set_aside, study
from kernel.dicom.bounds import TEXT_MAX
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct

OVER_LONG = (
    *("StudyDescription", "PatientID", "IssuerOfPatientID", "AccessionNumber", "StudyID"),
    *("ReferringPhysicianName", "PatientName", "SeriesDescription", "ProtocolName"),
    *("StationName", "Manufacturer", "InstitutionName", "BodyPartExamined", "PatientAge"),
    *("PatientSex", "Modality", "Laterality", "TimezoneOffsetFromUTC"),
)


@pytest.fixture(autouse=True)
def _any_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config.settings, "writing_validation_mode", config.IGNORE)
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.IGNORE)


def incompressible(seed: int = 1) -> str:
    """Return 6,000 characters no database compresses enough."""
    return base64.b64encode(random.Random(seed).randbytes(4500)).decode()


def crowded(**more: Any) -> bytes:
    """Return the second of three studies, with what other devices never send."""
    return ct(1, study=2, **more)


async def listed(desk: Desk) -> int:
    return len(await desk.rows(sa.select(study.c.id)))


@pytest.mark.parametrize("keyword", OVER_LONG)
async def test_an_object_of_an_over_long_text_is_filed_between_the_others(
    desk: Desk, keyword: str
) -> None:
    text = incompressible()
    sent = crowded(**{keyword: text})
    await desk.file(ct(1), sent, ct(1, study=3))
    assert (await listed(desk), await desk.rows(sa.select(set_aside.c.id))) == (3, [])
    query = sa.select(instance).join(study).where(study.c.instance_count == 1)
    rows = await desk.rows(query.where(instance.c.oddities.contains("text-cut")))
    # What is only read by queries of series is cut without a word.
    assert len(rows) == (keyword not in {"Laterality", "TimezoneOffsetFromUTC"})
    odd = sa.select(instance).where(instance.c.size_bytes == len(sent))
    (kept,) = await desk.rows(odd)
    with desk.objects.open(kept["object_key"]) as reader:
        assert reader.read(0, reader.size) == sent
    assert text.encode() in instance_json(kept["metadata_json"])


async def test_every_text_at_once_in_four_byte_characters_fits_every_index(desk: Desk) -> None:
    chance = random.Random(3)
    wide = "".join(chr(chance.randrange(0x20000, 0x2A6D0)) for _ in range(2000))
    # ... and what folding makes eighteen characters of one.
    folds = "\ufdfa" * 2000
    keywords = [each for each in OVER_LONG if each not in {"Modality", "TimezoneOffsetFromUTC"}]
    texts = dict.fromkeys(keywords, wide) | {"PatientSex": "M", "PatientAge": "030Y"}
    texts |= {"BodyPartExamined": "HEAD", "Laterality": "L"}
    await desk.file(
        ct(1),
        crowded(**texts),
        ct(1, study=3),
        ct(1, study=4, PatientName=folds, ReferringPhysicianName=folds),
    )
    assert (await listed(desk), await desk.rows(sa.select(set_aside.c.id))) == (4, [])


async def test_two_over_long_patient_ids_that_begin_alike_stay_two_patients(desk: Desk) -> None:
    text = incompressible()
    await desk.file(ct(1, PatientID=f"{text}1"), ct(1, study=2, PatientID=f"{text}2"))
    found = await desk.rows(sa.select(patient.c.patient_id))
    assert len({row["patient_id"] for row in found}) == 2
    assert {len(row["patient_id"]) for row in found} == {TEXT_MAX}
    # Again the same one: it is nobody else.
    await desk.file(ct(2, PatientID=f"{text}1"))
    assert await desk.rows(sa.select(study.c.id).where(study.c.mixed_patients)) == []


@pytest.mark.parametrize(
    "keyword",
    ["PatientName", "StudyDescription", "BodyPartExamined", "Laterality", "ProtocolName"],
)
async def test_a_nul_inside_a_text_is_left_out(desk: Desk, keyword: str) -> None:
    await desk.file(ct(1), crowded(**{keyword: "Nul\0Inside"}), ct(1, study=3))
    assert (await listed(desk), await desk.rows(sa.select(set_aside.c.id))) == (3, [])
    of_study = sa.select(study, series).join(series).order_by(study.c.id)
    told = (await desk.rows(of_study))[1]
    assert "NulInside" in told.values()
    with desk.objects.open((await desk.rows(sa.select(instance)))[1]["object_key"]) as reader:
        ds = dcmread(BytesIO(reader.read(0, reader.size)))
    assert str(ds[keyword].value).replace("\\0", "\0").startswith("Nul")


HOLDS = dt.timedelta(seconds=30)
NONE_AT_ALL = 40
"""So many tries tell that it waits for good: after 30 an object once was blamed."""


async def refuse(desk: Desk, refusal: str, *, study: str = "2") -> None:
    """Let PostgreSQL refuse what is of *study* (a pattern) with the state *refusal*."""

    def write(conn: sa.Connection) -> None:
        conn.exec_driver_sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{refusal}'; END $$"
        )
        conn.exec_driver_sql(
            "CREATE TRIGGER refusing BEFORE INSERT ON instance FOR EACH ROW WHEN "
            f"(NEW.sop_instance_uid LIKE '{ROOT}.{study}.1.%%') EXECUTE FUNCTION refuse()"
        )

    await desk.database.write(write)


async def run(desk: Desk, statement: str) -> None:
    await desk.database.write(lambda conn: conn.exec_driver_sql(statement))


async def try_until_filed(desk: Desk, most: int) -> int:
    """Return after how many tries something was filed, *most* where nothing was."""
    for tried in range(1, most + 1):
        if await desk.filer.file_waiting():
            return tried
        desk.clock.advance(HOLDS)
    return most


def on_postgres(test: Callable[..., Any]) -> Callable[..., Any]:
    """Run *test* only there: SQLite has no states to be refused with."""
    only = pytest.param("postgres", marks=pytest.mark.postgres)
    marked: Callable[..., Any] = pytest.mark.parametrize("database_url", [only], indirect=True)(
        test
    )
    return marked


@on_postgres
async def test_what_the_database_refuses_for_its_own_sake_is_aside_at_once(
    desk: Desk,
) -> None:
    await refuse(desk, "54000")
    await desk.file(ct(1), crowded(), ct(1, study=3))
    (aside,) = await desk.rows(sa.select(set_aside))
    assert (aside["reason"], "54000" in aside["detail"]) == ("not-filed", True)
    assert await listed(desk) == 2


@on_postgres
async def test_an_unknown_error_of_one_object_again_and_again_sets_it_aside(
    desk: Desk,
) -> None:
    await refuse(desk, "P0001")
    await desk.receive(ct(1), crowded(), ct(1, study=3))
    assert await try_until_filed(desk, NONE_AT_ALL) == TRIES_BESIDE + 1
    (aside,) = await desk.rows(sa.select(set_aside))
    assert (aside["reason"], aside["entry"]) == ("not-filed", 0)
    assert await listed(desk) == 2


@on_postgres
async def test_an_unknown_error_of_an_object_alone_waits_for_another_that_can_be_filed(
    desk: Desk,
) -> None:
    await refuse(desk, "P0001")
    await desk.receive(crowded())
    assert await try_until_filed(desk, NONE_AT_ALL) == NONE_AT_ALL
    assert await desk.rows(sa.select(set_aside.c.id)) == []
    await desk.receive(ct(1))
    assert await try_until_filed(desk, NONE_AT_ALL) == TRIES_BESIDE + 1
    assert await listed(desk) == 1
    assert len(await desk.rows(sa.select(set_aside.c.id))) == 1


@on_postgres
async def test_what_was_there_already_is_no_witness_against_what_is_new(desk: Desk) -> None:
    await desk.file(ct(1))
    await refuse(desk, "P0001", study="%%")
    await desk.receive(ct(1), crowded())
    assert await try_until_filed(desk, NONE_AT_ALL) == NONE_AT_ALL
    assert await desk.rows(sa.select(set_aside.c.id)) == []


@on_postgres
async def test_an_unknown_error_of_all_sets_nothing_aside_however_long_it_lasts(
    desk: Desk,
) -> None:
    await refuse(desk, "P0001", study="%%")
    await desk.receive(*[ct(1, study=number) for number in range(1, 5)])
    assert await try_until_filed(desk, NONE_AT_ALL) == NONE_AT_ALL
    await run(desk, "DROP TRIGGER refusing ON instance")
    assert await try_until_filed(desk, 1) == 1
    assert await desk.rows(sa.select(set_aside.c.id)) == []
    assert await listed(desk) == 4


@on_postgres
async def test_more_odd_objects_than_one_round_files_do_not_hold_those_behind_them(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "BATCH_OBJECTS", 16)
    await refuse(desk, "P0001")
    odd = ingest.BATCH_OBJECTS + 12
    await desk.receive(*[ct(number, study=2) for number in range(1, odd + 1)], ct(1))
    while not await listed(desk):
        assert await try_until_filed(desk, NONE_AT_ALL) < NONE_AT_ALL
    assert len(await desk.rows(sa.select(set_aside.c.id))) == odd
    assert await desk.rows(sa.select(instance.c.sop_instance_uid)) == [
        {"sop_instance_uid": f"{ROOT}.1.1.1"}
    ]


@pytest.mark.parametrize("table", ["study_suffix", "instance_conflict", "journal_cursor"])
async def test_a_table_that_cannot_be_used_sets_nothing_aside(desk: Desk, table: str) -> None:
    await desk.file(ct(1))
    await run(desk, f"ALTER TABLE {table} RENAME TO gone")
    await desk.receive(*[ct(1, study=number) for number in range(2, 6)], ct(1, Rows=1))
    assert await try_until_filed(desk, NONE_AT_ALL) == NONE_AT_ALL
    await run(desk, f"ALTER TABLE gone RENAME TO {table}")
    await desk.file_all()
    assert await desk.rows(sa.select(set_aside.c.id)) == []
    assert await listed(desk) == 5


OUTAGES = (
    *("08006", "53100", "53200", "57P01", "40001", "58030", "55P03"),
    # No such table or column, no right to it, a statement a pooler forgot or that was prepared
    # before the table changed, a damaged page, a damaged index.
    *("42P01", "42703", "42501", "26000", "0A000", "XX001", "XX002"),
)


@pytest.mark.parametrize("state", OUTAGES)
def test_no_outage_is_the_fault_of_an_object(state: str) -> None:
    told = asyncpg.PostgresError.new({"C": state, "M": "no"})
    refused = sa.exc.DBAPIError("INSERT", {}, told)
    assert blame(refused) is Blame.HOUSE


@pytest.mark.parametrize("damage", ["no-database", "no-table", "malformed"])
def test_no_damage_of_a_database_file_is_the_fault_of_an_object(
    tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "one.sqlite"
    with closing(sqlite3.connect(path)) as whole:
        whole.execute("CREATE TABLE one (a)")
        whole.executemany("INSERT INTO one VALUES (?)", [("x" * 2000,)] * 100)
        whole.commit()
    if damage == "no-database":
        path.write_bytes(b"nothing of the kind" * 1000)
    elif damage == "malformed":
        path.write_bytes(path.read_bytes()[: 3 * 4096] + b"\xff" * 30 * 4096)
    table = "another" if damage == "no-table" else "one"
    engine = sa.create_engine(f"sqlite:///{path}")
    with pytest.raises(sa.exc.DatabaseError) as found, engine.connect() as conn:
        conn.execute(
            sa.select(sa.func.sum(sa.func.length(sa.column("a")))).select_from(sa.table(table))
        )
    engine.dispose()
    assert blame(found.value) is Blame.HOUSE


@on_postgres
# Lost connections, a full disk, and what the unit itself is run again for.
@pytest.mark.parametrize("refusal", ["08006", "53100", "40001"])
async def test_an_outage_never_sets_anything_aside(desk: Desk, refusal: str) -> None:
    await refuse(desk, refusal)
    await desk.receive(ct(1), crowded(), ct(1, study=3))
    tries = 4 if refusal == "40001" else NONE_AT_ALL
    assert await try_until_filed(desk, tries) == tries
    assert await desk.rows(sa.select(set_aside.c.id)) == []
    assert await listed(desk) == 0
