"""The technician's day: folders, discs and broken files, with and without a network."""

import datetime as dt
import zipfile
from functools import partial
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, CDPSession, expect

from gateway.township.tables import studies
from kernel.clock import SystemClock
from tests.browser.beside import QINGSHAN, ask, in_database, place_order
from tests.browser.test_pictures import fits
from tests.browser.workstation import Person, at_work, county, folder_of, sign_in, township
from tests.demo.running import RunningDemo
from yilian.samples.studies import LIU, MA, Person as Patient

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

IMAGES = 64


def choose(person: Person, path: Path, *, folder: bool = True) -> None:
    """Choose *path* in the picker and wait for what was found in it."""
    person.see("add")
    person.page.get_by_test_id("folder-input" if folder else "files-input").set_input_files(path)
    person.see("check")


def send(person: Person) -> None:
    """Tick everybody who was found and send: the samples' patients are not on today's worklist."""
    found = person.page.get_by_test_id("check").locator(".check-patients")
    for box in found.get_by_role("checkbox").all():
        box.check()
    person.page.get_by_test_id("send").click()


def safe_at_least(person: Person, count: int) -> None:
    """Wait until the node has called *count* files of the batch safe."""
    person.page.wait_for_function(
        "(count) => Number(document.querySelector('[data-testid=sending]')?.dataset.safe) >= count",
        arg=count,
    )


def slow_line(person: Person, bytes_per_s: int) -> CDPSession:
    """Make the line from this PC slow enough to be met in the middle, until detached."""
    network = person.context.new_cdp_session(person.page)
    network.send("Network.enable")
    network.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": 5,
            "downloadThroughput": -1,
            "uploadThroughput": bytes_per_s,
        },
    )
    return network


def test_a_folder_goes_on_by_itself_after_the_network_was_away_and_arrives(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, "browser-offline", slices=IMAGES, patient=MA)
    with at_work(browser, township(demo)) as person:
        page = person.page
        sign_in(person, demo, "technician")
        before = person.number("at-county")
        slow = slow_line(person, 2_000_000)
        choose(person, folder)
        assert f"1位患者，共{IMAGES}幅" in person.text("check")
        person.picture("township-check-zh-1366x625")
        send(person)
        safe_at_least(person, 5)

        slow.detach()
        person.context.set_offline(True)
        expect(page.get_by_test_id("sending")).to_have_attribute("data-state", "offline")
        expect(page.get_by_test_id("node-away")).to_be_visible()
        here = person.number("sending")
        assert "都在" in person.text("sending")
        assert 5 <= here < IMAGES
        person.picture("township-offline-zh-1366x625")

        person.context.set_offline(False)
        expect(page.get_by_test_id("sending")).to_have_attribute("data-state", "done")
        assert f"{IMAGES}个文件本机已保存" in person.text("sending")
        # "The county has it" only once its receipt is here.
        row = (
            page.get_by_test_id("queue-row")
            .filter(has_text="马成功")
            .filter(has_text=f"{IMAGES}幅")
        )
        # What one has sent oneself stands in the list without being asked for.
        expect(row).to_have_attribute("data-state", "at_county", timeout=60_000)
        expect(page.get_by_test_id("at-county")).to_have_text(f"{before + 1}份")
        person.picture("township-arrived-zh-1366x625")
    found = demo.get("/api/v1/studies?q=mcg&limit=50")["items"]
    assert IMAGES in [row["instance_count"] for row in found]


def test_a_page_that_was_closed_goes_on_when_the_folder_is_chosen_again(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, "browser-reload", slices=IMAGES, patient=LIU)
    with at_work(browser, township(demo)) as person:
        page = person.page
        sign_in(person, demo, "technician")
        slow_line(person, 2_000_000)
        choose(person, folder)
        send(person)
        safe_at_least(person, 5)
        page.on("dialog", lambda dialog: dialog.accept())
        page.reload()
        assert "再选一次同一个文件夹“browser-reload”" in person.text("reselect")
        person.picture("township-reselect-zh-1366x625")
        choose(person, folder)
        send(person)
        expect(page.get_by_test_id("sending")).to_have_attribute("data-state", "done")
        assert "以前已收下，不重复传" in person.text("sending")
        assert f"{IMAGES}个文件本机已保存" in person.text("sending")


