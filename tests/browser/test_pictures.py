"""Every page in its states, languages and sizes, for people to look at."""

import os
import re
import shutil
import urllib.request

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.workstation import (
    README_PICTURES,
    SIZES,
    Person,
    at_work,
    county,
    sign_in,
    township,
)
from tests.demo.running import RunningDemo
from yilian.samples.studies import uid_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ALWAYS = (("zh-CN", "1366x768"), ("en", "1366x625"))
EACH = [
    pytest.param(
        language,
        size,
        id=f"{language}-{size}",
        # Both sizes and both languages every time; all four of each page in the long runs.
        marks=[] if (language, size) in ALWAYS else pytest.mark.torture,
    )
    for language in ("zh-CN", "en")
    for size in SIZES
]


def fits(person: Person) -> None:
    """The page itself never scrolls; its inner lists may."""
    assert person.page.evaluate(
        "() => document.scrollingElement.scrollHeight <= innerHeight"
        " && document.scrollingElement.scrollWidth <= innerWidth"
    )


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_township_page(browser: Browser, demo: RunningDemo, language: str, size: str) -> None:
    with at_work(browser, township(demo), language=language, size=size) as person:
        person.see("signin")
        person.picture(f"signin-empty-{language}-{size}")
        sign_in(person, demo, "technician")
        person.see("queue-row")
        expect(person.page.get_by_test_id("live")).to_have_attribute("data-state", "live")
        fits(person)
        person.picture(f"township-queue-{language}-{size}")
        assert person.page.locator(".ant-btn-primary").count() == 1


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_day_and_the_counter(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    with at_work(browser, township(demo), language=language, size=size) as person:
        page = person.page
        sign_in(person, demo, "technician")
        page.goto(f"{township(demo)}/today")
        person.see("order-row")
        fits(person)
        person.picture(f"today-list-{language}-{size}")
        assert page.locator(".ant-btn-primary").count() == 1
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        person.see("order-detail")
        fits(person)
        person.picture(f"today-row-{language}-{size}")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        person.see("empty")
        person.picture(f"today-empty-{language}-{size}")
        page.keyboard.press("n")
        person.see("patient-option")
        person.see("examination-option")
        fits(person)
        person.picture(f"desk-find-{language}-{size}")
        page.get_by_test_id("patient-option").last.click()
        page.get_by_test_id("name").fill("阿卜杜热伊木·阿卜杜热合曼")
        page.get_by_test_id("examination-option").first.click()
        fits(person)
        person.picture(f"desk-fields-{language}-{size}")
        assert page.locator(".ant-btn-primary").count() == 1


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_village_doctors_order(
    browser: Browser, demo: RunningDemo, language: str, size: str
) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        sign_in(person, demo, "village-doctor")
        person.see("examination-option")
        fits(person)
        person.picture(f"village-find-{language}-{size}")
        # Whom nobody registered at the township, a village doctor cannot register.
        page.get_by_test_id("patient-find").fill("xyz")
        nobody = re.compile("没有登记过|Not registered")
        expect(page.get_by_test_id("patient-none")).to_have_text(nobody)
        person.picture(f"village-nobody-{language}-{size}")
        page.goto(f"{county(demo)}/today")
        expect(page.get_by_test_id("today")).to_have_attribute("data-state", "ready")
        fits(person)
        person.picture(f"village-today-{language}-{size}")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_townships_lines(browser: Browser, demo: RunningDemo, language: str, size: str) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        sign_in(person, demo, "system-administrator")
        person.see("node-row")
        fits(person)
        person.picture(f"nodes-list-{language}-{size}")


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_study_list(browser: Browser, demo: RunningDemo, language: str, size: str) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        sign_in(person, demo, "radiologist")
        person.see("study-row")
        person.page.keyboard.press("j")
        person.page.get_by_test_id("preview").locator("li").first.wait_for()
        fits(person)
        person.picture(f"studies-list-{language}-{size}")
        assert person.page.locator(".ant-btn-primary").count() == 1
        person.page.keyboard.press("Shift+Slash")
        person.page.get_by_role("dialog").wait_for()
        person.picture(f"studies-keys-{language}-{size}")
        person.page.keyboard.press("Escape")
        expect(person.page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_reading_page(browser: Browser, demo: RunningDemo, language: str, size: str) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        page.goto(f"{county(demo)}/studies/{uid_of('chen-head')}")
        page.locator("[data-testid=cell-0][data-state=ready]").wait_for()
        fits(person)
        # The tools keep to their one line, so that nothing shifts the image.
        tools = page.get_by_role("toolbar").bounding_box()
        assert tools is not None
        assert tools["height"] <= 40
        person.picture(f"reading-1x1-{language}-{size}")
        page.keyboard.press("d")
        box = page.get_by_test_id("cell-0").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        # Along the phantom's bleeding, given in pixels of the image from its middle.
        zoom = float(person.text("zoom").removesuffix("x"))
        page.mouse.move(x + 36 * zoom, y - 10 * zoom)
        page.mouse.down()
        page.mouse.move(x + 36 * zoom, y + 26 * zoom, steps=6)
        page.mouse.up()
        page.mouse.move(x, y + 60 * zoom)
        expect(page.get_by_test_id("cell-0").locator("svg text").first).to_contain_text("mm")
        made = person.picture(f"reading-measured-{language}-{size}")
        page.keyboard.press("Shift+Slash")
        sheet = page.get_by_role("dialog").bounding_box()
        assert sheet is not None
        assert sheet["y"] >= 0
        assert sheet["y"] + sheet["height"] <= SIZES[size][1]
        person.picture(f"reading-keys-{language}-{size}")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        if (language, size) == ("zh-CN", "1366x768") and "README_PICTURES" in os.environ:
            README_PICTURES.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, README_PICTURES / "workstation.png")


def test_a_thumbnail_is_small_enough_for_a_poor_line(demo: RunningDemo) -> None:
    detail = demo.get(f"/api/v1/studies/{uid_of('chen-head')}")
    request = urllib.request.Request(
        county(demo) + detail["series"][0]["thumbnail"],
        headers={
            "Authorization": f"Bearer {demo.account('radiologist')['token']}",
            "Accept": "image/jpeg",
        },
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("image/")
        assert 0 < len(answer.read()) <= 8_000
