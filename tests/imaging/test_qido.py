"""QIDO-RS as OHIF and dicomweb-client ask it."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from dicomweb_client.api import DICOMwebClient

from imaging.archive.reach import give_to
from imaging.dicomweb import qido
from imaging.query import parse_qido
from imaging.query.attributes import Level
from imaging.query.paging import PagingMemory
from imaging.query.service import Search
from tests.imaging.desk import Desk
from tests.imaging.door import AS_INSTITUTION, AS_ROLE, serve
from tests.imaging.sample import AT, ROOT, arrival, ct


class Door:
    """A browser's view of the server."""

    def __init__(self, server: TestServer, http: ClientSession) -> None:
        self.server = server
        self.http = http
        self.warnings: list[str] = []

    async def get(self, path: str, **headers: str) -> list[dict[str, Any]]:
        """Return the answer's objects."""
        url = self.server.make_url("/").joinpath("dicom-web") / ""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.get(str(url) + path, headers=told) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.headers["Content-Type"] == "application/dicom+json"
            self.warnings = answer.headers.getall("Warning", [])
            found: list[dict[str, Any]] = await answer.json(content_type=None)
            return found

    async def uids(self, path: str, **headers: str) -> list[str]:
        """Return the numbers of the studies in the answer, as the sample names them."""
        found = await self.get(path, **headers)
        return [each["0020000D"]["Value"][0].removeprefix(f"{ROOT}.") for each in found]


@pytest_asyncio.fixture
async def door(desk: Desk) -> AsyncIterator[Door]:
    search = Search(desk.database, PagingMemory(desk.clock))
    async with serve(desk, qido.routes(search)) as server, ClientSession() as http:
        yield Door(server, http)


OHIF = (
    "studies?limit=101&offset=0&fuzzymatching=false"
    "&includefield=00081030%2C00080060%2C00080090%2C00100030"
)


async def test_the_study_list_of_ohif(desk: Desk, door: Door) -> None:
    await desk.file(ct(1), ct(2), ct(1, series=2, Modality="SR"))
    (study,) = await door.get(OHIF)
    assert study["00080005"]["Value"] == ["ISO_IR 192"]
    assert study["00080020"] == {"vr": "DA", "Value": ["20260305"]}
    assert study["00080030"] == {"vr": "TM", "Value": ["081500"]}
    assert study["00080061"] == {"vr": "CS", "Value": ["CT", "SR"]}
    assert study["00081030"] == {"vr": "LO", "Value": ["头颅平扫"]}
    assert study["00100010"] == {
        "vr": "PN",
        "Value": [{"Alphabetic": "Zhang^San", "Ideographic": "张^三"}],
    }
    assert study["00100030"] == {"vr": "DA", "Value": ["19900101"]}
    assert study["00080090"] == {"vr": "PN"}
    assert study["00201206"] == {"vr": "IS", "Value": [2]}
    assert study["00201208"] == {"vr": "IS", "Value": [3]}
    assert study["00081190"]["Value"] == [str(door.server.make_url(f"/dicom-web/studies/{ROOT}.1"))]
    assert "00080060" not in study
    assert list(study) == sorted(study)


async def test_the_series_list_of_ohif(desk: Desk, door: Door) -> None:
    await desk.file(ct(1, series=2), ct(1), ct(2))
    found = await door.get(
        f"studies/{ROOT}.1/series?includefield=00080021%2C00080031%2C0008103E%2C00200011"
    )
    assert [each["00200011"]["Value"][0] for each in found] == [1, 2]
    assert [each["00201209"]["Value"][0] for each in found] == [2, 1]
    assert found[0]["00080060"]["Value"] == ["CT"]
    assert found[0]["0020000E"]["Value"] == [f"{ROOT}.1.1"]