def test_a_second_folder_waits_for_the_first_and_a_closed_page_remembers_both(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    first = folder_of(tmp_path, "browser-first", slices=IMAGES, patient=MA)
    second = folder_of(tmp_path, "browser-second", slices=3, patient=LIU)
    with at_work(browser, township(demo)) as person:
        page = person.page
        sending = page.get_by_test_id("sending")
        sign_in(person, demo, "technician")
        slow_line(person, 1_500_000)
        choose(person, first)
        # Chosen while the first is still being checked: neither takes the other's place.
        page.get_by_test_id("folder-input").set_input_files(second)
        assert "browser-second" in person.text("behind")
        assert "browser-first" in person.text("check")
        send(person)
        expect(page.get_by_test_id("check")).to_contain_text("browser-second")
        expect(page.get_by_test_id("behind")).to_be_hidden()
        send(person)
        expect(sending).to_have_count(2)
        expect(sending.nth(1)).to_have_attribute("data-state", "waiting")
        assert "等前面的存好" in sending.nth(1).inner_text()
        safe_at_least(person, 3)
        person.picture("township-two-folders-zh-1366x625")

        page.on("dialog", lambda dialog: dialog.accept())
        page.reload()
        expect(page.get_by_test_id("reselect")).to_have_count(2)
        choose(person, second)
        send(person)
        expect(page.get_by_test_id("reselect")).to_have_count(1)
        choose(person, first)
        send(person)
        expect(page.get_by_test_id("reselect")).to_have_count(0)
        expect(sending.last).to_have_attribute("data-state", "done")
        expect(sending.last).to_contain_text(f"“browser-first”的{IMAGES}个文件本机已保存")


def test_who_signs_out_in_the_middle_sends_no_more_and_finds_the_rest_again(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, "browser-signed-out", slices=IMAGES, patient=LIU)
    with at_work(browser, township(demo)) as person:
        page = person.page
        sign_in(person, demo, "technician")
        slow_line(person, 1_500_000)
        choose(person, folder)
        send(person)
        safe_at_least(person, 3)
        page.get_by_test_id("person").click()
        page.get_by_role("menuitem", name="退出").click()
        person.see("signin")
        sign_in(person, demo, "technician")
        assert "再选一次同一个文件夹“browser-signed-out”" in person.text("reselect")
        expect(page.get_by_test_id("sending")).to_have_count(0)
        # What came of the folder is no whole study, there or at the county, however long it stays.
        row = page.get_by_test_id("queue-row").filter(has_text=f"/{IMAGES}")
        expect(row).to_contain_text("正在收")
        expect(row).to_have_attribute("data-state", "at_county", timeout=60_000)
        expect(row).to_contain_text("可先看")
        expect(row).not_to_contain_text("已收到")
        fits(person)
        person.picture("township-part-zh-1366x625")
        known = demo.get("/api/v1/completeness", at=QINGSHAN, role="technician")["items"]
        [study] = [
            one
            for one in known
            if one["completeness"]["expected"] == IMAGES > one["completeness"]["here"]
        ]
        in_database(demo.home / QINGSHAN, partial(long_ago, study=study["study_instance_uid"]))
        page.reload()
        row = page.locator(f"[data-study='{study['study_instance_uid']}']")
        expect(row).to_contain_text("只来")
        row.click()
        expect(page.get_by_test_id("queue-detail")).to_contain_text("可能没发完")
        fits(person)
        person.picture("township-short-zh-1366x625")
        page.get_by_text("English").click()
        expect(page.get_by_test_id("queue-detail")).to_contain_text("add the same folder again")
        fits(person)
        person.picture("township-short-en-1366x625")
        page.get_by_test_id("whole").click()
        expect(row).to_contain_text("Has it")
        expect(row.get_by_test_id("here")).to_have_text("Safe")


def long_ago(conn: sa.Connection, study: str) -> None:
    """Let the last image of *study* have come an hour before it did."""
    mine = studies.c.study_instance_uid == study
    earlier = SystemClock().now() - dt.timedelta(hours=1)
    conn.execute(sa.update(studies).where(mine).values(last_received_at=earlier))


def test_a_long_file_goes_on_under_the_session_after_a_lock(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, "browser-locked", slices=1, patient=LIU)
    [path] = folder.iterdir()
    image = pydicom.dcmread(path)
    notes = image.private_block(0x0099, "YILIAN TEST", create=True)
    notes.add_new(1, "OB", bytes(20 << 20))
    image.save_as(path)
    with at_work(browser, township(demo)) as person:
        page = person.page
        account = sign_in(person, demo, "technician")
        slow = slow_line(person, 3_000_000)
        choose(person, folder)
        with page.expect_request(lambda request: request.url.rstrip("/").endswith("/uploads")):
            send(person)
        page.get_by_test_id("person").click()
        page.get_by_role("menuitem", name="锁屏").click()
        page.locator("#lock-password").fill(account["password"])
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("lock")).to_be_hidden()
        expect(page.get_by_test_id("sending")).to_have_attribute("data-state", "sending")
        slow.detach()
        expect(page.get_by_test_id("sending")).to_have_attribute("data-state", "done")
        assert "1个文件本机已保存" in person.text("sending")


