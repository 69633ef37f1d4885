"""The counter: whoever comes is found or registered, examined, and nobody is registered twice."""

import re
import shutil
import subprocess
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.beside import ask
from tests.browser.test_long_values import TWO_LINES, height
from tests.browser.test_pictures import fits
from tests.browser.workstation import Person, at_work, county, sign_in, township
from tests.demo.running import RunningDemo, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
FINDSCU: Final = shutil.which("findscu")


def resident_number(born: str, order: int) -> str:
    """Return a number of the region 990000, which is nobody's, with its right check digit."""
    head = f"990000{born}{order:03}"
    total = sum(int(digit) * weight for digit, weight in zip(head, _WEIGHTS, strict=True))
    return head + "10X98765432"[total % 11]


def at_the_counter(person: Person, demo: RunningDemo, role: str = "technician") -> Page:
    """Sign in at the township and open the day."""
    until(
        lambda: demo.get("/api/v1/worklist", at="qingshan", role="technician")["accession_numbers"][
            "can_order"
        ],
        30,
        "the township's accession numbers",
    )
    sign_in(person, demo, role)
    person.page.get_by_role("link", name="今日检查").click()
    person.see("today")
    return person.page


def choose_examination(page: Page, typed: str) -> None:
    """Add the examination that *typed* finds first, by the keyboard."""
    field = page.get_by_test_id("examination-find")
    field.fill(typed)
    expect(page.get_by_test_id("examination-option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("order-line").last).to_have_attribute("data-state", "open")


def worklist_of(demo: RunningDemo, number: str) -> str:
    """Return what DCMTK's findscu hears of the order *number* at the township's door."""
    door = demo.door("qingshan")
    keys = ["AccessionNumber=" + number, "PatientName", "PatientID", "StudyInstanceUID"]
    found = subprocess.run(
        [
            *(FINDSCU or "", "-W", "-aet", "CT1", "-aec", door["ae_title"]),
            *("-k", "SpecificCharacterSet=ISO_IR 192"),
            *(word for key in keys for word in ("-k", key)),
            *("-k", "(0040,0100)[0].Modality", door["host"], str(door["port"])),
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    return (found.stdout + found.stderr).decode("utf-8", "replace")


def test_somebody_new_is_registered_and_ordered_for_without_a_mouse(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, township(demo)) as person:
        page = at_the_counter(person, demo)
        page.keyboard.press("n")
        person.see("desk")
        page.keyboard.type("欧阳小梅")
        expect(page.get_by_test_id("patient-option")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("name")).to_have_value("欧阳小梅")
        page.get_by_test_id("resident-id").focus()
        number = resident_number("19880229", 124)
        page.keyboard.type(number[:17])
        expect(page.get_by_test_id("patient-fields")).to_contain_text("已输17位，共18位")
        wrong = "0" if number[17] != "0" else "1"
        page.keyboard.type(wrong)
        expect(page.get_by_test_id("patient-fields")).to_contain_text("校验位不对")
        expect(page.get_by_test_id("submit")).to_be_disabled()
        person.picture("desk-wrong-id-zh-1366x625")
        page.keyboard.press("Backspace")
        page.keyboard.type(number[17])
        expect(page.get_by_test_id("birth")).to_have_value("1988-02-29")
        expect(page.get_by_test_id("sex").get_by_role("radio", name="女")).to_be_checked()
        choose_examination(page, "tl")
        page.get_by_test_id("question").fill("头痛3天")
        person.picture("desk-new-zh-1366x625")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_test_id("desk")).to_have_attribute("data-state", "done")
        accession = person.text("accession")
        assert "未核对互认" in page.get_by_test_id("order-line").inner_text()
        expect(page.get_by_test_id("patient-header")).to_contain_text(
            f"{number[:3]}***********{number[-4:]}"
        )
        assert number not in page.content()
        person.picture("desk-done-zh-1366x625")

        page.get_by_role("button", name="回今日检查").click()
        row = page.get_by_test_id("order-row").filter(has_text="欧阳小梅")
        expect(row).to_contain_text(accession)
        expect(row).to_have_attribute("data-state", "ordered")
        # What was typed is not kept on this computer once the machine has it.
        assert page.evaluate("() => localStorage.getItem('yilian.order-draft')") is None
    if FINDSCU:
        heard = worklist_of(demo, accession)
        assert "欧阳小梅" in heard
        assert accession in heard


def test_nobody_is_registered_twice(browser: Browser, demo: RunningDemo) -> None:
    number = resident_number("19550101", 331)
    with at_work(browser, township(demo)) as person:
        page = at_the_counter(person, demo)

        def begin(name: str) -> None:
            page.goto(township(demo) + "/today/new")
            person.see("desk")
            # What stood there half a second comes back.
            if page.get_by_test_id("start-anew").is_visible():
                page.get_by_test_id("start-anew").click()
            page.get_by_test_id("patient-find").fill(name)
            page.get_by_test_id("patient-option").last.click()
            person.see("patient-fields")
            page.get_by_test_id("name").fill(name)

        begin("司马相如")
        page.get_by_test_id("resident-id").fill(number)
        page.get_by_test_id("register-only").click()
        person.see("known-patient")
        begin("司马相如")
        expect(page.get_by_test_id("same-names")).to_contain_text("已登记过同名1人")
        person.picture("desk-same-name-zh-1366x625")
        begin("司马二")
        page.get_by_test_id("resident-id").fill(number)
        page.get_by_test_id("register-only").click()
        expect(page.get_by_test_id("taken")).to_contain_text("司马相如")
        person.picture("desk-taken-zh-1366x625")
        page.get_by_test_id("taken").get_by_role("button", name="就是这位").click()
        expect(page.get_by_test_id("known-patient")).to_contain_text("司马相如")
        # Looked for by initials, they are found before anybody is registered anew.
        page.get_by_role("button", name="换一位").click()
        page.get_by_test_id("patient-find").fill("smxr")
        expect(page.get_by_test_id("patient-option").first).to_contain_text("司马相如")


def test_somebody_unknown_is_examined_first_and_named_later(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, township(demo)) as person:
        page = at_the_counter(person, demo)
        page.keyboard.press("u")
        person.see("unknown-fields")
        choose_examination(page, "tl")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_test_id("desk")).to_have_attribute("data-state", "done")
        accession = person.text("accession")
        person.picture("desk-unknown-zh-1366x625")
        page.get_by_role("button", name="回今日检查").click()
        row = page.get_by_test_id("order-row").filter(has_text=accession)
        expect(row).to_contain_text("身份待核")
        expect(row).to_contain_text(re.compile("急.*无名氏"))
        row.click()
        page.get_by_test_id("who-is").click()
        page.get_by_test_id("real-find").fill("zhao")
        option = page.get_by_test_id("real-option").filter(has_text="赵秀兰")
        option.click()
        expect(page.get_by_test_id("reconcile")).to_contain_text("核对两边是不是同一个人")
        person.picture("today-reconcile-zh-1366x625")
        page.get_by_test_id("reconcile-go").click()
        expect(row).to_contain_text("赵秀兰")
        expect(row).not_to_contain_text("身份待核")


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_row_of_somebody_unknown_is_two_lines_with_the_emergency_beside_the_name(
    browser: Browser, demo: RunningDemo, language: str
) -> None:
    new = {"examination": "EX-CT-HEAD", "priority": "emergency"}
    nobody = {"sex": "M", "temporary": {"estimated_age_years": 45, "marks": ""}}
    made = ask(demo, "POST", "/api/v1/orders", {"order": new, "new_patient": nobody})
    with at_work(browser, township(demo), language=language, size="1366x768") as person:
        page = person.page
        sign_in(person, demo, "doctor")
        page.goto(f"{township(demo)}/today")
        row = page.get_by_test_id("order-row").filter(has_text=made["order"]["accession_number"])
        expect(row).to_contain_text("无名氏男")
        person.picture(f"today-unknown-emergency-{language}-1366x768")
        fits(person)
        assert height(row) <= TWO_LINES
        chip, name = (row.locator(each).bounding_box() for each in (".chip-emergency", ".name"))
        assert chip
        assert name
        assert abs((chip["y"] + chip["height"] / 2) - (name["y"] + name["height"] / 2)) < 4
        assert chip["x"] + chip["width"] <= name["x"]


def test_an_order_is_changed_printed_and_cancelled_with_its_reason(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, township(demo)) as person:
        page = at_the_counter(person, demo)
        page.evaluate("() => { window.print = () => { window.printed = true } }")
        row = page.get_by_test_id("order-row").filter(has_text="吴桂芳")
        row.click()
        expect(page.get_by_test_id("order-detail")).to_contain_text("未核对互认")
        page.get_by_test_id("change").click()
        page.get_by_test_id("change-fields").get_by_text("加急").click()
        page.get_by_test_id("save-change").click()
        expect(row).to_contain_text("加急")
        page.keyboard.press("p")
        page.wait_for_function("() => window.printed")
        expect(page.get_by_test_id("slips")).to_contain_text("吴桂芳", use_inner_text=False)
        row.focus()
        page.keyboard.press("x")
        page.get_by_test_id("reason").fill("设备检修")
        person.picture("today-cancel-zh-1366x625")
        page.get_by_test_id("why-go").click()
        expect(row).to_have_attribute("data-state", "cancelled")
        expect(page.get_by_test_id("order-detail")).to_contain_text("设备检修")
        expect(page.get_by_test_id("why")).to_be_hidden()


def test_what_was_typed_is_there_again_and_never_for_somebody_else(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, township(demo)) as person:
        page = at_the_counter(person, demo)
        page.keyboard.press("n")
        page.get_by_test_id("patient-find").fill("上官婉")
        page.get_by_test_id("patient-option").last.click()
        page.get_by_test_id("phone").fill("13800000001")
        page.wait_for_function("() => localStorage.getItem('yilian.order-draft')?.includes('0001')")
        page.reload()
        expect(page.get_by_test_id("phone")).to_have_value("13800000001")
        expect(page.get_by_test_id("desk")).to_contain_text("上次没开完的都在")
    with at_work(browser, township(demo)) as other:
        at_the_counter(other, demo, "registrar")
        other.page.keyboard.press("n")
        other.see("desk")
        assert "上官婉" not in other.text("desk")


def test_an_emergency_nobody_knows_leaves_what_was_half_typed(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, township(demo)) as person:
        page = at_the_counter(person, demo)
        page.keyboard.press("n")
        page.get_by_test_id("patient-find").fill("上官婉")
        page.get_by_test_id("patient-option").last.click()
        page.get_by_test_id("birth").fill("1990-01-02")
        page.get_by_test_id("phone").fill("12")
        expect(page.get_by_test_id("patient-fields")).to_contain_text("电话太短，至少3位")
        person.picture("desk-short-phone-zh-1366x625")
        page.get_by_role("button", name="先放着").click()
        person.see("today")
        page.keyboard.press("u")
        expect(page.get_by_test_id("unknown-fields")).to_be_visible()
        page.get_by_test_id("estimated-age").fill("45")
        kept = "() => localStorage.getItem('yilian.order-draft')?.includes('\"45\"')"
        page.wait_for_function(kept)
        page.reload()
        expect(page.get_by_test_id("estimated-age")).to_have_value("45")
        page.get_by_role("button", name="先放着").click()
        person.see("today")
        page.keyboard.press("n")
        expect(page.get_by_test_id("name")).to_have_value("上官婉")
        expect(page.get_by_test_id("birth")).to_have_value("1990-01-02")
        expect(page.get_by_test_id("phone")).to_have_value("12")
        page.keyboard.press("Alt+u")
        expect(page.get_by_test_id("estimated-age")).to_have_value("45")
        person.picture("desk-unknown-kept-zh-1366x625")
        page.get_by_role("button", name="English").click()
        person.picture("desk-unknown-kept-en-1366x625")
        page.get_by_role("button", name="中文").click()
        page.get_by_test_id("known-after-all").click()
        expect(page.get_by_test_id("name")).to_have_value("上官婉")
        page.get_by_test_id("start-anew").click()
        expect(page.get_by_test_id("patient-find")).to_be_focused()


def test_a_resident_number_finds_whose_it_is_or_fills_in_what_it_states(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, township(demo)) as person:
        page = at_the_counter(person, demo)
        page.keyboard.press("n")
        number = resident_number("19770814", 317)
        page.get_by_test_id("patient-find").fill(number)
        expect(page.get_by_test_id("patient-option")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("resident-id")).to_have_value(number)
        expect(page.get_by_test_id("birth")).to_have_value("1977-08-14")
        expect(page.get_by_test_id("sex").get_by_role("radio", name="男")).to_be_checked()
        person.picture("desk-filled-zh-1366x625")
        page.get_by_test_id("name").fill("慕容远")
        page.get_by_test_id("register-only").click()
        expect(page.get_by_test_id("patient-header")).to_contain_text("慕容远")
        page.get_by_role("button", name="先放着").click()
        person.see("today")
        page.keyboard.press("n")
        page.get_by_test_id("patient-find").fill(number)
        # Whose number it is, and somebody new: whoever is only listed lately is not among them.
        expect(page.get_by_test_id("patient-option")).to_have_count(2)
        expect(page.get_by_test_id("patient-option").first).to_contain_text("慕容远")
        person.picture("desk-found-by-id-zh-1366x625")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("patient-header")).to_contain_text("慕容远")
        for typed, name in (("xbct", "胸部CT平扫"), ("DR", "胸部正位"), ("xdt", "心电图")):
            page.get_by_test_id("examination-find").fill(typed)
            expect(page.get_by_test_id("examination-option").first).to_contain_text(name)
        person.picture("desk-examination-found-zh-1366x625")


def test_a_doctor_orders_and_is_told_that_nobody_looked_for_earlier_results(
    browser: Browser, demo: RunningDemo
) -> None:
    with at_work(browser, township(demo)) as person:
        page = person.page
        sign_in(person, demo, "doctor")
        expect(page).to_have_url(re.compile("/today/new$"))
        page.get_by_test_id("patient-find").fill("zlx")
        option = page.get_by_test_id("patient-option").first
        expect(option).to_contain_text("周立新")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("patient-header")).to_contain_text("周立新")
        choose_examination(page, "胸部CT")
        page.keyboard.press("Control+Enter")
        line = page.get_by_test_id("order-line").first
        expect(line).to_contain_text("未核对互认")
        expect(line).to_have_attribute("data-state", "done")
        person.picture("order-doctor-zh-1366x625")


