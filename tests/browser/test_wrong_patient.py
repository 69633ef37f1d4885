"""A study of the wrong patient: found out, compared, put right with a reason, and taken back."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.amending import at_the_preview, checked
from tests.browser.beside import COUNTY, Placed, ask, place_order
from tests.browser.test_administration import EACH
from tests.browser.test_order_behind import examine
from tests.browser.workstation import Person, at_work, county, sign_in
from tests.demo.running import RunningDemo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def pair(demo: RunningDemo, folder: Path, wrong: str, right: str) -> tuple[Placed, Placed]:
    """Place an order for two patients, and examine the first under the second's name."""
    said, meant = place_order(demo, wrong, "头痛"), place_order(demo, right, "复查")
    examine(demo, folder, said.told.accession_number, said.told)
    return said, meant


def amending(person: Person, demo: RunningDemo, study: Placed) -> Page:
    """Sign in and go from the study list's preview to where the study is put right."""
    page = at_the_preview(person, demo, study, "technician")
    page.get_by_test_id("wrong-patient").press("Enter")
    person.see("target-find")
    return page


def find(page: Page, number: str) -> None:
    page.get_by_test_id("target-find").fill(number)
    expect(page.get_by_test_id("target-option").first).to_contain_text(number)
    page.get_by_test_id("target-find").press("Enter")
    expect(page.get_by_test_id("reason")).to_be_focused()


@pytest.mark.parametrize(("language", "size"), EACH)
def test_a_study_is_put_right_and_taken_back_without_a_mouse(
    browser: Browser, demo: RunningDemo, tmp_path: Path, language: str, size: str
) -> None:
    names = ("欧阳锋", "欧阳克") if language == "zh-CN" else ("端木赐", "端木蓉")
    said, meant = pair(demo, tmp_path, *names)
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = amending(person, demo, said)
        answer = page.get_by_test_id("amend-answer")
        expect(answer).to_contain_text(names[0])
        checked(person, f"patient-find-{language}-{size}")
        page.get_by_test_id("target-find").fill("nobody-of-that-name")
        said_so = re.compile("没有这个号码或姓名|no order and no patient")
        expect(page.get_by_test_id("target-none")).to_contain_text(said_so)
        person.picture(f"amend-patient-none-{language}-{size}")
        find(page, meant.told.accession_number)
        # What the modality wrote is otherwise in every field than the register of the other.
        expect(page.get_by_test_id("compare").locator(".is-other .chip")).to_have_count(5)
        page.keyboard.type("选")
        # One sign is no reason: Enter does nothing.
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("correct-go")).to_be_disabled()
        page.keyboard.type("错了人")
        checked(person, f"patient-compare-{language}-{size}")
        assert page.locator(".ant-btn-primary").count() == 1
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("said")).to_be_focused()
        expect(page.get_by_test_id("said")).to_contain_text(names[1])
        expect(answer).to_contain_text(names[1])
        expect(page.get_by_test_id("patient-header")).to_contain_text(names[1])
        expect(page.get_by_test_id("correction")).to_have_count(1)
        checked(person, f"patient-done-{language}-{size}")
        page.get_by_test_id("undo").press("Enter")
        expect(page.get_by_test_id("undo-reason")).to_be_focused()
        page.keyboard.type("原来的对")
        checked(person, f"patient-undo-{language}-{size}")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("undone")).to_contain_text("原来的对")
        expect(answer).to_contain_text(names[0])
        expect(page.get_by_test_id("undo")).to_have_count(0)
        checked(person, f"patient-undone-{language}-{size}")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_of_two_who_put_it_right_at_once_the_second_is_told_and_keeps_the_reason(
    browser: Browser, demo: RunningDemo, tmp_path: Path, language: str, size: str
) -> None:
    said, meant = pair(demo, tmp_path, "令狐冲", "令狐伤")
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = amending(person, demo, said)
        find(page, meant.told.accession_number)
        page.keyboard.type("选错了单子")
        path = f"/api/v1/studies/{said.told.study_instance_uid}/corrections"
        body = {"target": f"order:{meant.id}", "reason": "别人先改"}
        ask(demo, "POST", path, body, at=COUNTY, version="0")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("refused")).to_contain_text(
            re.compile("别人改过|Somebody changed it")
        )
        # What is true now has to be compared anew; what was typed is there.
        person.see("target-find")
        expect(page.get_by_test_id("amend-answer")).to_contain_text("令狐伤")
        expect(page.get_by_test_id("correction")).to_contain_text("别人先改")
        checked(person, f"patient-late-{language}-{size}")
        find(page, said.told.accession_number)
        expect(page.get_by_test_id("reason")).to_have_value("选错了单子")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("correction")).to_have_count(2)
        # The earlier one waits for the later one to be taken back.
        expect(page.get_by_test_id("undo")).to_have_count(1)


def test_the_viewer_leads_there_and_back(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    said, _ = pair(demo, tmp_path, "慕容复", "慕容垂")
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "senior-radiologist")
        address = f"{county(demo)}/studies/{said.told.study_instance_uid}"
        page.goto(address)
        page.locator("[data-testid=cell-0][data-state=ready]").wait_for()
        checked(person, "viewer-door-zh-CN-1366x625")
        page.get_by_test_id("wrong-patient").click()
        person.see("target-find")
        page.get_by_test_id("back").click()
        person.see("cells")
        assert page.url == address


def test_nobody_is_shown_a_door_that_is_not_theirs(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    said, _ = pair(demo, tmp_path, "独孤求", "独孤败")
    for role, theirs, other in (
        ("radiologist", "reject-images", "wrong-patient"),
        ("registrar", "wrong-patient", "reject-images"),
    ):
        with at_work(browser, county(demo)) as person:
            page = at_the_preview(person, demo, said, role)
            expect(page.get_by_test_id(theirs)).to_be_visible()
            expect(page.get_by_test_id(other)).to_have_count(0)
            what = "patient" if other == "wrong-patient" else "images"
            study = said.told.study_instance_uid
            page.goto(f"{county(demo)}/amend/studies/{study}/{what}")
            person.see("not-mine")
            expect(page.get_by_test_id("target-find")).to_have_count(0)
            expect(page.get_by_test_id("rejection-form")).to_have_count(0)