def test_several_patients_and_old_exams_wait_for_a_tick(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    disc = tmp_path / "disc"
    folder_of(disc, "a", slices=2, patient=MA)
    folder_of(disc, "b", slices=3, patient=LIU, days_ago=30)
    (disc / "readme.txt").write_text("a disc")
    with at_work(browser, township(demo)) as person:
        page = person.page
        sign_in(person, demo, "technician")
        choose(person, disc)
        said = person.text("check")
        assert "这里有2位患者，请逐个核对姓名后再传。" in said
        assert "检查日期早于今天，确认要传请打勾" in said
        assert "有1个文件不是影像，不传" in said
        expect(page.get_by_test_id("send")).to_be_disabled()
        person.picture("township-mixed-zh-1366x625")
        page.get_by_role("checkbox", name="马成功").check()
        expect(page.get_by_test_id("send")).to_contain_text("开始传 2个")
        assert "没打勾的3个不传" in person.text("check")
        page.get_by_role("button", name="先不传").click()
        expect(page.get_by_test_id("check")).to_be_hidden()


def test_many_patients_are_all_in_reach_and_the_buttons_stay_in_sight(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    disc = tmp_path / "ward-round"
    for nth in range(9):
        patient = Patient(f"QS00399{nth:02}", f"Wu^{nth}=吴^{nth}", "F", dt.date(1960, 1, 1 + nth))
        folder_of(disc, f"p{nth}", slices=1, patient=patient)
    with at_work(browser, township(demo)) as person:
        page = person.page
        sign_in(person, demo, "technician")
        choose(person, disc)
        expect(page.get_by_test_id("send")).to_be_in_viewport()
        person.picture("township-many-zh-1366x625")
        boxes = page.get_by_test_id("check").get_by_role("checkbox")
        assert boxes.count() == 9
        boxes.last.focus()
        expect(boxes.last).to_be_in_viewport(ratio=1)
        page.keyboard.press("Space")
        # In sight, and not below the buttons either.
        last, foot = boxes.last.bounding_box(), page.get_by_test_id("send").bounding_box()
        assert last is not None
        assert foot is not None
        assert last["y"] + last["height"] <= foot["y"]
        expect(page.get_by_test_id("send")).to_contain_text("开始传 1个")
        page.get_by_role("button", name="先不传").click()


def test_one_broken_file_is_named_with_its_reason_and_stops_no_other(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, "browser-broken", slices=6, patient=MA)
    whole = (folder / "IM0003.dcm").read_bytes()
    (folder / "IM0003.dcm").write_bytes(whole[: len(whole) // 2])
    with at_work(browser, township(demo)) as person:
        sign_in(person, demo, "technician")
        choose(person, folder)
        send(person)
        expect(person.page.get_by_test_id("sending")).to_have_attribute("data-state", "done")
        said = person.text("sending")
        assert "有1个没收下，其余5个已保存" in said
        assert "IM0003.dcm" in said
        # The same broken file again would be refused again: what helps is said instead, and once.
        assert "请在设备上重发，或重新导出再添加一次" in said
        assert said.count("重发") == 1
        assert person.page.get_by_role("button", name="再传一次").count() == 0
        # Nor is the sixth image still awaited once it is known that it does not come.
        row = person.page.get_by_test_id("queue-row").filter(has_text="5/6")
        expect(row.get_by_test_id("here")).to_have_text("只来5/6")
        person.picture("township-refused-zh-1366x625")


def test_a_zip_is_looked_through_before_it_is_sent(
    browser: Browser, demo: RunningDemo, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, "browser-zip", slices=4, patient=LIU)
    archive = tmp_path / "disc.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in folder.iterdir():
            packed.write(path, f"DICOM/{path.name}")
    with at_work(browser, township(demo)) as person:
        sign_in(person, demo, "technician")
        choose(person, archive, folder=False)
        assert "“disc.zip”里有1位患者，共4幅" in person.text("check")
        send(person)
        expect(person.page.get_by_test_id("sending")).to_have_attribute("data-state", "done")
        assert "1个文件本机已保存" in person.text("sending")


def test_the_queue_is_worked_without_a_mouse(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, township(demo)) as person:
        page = person.page
        sign_in(person, demo, "technician")
        person.see("queue-row")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("queue-detail")).to_be_visible()
        assert page.evaluate("() => document.activeElement.dataset.testid") == "queue-row"
        person.picture("township-row-zh-1366x625")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("queue-detail")).to_be_hidden()
        page.keyboard.press("a")
        expect(page.get_by_test_id("choose")).to_be_visible()
        assert page.evaluate("() => document.activeElement.textContent") == "选文件夹"
        page.keyboard.press("Shift+Slash")
        expect(page.get_by_role("dialog")).to_contain_text("添加影像")


def test_the_county_page_never_shows_the_township_tab(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, county(demo)) as person:
        sign_in(person, demo, "radiologist")
        person.page.goto(county(demo) + "/township")
        expect(person.page).not_to_have_url(county(demo) + "/township")


def test_many_corrections_of_patients_ask_for_few_lists_and_break_none_off(
    browser: Browser, demo: RunningDemo
) -> None:
    path = f"/api/v1/patients/{place_order(demo, '钟离春', '复查').patient}"
    etag = demo.get(path, at=QINGSHAN, role="technician")["patient"]["etag"]

    def correct(nth: int, version: str) -> str:
        change = {"phone": f"13800000{nth:03}"}
        told = ask(demo, "PATCH", path, change, version=version)
        return str(told["patient"]["etag"])

    with at_work(browser, township(demo)) as person:
        page = person.page
        sign_in(person, demo, "technician")
        person.see("add")
        asked: list[str] = []
        broken: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: broken.append(request.url))
        began = SystemClock().monotonic_s()
        for nth in range(60):
            etag = correct(nth, etag)
        with page.expect_response(lambda answer: "/api/v1/queue" in answer.url):
            correct(60, etag)
        took = SystemClock().monotonic_s() - began
        lists = [url for url in asked if "/api/v1/queue" in url]
        # One at once, then one a second at most.
        assert 1 <= len(lists) <= took + 2
        assert not [url for url in broken if "/api/v1/queue" in url]