def test_a_village_doctor_orders_at_the_county_in_the_register_of_the_township(
    browser: Browser, demo: RunningDemo
) -> None:
    until(
        lambda: (
            demo.get("/api/v1/examinations", role="village-doctor") != []
            and demo.get("/api/v1/patients?q=zlx", role="village-doctor")["items"] != []
        ),
        60,
        "the township's catalogue and register at the county",
    )
    with at_work(browser, county(demo)) as person:
        page = person.page
        sign_in(person, demo, "village-doctor")
        expect(page).to_have_url(re.compile("/today/new$"))
        expect(page.get_by_test_id("orders-at")).to_contain_text("检查由青山卫生院做")
        # Nobody is listed before somebody is looked for.
        page.get_by_test_id("patient-find").fill("zlx")
        expect(page.get_by_test_id("patient-option").first).to_contain_text("周立新")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("patient-header")).to_contain_text("周立新")
        # Whoever sees own orders only is not told that nobody ordered.
        expect(page.get_by_test_id("own-only")).to_contain_text("请先问青山卫生院")
        assert "没有开过" not in page.get_by_test_id("known-patient").inner_text()
        choose_examination(page, "胸部CT")
        person.picture("order-village-zh-1366x625")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_test_id("order-line").first).to_have_attribute("data-state", "done")
        # The page does not say beside it that they ordered nothing.
        expect(page.get_by_test_id("known-patient")).to_contain_text("胸部CT")
        accession = person.text("accession")
        page.get_by_role("button", name="回今日检查").click()
        row = page.get_by_test_id("order-row").filter(has_text=accession)
        expect(row).to_have_attribute("data-state", "ordered")
        # Of the township's day they see what they ordered.
        assert "欧阳" not in page.get_by_test_id("today").inner_text()
        person.picture("today-village-zh-1366x625")
        row.click()
        expect(page.get_by_test_id("cancel")).to_be_visible()
        # Whoever examines says how far it is.
        expect(page.get_by_test_id("begin")).to_have_count(0)
        person.picture("today-village-row-zh-1366x625")
    if FINDSCU:
        until(lambda: "周立新" in worklist_of(demo, accession), 60, "the order at the township")


def test_what_was_registered_wrongly_is_mended(browser: Browser, demo: RunningDemo) -> None:
    with at_work(browser, township(demo)) as person:
        page = at_the_counter(person, demo)
        page.keyboard.press("n")
        page.get_by_test_id("patient-find").fill("sds")
        expect(page.get_by_test_id("patient-option").first).to_contain_text("孙德胜")
        page.keyboard.press("Enter")
        page.get_by_test_id("mend").click()
        expect(page.get_by_test_id("correct-go")).to_be_disabled()
        page.get_by_test_id("phone").fill("0571-12345")
        page.get_by_test_id("correct-go").click()
        expect(page.get_by_test_id("known-patient")).to_contain_text("2345")
        person.picture("desk-mended-zh-1366x625")
