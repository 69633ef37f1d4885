"""What else a study may hold: several series, reports, documents, and what no browser can draw."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from playwright.sync_api import Browser, expect
from pydicom.dataset import Dataset
from pydicom.uid import ComprehensiveSRStorage, EncapsulatedPDFStorage, TwelveLeadECGWaveformStorage

from tests.browser.workstation import Person, at_work, county, folder_of, sign_in, store
from tests.demo.running import RunningDemo, until
from yilian.samples.studies import WU, uid_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

KEY = "browser-objects"
SLICES = 10
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\n"
    b"trailer<</Root 1 0 R>>\n%%EOF\n"
)


def changed(content: bytes, change: Callable[[Dataset], None]) -> bytes:
    """Return the object in *content* after *change*."""
    ds = pydicom.dcmread(io.BytesIO(content))
    change(ds)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def in_series(ds: Dataset, name: str, number: int, modality: str) -> None:
    ds.SeriesInstanceUID = uid_of(KEY, name)
    ds.SOPInstanceUID = uid_of(KEY, name, int(ds.InstanceNumber))
    ds.SeriesNumber, ds.SeriesDescription, ds.Modality = number, name, modality


def bone(ds: Dataset) -> None:
    in_series(ds, "bone", 2, "CT")


def without_pixels(ds: Dataset) -> None:
    for keyword in ("PixelData", "Rows", "Columns", "SamplesPerPixel", "BitsAllocated"):
        delattr(ds, keyword)


def text_item(meaning: str, words: str) -> Dataset:
    name = Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "121071", "DCM", meaning
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "TEXT"
    item.ConceptNameCodeSequence, item.TextValue = [name], words
    return item


def report(ds: Dataset) -> None:
    without_pixels(ds)
    in_series(ds, "report", 3, "SR")
    ds.SOPClassUID, ds.ValueType = ComprehensiveSRStorage, "CONTAINER"
    ds.ContentSequence = [text_item("所见", "左基底节见高密度影")]


def document(ds: Dataset) -> None:
    without_pixels(ds)
    in_series(ds, "document", 4, "DOC")
    ds.SOPClassUID, ds.DocumentTitle = EncapsulatedPDFStorage, "知情同意书"
    ds.MIMETypeOfEncapsulatedDocument, ds.EncapsulatedDocument = "application/pdf", PDF


def waveform(ds: Dataset) -> None:
    without_pixels(ds)
    in_series(ds, "waveform", 5, "ECG")
    ds.SOPClassUID = TwelveLeadECGWaveformStorage


@pytest.fixture(scope="module")
def study(demo: RunningDemo, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A study of two stacks, one of them with a hole, a report, a document and an ECG."""
    folder = folder_of(tmp_path_factory.mktemp("objects"), KEY, slices=SLICES, patient=WU)
    plain = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
    holed = [changed(one, bone) for number, one in enumerate(plain) if number != 4]
    others = [changed(plain[0], act) for act in (report, document, waveform)]
    store(demo, plain + holed + others)
    uid = uid_of(KEY)

    def series_listed() -> set[int]:
        listed = demo.get(f"/api/v1/studies?q={WU.patient_id}&limit=50")["items"]
        return {row["series_count"] for row in listed if row["study_instance_uid"] == uid}

    until(lambda: series_listed() == {5}, 60, "five series")
    return uid


REPORTS = 3
CORRECTED = PDF.replace(b"200 200", b"300 200")