async def test_instances_in_the_order_of_their_numbers(desk: Desk, door: Door) -> None:
    await desk.file(ct(10), ct(2), ct(1))
    found = await door.get(f"studies/{ROOT}.1/series/{ROOT}.1.1/instances")
    assert [each["00200013"]["Value"][0] for each in found] == [1, 2, 10]
    assert found[0]["00280010"] == {"vr": "US", "Value": [16]}
    assert found[0]["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]
    everything = await door.get(
        f"studies/{ROOT}.1/series/{ROOT}.1.1/instances?limit=1&includefield=all"
    )
    assert everything[0]["00280030"] == {"vr": "DS", "Value": [0.5, 0.5]}
    assert everything[0]["7FE00010"]["BulkDataURI"].endswith("/bulkdata/7FE00010")
    (one,) = await door.get(f"instances?SOPInstanceUID={ROOT}.1.1.2&includefield=SliceThickness")
    assert one["00180050"] == {"vr": "DS", "Value": [5]}


async def three_patients(desk: Desk) -> None:
    await desk.file(
        ct(1, study=1, StudyDate="20250101", StudyTime="080000"),
        ct(
            1,
            study=2,
            StudyDate="20250630",
            StudyTime="120000",
            PatientName="Müller^Jörg",
            PatientID="P_2%",
            PatientSex="F",
            AccessionNumber="ZX-2025-0042",
        ),
        ct(
            1,
            study=3,
            StudyDate="20260101",
            StudyTime="235959.5",
            PatientName="Wang^Xiaoming=王^小明",
            PatientID="PX2Y",
            Modality="DX",
            StudyDescription="CHEST pa",
        ),
    )


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param("", "321", id="newest-first"),
        pytest.param("PatientName=*zhang*", "1", id="infix-any-case"),
        pytest.param("PatientName=ZHANG%5ESAN", "1", id="exact"),
        pytest.param("PatientName=zhang%20san", "1", id="a-space-for-the-caret"),
        pytest.param("PatientName=zhang", "", id="exact-is-the-whole-name"),
        pytest.param("PatientName=zhang*", "1", id="prefix"),
        pytest.param("PatientName=%E5%BC%A0%E4%B8%89", "1", id="characters"),
        pytest.param("PatientName=*%E4%B8%89*", "1", id="one-character"),
        pytest.param("PatientName=%E5%BC%A0?", "1", id="one-character-open"),
        pytest.param("PatientName=muller*", "2", id="without-accents"),
        pytest.param("PatientName=xiaoming&fuzzymatching=true", "3", id="fuzzy-any-word"),
        pytest.param("PatientName=zs&fuzzymatching=true", "1", id="fuzzy-initials"),
        pytest.param("PatientName=wangxiao&fuzzymatching=true", "3", id="fuzzy-pinyin"),
        pytest.param("PatientName=zs", "", id="initials-only-when-fuzzy"),
        pytest.param("00100020=P_2%25", "2", id="hex-key-and-literal-percent"),
        pytest.param("PatientID=P_2*", "2", id="an-underscore-is-itself"),
        pytest.param("PatientID=*X2*", "3", id="infix-of-an-id"),
        pytest.param("PatientID=px2y", "", id="ids-have-a-case"),
        pytest.param("PatientID=*x2*", "", id="ids-have-a-case-with-wildcards"),
        pytest.param("PatientID=*2Y", "3", id="an-infix-too-short-for-the-index"),
        pytest.param("AccessionNumber=*2025-00*", "2", id="infix-of-an-accession-number"),
        pytest.param("StudyDate=20250101-20250630", "21", id="both-ends-of-a-range"),
        pytest.param("StudyDate=20250102-", "32", id="open-end"),
        pytest.param("StudyDate=-20250629", "1", id="open-beginning"),
        pytest.param("StudyDate=20250630", "2", id="one-day"),
        pytest.param("StudyDate=-", "", id="a-range-of-nothing"),
        pytest.param("StudyDate=2025*", "", id="no-wildcards-in-dates"),
        pytest.param("StudyTime=0800-1200", "21", id="times"),
        pytest.param("StudyTime=235959.5", "3", id="a-fraction"),
        pytest.param("ModalitiesInStudy=DX", "3", id="modality"),
        pytest.param("ModalitiesInStudy=CT,DX", "321", id="modalities-with-comma"),
        pytest.param("ModalitiesInStudy=CT%5CDX", "321", id="modalities-with-backslash"),
        pytest.param("Modality=DX", "3", id="a-key-of-a-level-below"),
        pytest.param("PatientSex=F", "2", id="no-index"),
        pytest.param("StudyDescription=*CHEST*", "3", id="description"),
        pytest.param("StudyDescription=*chest*", "", id="descriptions-have-a-case"),
        pytest.param(f"StudyInstanceUID={ROOT}.1,{ROOT}.3", "31", id="uids-with-comma"),
        pytest.param(f"StudyInstanceUID={ROOT}.1%5C{ROOT}.2", "21", id="uids-with-backslash"),
        pytest.param(f"0020000D={ROOT}.2&PatientSex=F", "2", id="two-keys"),
        pytest.param(f"SOPInstanceUID={ROOT}.2.1.1", "2", id="the-study-of-an-instance"),
        pytest.param("PatientName=", "321", id="empty-asks-for-anything"),
        pytest.param("PatientName=*&StudyDate=", "321", id="a-star-asks-for-anything"),
        pytest.param("PatientID='%7C%7C(select%201)--", "", id="sql-is-text"),
        pytest.param("NumberOfStudyRelatedInstances=1", "321", id="numbers"),
        pytest.param("NumberOfStudyRelatedInstances=x", "", id="no-number"),
    ],
)
async def test_matches(desk: Desk, door: Door, asked: str, found: str) -> None:
    await three_patients(desk)
    assert "".join(await door.uids(f"studies?{asked}")) == found
    assert not found or door.warnings == []


