"""Somebody nobody knew is examined; who that was stands beside the images once somebody knows."""

import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from pydicom.dataset import Dataset

from tests.browser.beside import QINGSHAN, ask, place_order
from tests.browser.reading_station import Ordered, examined
from tests.browser.test_accessibility import violations
from tests.browser.test_pictures import fits
from tests.browser.workstation import at_work, county, sign_in, township
from tests.demo.running import RunningDemo, until

STORESCU = shutil.which("storescu")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(240),
    pytest.mark.skipif(STORESCU is None, reason="needs DCMTK (storescu)"),
]
REAL = "司徒明月"


@dataclass(frozen=True)
class Nobody(Ordered):
    """What a device is told of somebody without a birth date."""

    def stamp(self, ds: Dataset) -> None:
        super().stamp(ds)
        ds.PatientBirthDate, ds.PatientAge, ds.PatientSex = "", "070Y", "F"


@pytest.fixture(scope="module")
def named(demo: RunningDemo, tmp_path_factory: pytest.TempPathFactory) -> Nobody:
    """Somebody unknown whose images are at both nodes, and who turned out to be ``REAL``."""
    told, patient = unknown_at_the_county(demo, tmp_path_factory.mktemp("nobody"))
    name(demo, told, patient)
    return told


def unknown_at_the_county(demo: RunningDemo, folder: Path) -> tuple[Nobody, str]:
    """Order for somebody nobody knows and examine them; return the order, and whose it is."""
    new = {"examination": "EX-CT-HEAD", "clinical_question": "路边昏迷, 原因待查"}
    nobody = {"sex": "F", "temporary": {"estimated_age_years": 70, "marks": "红色外套"}}
    row = ask(demo, "POST", "/api/v1/orders", {"order": new, "new_patient": nobody})["order"]
    patient = row["patient"]
    told = Nobody(
        row["accession_number"], row["study_instance_uid"], patient["patient_id"], patient["name"]
    )
    _send(demo, examined(folder, told.accession_number, told, slices=2))
    until(lambda: _listed(demo, told), 60, "the study at the county")
    return told, str(patient["id"])


def name(demo: RunningDemo, told: Nobody, patient: str) -> None:
    """Say at the township that *patient* is ``REAL``; returns once the county knows."""
    real = place_order(demo, REAL, "复查")
    path = f"/api/v1/patients/{patient}"
    etag = demo.get(path, at=QINGSHAN, role="technician")["patient"]["etag"]
    ask(demo, "POST", f"{path}/reconcile", {"patient": real.patient}, version=etag)
    until(lambda: _now(demo, told) == REAL, 60, "who it is, at the county")


def _send(demo: RunningDemo, folder: Path) -> None:
    door = demo.door(QINGSHAN)
    subprocess.run(
        [
            *(STORESCU or "", "-aet", "CT1", "-aec", door["ae_title"], "+sd"),
            *(door["host"], str(door["port"]), str(folder)),
        ],
        check=True,
        timeout=60,
    )


def _listed(demo: RunningDemo, told: Ordered) -> bool:
    rows = demo.get("/api/v1/studies?limit=50")["items"]
    return any(row["study_instance_uid"] == told.study_instance_uid for row in rows)


def _now(demo: RunningDemo, told: Ordered) -> str | None:
    order = demo.get(f"/api/v1/studies/{told.study_instance_uid}/order")["order"]
    now = order and order["patient_is_now"]
    return str(now["name"]) if now else None


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_county_reads_who_it_is_beside_who_it_was(
    browser: Browser, demo: RunningDemo, named: Nobody, language: str
) -> None:
    with at_work(browser, county(demo), language=language, size="1366x768") as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        row = page.get_by_test_id("study-row").filter(has_text=named.accession_number)
        expect(row).to_contain_text("无名氏")
        row.click()
        preview = page.get_by_test_id("preview")
        expect(preview.get_by_test_id("is-now")).to_contain_text(REAL)
        expect(preview.get_by_test_id("patient-header")).to_contain_text("无名氏")
        preview.locator("li").first.wait_for()
        fits(person)
        person.picture(f"studies-named-later-{language}-1366x768")
        page.keyboard.press("Enter")
        page.locator("[data-testid=cell-0][data-state=ready]").wait_for()
        expect(page.get_by_test_id("is-now")).to_contain_text(REAL)
        fits(person)
        assert violations(page) == []
        person.picture(f"reading-named-later-{language}-1366x768")


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_township_reads_who_it_is_in_its_list_of_images(
    browser: Browser, demo: RunningDemo, named: Nobody, language: str
) -> None:
    with at_work(browser, township(demo), language=language, size="1366x768") as person:
        sign_in(person, demo, "technician")
        row = person.page.get_by_test_id("queue-row").filter(has_text="无名氏")
        row = row.filter(has_text=REAL).first
        expect(row.get_by_test_id("is-now")).to_contain_text(REAL)
        fits(person)
        person.picture(f"township-named-later-{language}-1366x768")
        assert named.patient_id not in row.get_by_test_id("is-now").inner_text()
        for typed in (REAL[:2], "stmy"):
            person.page.get_by_test_id("find").fill(typed)
            expect(row).to_be_visible()
        person.picture(f"township-found-by-who-it-is-now-{language}-1366x768")
        person.page.get_by_test_id("find").fill("王")
        expect(row).to_have_count(0)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_pages_that_are_open_say_who_it_is_once_somebody_knows(
    browser: Browser, demo: RunningDemo, tmp_path: Path, language: str
) -> None:
    told, patient = unknown_at_the_county(demo, tmp_path)
    about = "约70岁" if language == "zh-CN" else "about\u00a070\u00a0y"
    at_county = partial(at_work, browser, county(demo), language=language, size="1366x768")
    with at_county() as list_open, at_county() as reading_open:
        for person in (list_open, reading_open):
            sign_in(person, demo, "radiologist")
            row = person.page.get_by_test_id("study-row").filter(has_text=told.accession_number)
            expect(row).to_contain_text(about)
            row.click()
            preview = person.page.get_by_test_id("preview")
            expect(preview.get_by_test_id("order-behind")).to_contain_text("路边昏迷")
            expect(preview.get_by_test_id("patient-header")).to_contain_text(about)
        page = reading_open.page
        page.keyboard.press("Enter")
        page.locator("[data-testid=cell-0][data-state=ready]").wait_for()
        expect(page.locator(".overlay .at-top-left").first).to_contain_text(about)
        expect(page.get_by_test_id("question")).to_contain_text("路边昏迷")
        for person in (list_open, reading_open):
            expect(person.page.get_by_test_id("is-now")).to_have_count(0)
            person.page.evaluate("() => { window.neverReloaded = true }")
        fits(list_open)
        list_open.picture(f"studies-guessed-age-{language}-1366x768")
        name(demo, told, patient)
        for person in (list_open, reading_open):
            expect(person.page.get_by_test_id("is-now")).to_contain_text(REAL)
            assert person.page.evaluate("() => window.neverReloaded")
            fits(person)
        # The images keep the name they were made under, and the guess beside it.
        expect(page.locator(".overlay .at-top-left").first).to_contain_text(about)
        list_open.picture(f"studies-named-while-open-{language}-1366x768")
        reading_open.picture(f"reading-named-while-open-{language}-1366x768")
