"""The radiologist's study list: finding, filtering, and news that does not move the list."""

import datetime as dt
import re
from pathlib import Path

import pydicom
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.workstation import at_work, county, folder_of, sign_in, store
from tests.demo.running import RunningDemo
from yilian.samples.studies import Person as Patient

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.mark.parametrize("typed", ["cjg", "陈建国", "QS0031827"])
def test_a_patient_is_found_by_initials_name_and_number_and_the_address_tells_nobody(
    browser: Browser, demo: RunningDemo, typed: str
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        person.see("study-row")
        page.keyboard.press("/")
        page.keyboard.insert_text(typed)
        expect(page.get_by_test_id("total")).to_contain_text("找到")
        rows = page.get_by_test_id("study-row")
        expect(rows.first).to_contain_text("陈建国")
        assert all("陈建国" in row for row in rows.all_inner_texts())
        assert page.url == county(demo) + "/studies"
        assert "陈" not in page.title()


def test_what_was_typed_and_chosen_is_there_again_after_a_study(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo) + "/studies?modality=CT") as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        person.see("study-row")
        page.get_by_test_id("find").fill("cjg")
        expect(page.get_by_test_id("total")).to_contain_text("找到")
        page.get_by_test_id("find").blur()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        person.see("reading")
        page.go_back()
        expect(page.get_by_test_id("find")).to_have_value("cjg")
        expect(page).to_have_url(re.compile(r"/studies\?modality=CT$"))


def test_filters_live_in_the_address_and_can_be_cleared(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo) + "/studies?modality=US") as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        person.see("study-row")
        assert all("超声" in row for row in page.get_by_test_id("study-row").all_inner_texts())
        page.get_by_role("button", name="身份待核").click()
        expect(page.get_by_test_id("empty")).to_contain_text("没有符合条件的检查")
        expect(page).to_have_url(re.compile(r"modality=US&unidentified=1$"))
        person.picture("studies-empty-zh-1366x625")
        page.get_by_test_id("empty").get_by_role("button", name="清空条件").click()
        expect(page).to_have_url(re.compile(r"/studies$"))
        expect(page.get_by_test_id("study-row").nth(5)).to_be_visible()