async def test_empty_and_multiple_value_matching_are_done_where_they_are_asked_for(
    desk: Desk, door: Door
) -> None:
    await three_patients(desk)
    await desk.file(
        ct(
            1,
            study=4,
            PatientName="",
            PatientSex=None,
            StudyDate="",
            Modality=None,
            AccessionNumber="",
        )
    )
    empty, several = "emptyvaluematching=true", "multiplevaluematching=true"
    for asked, found in {
        f"PatientSex=%22%22&{empty}": "4",
        f"PatientName=%22%22&{empty}": "4",
        f"StudyDate=%22%22&{empty}": "4",
        f"ModalitiesInStudy=%22%22&{empty}": "4",
        f"AccessionNumber=%22%22&{empty}&PatientSex=F": "",
        "PatientSex=%22%22": "4321",
        f"PatientID=P_2%25%5CPX*&{several}": "32",
        f"PatientName=zhang*%5Cwang*&{several}": "31",
        f"StudyDate=20250101%5C20260101-&{several}": "31",
        f"PatientSex=F%5C%22%22&{several}&{empty}": "42",
        f"ModalitiesInStudy=D*%5CMR&{several}": "3",
        "PatientID=P_2%25%5CPX*": "",
        f"PatientID={'x%5C' * 200}&{several}": "",
    }.items():
        assert "".join(await door.uids(f"studies?{asked}")) == found, asked


async def test_what_is_not_known_is_ignored_with_a_warning(desk: Desk, door: Door) -> None:
    await desk.file(ct(1))
    found = await door.get("studies?Nonsense%22=1&PatientComments=x&limit=5&includefield=Bogus")
    assert len(found) == 1
    (warning,) = door.warnings
    assert warning.startswith('299 yilian "')
    assert "Nonsense?, PatientComments" in warning.replace("Bogus, ", "")


async def test_a_key_that_is_no_value_matches_nothing_and_says_why(desk: Desk, door: Door) -> None:
    await desk.file(ct(1))
    many = ",".join(["1.2"] * 1001)
    assert await door.get(f"studies?StudyDate=2024-01-01&StudyInstanceUID={many}") == []
    (warning,) = door.warnings
    assert warning.startswith('299 yilian "Nothing can match: ')
    assert "StudyDate: not a range of dates; StudyInstanceUID: more than 1000 UIDs" in warning


async def test_includes_what_only_the_objects_know(desk: Desk, door: Door) -> None:
    await desk.file(ct(1, PatientComments="说明", SliceThickness="5"))
    (study,) = await door.get("studies?includefield=PatientComments&includefield=SliceThickness")
    assert study["00104000"] == {"vr": "LT", "Value": ["说明"]}
    assert "00180050" not in study


async def test_a_name_of_characters_only_is_shown_by_viewers_too(desk: Desk, door: Door) -> None:
    await desk.file(ct(1, PatientName="=张^三"))
    (study,) = await door.get("studies")
    assert study["00100010"]["Value"] == [{"Alphabetic": "张^三", "Ideographic": "张^三"}]


@pytest.mark.parametrize("broken", ["limit=x", "offset=-1", "limit=1e3", "fuzzymatching=maybe"])
async def test_a_broken_page_is_refused(desk: Desk, door: Door, broken: str) -> None:
    url = door.server.make_url("/dicom-web/studies").with_query(broken)
    async with door.http.get(url) as answer:
        assert answer.status == 400
        assert (await answer.json(content_type=None))["code"] == "invalid-query"


async def test_pages_stay_together_while_studies_arrive(desk: Desk, door: Door) -> None:
    await desk.file(*(ct(1, study=n) for n in range(1, 6)))
    seen = await door.uids("studies?limit=2&offset=0")
    for offset in (2, 4, 6):
        await desk.file(ct(1, study=10 + offset))
        seen += await door.uids(f"studies?limit=2&offset={offset}")
    assert seen == ["5", "4", "3", "2", "1"]
    assert len(await door.uids("studies")) == 8


