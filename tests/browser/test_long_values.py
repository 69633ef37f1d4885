"""Values as long as a machine likes, and rows that stay as low as the lists promise."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Route, expect

from tests.browser.test_accessibility import violations
from tests.browser.test_cut_off import at
from tests.browser.test_pictures import EACH, fits
from tests.browser.workstation import at_work, county, sign_in, township
from tests.demo.running import RunningDemo
from yilian.samples.studies import uid_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HEAD = uid_of("chen-head")
LONG = "9" * 6000
TWO_LINES = 50
SIX_LINES = 138
"""Urgency, two of the name, sex and age, number, question: a name is cut for nothing beside it."""
ONE_LINE = 33
"""A row is 32 px and the line below it."""


def told(change: Callable[[list[dict[str, Any]]], None]) -> Callable[[Route], None]:
    """Answer as the server does, its rows changed."""

    def answer(route: Route) -> None:
        answered = route.fetch()
        body = answered.json()
        change(body["items"] if "items" in body else [body["study"]])
        route.fulfill(response=answered, json=body)

    return answer


def height(row: Locator) -> float:
    box = row.bounding_box()
    assert box is not None
    return box["height"]


@pytest.mark.parametrize(("language", "size"), EACH)
def test_no_value_makes_a_study_taller_than_two_lines(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    def lengthen(rows: list[dict[str, Any]]) -> None:
        rows[0]["patient"] |= {"patient_id": LONG, "masked_id": LONG}
        for row, name in zip(rows[1:], ("description", "accession_number"), strict=False):
            row[name] = LONG
        for row in rows[3:4]:
            row["patient"]["name"] = LONG
        for row in rows[4:5]:
            row["institution"]["name"] = LONG

    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        page.route(re.compile(r"/api/v1/studies\?"), told(lengthen))
        sign_in(person, demo, "radiologist")
        rows = page.get_by_test_id("study-row")
        expect(rows.nth(4)).to_be_visible()
        for nth in range(rows.count()):
            assert height(rows.nth(nth)) <= TWO_LINES
        long = page.locator(f"[data-testid=study-row] [title*='{LONG[:99]}']")
        assert long.count() >= 5
        for nth in range(5):
            rows.nth(nth).click()
            preview = page.get_by_test_id("preview")
            assert height(preview.get_by_test_id("patient-header")) <= 200
            assert preview.evaluate("it => it.scrollWidth <= it.clientWidth")
            expect(preview.get_by_test_id("open")).to_be_in_viewport()
        fits(person)
        assert violations(page) == []
        person.picture(f"studies-long-{language}-{size}")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_a_short_name_and_what_does_not_agree_stand_on_one_line(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    def disagree(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["conflicts"] = 2
            row["priority"] = "routine"

    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        page.route(re.compile(r"/api/v1/studies\?"), told(disagree))
        sign_in(person, demo, "radiologist")
        row = page.locator(f"[data-testid=study-row][data-study='{HEAD}']")
        expect(row).to_contain_text(re.compile("内容对不上2处|2 conflicts"))
        person.picture(f"studies-disagree-{language}-{size}")
        assert height(row) <= ONE_LINE


@pytest.mark.parametrize("page_of", ["township", "today"])
def test_no_value_makes_a_row_of_the_township_tall(
    browser: Browser, demo: RunningDemo, page_of: str
) -> None:
    def lengthen(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row.get("patient"):
                row["patient"] |= {"patient_id": LONG, "name": LONG}
            if "description" in row:
                row["description"] = LONG
            if "examination" in row:
                row["examination"]["name"] = LONG

    with at_work(browser, township(demo)) as person:
        page = person.page
        page.route(re.compile(r"/api/v1/(queue|worklist)(\?.*)?$"), told(lengthen))
        sign_in(person, demo, "technician")
        page.goto(f"{township(demo)}/{page_of}")
        row = page.get_by_test_id("queue-row" if page_of == "township" else "order-row").first
        expect(row.locator(".name")).to_have_attribute("title", LONG)
        assert height(row) <= SIX_LINES
        fits(person)
        person.picture(f"{page_of}-long-zh-1366x625")


def test_the_reading_header_is_one_line(browser: Browser, demo: RunningDemo) -> None:
    def lengthen(rows: list[dict[str, Any]]) -> None:
        rows[0]["description"] = "CT head plain, thin slices, with three-dimensional reconstruction"
        rows[0]["completeness"] = {
            "node": "",
            "expected": 60,
            "basis": "",
            "here": 60,
            "arrived": 40,
            "state": "growing",
            "told_at": at(-6),
            "down_since": at(-5),
        }

    with at_work(browser, county(demo), language="en", size="1366x768") as person:
        page = person.page
        page.route(re.compile(r"/api/v1/studies/[0-9.]+$"), told(lengthen))
        page.route("**/api/v1/events", lambda route: route.abort())
        sign_in(person, demo, "radiologist")
        page.goto(f"{county(demo)}/studies/{HEAD}")
        expect(page.get_by_test_id("live")).to_have_attribute(
            "data-state", re.compile("offline|stale")
        )
        expect(page.get_by_test_id("coming")).to_be_visible()
        person.picture("reading-header-en-1366x768")
        assert height(page.get_by_test_id("patient-header")) <= 41
        assert page.locator(".patient .examined").get_attribute("title")
        fits(person)
