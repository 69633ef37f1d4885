"""Odd, broken and hostile input at every door of a running county: each gets its answer."""

import asyncio
import base64
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.demo import offered
from tests.demo.corpus import Item, c_store, stow
from tests.demo.offered import Offered, plain, zipped
from tests.demo.running import RunningDemo, until

pytestmark = pytest.mark.timeout(240)
_PLACE = "qingshan"
_MIB = 1 << 20
NOT_UNDERSTOOD = "C000"
# What the DICOM door says in words, and the code a page makes its own words of.
BROKEN = {
    "cut short": ("The object ends too early: it was cut short.", "truncated"),
    "a length beyond its end": ("The object ends too early: it was cut short.", "truncated"),
    "a sequence without end": ("The object ends too early: it was cut short.", "truncated"),
    "a path for a UID": ("The SOP class or instance UID is not valid.", "bad-uid"),
    "a UID of 70 characters": ("The SOP class or instance UID is not valid.", "bad-uid"),
    "200 nested levels": ("Sequences are nested too deep.", "too-deep"),
    "a million items": ("The object has too many elements.", "too-many-elements"),
    "a deflate bomb": ("The object inflates to far more than its size allows.", "deflate-bomb"),
}
NONSENSE = {
    "a text file": ("skipped", "not-dicom"),
    "nothing": ("refused", "empty-file"),
    "a page": ("skipped", "not-dicom"),
}


@pytest.fixture(autouse=True)
def nothing_dies_or_swells(demo: RunningDemo) -> Iterator[None]:
    """Whatever a test sends, every role is the same process after it, and not much larger."""
    before = {pid: psutil.Process(pid).memory_info().rss for pid in demo.pids("--role")}
    yield
    after = {pid: psutil.Process(pid).memory_info().rss for pid in demo.pids("--role")}
    assert set(after) == set(before)
    assert all(after[pid] - before[pid] < 150 * _MIB for pid in before)


def _send(demo: RunningDemo, each: Offered) -> str:
    sent = Item(
        "",
        each.file,
        each.dataset,
        each.transfer_syntax_uid,
        each.sop_class_uid,
        each.sop_instance_uid,
    )
    return asyncio.run(c_store(demo.door(_PLACE), [sent]))[""]


def _upload(demo: RunningDemo, kind: str, name: str, content: bytes) -> dict[str, Any]:
    """Let a page of the township upload one file, and return what became of it."""
    address = demo.http(_PLACE)
    told = {"kind": kind, "filename": name, "batch": "bad-input"}
    metadata = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in told.items())
    creating = {"Upload-Length": str(len(content)), "Upload-Metadata": metadata}
    where = _tus(demo, "POST", f"{address}/uploads/", creating)["Location"]
    if content:
        sending = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        _tus(demo, "PATCH", urllib.parse.urljoin(address, where), sending, content)
    seen: dict[str, Any] = {}

    def ended() -> bool:
        page = demo.get("/api/v1/uploads/bad-input", at=_PLACE, role="technician")
        seen.update(next(file for file in page["files"] if file["filename"] == name))
        return bool(seen["state"] != "receiving")

    until(ended, 60, f"the end of {name}")
    return seen


