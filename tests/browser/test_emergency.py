"""The emergency look as somebody of another house takes it, and as it is reviewed."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_accessibility import violations
from tests.browser.test_pictures import EACH, fits
from tests.browser.workstation import Person, at_work, county, sign_in
from tests.demo.running import RunningDemo
from yilian.samples.studies import LIU, MA, uid_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

WHY = {"zh-CN": "昏迷送来急诊，要看既往检查", "en": "Unconscious in the emergency room"}
PATIENTS = {"zh-CN": (LIU, "liu-knee"), "en": (MA, "ma-chest")}
HOUSE = "青山卫生院"


def ask(person: Person, number: str, why: str) -> None:
    """Fill the sheet in, without a mouse where it can be."""
    page = person.page
    page.get_by_test_id("emergency-ask").click()
    person.see("emergency")
    page.get_by_test_id("emergency-kind").click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("input#emergency-number").fill(number)
    page.locator("#emergency-house").click()
    page.keyboard.type(HOUSE)
    page.keyboard.press("Enter")
    page.get_by_test_id("emergency-why").fill(why)


@pytest.mark.parametrize(("language", "size"), EACH)
def test_a_patient_of_another_house_is_opened_for_an_hour_and_looked_into(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    patient, key = PATIENTS[language]
    study = f"/studies/{uid_of(key)}"
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        sign_in(person, demo, "technician", nth=1)
        person.see("study-row")
        page.get_by_test_id("find").fill(patient.patient_id)
        person.see("empty")
        person.picture(f"emergency-notfound-{language}-{size}")
        ask(person, f"{patient.patient_id}9", WHY[language])
        fits(person)
        assert violations(page) == []
        person.picture(f"emergency-ask-{language}-{size}")
        page.get_by_test_id("emergency-open").click()
        person.see("emergency-trouble")
        page.locator("input#emergency-number").fill(patient.patient_id)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{study}")
        person.see("emergency-bar")
        person.see("patient-header")
        person.picture(f"emergency-viewer-{language}-{size}")
        page.goto(f"{county(demo)}/studies")
        person.see("emergency-bar")
        expect(page.get_by_test_id("study-row").first).to_be_visible()
        fits(person)
        assert violations(page) == []
        person.picture(f"emergency-list-{language}-{size}")
        page.get_by_test_id("emergency-end").click()
        expect(page.get_by_test_id("emergency-bar")).to_have_count(0)
    look_into(browser, demo, language, size)


def look_into(browser: Browser, demo: RunningDemo, language: str, size: str) -> None:
    """Review the look as the privacy officer."""
    patient, _ = PATIENTS[language]
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        sign_in(person, demo, "privacy-officer")
        row = page.get_by_test_id("look").filter(has_text=WHY[language])
        expect(row).to_have_count(1)
        # Names are masked for whoever is not in care.
        assert patient.patient_id not in row.inner_text()
        row.get_by_role("button").first.click()
        page.get_by_test_id("open-lookers").click()
        person.see("lookers")
        expect(page.get_by_test_id("lookers").locator("tr.is-emergency").first).to_be_visible()
        fits(person)
        assert violations(page) == []
        person.picture(f"looks-{language}-{size}")
        page.get_by_test_id("note").fill("OK")
        page.get_by_test_id("justified").click()
        expect(row).to_have_count(0)


def test_the_security_administrator_sees_that_it_happened_and_no_patient(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        sign_in(person, demo, "security-administrator")
        person.page.goto(f"{county(demo)}/looks")
        person.page.get_by_test_id("all").click()
        expect(person.page.get_by_test_id("looks")).to_have_attribute("data-state", "ready")
        assert LIU.patient_id not in person.page.content()
        assert person.page.get_by_test_id("open-lookers").count() == 0