def test_news_waits_above_and_moves_nothing_under_the_hand(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    fresh = Patient("QS0039901", "Gao^Fei=高^飞", "M", dt.date(1990, 1, 5))
    folder = folder_of(tmp_path, "browser-news", slices=6, patient=fresh, body_part="NECK")
    files = sorted(folder.iterdir())
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        person.see("study-row")
        expect(page.get_by_test_id("live")).to_have_attribute("data-state", "live")
        page.keyboard.press("j")
        page.keyboard.press("j")
        before = page.get_by_test_id("study-row").all_inner_texts()
        place = page.get_by_test_id("study-row").nth(1).bounding_box()
        person.picture("studies-before-news-zh-1366x625")

        store(demo, [path.read_bytes() for path in files[:2]])
        expect(page.get_by_test_id("fresh")).to_contain_text("1份新到")
        assert page.get_by_test_id("study-row").all_inner_texts() == before
        assert page.get_by_test_id("study-row").nth(1).bounding_box() == place
        person.picture("studies-news-zh-1366x625")

        page.get_by_test_id("fresh").click()
        # Emergencies stay above it.
        above = page.get_by_test_id("pinned").get_by_test_id("study-row").count()
        row = page.get_by_test_id("study-row").nth(above)
        expect(row).to_contain_text("高飞")
        expect(row.get_by_test_id("images")).to_have_text("2幅")
        # More images of a study that is shown change its cell in place.
        store(demo, [path.read_bytes() for path in files[2:]])
        expect(row.get_by_test_id("images")).to_have_text("6幅")
        after = page.get_by_test_id("study-row").all_inner_texts()
        assert after[:above] + after[above + 1 :] == before


def test_news_comes_in_by_itself_while_nobody_touches_the_list(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    fresh = Patient("QS0039902", "He^Yong=何^勇", "M", dt.date(1981, 3, 9))
    files = sorted(folder_of(tmp_path, "browser-rest", slices=2, patient=fresh).iterdir())
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        person.see("study-row")
        expect(page.get_by_test_id("live")).to_have_attribute("data-state", "live")
        before = person.number("total")
        store(demo, [path.read_bytes() for path in files])
        expect(page.get_by_test_id("study-row").first).to_contain_text("何勇")
        expect(page.get_by_test_id("fresh")).to_have_count(0)
        assert person.number("total") == before + 1


@pytest.mark.parametrize(("language", "chip"), [("zh-CN", "急"), ("en", "Emergency")])
def test_an_emergency_joins_the_top_and_moves_nothing_under_the_hand(
    browser: Browser, demo: RunningDemo, tmp_path: Path, language: str, chip: str
) -> None:
    number = "QS0039905" if language == "en" else "QS0039906"
    urgent = Patient(number, "Xu^Wei=许^巍", "M", dt.date(1968, 7, 21))
    files = sorted(folder_of(tmp_path, f"pin-{language}", slices=2, patient=urgent).iterdir())
    with at_work(browser, county(demo), language=language, size="1366x768") as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        person.see("study-row")
        expect(page.get_by_test_id("live")).to_have_attribute("data-state", "live")
        zone = page.get_by_test_id("pinned").get_by_test_id("study-row")
        rows = page.get_by_test_id("study-row")
        # Far down, where a row that is added above would push the others.
        rows.last.scroll_into_view_if_needed()
        rows.last.click()
        before, place = zone.count(), rows.last.bounding_box()
        store(demo, [path.read_bytes() for path in files])
        expect(page.get_by_test_id("joined")).to_be_visible()
        expect(zone).to_have_count(before + 1)
        assert rows.last.bounding_box() == place
        expect(page.get_by_test_id("fresh")).to_have_count(0)
        person.picture(f"studies-emergency-joined-{language}-1366x768")
        page.get_by_test_id("joined").click()
        expect(zone.first).to_contain_text(number)
        expect(zone.first).to_contain_text(chip)
        expect(page.get_by_test_id("joined")).to_have_count(0)
        person.picture(f"studies-pinned-{language}-1366x768")
        # A filter that leaves it out says so.
        page.goto(county(demo) + "/studies?modality=US")
        expect(page.get_by_test_id("outside")).to_contain_text(str(before + 1))
        person.picture(f"studies-outside-{language}-1366x768")
        page.get_by_test_id("outside").click()
        expect(zone).to_have_count(before + 1)


def test_an_examination_of_the_past_is_not_pinned(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    old = Patient("QS0039907", "Qin^Yue=秦^岳", "M", dt.date(1950, 2, 2))
    folder = folder_of(tmp_path, "browser-old", slices=1, patient=old, days_ago=400)
    store(demo, [path.read_bytes() for path in folder.iterdir()])
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        expect(page.get_by_test_id("study-row").filter(has_text="秦岳")).to_have_count(1)
        expect(page.get_by_test_id("pinned")).not_to_contain_text("秦岳")


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_a_person_says_which_content_answers_and_takes_it_back(
    browser: Browser, demo: RunningDemo, tmp_path: Path, language: str
) -> None:
    number = "QS0039908" if language == "en" else "QS0039909"
    twice = Patient(number, "Yu^Ping=于^萍", "F", dt.date(1974, 4, 4))
    folder = folder_of(tmp_path, f"decide-{language}", slices=1, patient=twice, body_part="NECK")
    first = next(folder.iterdir())
    other = pydicom.dcmread(first)
    other.StudyDescription = "AGAIN"
    store(demo, [first.read_bytes()])
    other.save_as(tmp_path / "again.dcm")
    store(demo, [(tmp_path / "again.dcm").read_bytes()])
    address = county(demo) + "/studies?conflicts=1"
    with at_work(browser, address, language=language, size="1366x768") as person:
        page = person.page
        sign_in(person, demo, "senior-radiologist")
        row = page.get_by_test_id("study-row").filter(has_text=number)
        row.click()
        conflict = page.get_by_test_id("conflict")
        expect(conflict).to_have_attribute("data-decided", "false")
        person.picture(f"studies-decide-{language}-1366x768")
        conflict.get_by_test_id("use").last.click()
        page.get_by_test_id("why").fill("装错了患者" if language == "zh-CN" else "wrong label")
        person.picture(f"studies-decide-why-{language}-1366x768")
        page.get_by_test_id("decide-it").click()
        expect(conflict).to_have_attribute("data-decided", "true")
        # What answers now says so in the list as well.
        expect(row).to_contain_text("AGAIN")
        person.picture(f"studies-decided-{language}-1366x768")
        conflict.get_by_test_id("take-back").click()
        page.get_by_test_id("why").fill("看错了" if language == "zh-CN" else "misread")
        page.get_by_test_id("decide-it").click()
        expect(conflict).to_have_attribute("data-decided", "false")
        expect(row).not_to_contain_text("AGAIN")


def test_many_contents_are_shown_a_page_at_a_time(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    many = Patient("QS0039904", "Xie^Lin=谢^琳", "F", dt.date(1961, 5, 7))
    first = next(folder_of(tmp_path, "browser-many", slices=1, patient=many).iterdir())
    other = pydicom.dcmread(first)
    raws = [first.read_bytes()]
    for number in range(60):
        other.SeriesDescription = f"again {number}"
        other.save_as(tmp_path / "again.dcm")
        raws.append((tmp_path / "again.dcm").read_bytes())
    store(demo, raws)
    with at_work(browser, county(demo) + "/studies?conflicts=1") as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        row = page.get_by_test_id("study-row").filter(has_text="谢琳")
        expect(row).to_contain_text("内容对不上60处")
        row.click()
        shown = page.get_by_test_id("conflicts").locator("li > b")
        expect(shown).to_have_count(5)
        for left, count in ((55, 55), (5, 60)):
            page.get_by_role("button", name=f"还有{left}处").click()
            expect(shown).to_have_count(count)
        more = page.get_by_test_id("conflicts").get_by_role("button", name="还有")
        expect(more).to_have_count(0)


def test_both_contents_under_a_number_are_shown_with_what_differs(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    twice = Patient("QS0039903", "Zheng^Yun=郑^云", "F", dt.date(1956, 8, 2))
    first = next(folder_of(tmp_path, "browser-twice", slices=1, patient=twice).iterdir())
    other = pydicom.dcmread(first)
    other.PixelData = bytes(len(other.PixelData))
    store(demo, [first.read_bytes()])
    changed = tmp_path / "changed.dcm"
    other.save_as(changed)
    store(demo, [changed.read_bytes()])
    with at_work(browser, county(demo) + "/studies?conflicts=1") as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        row = page.get_by_test_id("study-row").filter(has_text="郑云")
        expect(row).to_contain_text("内容对不上1处")
        row.click()
        shown = page.get_by_test_id("conflicts")
        expect(shown).to_contain_text("影像不同，文字信息一样")
        assert shown.locator(".content").count() == 2
        expect(shown.locator(".content").first).to_contain_text("先到，在用")
        person.picture("studies-conflict-zh-1366x625")
        with page.expect_download() as download:
            shown.get_by_role("button").last.click()
        assert pydicom.dcmread(download.value.path()).PixelData == other.PixelData


def test_a_lost_line_is_said_with_its_time_and_the_rows_stay(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        person.see("study-row")
        rows = page.get_by_test_id("study-row").count()
        expect(page.get_by_test_id("live")).to_have_attribute("data-state", "live")
        person.context.set_offline(True)
        expect(page.get_by_test_id("live")).to_contain_text(re.compile(r"连接中断\d\d:\d\d起"))
        assert page.get_by_test_id("study-row").count() == rows
        person.picture("studies-offline-zh-1366x625")
        person.context.set_offline(False)
        expect(page.get_by_test_id("live")).to_have_attribute("data-state", "live")


def test_the_preview_shows_what_the_study_holds(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "radiologist")
        page.get_by_test_id("study-row").filter(has_text="40幅").click()
        expect(page.get_by_test_id("preview")).to_contain_text("陈建国")
        expect(page.get_by_test_id("preview").locator("li")).to_contain_text("40幅")
        expect(
            page.get_by_test_id("preview").get_by_role("button", name="打开影像")
        ).to_be_visible()
        person.picture("studies-preview-zh-1366x625")
        page.get_by_test_id("language").click()
        expect(page.get_by_test_id("preview")).to_contain_text("陈建国 Chen Jianguo")
        person.picture("studies-preview-en-1366x625")


def test_a_page_whose_code_cannot_come_says_so_and_comes_later(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        page.route("**/assets/ViewerPage-*.js", lambda route: route.abort())
        sign_in(person, demo, "radiologist")
        page.get_by_test_id("study-row").first.dblclick()
        expect(page.get_by_role("alert")).to_contain_text("连不上服务器。已保存的都在")
        page.unroute("**/assets/ViewerPage-*.js")
        page.get_by_role("button", name="再试").click()
        expect(page.get_by_test_id("cell-0")).to_have_attribute("data-state", "ready")


def test_a_newer_build_at_the_server_is_told_as_such_and_typed_text_outlives_the_reload(
    browser: Browser, demo: RunningDemo
) -> None:
    entry = "/assets/index-another.js"
    index = f'<!doctype html><script type="module" src="{entry}"></script>'
    with at_work(browser, county(demo)) as person:
        page = person.page
        page.route("**/assets/ViewerPage-*.js", lambda route: route.fulfill(status=404))
        page.route(f"**{entry}", lambda route: route.fulfill(body=""))
        sign_in(person, demo, "radiologist")
        page.get_by_test_id("find").fill("cjg")
        expect(page.get_by_test_id("total")).to_contain_text("找到")
        page.route(county(demo) + "/", lambda route: route.fulfill(body=index))
        page.get_by_test_id("study-row").filter(has_text="A56142").dblclick()
        expect(page.get_by_role("alert")).to_contain_text("医联换了新版本")
        person.picture("studies-newversion-zh-1366x625")
        page.unroute_all()
        page.get_by_role("button", name="重新打开").click()
        expect(page.get_by_test_id("cell-0")).to_have_attribute("data-state", "ready")
        page.go_back()
        expect(page.get_by_test_id("find")).to_have_value("cjg")