def _tus(
    demo: RunningDemo, method: str, url: str, headers: Mapping[str, str], content: bytes = b""
) -> Mapping[str, str]:
    token = demo.account("technician")["token"]
    request = urllib.request.Request(
        url,
        method=method,
        data=content,
        headers={"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0", **headers},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: Mapping[str, str] = answer.headers
    return found


def test_the_odd_but_valid_is_taken_by_every_door_and_shown(demo: RunningDemo) -> None:
    odd = offered.odd()
    for name, each in odd.items():
        assert _send(demo, each) == "0000", name
        said = stow(demo, [each.file])
        assert (said.status, said.kept, said.reasons) == (200, (each.sop_instance_uid,), ()), name
        assert _upload(demo, "dicom", name, each.file)["state"] == "safe", name
    until(
        lambda: {each.sop_instance_uid for each in odd.values()} <= set(demo.instances()),
        60,
        "the odd ones at the county",
    )
    rows = {row["study_instance_uid"]: row for row in demo.get("/api/v1/studies")["items"]}
    studies = {name: rows[f"{each.sop_instance_uid}.1"] for name, each in odd.items()}
    assert {name for name, row in studies.items() if row["unidentified"]} == {
        "no patient id",
        "a wild card as patient id",
    }
    assert studies["GBK under ISO_IR 100"]["patient"]["name"] == "张三"
    assert not any(row["conflicts"] for row in studies.values())


def test_the_broken_is_refused_by_every_door_for_its_reason(demo: RunningDemo) -> None:
    for name, each in offered.broken().items():
        words, code = BROKEN[name]
        assert _send(demo, each) == f"{NOT_UNDERSTOOD} {words}", name
        said = stow(demo, [each.file])
        assert (said.status, said.kept, said.reasons) == (409, (), (NOT_UNDERSTOOD,)), name
        file = _upload(demo, "dicom", name, each.file)
        assert (file["state"], file["reason_code"]) == ("refused", code), name
        assert file["reason"], name


def test_what_is_no_dicom_at_all_is_told_so(demo: RunningDemo) -> None:
    for name, content in offered.nonsense().items():
        said = stow(demo, [content])
        assert (said.status, said.kept, said.reasons) == (409, (), (NOT_UNDERSTOOD,)), name
        file = _upload(demo, "dicom", name, content)
        assert (file["state"], file["reason_code"]) == NONSENSE[name], name


def test_the_good_beside_the_bad_in_one_request_is_kept(demo: RunningDemo) -> None:
    good = plain("2.25.990000.200")
    bad = offered.broken()["200 nested levels"]
    said = stow(demo, [bad.file, good.file, b"text"])
    assert said.status == 202
    assert said.kept == (good.sop_instance_uid,)
    assert said.reasons == (NOT_UNDERSTOOD, NOT_UNDERSTOOD)


def test_a_zip_gives_what_is_good_in_it_and_names_the_rest(
    demo: RunningDemo, tmp_path: Path
) -> None:
    slipped = tmp_path / "slipped"
    up = f"{'../' * 40}{slipped.relative_to('/')}"
    good = [plain(f"2.25.990000.{number}") for number in (301, 302, 303)]
    file = _upload(
        demo,
        "zip",
        "slip.zip",
        zipped(
            {
                up: good[0].file,
                str(slipped): good[0].file,
                "good.dcm": good[1].file,
                "notes.txt": "说明".encode(),
                "inner.zip": zipped({"x.dcm": good[0].file}),
                "bad.dcm": offered.broken()["200 nested levels"].file,
            }
        ),
    )
    assert (file["state"], file["accepted"]) == ("safe", 1)
    assert {each["name"]: each["reason_code"] for each in file["refused"]} == {
        up: "zip-traversal",
        str(slipped): "zip-traversal",
        "notes.txt": "not-dicom",
        "inner.zip": "zip-nested",
        "bad.dcm": "too-deep",
    }
    assert not slipped.exists()
    bomb = _upload(
        demo, "zip", "bomb.zip", zipped({"a.dcm": good[2].file, "b.dcm": offered.swollen()})
    )
    assert bomb["accepted"] == 1
    assert [each["reason_code"] for each in bomb["refused"]] == ["zip-bomb"]
    assert _upload(demo, "zip", "text.zip", b"no zip at all")["reason_code"] == "zip-broken"
    wanted = {good[1].sop_instance_uid, good[2].sop_instance_uid}
    until(lambda: wanted <= set(demo.instances()), 60, "the good ones at the county")
    assert good[0].sop_instance_uid not in demo.instances()
