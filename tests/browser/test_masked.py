"""A number that is masked: shown for a while when asked for, and who looked found by it."""

import datetime as dt

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_accessibility import violations
from tests.browser.test_pictures import EACH, fits
from tests.browser.workstation import Person, at_work, county, sign_in, store, today
from tests.demo.running import RunningDemo, until
from yilian.samples.studies import Person as Patient, SampleStudy, files_of, resident_id, uid_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

BORN = dt.date(1961, 2, 3)
NUMBER = resident_id(BORN, 7, male=True)
MASKED = f"{NUMBER[:3]}***********{NUMBER[-4:]}"
HE = Patient(NUMBER, "He^Ming=何^明", "M", BORN)
STUDY = SampleStudy("masked-chest", "qingshan", HE, "DR-chest", "胸部正位", "CHEST", 0, 1)


def _open(person: Person, demo: RunningDemo) -> None:
    store(demo, list(files_of(STUDY, today=today())))
    sign_in(person, demo, "radiologist")
    person.see("study-row")
    path = f"/api/v1/studies/{uid_of(STUDY.key)}"
    until(lambda: demo.get(path)["study"]["accession_number"] != "", 60, "the study at the county")
    person.page.goto(f"{county(demo)}/studies/{uid_of(STUDY.key)}")
    person.see("patient-header")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_a_resident_number_is_shown_when_asked_for_and_by_it_who_looked(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        _open(person, demo)
        header = page.get_by_test_id("patient-header")
        expect(header).to_contain_text(MASKED)
        assert NUMBER not in page.content()
        header.get_by_test_id("reveal").click()
        expect(header).to_contain_text(NUMBER)
        fits(person)
        assert violations(page) == []
        person.picture(f"reveal-{language}-{size}")
        header.get_by_test_id("reveal").click()
        expect(header).to_contain_text(MASKED)
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        account = sign_in(person, demo, "privacy-officer")
        page.get_by_test_id("sought-number").fill(NUMBER)
        page.get_by_test_id("seek").click()
        rows = page.get_by_test_id("lookers").locator("tbody tr")
        expect(rows.first).to_be_visible()
        assert account["username"] not in rows.first.inner_text()
        fits(person)
        assert violations(page) == []
        person.picture(f"who-looked-{language}-{size}")
        page.get_by_test_id("sought-number").fill("990000196102030000")
        page.get_by_test_id("seek").click()
        expect(page.get_by_test_id("lookers")).to_contain_text(
            "没有" if language == "zh-CN" else "No"
        )