@pytest.fixture(scope="module")
def documents(demo: RunningDemo, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A study of an image, three reports in one series, and a document with its correction."""
    key = "browser-documents"
    folder = folder_of(tmp_path_factory.mktemp("documents"), key, slices=1, patient=WU)
    plain = next(Path(folder).iterdir()).read_bytes()

    def one_of(act: Callable[[Dataset], None], name: str, number: int) -> Callable[[Dataset], None]:
        def change(ds: Dataset) -> None:
            act(ds)
            ds.SeriesInstanceUID = uid_of(key, name)
            ds.SOPInstanceUID = uid_of(key, name, number)
            ds.InstanceNumber, ds.ContentDate = number, "20260512"
            ds.ContentTime = f"10{number:02}00"
            if name == "reports":
                ds.ContentSequence = [text_item("所见", f"第{number}次测量")]
            elif number > 1:
                ds.EncapsulatedDocument = CORRECTED

        return change

    reports = [one_of(report, "reports", number + 1) for number in range(REPORTS)]
    letters = [one_of(document, "letters", number + 1) for number in range(2)]
    store(demo, [plain, *(changed(plain, act) for act in (*reports, *letters))])
    uid = uid_of(key)

    def counted() -> set[int]:
        listed = demo.get(f"/api/v1/studies?q={WU.patient_id}&limit=50")["items"]
        return {row["instance_count"] for row in listed if row["study_instance_uid"] == uid}

    until(lambda: counted() == {1 + REPORTS + 2}, 60, "all documents")
    return uid


def opened(person: Person, demo: RunningDemo, study: str) -> None:
    sign_in(person, demo, "radiologist")
    person.page.goto(f"{county(demo)}/studies/{study}")
    expect(person.page.get_by_test_id("cell-0")).to_have_attribute("data-state", "ready")


def test_series_stand_on_the_strip_with_their_pictures_and_counts(
    browser: Browser, demo: RunningDemo, study: str
) -> None:
    with at_work(browser, county(demo)) as person:
        opened(person, demo, study)
        thumbs = person.page.get_by_test_id("thumb")
        assert thumbs.count() == 5
        expect(thumbs.nth(0).locator(".count")).to_have_text(f"{SLICES}幅")
        expect(thumbs.nth(0)).to_have_attribute("aria-pressed", "true")


def test_a_hole_in_a_series_is_a_numbered_gap(
    browser: Browser, demo: RunningDemo, study: str
) -> None:
    with at_work(browser, county(demo)) as person:
        opened(person, demo, study)
        person.page.keyboard.press("PageDown")
        expect(person.page.get_by_test_id("cell-0")).to_contain_text("缺第5幅")
        expect(person.page.get_by_test_id("thumb").nth(1)).to_contain_text("缺1幅")
        assert person.text("image-number") == f"图 5/{SLICES - 1}"


def test_a_series_is_dragged_or_pressed_into_a_viewport(
    browser: Browser, demo: RunningDemo, study: str
) -> None:
    with at_work(browser, county(demo)) as person:
        opened(person, demo, study)
        page = person.page
        page.get_by_role("button", name=re.compile("^1.2$")).click()
        second = page.get_by_test_id("cell-1")
        expect(second).to_have_attribute("data-series", uid_of(KEY, "bone"))
        expect(second).to_have_attribute("data-state", "ready")
        # Both name the patient.
        for cell in (page.get_by_test_id("cell-0"), second):
            expect(cell).to_contain_text("吴芳")
        person.picture("reading-two-zh-1366x625")
        page.get_by_test_id("thumb").nth(2).drag_to(second)
        expect(second).to_have_attribute("data-state", "document")
        page.get_by_test_id("thumb").nth(0).click()
        expect(second).to_have_attribute("data-series", uid_of(KEY, "series"))


def test_linked_viewports_scroll_to_the_same_place(
    browser: Browser, demo: RunningDemo, study: str
) -> None:
    with at_work(browser, county(demo)) as person:
        opened(person, demo, study)
        page = person.page
        page.keyboard.press(".")
        expect(page.get_by_test_id("cell-1")).to_have_attribute("data-state", "ready")
        page.keyboard.press("y")
        page.keyboard.press("End")
        expect(page.get_by_test_id("cell-0")).to_have_attribute("data-index", str(SLICES - 1))
        expect(page.get_by_test_id("cell-1")).to_have_attribute("data-index", str(SLICES - 2))


def test_reports_and_documents_are_shown_and_what_cannot_be_says_so(
    browser: Browser, demo: RunningDemo, study: str
) -> None:
    with at_work(browser, county(demo)) as person:
        opened(person, demo, study)
        page = person.page
        shown = page.get_by_test_id("document")
        page.get_by_test_id("thumb").nth(2).click()
        expect(shown).to_have_attribute("data-kind", "report")
        expect(shown).to_contain_text("左基底节见高密度影")
        page.get_by_test_id("thumb").nth(3).click()
        expect(shown).to_have_attribute("data-kind", "pdf")
        expect(shown.locator("iframe")).to_be_visible()
        expect(shown.get_by_test_id("pdf-open")).to_have_text("在新页打开")
        page.get_by_test_id("thumb").nth(4).click()
        expect(shown).to_have_attribute("data-kind", "ecg")
        expect(shown).to_contain_text("这里还不能显示心电波形")
        person.picture("reading-ecg-zh-1366x625")
        with page.expect_download() as download:
            page.get_by_role("button", name="下载原件").click()
        assert Path(download.value.path()).read_bytes()[128:132] == b"DICM"


@pytest.mark.parametrize(("language", "words"), [("zh-CN", "第{}份，共{}份"), ("en", "{} of {}")])
def test_every_document_of_a_series_is_reached_and_taken_along(
    browser: Browser, demo: RunningDemo, documents: str, language: str, words: str
) -> None:
    first, second, last = (words.format(number, REPORTS) for number in (1, 2, 3))
    with at_work(browser, county(demo), language=language, size="1366x768") as person:
        opened(person, demo, documents)
        page = person.page
        shown, place = page.get_by_test_id("document"), page.get_by_test_id("document-at")
        page.get_by_test_id("thumb").nth(1).click()
        # The newest is what one reads first.
        expect(place).to_have_text(first)
        expect(shown).to_contain_text("第3次测量")
        expect(shown).to_contain_text("2026-05-12 10:03")
        expect(page.get_by_test_id("document-previous")).to_be_disabled()
        page.get_by_test_id("document-next").click()
        expect(place).to_have_text(second)
        expect(shown).to_contain_text("第2次测量")
        person.picture(f"reading-documents-{language}-1366x768")
        with page.expect_download() as download:
            shown.get_by_role("button", name=re.compile("下载原件|Download")).click()
        taken = pydicom.dcmread(download.value.path())
        assert taken.ContentSequence[0].TextValue == "第2次测量"
        page.keyboard.press("ArrowDown")
        expect(place).to_have_text(last)
        expect(shown).to_contain_text("第1次测量")
        page.keyboard.press("ArrowUp")
        expect(place).to_have_text(second)
        page.keyboard.press("Home")
        expect(place).to_have_text(first)
        page.keyboard.press("End")
        expect(place).to_have_text(last)

        # Another series begins at its first, and so does this one when it is opened again.
        page.get_by_test_id("thumb").nth(2).click()
        expect(shown).to_have_attribute("data-kind", "pdf")
        expect(place).to_have_text(words.format(1, 2))
        for content in (CORRECTED, PDF):
            href = page.get_by_test_id("pdf-save").get_attribute("href")
            answer = page.request.get(county(demo) + str(href))
            assert answer.body().rstrip(b"\0") == content.rstrip(b"\0")
            page.keyboard.press("ArrowDown")
            expect(place).to_have_text(words.format(2, 2))
        expect(shown.locator("iframe")).to_be_visible()
        person.picture(f"reading-pdfs-{language}-1366x768")
        page.get_by_test_id("thumb").nth(1).click()
        expect(place).to_have_text(first)


def test_images_that_come_while_one_reads_are_offered_and_move_nothing(
    browser: Browser, demo: RunningDemo, study: str, tmp_path: Path
) -> None:
    def late(ds: Dataset) -> None:
        in_series(ds, "late", 6, "CT")

    with at_work(browser, county(demo)) as person:
        opened(person, demo, study)
        expect(person.page.get_by_test_id("live")).to_have_attribute("data-state", "live")
        folder = folder_of(tmp_path, KEY, slices=2, patient=WU)
        store(demo, [changed(path.read_bytes(), late) for path in sorted(folder.iterdir())])
        expect(person.page.get_by_test_id("grew")).to_contain_text("又到了2幅影像")
        assert person.page.get_by_test_id("thumb").count() == 5
        person.page.get_by_role("button", name="显示").click()
        expect(person.page.get_by_test_id("thumb")).to_have_count(6)
