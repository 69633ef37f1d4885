"""Images that do not count: chosen, rejected with a reason, listed, and brought back."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.amending import at_the_preview, checked
from tests.browser.beside import COUNTY, Placed, ask, place_order
from tests.browser.test_administration import EACH
from tests.browser.test_order_behind import examine
from tests.browser.workstation import Person, at_work, county, sign_in
from tests.demo.running import RunningDemo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

LIST = 'nav a[href="/amend/rejections"]'


@pytest.fixture
def study(demo: RunningDemo, tmp_path: Path) -> Placed:
    """Two images of an order of the township."""
    placed = place_order(demo, "司马光", "头痛")
    examine(demo, tmp_path, placed.told.accession_number, placed.told)
    return placed


def choosing(person: Person, demo: RunningDemo, study: Placed) -> Page:
    """Sign in and go from the study list's preview to where images are rejected."""
    page = at_the_preview(person, demo, study, "technician")
    page.get_by_test_id("reject-images").press("Enter")
    person.see("series-choice")
    return page


def reject(demo: RunningDemo, study: Placed, reason: str, **part: list[str]) -> None:
    """Reject the study, or a *part* of it, beside the page."""
    path = f"/api/v1/studies/{study.told.study_instance_uid}/rejections"
    body = {"title": "113001", "reason": reason, **part}
    ask(demo, "POST", path, body, at=COUNTY)


def images_of(demo: RunningDemo, study: Placed) -> list[str]:
    """Return the images of the study, as their machine numbered them."""
    path = f"/dicom-web/studies/{study.told.study_instance_uid}/instances"
    found = demo.get(path, role="technician")
    found.sort(key=lambda one: one["00200013"]["Value"][0])
    return [one["00080018"]["Value"][0] for one in found]


@pytest.mark.parametrize(("language", "size"), EACH)
def test_one_image_is_rejected_listed_and_brought_back_without_a_mouse(
    browser: Browser, demo: RunningDemo, study: Placed, language: str, size: str
) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = choosing(person, demo, study)
        expect(page.get_by_test_id("reject-go")).to_be_disabled()
        checked(person, f"images-choose-{language}-{size}")
        page.get_by_test_id("each").press("Enter")
        page.get_by_test_id("pieces").locator("input").nth(1).press("Space")
        page.get_by_test_id("title-113001").click()
        page.get_by_test_id("reason").fill("动")
        # One sign is no reason: Enter does nothing.
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("reject-go")).to_be_disabled()
        page.get_by_test_id("reason").fill("病人动了")
        checked(person, f"images-chosen-{language}-{size}")
        assert page.locator(".ant-btn-primary").count() == 1
        page.get_by_test_id("reason").press("Enter")
        expect(page.get_by_test_id("said")).to_be_focused()
        expect(page.get_by_test_id("said")).to_contain_text("1")
        checked(person, f"images-done-{language}-{size}")
        detail = demo.get(f"/api/v1/studies/{study.told.study_instance_uid}", role="technician")
        assert detail["study"]["instance_count"] == 1

        page.get_by_test_id("back").press("Enter")
        person.see("study-row")
        page.keyboard.press("g")
        page.keyboard.press("x")
        person.see("ledger-row")
        row = page.get_by_test_id("ledger-row").filter(has_text=study.told.patient_id)
        expect(row).to_contain_text("病人动了")
        checked(person, f"images-list-{language}-{size}")
        row.press("Enter")
        page.get_by_test_id("restore").press("Enter")
        page.keyboard.type("看得清")
        checked(person, f"images-restore-{language}-{size}")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("said")).to_be_focused()
        expect(row.locator(".chip-done")).to_be_visible()
        detail = demo.get(f"/api/v1/studies/{study.told.study_instance_uid}", role="technician")
        assert detail["study"]["instance_count"] == 2
        row.click()
        checked(person, f"images-restored-{language}-{size}")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_a_whole_study_goes_from_the_list_and_comes_back(
    browser: Browser, demo: RunningDemo, study: Placed, language: str, size: str
) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = choosing(person, demo, study)
        page.get_by_test_id("whole-study").press("Space")
        page.get_by_test_id("title-113038").click()
        page.get_by_test_id("reason").fill("选错了人")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("said")).to_contain_text("2")
        # Nothing of it is left to choose.
        expect(page.get_by_test_id("more-images")).to_have_count(0)
        checked(person, f"images-whole-{language}-{size}")
        page.get_by_test_id("back").click()
        row = page.get_by_test_id("study-row").filter(has_text=study.told.accession_number)
        person.see("study-row")
        expect(row).to_have_count(0)
        page.go_back()
        # It is gone; what can be done stands in the list of what was rejected.
        person.see("gone")
        checked(person, f"images-gone-{language}-{size}")
        page.get_by_test_id("back").click()
        page.locator(LIST).click()
        rejected = page.get_by_test_id("ledger-row").filter(has_text=study.told.patient_id)
        rejected.click()
        page.get_by_test_id("restore").click()
        page.get_by_test_id("restore-reason").fill("没有错")
        page.keyboard.press("Enter")
        expect(rejected.locator(".chip-done")).to_be_visible()
        page.locator('a[href="/studies"]').first.click()
        expect(row).to_be_visible()


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_centre_finds_what_it_rejected_of_a_township(
    browser: Browser, demo: RunningDemo, study: Placed, language: str, size: str
) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = at_the_preview(person, demo, study, "radiologist")
        page.get_by_test_id("reject-images").click()
        page.get_by_test_id("whole-study").press("Space")
        page.get_by_test_id("title-113037").click()
        page.get_by_test_id("reason").fill("左右标反")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("said")).to_contain_text("2")
        page.get_by_test_id("back").click()
        page.locator(LIST).click()
        row = page.get_by_test_id("ledger-row").filter(has_text=study.told.patient_id)
        expect(row).to_contain_text("司马光")
        expect(row).to_contain_text("青山卫生院")
        checked(person, f"images-centre-{language}-{size}")
        row.click()
        page.get_by_test_id("restore").click()
        page.get_by_test_id("restore-reason").fill("没有标反")
        page.keyboard.press("Enter")
        expect(row.locator(".chip-done")).to_be_visible()


