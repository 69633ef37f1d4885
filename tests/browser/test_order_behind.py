"""The order behind a study: whoever reads the images sees what was asked, and by whom."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.beside import Placed, place_order
from tests.browser.reading_station import Ordered, examined
from tests.browser.test_accessibility import violations
from tests.browser.test_pictures import EACH, fits
from tests.browser.workstation import at_work, county, sign_in, store
from tests.demo.running import RunningDemo, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ASKED = "车祸后头痛、呕吐2次, 左侧肢体无力, 请排除颅内出血"


def examine(demo: RunningDemo, folder: Path, key: str, order: Ordered) -> None:
    """Let the county have two images of *order* and show the study in its list."""
    made = examined(folder, key, order, slices=2)
    store(demo, [path.read_bytes() for path in sorted(made.iterdir())])

    def listed() -> bool:
        rows = demo.get("/api/v1/studies?limit=50")["items"]
        return any(row["study_instance_uid"] == order.study_instance_uid for row in rows)

    until(listed, 60, "the study in the list")


@pytest.fixture(scope="module")
def placed(demo: RunningDemo, tmp_path_factory: pytest.TempPathFactory) -> Placed:
    """An order whose images are at the county."""
    found = place_order(demo, "公孙策", ASKED)
    examine(demo, tmp_path_factory.mktemp("behind"), "behind", found.told)
    return found


@pytest.mark.parametrize(("language", "size"), EACH)
def test_the_question_stands_in_the_preview_and_over_the_images(
    browser: Browser, demo: RunningDemo, placed: Placed, language: str, size: str
) -> None:
    with at_work(browser, county(demo), language=language, size=size) as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        row = page.get_by_test_id("study-row").filter(has_text=placed.told.accession_number)
        row.click()
        behind = page.get_by_test_id("order-behind")
        expect(behind).to_contain_text(ASKED)
        expect(behind).to_contain_text("李静")
        page.get_by_test_id("preview").locator("li").first.wait_for()
        fits(person)
        person.picture(f"studies-order-{language}-{size}")
        page.keyboard.press("Enter")
        question = page.get_by_test_id("question")
        expect(question).to_contain_text(ASKED)
        page.locator("[data-testid=cell-0][data-state=ready]").wait_for()
        fits(person)
        person.picture(f"reading-order-{language}-{size}")
        assert violations(page) == []


WATCH = """(preview) => {
    window.seen = [];
    const look = () => window.seen.push([preview.dataset.study, preview.textContent]);
    const all = {subtree: true, childList: true, attributes: true, characterData: true};
    new MutationObserver(look).observe(preview, all);
}"""


def test_nothing_of_one_study_ever_stands_under_the_patient_of_the_next(
    browser: Browser, demo: RunningDemo, placed: Placed
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        rows, number = page.get_by_test_id("study-row"), placed.told.accession_number
        rows.filter(has_text=number).click()
        expect(page.get_by_test_id("order-behind")).to_contain_text(ASKED)
        preview = page.get_by_test_id("preview")
        preview.locator("li").first.wait_for()
        preview.evaluate(WATCH)
        rows.filter(has_not_text=number).first.click()
        expect(preview).not_to_have_attribute("data-study", placed.told.study_instance_uid)
        preview.locator("li").first.wait_for()
        seen = page.evaluate("() => window.seen")
        later = [text for study, text in seen if study != placed.told.study_instance_uid]
        assert later
        assert not [text for text in later if ASKED in text]


def test_a_number_that_is_another_patients_is_said_and_nothing_of_them_shown(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    asked = "右侧肢体麻木一周"
    placed = place_order(demo, "夏侯惇", asked)
    wrong = Ordered(
        placed.told.accession_number, f"{placed.told.study_instance_uid}.9", "QS0099001", "夏侯渊"
    )
    examine(demo, tmp_path, "behind-wrong", wrong)
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        page.get_by_test_id("study-row").filter(has_text="夏侯渊").click()
        expect(page.get_by_test_id("preview")).to_contain_text("另一位患者的单子")
        assert asked not in page.content()
        person.picture("studies-wrong-number-zh-1366x625")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("wrong-number")).to_contain_text("另一位患者的单子")
        person.picture("reading-wrong-number-zh-1366x625")
