"""Signing in, out, being locked out of the page and going on in place."""

import json
import re
import subprocess
import sys

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.workstation import at_work, county, sign_in, township
from tests.demo.running import ROOT, RunningDemo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def test_a_wrong_password_is_told_in_the_form_and_the_name_stays(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        page.locator("#username").fill("nobody-of-this-name")
        page.locator("#password").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("账号或密码不对")
        assert page.locator("#username").input_value() == "nobody-of-this-name"
        assert page.locator("#password").input_value() == ""
        assert page.evaluate("() => document.activeElement.id") == "password"
        person.picture("signin-wrong-zh-1366x625")


def test_the_language_is_kept_over_a_reload(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        page.get_by_test_id("language").click()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        page.reload()
        expect(page.get_by_test_id("signin")).to_contain_text("Password")
        person.picture("signin-empty-en-1366x625")


def test_everybody_lands_on_their_own_page_and_sees_no_other_tab(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        sign_in(person, demo, "radiologist")
        expect(person.page).to_have_url(re.compile(r"/studies$"))
        assert person.page.locator("nav a").all_inner_texts() == ["检查库", "作废影像"]
    with at_work(browser, township(demo)) as person:
        sign_in(person, demo, "technician")
        expect(person.page).to_have_url(re.compile(r"/township$"))
        assert person.page.locator("nav a").all_inner_texts() == [
            "本院影像",
            "今日检查",
            "两处不同",
        ]


@pytest.mark.parametrize(
    ("role", "called"),
    [("assistance-worker", "救助专员"), ("laboratory", "检验")],
)
def test_a_role_whose_page_comes_later_is_told_so_and_what_can_be_done_now(
    browser: Browser, demo: RunningDemo, role: str, called: str
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, role)
        expect(page.get_by_role("heading")).to_have_text("这一版还没有这个角色的页面")
        expect(page.get_by_test_id("no-pages")).to_contain_text(f"角色是{called}")
        assert page.locator("nav a").count() == 0
        person.picture(f"nopages-{role}-zh-1366x625")
        page.get_by_test_id("person").click()
        entries = page.get_by_role("menuitem")
        expect(entries.first).to_be_visible()
        # No keys to show where there is no page; the others all do something.
        assert [one.split("，")[0] for one in entries.all_inner_texts()] == [
            "换密码",
            "锁屏",
            "退出",
        ]
        page.keyboard.press("Escape")
        page.get_by_role("button", name="退出").click()
        person.see("signin")


def test_each_role_at_the_township_has_its_own_tabs(browser: Browser, demo: RunningDemo) -> None:
    for role, tabs in (
        ("registrar", ["Today", "Differences"]),
        ("doctor", ["Order", "Today", "Differences"]),
    ):
        with at_work(browser, township(demo), language="en") as person:
            sign_in(person, demo, role)
            expect(person.page.locator("nav a").first).to_have_text(tabs[0])
            assert person.page.locator("nav a").all_inner_texts() == tabs


def test_a_password_is_changed_and_what_is_wrong_with_one_is_told(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        page = person.page
        # Nobody else of these tests is this person.
        account = sign_in(person, demo, "ward")
        page.get_by_role("button", name="换密码").click()
        person.see("password")
        assert page.evaluate("() => document.activeElement.id") == "password-old"

        def typed(old: str, new: str) -> None:
            page.locator("#password-old").fill(old)
            page.locator("#password-new").fill(new)
            page.locator("#password-again").fill(new)
            page.keyboard.press("Enter")

        said = page.get_by_test_id("password").get_by_role("alert")
        typed("not the password", "Qdzp-7rkw-2mxn")
        expect(said).to_contain_text("现在的密码不对，没有换")
        typed(account["password"], "short")
        expect(said).to_contain_text("新密码太短，没有换，至少要10个字符")
        person.picture("password-weak-zh-1366x625")
        typed(account["password"], "Qdzp-7rkw-2mxn")
        expect(page.get_by_test_id("password").get_by_role("status")).to_contain_text("密码换好了")
        page.get_by_role("button", name="知道了").click()
        expect(page.get_by_test_id("password")).to_be_hidden()
        page.get_by_role("button", name="退出").click()
        person.see("signin")
        page.locator("#username").fill(account["username"])
        page.locator("#password").fill("Qdzp-7rkw-2mxn")
        page.keyboard.press("Enter")
        person.see("no-pages")


def test_an_administrator_at_a_township_is_told_where_the_pages_are(
    browser: Browser, demo: RunningDemo
) -> None:
    command = [sys.executable, "-m", "yilian", "admin", "--home", str(demo.home / "qingshan")]
    command += ["user", "add", "boxkeeper", "管机器的", "--institution", "qingshan"]
    command += ["--role", "system-administrator", "--json"]
    made = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    with at_work(browser, township(demo)) as person:
        page = person.page
        page.locator("#username").fill("boxkeeper")
        page.locator("#password").fill(json.loads(made.stdout)["password"])
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading")).to_have_text("您的页面在县里的网址上")
        expect(page.get_by_test_id("no-pages")).to_contain_text("yilian admin ae")
        person.picture("nopages-township-zh-1366x625")


def test_signing_out_leaves_nothing_behind(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        sign_in(person, demo, "radiologist")
        person.see("study-row")
        person.page.get_by_test_id("person").click()
        person.page.get_by_role("menuitem", name="退出").click()
        person.see("signin")
        person.page.goto(county(demo) + "/studies")
        person.see("signin")


def test_a_session_that_ended_locks_the_page_and_loses_nothing(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        account = sign_in(person, demo, "radiologist")
        page = person.page
        with page.expect_response(lambda answer: "chen" in answer.url):
            page.get_by_test_id("find").fill("chen")
        person.context.clear_cookies()
        page.get_by_test_id("find").fill("cjg")
        person.see("lock")
        person.picture("lock-expired-zh-1366x625")
        page.locator("#lock-password").fill(account["password"])
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("lock")).to_be_hidden()
        assert page.get_by_test_id("find").input_value() == "cjg"
        expect(page.get_by_test_id("study-row").first).to_contain_text("陈建国")


def test_an_untouched_page_covers_itself_also_after_a_reload(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, "about:blank") as person:
        page = person.page
        page.clock.install()
        page.goto(county(demo))
        account = sign_in(person, demo, "radiologist")
        person.see("study-row")
        page.clock.run_for(16 * 60 * 1000)
        person.see("lock")
        expect(page.get_by_test_id("lock")).to_contain_text("15分钟没有动作")
        person.picture("lock-idle-zh-1366x625")
        # Covered for readers of the screen and for keys as well.
        assert page.locator(".page").first.get_attribute("inert") is not None
        page.reload()
        person.see("lock")
        page.locator("#lock-password").fill(account["password"])
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("lock")).to_be_hidden()
        person.see("study-row")


def test_another_person_at_a_locked_page_signs_in_fresh(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, county(demo)) as person:
        sign_in(person, demo, "radiologist")
        person.page.get_by_test_id("find").fill("cjg")
        person.page.get_by_test_id("person").click()
        person.page.get_by_role("menuitem", name="锁屏").click()
        person.see("lock")
        person.page.get_by_role("button", name="换一个人").click()
        person.see("signin")
        sign_in(person, demo, "senior-radiologist")
        person.see("study-row")
        assert person.page.get_by_test_id("find").input_value() == ""