@pytest.mark.parametrize(("language", "size"), EACH)
def test_what_somebody_else_rejected_first_is_told(
    browser: Browser, demo: RunningDemo, study: Placed, language: str, size: str
) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = choosing(person, demo, study)
        page.get_by_test_id("each").press("Enter")
        page.get_by_test_id("pieces").locator("input").first.press("Space")
        page.get_by_test_id("title-113001").click()
        page.get_by_test_id("reason").fill("全糊了")
        reject(demo, study, "别人先作废", instances=images_of(demo, study)[:1])
        page.get_by_test_id("reason").press("Enter")
        expect(page.get_by_test_id("refused")).to_contain_text(
            re.compile("已经作废了|rejected already")
        )
        # What was typed is there, and so is what the other one did.
        expect(page.get_by_test_id("reason")).to_have_value("全糊了")
        expect(page.get_by_test_id("rejections")).to_contain_text("别人先作废")
        checked(person, f"images-late-{language}-{size}")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_list_says_when_it_is_empty_cannot_be_read_and_goes_on(
    browser: Browser, demo: RunningDemo, study: Placed, language: str, size: str
) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        # The second technician's house never rejected anything.
        sign_in(person, demo, "technician", nth=1)
        page.goto(f"{county(demo)}/amend/rejections")
        person.see("empty")
        checked(person, f"images-empty-{language}-{size}")
    for _ in range(2):
        reject(demo, study, "一次又一次")
        found = demo.get("/api/v1/rejections?limit=1", role="technician")["items"][0]
        path = f"/api/v1/rejections/{found['id']}/undo"
        ask(demo, "POST", path, {"reason": "看得清"}, at=COUNTY, version=found["etag"])
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        sign_in(person, demo, "technician")

        held: list[Route] = []

        def wait(route: Route) -> None:
            held.append(route)

        def away(route: Route) -> None:
            route.fulfill(status=400, json={"code": "invalid-query", "detail": ""})

        def short(route: Route) -> None:
            route.continue_(url=route.request.url.replace("limit=50", "limit=1"))

        page.route("**/api/v1/rejections*", wait)
        page.goto(f"{county(demo)}/amend/rejections")
        page.get_by_test_id("admin").locator(".grey-lines").wait_for()
        checked(person, f"images-loading-{language}-{size}")
        page.unroute("**/api/v1/rejections*")
        page.route("**/api/v1/rejections*", away)
        page.goto(f"{county(demo)}/amend/rejections")
        page.get_by_role("alert").wait_for()
        checked(person, f"images-error-{language}-{size}")
        page.unroute("**/api/v1/rejections*", away)
        page.route("**/api/v1/rejections*", short)
        page.get_by_role("alert").get_by_role("button").click()
        expect(page.get_by_test_id("ledger-row")).to_have_count(1)
        page.get_by_test_id("more").click()
        expect(page.get_by_test_id("ledger-row")).to_have_count(2)