async def test_says_when_it_leaves_rows_out(
    desk: Desk, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(parse_qido.LIMITS, Level.STUDY, 2)
    await desk.file(*(ct(1, study=n) for n in range(1, 4)))
    assert len(await door.get("studies")) == 2
    assert "exceeded the maximum" in door.warnings[0]
    assert len(await door.get("studies?limit=1000000000")) == 2
    assert door.warnings
    await door.get("studies?limit=2")
    assert door.warnings == []
    await door.get("studies?limit=9&offset=1")
    assert door.warnings == []


async def test_nobody_finds_another_institutions_studies(desk: Desk, door: Door) -> None:
    await desk.file(ct(1))
    await desk.file(ct(1, study=2), told=arrival(institution="baishui"))
    assert await door.uids("studies") == ["1"]
    assert await door.uids(f"studies?StudyInstanceUID={ROOT}.2") == []
    assert await door.uids("studies", **{AS_INSTITUTION: "county"}) == []
    url = door.server.make_url(f"/dicom-web/studies/{ROOT}.2/series")
    async with door.http.get(url) as answer:
        assert answer.status == 404
    assert await door.get("instances", **{AS_INSTITUTION: "county"}) == []


async def test_the_centre_finds_what_was_routed_to_it(desk: Desk, door: Door) -> None:
    await desk.file(ct(1), ct(1, study=2))
    await desk.database.write(
        lambda conn: give_to(
            conn, f"{ROOT}.1", ["county"], rule="ct", priority=None, at=AT + dt.timedelta(hours=1)
        )
    )
    assert await door.uids("studies", **{AS_INSTITUTION: "county"}) == ["1"]
    assert len(await door.get(f"studies/{ROOT}.1/series", **{AS_INSTITUTION: "county"})) == 1


@pytest.mark.parametrize("key", ["PatientName", "ReferringPhysicianName"])
@pytest.mark.parametrize("separators", ["_", ".", "%5E", "%5E%5E", ".%20_", "%C2%B7", "%E3%80%80"])
@pytest.mark.parametrize("fuzzy", ["true", "false"])
async def test_a_name_of_separators_only_is_nobodys(
    desk: Desk, door: Door, key: str, separators: str, fuzzy: str
) -> None:
    await desk.file(ct(1))
    assert await door.uids(f"studies?{key}={separators}&fuzzymatching={fuzzy}") == []
    assert door.warnings
    assert await door.uids(f"studies?{key}=&fuzzymatching={fuzzy}") == ["1"]


async def test_who_needs_no_name_sees_none(desk: Desk, door: Door) -> None:
    await desk.file(ct(1))
    (study,) = await door.get("studies?includefield=all", **{AS_ROLE: "privacy-officer"})
    assert study["00100020"] == {"vr": "LO", "Value": ["990***********1234"]}
    assert study["00100030"] == {"vr": "DA"}
    (instance,) = await door.get(
        "instances?includefield=all&includefield=00104000", **{AS_ROLE: "privacy-officer"}
    )
    assert "00104000" not in instance
    assert "Zhang" not in str(instance)
    assert study["00100010"]["Value"] == [{"Alphabetic": "Z**", "Ideographic": "张**"}]
    assert await door.get("studies", **{AS_ROLE: "manager"}) == []


async def test_dicomweb_client_reads_to_the_end(desk: Desk, door: Door) -> None:
    await desk.file(*(ct(1, study=n) for n in range(1, 6)), ct(2, study=5))
    client = DICOMwebClient(str(door.server.make_url("/dicom-web")))

    def ask() -> tuple[list[Any], ...]:
        return (
            client.search_for_studies(limit=2, get_remaining=True, fields=["StudyDescription"]),
            client.search_for_studies(search_filters={"PatientName": "Zhang*"}, fuzzymatching=True),
            client.search_for_series(f"{ROOT}.5"),
            client.search_for_instances(f"{ROOT}.5", f"{ROOT}.5.1"),
            client.search_for_studies(search_filters={"PatientID": "nobody"}),
        )

    studies, by_name, series, instances, nobody = await asyncio.to_thread(ask)
    assert [each["0020000D"]["Value"][0] for each in studies] == [
        f"{ROOT}.{n}" for n in (5, 4, 3, 2, 1)
    ]
    assert len(by_name) == 5
    assert (len(series), len(instances), nobody) == (1, 2, [])


async def test_a_search_is_answered_in_a_form_the_client_takes_or_not_at_all(
    desk: Desk, door: Door
) -> None:
    await desk.file(ct(1))
    for accept, status in {
        "application/dicom+json": 200,
        "application/json": 200,
        "text/html, */*;q=0.1": 200,
        "text/html": 406,
        "application/dicom+xml": 406,
        "nonsense": 406,
        "application/dicom+json;q=0, text/plain": 406,
    }.items():
        url = door.server.make_url("/dicom-web/studies")
        async with door.http.get(url, headers={"Accept": accept}) as answer:
            assert answer.status == status, accept
