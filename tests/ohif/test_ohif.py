"""OHIF lists the county's studies, opens a CT and shows its pixels."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.demo.running import ROOT, RunningDemo, running_demo, until
from tests.ohif import package
from tests.ohif.beside import Beside, served

pytestmark = pytest.mark.timeout(400)
PICTURES = ROOT / "build" / "screenshots"
_WAIT_MS = 120_000
_STUDIES = 8
_SLICES = 40
_FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--enable-unsafe-swiftshader"]
# How many shades the largest image on the page has; a blank or broken one has one or two.
_SHADES = """() => {
  const canvases = [...document.querySelectorAll('canvas.cornerstone-canvas')];
  const largest = canvases.sort((a, b) => b.width * b.height - a.width * a.height)[0];
  if (!largest || !largest.width || !largest.height) return 0;
  const { data } = largest.getContext('2d').getImageData(0, 0, largest.width, largest.height);
  const shades = new Set();
  for (let i = 0; i < data.length; i += 4) if (data[i + 3]) shades.add(data[i]);
  return shades.size;
}"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    with running_demo(tmp_path_factory.mktemp("ohif") / "home", samples=True) as running:
        until(lambda: _is_there(running), 90, "the sample studies")
        yield running


def _is_there(demo: RunningDemo) -> bool:
    counts = [row["instance_count"] for row in demo.get("/api/v1/studies")["items"]]
    return len(counts) == _STUDIES and _SLICES in counts


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("needs Chromium (Debian: chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield chromium
        chromium.close()


def _viewer(*, may_fetch: bool) -> Path:
    found = package.unpacked()
    if found is None and (may_fetch or os.environ.get("FETCH_OHIF")):
        found = package.fetch()
    if found is None:
        pytest.skip("OHIF (50 MB) is not here: set FETCH_OHIF=1, or make torture")
    return found


@pytest.mark.parametrize(
    "may_fetch",
    [
        pytest.param(False, marks=pytest.mark.e2e, id="when-here"),
        pytest.param(True, marks=pytest.mark.torture, id="fetched"),
    ],
)
def test_a_ct_series_opens_in_ohif(request: pytest.FixtureRequest, *, may_fetch: bool) -> None:
    viewer = _viewer(may_fetch=may_fetch)
    demo: RunningDemo = request.getfixturevalue("demo")
    browser: Browser = request.getfixturevalue("browser")
    study = _head_ct(demo)
    with served(viewer, demo) as beside:
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.set_default_timeout(_WAIT_MS)
        _look_at_the_list(page, beside)
        _look_at_the_series(page, beside, study)
        page.close()
    refused = [asked for asked in beside.asked if asked.status not in (200, 204, 304)]
    assert not refused


def _head_ct(demo: RunningDemo) -> str:
    rows = demo.get("/dicom-web/studies?ModalitiesInStudy=CT&includefield=00201208")
    counts = {r["0020000D"]["Value"][0]: r["00201208"]["Value"][0] for r in rows}
    return str(next(uid for uid, count in counts.items() if count == _SLICES))


def _look_at_the_list(page: Page, beside: Beside) -> None:
    page.goto(beside.address)
    page.get_by_text(f"1-{_STUDIES} of {_STUDIES}").wait_for()
    page.get_by_role("button", name="Confirm and hide").click()
    row = page.get_by_role("row").filter(has_text="Ma, Chenggong")
    assert {"CT", "胸部CT平扫", "48"} <= set(row.inner_text().replace("\t", "\n").split("\n"))
    # A name without a Latin form is shown as it is.
    assert page.get_by_text("周明").count() == 1
    _picture(page, "ohif-studies")


def _look_at_the_series(page: Page, beside: Beside, study: str) -> None:
    page.goto(f"{beside.address}/viewer?StudyInstanceUIDs={study}")
    page.get_by_text("Skip all").click()
    page.wait_for_function(f"() => ({_SHADES})() > 30")
    # The prior of the same patient is offered beside it.
    assert page.get_by_text("18-Oct-2025").or_(page.get_by_text("头颅CT平扫")).count() >= 2
    _picture(page, "ohif-ct")
    until(lambda: len(_frames(beside)) >= _SLICES, 60, "every image to be fetched")


def _frames(beside: Beside) -> set[str]:
    return {asked.path for asked in list(beside.asked) if "/frames/" in asked.path}


def _picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")
