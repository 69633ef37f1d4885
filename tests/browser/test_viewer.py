"""The radiologist at the images: first image, windows, measuring, keys, and what goes wrong."""

import io
import math
import re

import pydicom
import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.workstation import Person, at_work, county, sign_in, store
from tests.demo.running import RunningDemo
from tests.shared_data import need_shared_data
from yilian.samples.studies import uid_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HEAD = uid_of("chen-head")
HEAD_IMAGES = 40
KNEE = uid_of("liu-knee")
HEART = uid_of("long-us")
SPACING_MM = 0.9765625
_INK = """() => {
  const canvas = document.querySelector('[data-testid=cell-0] canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let at = 0; at < data.length; at += 4) sum += data[at];
  return sum / (data.length / 4);
}"""


def open_study(person: Person, demo: RunningDemo, study: str, query: str = "") -> None:
    """Sign in, open *study* and wait for its first image."""
    sign_in(person, demo, "radiologist")
    person.page.goto(f"{county(demo)}/studies/{study}{query}")
    ready(person)


def ready(person: Person, cell: int = 0) -> None:
    """Wait until *cell* shows an image."""
    expect(person.page.get_by_test_id(f"cell-{cell}")).to_have_attribute("data-state", "ready")


def middle(person: Person) -> tuple[float, float]:
    """Return the middle of the first viewport on screen."""
    box = person.page.get_by_test_id("cell-0").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(person: Person, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw with the left button from *start* to *end*."""
    mouse = person.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move(*end, steps=8)
    mouse.up()


def zoom(person: Person) -> float:
    """Return how many screen pixels show one pixel of the image."""
    return float(person.text("zoom").removesuffix("x"))


@pytest.mark.parametrize("query", ["?cpu", "?gpu"])
def test_a_study_is_found_opened_and_measured(
    browser: Browser, demo: RunningDemo, query: str
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        page.get_by_test_id("find").fill("cjg")
        # A double click is two: between them no row may come or go.
        rows = page.get_by_test_id("study-row")
        expect(rows.filter(has_not_text="陈建国")).to_have_count(0)
        rows.filter(has_text=f"{HEAD_IMAGES}幅").dblclick()
        ready(person)
        page.goto(f"{county(demo)}/studies/{HEAD}{query}")
        ready(person)
        expect(page.get_by_test_id("cpu")).to_have_count(1 if query == "?cpu" else 0)
        assert person.text("image-number") == f"图 20/{HEAD_IMAGES}"
        assert person.text("window") == "W80 L40"
        assert person.text("quality") == "原始画质"
        assert page.evaluate(_INK) > 1

        page.keyboard.press("1")
        expect(page.get_by_test_id("window")).to_have_text("W400 L40")
        page.keyboard.press("d")
        across = 200
        x, y = middle(person)
        drag(person, (x - across / 2, y), (x + across / 2, y))
        label = page.get_by_test_id("cell-0").locator("svg text").first
        expect(label).to_contain_text("mm")
        measured = float(re.sub(r"[^\d.]", "", label.text_content() or ""))
        assert math.isclose(measured, across / zoom(person) * SPACING_MM, rel_tol=0.02)
        person.picture(f"reading-measured{query[1:]}-zh-1366x625")


def test_what_one_person_drew_is_theirs_and_gone_for_the_next(
    browser: Browser, demo: RunningDemo
) -> None:
    def open_from_the_list() -> None:
        page.locator(f"[data-testid=study-row][data-study='{HEAD}']").dblclick()
        ready(person)

    with at_work(browser, county(demo)) as person:
        page = person.page
        drawn = page.get_by_test_id("cell-0").locator("svg text").filter(has_text="mm")
        sign_in(person, demo, "radiologist")
        open_from_the_list()
        page.keyboard.press("d")
        x, y = middle(person)
        drag(person, (x - 100, y), (x + 100, y))
        expect(drawn).to_have_count(1)
        page.get_by_test_id("back").click()
        open_from_the_list()
        expect(drawn).to_have_count(1)

        page.get_by_test_id("back").click()
        page.get_by_test_id("person").click()
        page.get_by_role("menuitem", name="退出").click()
        person.see("signin")
        sign_in(person, demo, "senior-radiologist")
        # The pixels went with the person, too: they are fetched under the new session.
        with page.expect_request(re.compile("/frames/")):
            open_from_the_list()
        assert person.text("image-number") == f"图 20/{HEAD_IMAGES}"
        expect(drawn).to_have_count(0)
        for key in ("Control+z", "Control+y"):
            page.keyboard.press(key)
            # Whatever comes of it is drawn with the picture.
            page.keyboard.press("ArrowDown")
            page.keyboard.press("ArrowUp")
            expect(page.get_by_test_id("image-number")).to_have_text(f"图 20/{HEAD_IMAGES}")
            expect(drawn).to_have_count(0)


def test_millimetres_are_absent_without_calibration(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        open_study(person, demo, KNEE)
        person.page.keyboard.press("d")
        x, y = middle(person)
        drag(person, (x - 60, y), (x + 60, y))
        label = person.page.get_by_test_id("cell-0").locator("svg text").first
        expect(label).to_contain_text("未校准")
        assert "mm" not in (label.text_content() or "")
        person.picture("reading-uncalibrated-zh-1366x625")


def test_the_middle_image_comes_before_the_rest(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        asked: list[str] = []
        sign_in(person, demo, "radiologist")
        person.page.on(
            "request",
            lambda request: asked.append(request.url) if "/frames/" in request.url else None,
        )
        person.page.goto(f"{county(demo)}/studies/{HEAD}")
        ready(person)
        person.page.wait_for_function(
            "() => /40幅/.test(document.querySelector('[data-testid=thumb] .count')?.textContent)"
        )
        order = [url.split("/instances/")[1].split("/")[0] for url in asked]
        assert order[0] == uid_of("chen-head", 19)
        assert order[1] == uid_of("chen-head", 20)
        assert sorted(order) == sorted(uid_of("chen-head", n) for n in range(HEAD_IMAGES))


def test_the_keys_of_the_image_side_do_what_they_say(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        open_study(person, demo, HEAD)
        page = person.page
        number = page.get_by_test_id("image-number")
        for key, image in (("ArrowDown", 21), ("ArrowUp", 20), ("Home", 1), ("End", HEAD_IMAGES)):
            page.keyboard.press(key)
            expect(number).to_have_text(f"图 {image}/{HEAD_IMAGES}")
        page.keyboard.press("4")
        expect(page.get_by_test_id("window")).to_have_text("W2000 L500")
        page.keyboard.press("Home")
        # A window the reader chose holds over the series.
        expect(page.get_by_test_id("window")).to_have_text("W2000 L500")
        page.keyboard.press("i")
        expect(page.get_by_test_id("cell-0")).to_contain_text("反色")
        page.keyboard.press("Space")
        expect(page.get_by_test_id("window")).to_have_text("W80 L40")
        page.keyboard.press("h")
        expect(page.locator(".letter.at-left")).to_have_text("L")
        page.keyboard.press("h")
        expect(page.locator(".letter.at-left")).to_have_text("R")
        page.keyboard.press("r")
        expect(page.locator(".letter.at-top")).to_have_text("R")
        page.keyboard.press("l")
        expect(page.locator(".letter.at-top")).to_have_text("A")
        page.keyboard.press("o")
        expect(page.locator(".overlay")).to_have_count(0)
        page.keyboard.press("o")
        page.keyboard.press(".")
        expect(page.get_by_test_id("cells")).to_have_attribute("data-layout", "1x2")
        person.picture("reading-1x2-zh-1366x625")
        page.keyboard.press(",")
        expect(page.get_by_test_id("cells")).to_have_attribute("data-layout", "1x1")


def test_wheel_and_buttons_scroll_zoom_and_pan(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        open_study(person, demo, HEAD)
        page = person.page
        x, y = middle(person)
        page.mouse.move(x, y)
        page.mouse.wheel(0, 100)
        expect(page.get_by_test_id("image-number")).to_have_text(f"图 21/{HEAD_IMAGES}")
        before = zoom(person)
        page.mouse.down(button="right")
        page.mouse.move(x, y + 80, steps=5)
        page.mouse.up(button="right")
        expect(page.get_by_test_id("zoom")).not_to_have_text(f"{before:.2f}x")
        drag(person, (x, y), (x + 60, y + 20))
        expect(page.get_by_test_id("window")).not_to_have_text("W80 L40")


def test_a_film_plays_and_stops(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        open_study(person, demo, HEART)
        page = person.page
        seen = page.get_by_test_id("cell-0")
        start = seen.get_attribute("data-index")
        page.keyboard.press("c")
        expect(seen).not_to_have_attribute("data-index", start or "")
        page.keyboard.press("c")
        expect(page.get_by_role("button", name="播放")).to_be_visible()


def test_input_methods_and_caps_lock_are_no_commands(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        open_study(person, demo, HEAD)
        page = person.page
        page.evaluate(
            """() => {
              const init = { code: 'KeyI', key: 'Process', keyCode: 229, bubbles: true };
              init.isComposing = true;
              document.body.dispatchEvent(new KeyboardEvent('keydown', init));
            }"""
        )
        expect(page.get_by_test_id("cell-0")).not_to_contain_text("反色")
        page.evaluate(
            "() => document.body.dispatchEvent("
            "new KeyboardEvent('keydown', { code: 'KeyI', key: 'I', bubbles: true }))"
        )
        expect(page.get_by_test_id("cell-0")).to_contain_text("反色")


def test_an_image_that_does_not_come_is_named_and_the_others_can_be_read(
    browser: Browser, demo: RunningDemo
) -> None:
    lost = uid_of("chen-head", 24)

    def lose(route: Route) -> None:
        route.abort() if lost in route.request.url else route.continue_()

    with at_work(browser, county(demo)) as person:
        sign_in(person, demo, "radiologist")
        page = person.page
        page.route("**/frames/**", lose)
        page.goto(f"{county(demo)}/studies/{HEAD}")
        ready(person)
        for _ in range(5):
            page.keyboard.press("ArrowDown")
        expect(page.get_by_test_id("cell-0")).to_contain_text("第25幅没取到，别的可以看。")
        person.picture("reading-missed-zh-1366x625")
        page.keyboard.press("ArrowDown")
        expect(page.get_by_test_id("image-number")).to_have_text(f"图 26/{HEAD_IMAGES}")
        page.keyboard.press("ArrowUp")
        expect(page.get_by_test_id("cell-0")).to_have_attribute("data-state", "error")
        page.unroute("**/frames/**")
        page.get_by_role("button", name="再试").click()
        ready(person)
        expect(page.get_by_test_id("image-number")).to_have_text(f"图 25/{HEAD_IMAGES}")


def test_an_image_the_browser_cannot_decode_is_never_shown_as_a_black_one(
    browser: Browser, demo: RunningDemo
) -> None:
    # A codestream the browser's decoder makes nothing of, without saying so.
    name = "dicom/pydicom-tests/JPEG2000-embedded-sequence-delimiter.dcm"
    content = (need_shared_data() / name).read_bytes()
    study = pydicom.dcmread(io.BytesIO(content)).StudyInstanceUID
    store(demo, [content])
    with at_work(browser, county(demo)) as person:
        sign_in(person, demo, "radiologist")
        page = person.page
        page.goto(f"{county(demo)}/studies/{study}")
        # Nor does the server's: there is no preview either.
        expect(page.get_by_test_id("cell-0")).to_contain_text("画不出来，预览也没有")
        expect(page.get_by_test_id("cell-0")).to_have_attribute("data-state", "error")
        person.picture("reading-undrawable-zh-1366x625")


def test_a_study_outside_ones_work_and_one_that_is_not_there_read_the_same(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        sign_in(person, demo, "radiologist")
        person.page.goto(county(demo) + "/studies/2.25.404")
        expect(person.page.get_by_role("alert")).to_contain_text("没有找到，或不在您的工作范围内。")
        person.picture("reading-none-zh-1366x625")


def test_the_title_holds_the_number_and_never_the_name(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        open_study(person, demo, HEAD)
        assert re.fullmatch(r"影像 A\d+", person.page.title())
        expect(person.page.get_by_test_id("patient-header").locator(".name")).to_have_text("陈建国")
