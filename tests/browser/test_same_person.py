"""Patients of two houses who may be one person: looked at side by side, said, and parted again."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.browser.amending import checked
from tests.browser.beside import COUNTY, ask, place_order
from tests.browser.test_administration import EACH
from tests.browser.workstation import Person, at_work, county, sign_in
from tests.demo.running import RunningDemo, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def asked_about(demo: RunningDemo, name: str) -> dict[str, Any]:
    """Register *name* at two houses; returns the question the centre is then asked."""
    place_order(demo, name, "头痛")
    new = {"name": name, "sex": "F", "birth_date": "1971-05-06", "phone": "13800000009"}
    ask(demo, "POST", "/api/v1/patients", new, at=COUNTY, role="doctor", house=COUNTY)
    found: list[dict[str, Any]] = []

    def asked() -> bool:
        page = demo.get("/api/v1/persons/proposals?limit=200", role="coordinator")
        found[:] = [each for each in page["items"] if each["one"]["name"] == name]
        return bool(found)

    until(asked, 60, "the question whether they are one person")
    return found[0]


def at_the_questions(person: Person, demo: RunningDemo, role: str = "coordinator") -> Page:
    """Sign in and go to the questions by the keyboard."""
    sign_in(person, demo, role)
    person.page.keyboard.press("g")
    person.page.keyboard.press("p")
    expect(person.page.get_by_test_id("admin")).to_have_attribute("data-state", "ready")
    person.see("state-open")
    return person.page


def row_of(page: Page, name: str) -> Locator:
    return page.get_by_test_id("ledger-row").filter(has_text=name)


@pytest.mark.parametrize(("language", "size"), EACH)
def test_two_patients_are_said_to_be_one_person_and_parted_again(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    name = "诸葛明" if language == "zh-CN" else "诸葛亮"
    asked_about(demo, name)
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = at_the_questions(person, demo)
        row = row_of(page, name)
        expect(row).to_be_visible()
        checked(person, f"person-list-{language}-{size}")
        row.press("Enter")
        beside = page.get_by_test_id("side-by-side")
        for field in ("name", "sex", "birth_date"):
            expect(beside.locator(f"[data-field={field}] .chip-done")).to_be_visible()
        # Whether a number only one of them has is the same, nobody knows.
        expect(beside.locator("[data-field=phone] .chip")).to_have_count(0)
        expect(page.get_by_test_id("reason")).to_be_focused()
        expect(page.get_by_test_id("same")).to_be_disabled()
        page.keyboard.type("看过证件")
        # Which of the two is a choice: Enter alone makes none.
        page.keyboard.press("Enter")
        checked(person, f"person-open-{language}-{size}")
        assert page.locator(".ant-btn-primary").count() == 1
        page.get_by_test_id("same").press("Enter")
        expect(page.get_by_test_id("said")).to_contain_text(name)
        expect(row).to_have_count(0)

        page.get_by_test_id("state-confirmed").press("Enter")
        row.press("Enter")
        checked(person, f"person-confirmed-{language}-{size}")
        page.get_by_test_id("person-link").first.press("Enter")
        expect(page.get_by_test_id("identity")).to_have_count(2)
        checked(person, f"person-numbers-{language}-{size}")
        page.get_by_test_id("part").press("Enter")
        expect(page.get_by_test_id("part-reason")).to_be_focused()
        page.keyboard.type("证件不是一个人的")
        checked(person, f"person-part-{language}-{size}")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("said")).to_be_focused()
        expect(page.get_by_test_id("undone")).to_be_visible()
        expect(page.get_by_test_id("identity")).to_have_count(1)
        checked(person, f"person-parted-{language}-{size}")
        page.get_by_test_id("back").press("Enter")
        page.get_by_test_id("state-confirmed").press("Enter")
        row.press("Enter")
        # Nobody is told that they are one person still.
        expect(page.get_by_test_id("ledger-detail")).to_contain_text(re.compile("又分开了|parted"))


@pytest.mark.parametrize(("language", "size"), EACH)
def test_two_persons_are_not_asked_about_again(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    name = "公孙渊" if language == "zh-CN" else "公孙瓒"
    asked_about(demo, name)
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = at_the_questions(person, demo)
        row = row_of(page, name)
        row.click()
        page.get_by_test_id("reason").fill("住址不同")
        page.get_by_test_id("apart").press("Enter")
        expect(page.get_by_test_id("said")).to_contain_text(re.compile("不再问|not asked again"))
        expect(row).to_have_count(0)
        page.get_by_test_id("state-refused").click()
        row.click()
        expect(page.get_by_test_id("ledger-detail")).to_contain_text("王静")
        checked(person, f"person-refused-{language}-{size}")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_who_comes_second_is_told_that_it_was_decided(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    name = "呼延平" if language == "zh-CN" else "呼延赞"
    asked = asked_about(demo, name)
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = at_the_questions(person, demo)
        row_of(page, name).click()
        page.get_by_test_id("reason").fill("看过证件")
        path = f"/api/v1/persons/proposals/{asked['id']}/refuse"
        body = {"reason": "住址不同"}
        ask(demo, "POST", path, body, at=COUNTY, role="privacy-officer", version=asked["etag"])
        page.get_by_test_id("same").click()
        expect(page.get_by_test_id("lost")).to_contain_text(re.compile("别人先定了|decided first"))
        expect(page.get_by_test_id("decide")).to_have_count(0)
        checked(person, f"person-late-{language}-{size}")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_privacy_officer_decides_without_reading_names(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    name = "皇甫嵩" if language == "zh-CN" else "皇甫谧"
    asked_about(demo, name)
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = at_the_questions(person, demo, "privacy-officer")
        row_of(page, "皇**").first.click()
        born = page.get_by_test_id("side-by-side").locator("[data-field=birth_date]")
        expect(born).to_contain_text(re.compile("不显示|not shown"))
        expect(born.locator(".chip-done")).to_be_visible()
        assert name not in page.content()
        checked(person, f"person-masked-{language}-{size}")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_questions_say_when_there_are_none_cannot_be_read_and_go_on(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    for name in ("夏侯婴", "夏侯胜") if language == "zh-CN" else ("夏侯霸", "夏侯尚"):
        asked_about(demo, name)

    held: list[Route] = []

    def wait(route: Route) -> None:
        held.append(route)

    def away(route: Route) -> None:
        route.fulfill(status=400, json={"code": "invalid-query", "detail": ""})

    def none(route: Route) -> None:
        route.fulfill(json={"items": [], "next_cursor": None})

    def short(route: Route) -> None:
        route.continue_(url=route.request.url.replace("limit=50", "limit=1"))

    asked = "**/api/v1/persons/proposals*"
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        page.route(asked, wait)
        sign_in(person, demo, "privacy-officer")
        page.goto(f"{county(demo)}/amend/persons")
        page.get_by_test_id("admin").locator(".grey-lines").wait_for()
        checked(person, f"person-loading-{language}-{size}")
        page.unroute(asked)
        page.route(asked, away)
        page.goto(f"{county(demo)}/amend/persons")
        page.get_by_role("alert").wait_for()
        checked(person, f"person-error-{language}-{size}")
        page.unroute(asked, away)
        page.route(asked, none)
        page.get_by_role("alert").get_by_role("button").click()
        person.see("empty")
        checked(person, f"person-empty-{language}-{size}")
        page.unroute(asked, none)
        page.route(asked, short)
        page.reload()
        expect(page.get_by_test_id("ledger-row")).to_have_count(1)
        page.get_by_test_id("more").click()
        expect(page.get_by_test_id("ledger-row")).to_have_count(2)


def test_nobody_of_another_house_has_this_page(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "registrar")
        page.goto(f"{county(demo)}/amend/persons")
        expect(page.locator("nav a").first).to_be_visible()
        expect(page.locator('a[href="/amend/persons"]')).to_have_count(0)
        expect(page).not_to_have_url(re.compile("/amend/persons"))
