"""Every real object of the collection through the doors: whole, once, or refused for its reason."""

import asyncio
import shutil
import subprocess
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kernel.dicom.part10 import BytesSource, read_file_meta
from tests.demo.corpus import (
    SHOWN_CONFLICT,
    Item,
    Stowed,
    c_store,
    check_same,
    item,
    reviewed,
    stow,
)
from tests.demo.running import RunningDemo, running_demo, until
from tests.imaging.shared_data import dicom_samples, shared_data

DCMSEND = shutil.which("dcmsend")
pytestmark = pytest.mark.timeout(600)
_ARCHIVES_BY_STOW = ("mr-ge-study-b", "mr-siemens-xa-study-a", "mr-uih-study-a")
_IN_A_REQUEST = 40
_AT_ONCE = 6


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    shared_data()
    with running_demo(tmp_path_factory.mktemp("corpus") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def collection() -> list[Item]:
    return [item(sample) for sample in dicom_samples()]


def _single(collection: list[Item]) -> list[Item]:
    return [each for each in collection if "!" not in each.path]


def _outcome(each: Item) -> str:
    row = reviewed().get(each.path)
    return "stored" if row is None else row.outcome


def _waves(sent: list[Item]) -> list[list[Item]]:
    """Return *sent* in parts that hold each UID once: what comes first is to be certain."""
    waves: list[list[Item]] = []
    times: Counter[str] = Counter()
    for each in sent:
        if times[each.sop_instance_uid] == len(waves):
            waves.append([])
        waves[times[each.sop_instance_uid]].append(each)
        times[each.sop_instance_uid] += 1
    return waves


def _conflicts(demo: RunningDemo) -> Counter[str]:
    found: Counter[str] = Counter()
    page = demo.get("/api/v1/studies?conflicts=true&limit=200")
    assert page["next_cursor"] is None
    for row in page["items"]:
        detail = demo.get(f"/api/v1/studies/{row['study_instance_uid']}")
        found.update(conflict["sop_instance_uid"] for conflict in detail["conflicts"])
    return found


def _rows(demo: RunningDemo) -> dict[str, dict[str, Any]]:
    """Return what QIDO says of each instance by SOP Instance UID; none may come twice."""
    rows: dict[str, dict[str, Any]] = {}
    while page := demo.get(f"/dicom-web/instances?limit=500&offset={len(rows)}"):
        for row in page:
            assert rows.setdefault(row["00080018"]["Value"][0], row) is row
    return rows


def _arrived(demo: RunningDemo, wanted: set[str], before: set[str], what: str) -> None:
    """Return once the county has *wanted*; *before* was there already.

    It asks for their number, which costs the county far less, time and again, than their list.
    """
    enough = len(wanted | before)
    until(lambda: _images(demo) >= enough, 200, what)
    assert wanted <= set(demo.instances())


def _images(demo: RunningDemo) -> int:
    page = demo.get("/api/v1/studies?limit=200")
    assert page["next_cursor"] is None
    return sum(row["instance_count"] for row in page["items"])


@pytest.fixture(scope="module")
def answers(demo: RunningDemo, collection: list[Item]) -> dict[str, str]:
    """What a township's DICOM door says to every object that is no part of a packed series."""
    first, *later = _waves([e for e in _single(collection) if _outcome(e) != "refused"])
    refused = [each for each in collection if _outcome(each) == "refused"]
    before = set(demo.instances())
    said = asyncio.run(c_store(demo.door("qingshan"), first + refused))
    wanted = {each.sop_instance_uid for each in first}
    _arrived(demo, wanted, before, "every single object at the county")
    for wave in later:
        said |= asyncio.run(c_store(demo.door("qingshan"), wave))
    expected = _expected_conflicts(later)
    until(lambda: _conflicts(demo) >= expected, 60, "every conflict at the county")
    return said


def _expected_conflicts(later: list[list[Item]]) -> Counter[str]:
    return Counter(
        each.sop_instance_uid for wave in later for each in wave if _outcome(each) == "conflict"
    )


def test_single_objects_reach_the_county_through_a_township(
    demo: RunningDemo, collection: list[Item], answers: dict[str, str]
) -> None:
    assert {path: said for path, said in answers.items() if said != "0000"} == {
        path: row.c_store for path, row in reviewed().items() if row.outcome == "refused"
    }
    first, *later = _waves([e for e in _single(collection) if _outcome(e) != "refused"])
    rows = _rows(demo)
    assert {each.sop_instance_uid for each in first} <= set(rows)
    assert _conflicts(demo) == _expected_conflicts(later)

    def fetched(each: Item) -> bytes:
        row = rows[each.sop_instance_uid]
        study, series = (row[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
        path = f"/dicom-web/studies/{study}/series/{series}/instances/{each.sop_instance_uid}"
        syntax = each.transfer_syntax_uid
        return demo.fetch(path, accept=f"application/dicom; transfer-syntax={syntax}")

    with ThreadPoolExecutor(_AT_ONCE) as several:
        answered = list(several.map(fetched, first))
    for each, given in zip(first, answered, strict=True):
        with warnings.catch_warnings():
            # pydicom says what is odd about odd objects.
            warnings.simplefilter("ignore")
            check_same(each.path, each, given)


@pytest.mark.usefixtures("answers")
def test_the_same_objects_by_stow_change_nothing(demo: RunningDemo, collection: list[Item]) -> None:
    before, conflicts = set(_rows(demo)), _conflicts(demo)
    single: dict[str, Stowed] = {}
    for wave in _waves(_single(collection)):
        with ThreadPoolExecutor(_AT_ONCE) as several:
            answers = several.map(lambda each: stow(demo, [each.file]), wave)
            single |= {each.path: said for each, said in zip(wave, answers, strict=True)}
    reasons = {path: row.stow for path, row in reviewed().items() if path in single}
    assert {path: " ".join(said.reasons) for path, said in single.items() if said.reasons} == {
        path: reason for path, reason in reasons.items() if reason
    }
    for path, said in single.items():
        assert len(said.kept) == (reasons.get(path, "") in ("", SHOWN_CONFLICT)), path
        assert said.status == (200 if said.kept else 409), path
    assert set(_rows(demo)) == before
    assert _conflicts(demo) == conflicts


@pytest.mark.skipif(DCMSEND is None, reason="needs DCMTK (dcmsend)")
@pytest.mark.parametrize(
    "every",
    [
        # Neighbours of a series differ by little; the archive alone is tried with each of them.
        pytest.param(3, id="every-third-image"),
        pytest.param(1, id="every-image", marks=pytest.mark.torture),
    ],
)
def test_whole_series_arrive_by_dcmtk_and_by_stow(
    demo: RunningDemo, collection: list[Item], tmp_path: Path, every: int
) -> None:
    before = set(demo.instances())
    packed = [each for each in collection if "!" in each.path and _outcome(each) == "stored"]
    packed = packed[::every]
    by_stow = [each for each in packed if each.path.split("!")[1].startswith(_ARCHIVES_BY_STOW)]
    by_dcmtk = [each for each in packed if each not in by_stow]
    for number, each in enumerate(by_dcmtk):
        (tmp_path / f"{number:04d}.dcm").write_bytes(each.file)
    door = demo.door("dahe")
    subprocess.run(
        [
            *(DCMSEND or "", "-aec", door["ae_title"], "--scan-directories", door["host"]),
            *(str(door["port"]), str(tmp_path)),
        ],
        check=True,
        timeout=200,
    )
    for start in range(0, len(by_stow), _IN_A_REQUEST):
        some = by_stow[start : start + _IN_A_REQUEST]
        said = stow(demo, [each.file for each in some])
        assert said.status == 200
        assert set(said.kept) == {each.sop_instance_uid for each in some}
        assert not said.reasons
    wanted = {each.sop_instance_uid: each for each in packed}
    assert len(wanted) == len(packed)
    _arrived(demo, set(wanted), before, "every series at the county")
    rows = _rows(demo)
    for study in sorted({rows[uid]["0020000D"]["Value"][0] for uid in wanted}):
        for file in demo.objects(study):
            uid = read_file_meta(BytesSource(file)).media_storage_sop_instance_uid
            if uid in wanted:
                original = wanted.pop(uid)
                check_same(original.path, original, file)
    assert not wanted
