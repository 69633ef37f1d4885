"""A line that is cut or held: what the county says of what may be missing."""

import datetime as dt
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from kernel.clock import SystemClock
from tests.browser.beside import QINGSHAN
from tests.browser.test_accessibility import violations
from tests.browser.test_pictures import EACH, fits
from tests.browser.workstation import at_work, county, sign_in, township
from tests.demo.running import RunningDemo
from yilian.samples.studies import uid_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HEAD = uid_of("chen-head")


def at(minutes: int) -> str:
    """Return the instant so many minutes from now, as the API writes it."""
    then = SystemClock().now() + dt.timedelta(minutes=minutes)
    return then.isoformat().replace("+00:00", "Z")


def cut(row: dict[str, Any]) -> None:
    """Let *row* be a study that still grew when its line went down."""
    count = row["instance_count"]
    row["completeness"] = {
        "node": "",
        "expected": None,
        "basis": "",
        "here": count,
        "arrived": count,
        "state": "growing",
        "told_at": at(-6),
        "down_since": at(-5),
    }


def cut_studies(route: Route) -> None:
    """Answer as the county does of a study cut off before anybody told of it."""
    answer = route.fetch()
    told = answer.json()
    rows = told["items"] if "items" in told else [told["study"]]
    for row in rows:
        if row["study_instance_uid"] == HEAD:
            cut(row)
    route.fulfill(response=answer, json=told)


@pytest.mark.parametrize(("language", "size"), EACH)
def test_a_study_that_was_cut_off_is_shown_whole_nowhere(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    said = re.compile("可能没到齐，线路.*断|Maybe not all here, line down since")
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        page.route(re.compile(r"/api/v1/studies(\?.*|/[0-9.]+)?$"), cut_studies)
        # The node, whose line is not down, would say so.
        page.route("**/api/v1/events", lambda route: route.abort())
        sign_in(person, demo, "radiologist")
        row = page.locator(f"[data-testid=study-row][data-study='{HEAD}']")
        expect(row.get_by_test_id("coming")).to_have_text(said)
        # It covers nothing beside it.
        chip, cell = row.locator(".coming .chip"), row.get_by_role("gridcell").nth(1)
        inner, outer = chip.bounding_box(), cell.bounding_box()
        assert inner is not None
        assert outer is not None
        assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]
        row.click()
        expect(page.get_by_test_id("preview").get_by_test_id("coming")).to_have_text(said)
        fits(person)
        assert violations(page) == []
        person.picture(f"studies-cut-{language}-{size}")
        page.goto(f"{county(demo)}/studies/{HEAD}")
        page.locator("[data-testid=cell-0][data-state=ready]").wait_for()
        expect(page.get_by_test_id("coming")).to_have_text(said)
        fits(person)
        assert violations(page) == []
        person.picture(f"reading-cut-{language}-{size}")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_a_line_somebody_holds_is_not_said_to_be_well(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    def held_and_cut(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        for node in told["items"]:
            if node["institution"]["code"] == QINGSHAN:
                node["line"] |= {"held_until": at(30), "held_by": "李静"}
            elif node["state"] not in ("never", "revoked"):
                node |= {"state": "late", "down_since": at(-2), "maybe_more": 1}
        route.fulfill(response=answer, json=told)

    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        page.route("**/api/v1/nodes", held_and_cut)
        sign_in(person, demo, "manager")
        held = page.get_by_test_id("node-row").filter(has_text="青山卫生院")
        expect(held).to_contain_text(re.compile("先停着，到|Held until"))
        expect(held).to_contain_text("李静")
        away = page.get_by_test_id("node-row").and_(page.locator("[data-state=late]"))
        expect(away).to_contain_text(re.compile("1份可能没到齐|1 study maybe not all here"))
        expect(away).not_to_contain_text("没有等着的")
        held.click()
        expect(page.get_by_test_id("node-held")).to_contain_text("李静")
        fits(person)
        assert violations(page) == []
        person.picture(f"nodes-held-{language}-{size}")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_whoever_holds_the_line_is_told_all_that_waits(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    with at_work(browser, township(demo), language=language, size=size) as person:
        page = person.page
        sign_in(person, demo, "technician")
        page.get_by_test_id("hold").click()
        asked = page.get_by_test_id("hold-line")
        told = page.get_by_test_id("line-held")
        for name, note in (("hold", asked), ("held", told)):
            expect(note).to_contain_text(re.compile("影像不传，急诊也不传|emergencies as well"))
            expect(note).to_contain_text(
                re.compile(
                    "县里的报告和调来的旧检查也等着|reports and earlier exams from the county"
                )
            )
            expect(note).to_contain_text(
                re.compile("开单和登记照常|orders and registrations", re.IGNORECASE)
            )
            fits(person)
            assert violations(page) == []
            person.picture(f"queue-{name}-{language}-{size}")
            if name == "hold":
                asked.get_by_role("button").first.click()
        told.get_by_role("button").click()
        expect(told).to_have_count(0)
