"""Discs and sticks as they come: pulled out, scratched, of strangers, and all called the same."""

import datetime as dt
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.beside import QINGSHAN
from tests.browser.test_pictures import fits
from tests.browser.test_township import choose, safe_at_least, send, slow_line
from tests.browser.workstation import at_work, folder_of, sign_in, township
from tests.demo.running import RunningDemo
from yilian.samples.studies import LIU, MA, Person as Patient

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def test_another_disc_of_the_same_name_does_not_go_on_where_the_first_was(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    first = folder_of(tmp_path / "one", "browser-disc-one", slices=96, patient=MA)
    second = folder_of(tmp_path / "two", "browser-disc-two", slices=33, patient=LIU)
    first, second = (disc.rename(disc.parent / "DICOM") for disc in (first, second))
    with at_work(browser, township(demo)) as person:
        page = person.page
        sign_in(person, demo, "technician")
        slow_line(person, 1_000_000)
        choose(person, first)
        send(person)
        safe_at_least(person, 34)
        page.on("dialog", lambda dialog: dialog.accept())
        page.reload()
        assert "“DICOM”" in person.text("reselect")
        choose(person, second)
        send(person)
        expect(page.get_by_test_id("sending")).to_contain_text("“DICOM”的33个文件本机已保存")
        # Nothing of it was here before, whatever its files are called; the first still waits.
        expect(page.get_by_test_id("sending")).not_to_contain_text("以前已收下")
        row = page.get_by_test_id("queue-row").filter(has_text="刘小凤").filter(has_text="33幅")
        expect(row.get_by_test_id("here")).to_have_text("已保存")
        expect(page.get_by_test_id("reselect")).to_have_count(1)


def test_who_is_not_on_todays_worklist_is_marked_and_waits_for_a_tick(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    rows = demo.get("/api/v1/worklist", at=QINGSHAN, role="technician")["items"]
    known = next(row["patient"] for row in rows if row["patient"]["name"])
    expected = Patient(
        known["patient_id"], f"Known^Here={known['name']}", "F", dt.date(1958, 4, 12)
    )
    listed = folder_of(tmp_path, "browser-listed", slices=2, patient=expected)
    stranger = folder_of(tmp_path, "browser-stranger", slices=2, patient=LIU)
    with at_work(browser, township(demo), size="1366x768") as person:
        page = person.page
        check = page.get_by_test_id("check")
        sign_in(person, demo, "technician")
        choose(person, listed)
        expect(check.get_by_role("checkbox")).to_have_count(0)
        expect(page.get_by_test_id("send")).to_be_enabled()
        page.get_by_role("button", name="先不传").click()

        choose(person, stranger)
        expect(check).to_contain_text("今日检查里没有这位患者，核对后打勾")
        expect(page.get_by_test_id("send")).to_be_disabled()
        person.picture("township-check-stranger-zh-1366x768")
        page.get_by_text("English").click()
        expect(check).to_contain_text("Not on today's worklist: tick after checking")
        person.picture("township-check-stranger-en-1366x768")
        page.get_by_text("中文").click()
        page.get_by_role("checkbox", name="刘小凤").check()
        expect(page.get_by_test_id("send")).to_be_enabled()
        page.get_by_role("button", name="先不传").click()

        # Where the list cannot be asked nothing is said of who is on it.
        page.route("**/api/v1/worklist*", lambda route: route.abort())
        choose(person, stranger)
        expect(check).to_contain_text("刘小凤")
        expect(check).not_to_contain_text("今日检查里没有")
        expect(page.get_by_test_id("send")).to_be_enabled()


def test_a_file_that_cannot_be_read_stops_no_other_and_is_read_again_or_left_out(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    stick = folder_of(tmp_path, "browser-stick", slices=5, patient=MA)
    emergency = folder_of(tmp_path, "browser-after-stick", slices=3, patient=LIU)
    pulled_out = tmp_path / "pulled-out"
    pulled_out.mkdir()
    with at_work(browser, township(demo), size="1366x768") as person:
        page = person.page
        sending = page.get_by_test_id("sending")
        unread = page.get_by_test_id("unread")
        sign_in(person, demo, "technician")
        choose(person, stick)
        for name in ("IM0001.dcm", "IM0003.dcm"):
            (stick / name).rename(pulled_out / name)
        send(person)
        choose(person, emergency)
        send(person)
        expect(sending.nth(1)).to_contain_text("“browser-after-stick”的3个文件本机已保存")
        expect(sending.first).to_have_attribute("data-state", "done")
        said = sending.first.inner_text()
        assert "“browser-stick”共5个：3个本机已保存，2个读不出来没传。" in said
        assert "有2个在这台电脑上读不出来" in said
        assert "browser-stick/IM0001.dcm" in said
        # Nobody closes it by habit: it is read again or left out.
        expect(sending.first.get_by_role("button", name="知道了")).to_have_count(0)
        fits(person)
        person.picture("township-unread-zh-1366x768")
        page.get_by_text("English").click()
        expect(unread).to_contain_text("2 files could not be read on this computer")
        fits(person)
        person.picture("township-unread-en-1366x768")
        page.get_by_text("中文").click()

        (pulled_out / "IM0001.dcm").rename(stick / "IM0001.dcm")
        page.get_by_test_id("read-all-again").click()
        expect(sending.first).to_contain_text("5个：4个本机已保存，1个读不出来没传。")
        unread.get_by_role("button", name="不传").click()
        expect(sending.first).to_contain_text("5个：4个本机已保存，1个说好不传。")
        expect(unread).to_have_count(0)
        sending.first.get_by_role("button", name="知道了").click()
        expect(sending).to_have_count(1)


def test_what_could_not_be_read_goes_on_when_its_folder_is_chosen_again(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, "browser-stick-again", slices=4, patient=MA)
    lost = folder / "IM0002.dcm"
    content = lost.read_bytes()
    with at_work(browser, township(demo)) as person:
        page = person.page
        sending = page.get_by_test_id("sending")
        sign_in(person, demo, "technician")
        choose(person, folder)
        lost.unlink()
        send(person)
        expect(sending).to_contain_text("4个：3个本机已保存，1个读不出来")
        # It is remembered as unfinished, also by a page that was closed.
        page.reload()
        assert "再选一次同一个文件夹“browser-stick-again”" in person.text("reselect")
        lost.write_bytes(content)
        choose(person, folder)
        send(person)
        expect(page.get_by_test_id("reselect")).to_have_count(0)
        expect(sending).to_contain_text("“browser-stick-again”的4个文件本机已保存")
        assert "3个以前已收下，不重复传" in person.text("sending")


def test_what_cannot_be_read_is_no_other_file_and_stays_behind_only_when_ticked(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    first = folder_of(tmp_path, "browser-looked-first", slices=1, patient=LIU)
    stick = folder_of(tmp_path, "browser-look-stick", slices=4, patient=MA)
    (stick / "readme.txt").write_text("a stick")
    lost = stick / "IM0002.dcm"
    pulled_out = tmp_path / "pulled-out.dcm"
    with at_work(browser, township(demo), size="1366x768") as person:
        page = person.page
        said = page.get_by_test_id("check-unreadable")
        sign_in(person, demo, "technician")
        choose(person, first)
        # While it waits for its turn its stick loses a file.
        page.get_by_test_id("folder-input").set_input_files(stick)
        person.see("behind")
        lost.rename(pulled_out)
        page.get_by_role("button", name="先不传").click()
        expect(said).to_contain_text("有1个文件在这台电脑上读不出来")
        expect(said).to_contain_text("browser-look-stick/IM0002.dcm")
        assert "1位患者，共3幅" in person.text("check")
        assert "有1个文件不是影像，不传" in person.text("check")
        expect(page.get_by_test_id("send")).to_be_disabled()
        fits(person)
        person.picture("township-check-unread-zh-1366x768")
        page.get_by_text("English").click()
        expect(said).to_contain_text("1 file could not be read on this computer")
        fits(person)
        person.picture("township-check-unread-en-1366x768")
        page.get_by_text("中文").click()
        page.get_by_role("checkbox", name="马成功").check()
        expect(page.get_by_test_id("send")).to_be_disabled()
        page.get_by_role("checkbox", name="这1个不传").check()
        expect(page.get_by_test_id("send")).to_be_enabled()

        pulled_out.rename(lost)
        page.get_by_role("button", name="再看一次").click()
        expect(page.get_by_test_id("check")).to_contain_text("1位患者，共4幅")
        expect(said).to_have_count(0)
        page.get_by_role("checkbox", name="马成功").check()
        expect(page.get_by_test_id("send")).to_be_enabled()
