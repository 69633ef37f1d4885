"""Images out of the ordinary: PET and dose in their own units, objects without a picture."""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from playwright.sync_api import Browser, Request, expect
from pydicom.dataset import Dataset

from tests.browser.test_objects import changed
from tests.browser.test_viewer import drag, middle, ready, zoom
from tests.browser.workstation import Person, at_work, county, folder_of, sign_in, store
from tests.demo.running import RunningDemo
from tests.shared_data import members, need_shared_data
from yilian.samples.studies import uid_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SIZE = "1366x768"
_PEAK = """() => {
  const canvas = document.querySelector('[data-testid=cell-0] canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let peak = 0;
  for (let at = 0; at < data.length; at += 4) peak = Math.max(peak, data[at]);
  return peak;
}"""
_DRAWN = """(picture) => {
  const canvas = document.createElement('canvas');
  canvas.width = picture.naturalWidth;
  canvas.height = picture.naturalHeight;
  canvas.getContext('2d').drawImage(picture, 0, 0);
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let at = 0; at < data.length; at += 4) sum += data[at];
  return sum / (data.length / 4);
}"""
PATHS = [("?cpu", "zh-CN"), ("?gpu", "en")]


def stored(demo: RunningDemo, name: str) -> Dataset:
    """Store the real object *name* at the county and return it as it lies in its file."""
    content = (need_shared_data() / "dicom" / name).read_bytes()
    store(demo, [content])
    return pydicom.dcmread(io.BytesIO(content), force=True)


def opened(person: Person, demo: RunningDemo, study: str, query: str = "") -> None:
    sign_in(person, demo, "radiologist")
    person.page.goto(f"{county(demo)}/studies/{study}{query}")


def peaks_at(person: Person, expected: float, within: float) -> None:
    """Wait until the brightest point of the first viewport is drawn as *expected*."""
    person.page.wait_for_function(
        f"([expected, within]) => Math.abs(({_PEAK})() - expected) <= within",
        arg=[float(expected), float(within)],
    )


def grey(value: float, width: float, centre: float) -> float:
    """Return the grey of *value* under a window (PS3.3 C.11.2.1.2.1)."""
    return min(255.0, max(0.0, ((value - (centre - 0.5)) / (width - 1) + 0.5) * 255))


@dataclass(frozen=True)
class Positron:
    """What a file of PET says of itself."""

    values: npt.NDArray[np.float64]
    """In its own unit, rows first."""
    width: float
    centre: float

    @classmethod
    def of(cls, ds: Dataset) -> "Positron":
        stored_values = np.frombuffer(ds.PixelData, "<i2").reshape(ds.Rows, ds.Columns)
        values = stored_values * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
        return cls(values, float(ds.WindowWidth), float(ds.WindowCenter))

    def inside(self, half: float) -> npt.NDArray[np.float64]:
        """Return the values of the box *half* pixels around the middle."""
        row, column = (round(size / 2) for size in self.values.shape)
        reach = round(half)
        return self.values[row - reach : row + reach, column - reach : column + reach]


def numbers(text: str) -> list[float]:
    return [float(one) for one in re.findall(r"\d+(?:\.\d+)?", text)]


@pytest.mark.parametrize(("query", "language"), PATHS)
def test_pet_is_drawn_windowed_and_measured_in_the_unit_of_its_file(
    browser: Browser, demo: RunningDemo, query: str, language: str
) -> None:
    # It tells dose and weight, of which a viewer could make SUV; its windows are in Bq/mL.
    ds = stored(demo, "odd/PrivateMDNTags.dcm")
    assert (ds.Units, "PatientWeight" in ds) == ("BQML", True)
    pet = Positron.of(ds)
    with at_work(browser, county(demo), language=language, size=SIZE) as person:
        opened(person, demo, ds.StudyInstanceUID, query)
        ready(person)
        page = person.page
        window = page.get_by_test_id("window")
        own = f"W{pet.width:.0f} L{pet.centre:.0f}"
        brightest = grey(pet.values.max(), pet.width, pet.centre)
        assert brightest > 50
        expect(window).to_have_text(own)
        peaks_at(person, brightest, 4)
        page.keyboard.press("2")
        expect(window).not_to_have_text(own)
        whole = numbers(person.text("window"))
        assert whole == pytest.approx([pet.values.max() + 1, pet.values.max() / 2], abs=2)
        peaks_at(person, 255, 5)
        page.keyboard.press("1")
        expect(window).to_have_text(own)
        peaks_at(person, brightest, 4)

        page.keyboard.press("Shift+E")
        x, y = middle(person)
        drag(person, (x - 40, y - 40), (x + 40, y + 40))
        lines = page.get_by_test_id("cell-0").locator("svg text tspan")
        expect(lines.nth(1)).to_contain_text("Bq/mL")
        expect(lines.nth(2)).to_contain_text("Bq/mL")
        mean, _ = numbers(lines.nth(1).text_content() or "")
        box = pet.inside(40 / zoom(person))
        assert mean == pytest.approx(box.mean(), rel=0.03)
        person.picture(f"reading-pet-{query[1:]}-{language}-{SIZE}")


def test_pet_scaled_by_a_whole_number_is_not_taken_for_uptake(
    browser: Browser, demo: RunningDemo
) -> None:
    key = "browser-pet-whole"

    def twofold(ds: Dataset) -> None:
        ds.StudyInstanceUID, ds.SeriesInstanceUID = uid_of(key), uid_of(key, "series")
        ds.SOPInstanceUID, ds.RescaleSlope = uid_of(key, 1), "2"

    content = changed((need_shared_data() / "dicom/odd/Issue94.dcm").read_bytes(), twofold)
    store(demo, [content])
    pet = Positron.of(pydicom.dcmread(io.BytesIO(content)))
    with at_work(browser, county(demo)) as person:
        opened(person, demo, uid_of(key), "?cpu")
        ready(person)
        expect(person.page.get_by_test_id("window")).to_have_text(
            f"W{pet.width:.0f} L{pet.centre:.0f}"
        )
        brightest = grey(pet.values.max(), pet.width, pet.centre)
        peaks_at(person, brightest, 4)


def test_a_dose_is_drawn_and_measured_in_gray(browser: Browser, demo: RunningDemo) -> None:
    key = "browser-dose"

    def in_gray(ds: Dataset) -> None:
        ds.StudyInstanceUID, ds.SeriesInstanceUID = uid_of(key), uid_of(key, "series")
        ds.SOPInstanceUID, ds.DoseUnits = uid_of(key, 1), "GY"

    content = (need_shared_data() / "dicom/pydicom-tests/rtdose.dcm").read_bytes()
    store(demo, [changed(content, in_gray)])
    with at_work(browser, county(demo)) as person:
        opened(person, demo, uid_of(key), "?cpu")
        ready(person)
        peaks_at(person, 255, 50)
        person.page.keyboard.press("Shift+E")
        x, y = middle(person)
        drag(person, (x - 90, y - 90), (x + 90, y + 90))
        lines = person.page.get_by_test_id("cell-0").locator("svg text tspan")
        expect(lines.nth(1)).to_contain_text("Gy")


def frames_asked(person: Person) -> list[str]:
    """Return a list that grows with every frame the page asks the server for as it is stored."""
    asked: list[str] = []

    def note(request: Request) -> None:
        if "/frames/" in request.url and not request.url.endswith("/rendered"):
            asked.append(request.url)

    person.page.on("request", note)
    return asked


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_an_object_without_a_picture_says_so_and_offers_nothing_that_cannot_help(
    browser: Browser, demo: RunningDemo, language: str
) -> None:
    ds = stored(demo, "charset/chrKoreanMulti.dcm")
    assert ds.Rows > 0
    assert "PixelData" not in ds
    with at_work(browser, county(demo), language=language, size=SIZE) as person:
        asked = frames_asked(person)
        opened(person, demo, ds.StudyInstanceUID)
        cell = person.page.get_by_test_id("cell-0")
        told = {"zh-CN": "没有图像", "en": "no picture"}[language]
        expect(cell.get_by_test_id("no-picture")).to_contain_text(told)
        expect(cell.locator(".overlay")).to_contain_text("김희중")
        expect(cell.locator(".overlay")).to_contain_text("Chest PA PA")
        expect(cell.get_by_role("button")).to_have_count(0)
        assert asked == []
        person.picture(f"reading-no-picture-{language}-{SIZE}")


@pytest.mark.parametrize(("query", "language"), PATHS)
def test_what_only_the_server_can_draw_stands_there_as_a_preview(
    browser: Browser, demo: RunningDemo, query: str, language: str
) -> None:
    # Its colours are a palette in segments.
    ds = stored(demo, "odd/gdcm-US-ALOKA-16.dcm")
    with at_work(browser, county(demo), language=language, size=SIZE) as person:
        asked = frames_asked(person)
        opened(person, demo, ds.StudyInstanceUID, query)
        preview = person.page.get_by_test_id("preview")
        marked = {"zh-CN": "预览画质", "en": "Preview quality"}[language]
        expect(preview).to_contain_text(marked)
        picture = preview.locator("img")
        expect(picture).to_have_js_property("naturalWidth", ds.Columns)
        assert picture.evaluate(_DRAWN) > 5
        cell = person.page.get_by_test_id("cell-0")
        expect(cell.get_by_role("button")).to_have_count(0)
        expect(cell.get_by_test_id("quality")).to_have_count(0)
        assert asked == []
        person.picture(f"reading-preview-{query[1:]}-{language}-{SIZE}")


@pytest.mark.parametrize("query", ["?cpu", "?gpu"])
def test_images_around_one_without_a_picture_are_leafed_through(
    browser: Browser, demo: RunningDemo, tmp_path: Path, query: str
) -> None:
    key = f"browser-bare-{query[1:]}"

    def bare(ds: Dataset) -> None:
        del ds.PixelData

    first, second, last = (
        path.read_bytes() for path in sorted(folder_of(tmp_path, key, slices=3).iterdir())
    )
    store(demo, [first, changed(second, bare), last])
    with at_work(browser, county(demo)) as person:
        # The middle one is what opens first.
        opened(person, demo, uid_of(key), query)
        page = person.page
        number, nothing = page.get_by_test_id("image-number"), page.get_by_test_id("no-picture")
        expect(nothing).to_be_visible()
        expect(number).to_have_text("图 2/3")
        page.keyboard.press("ArrowDown")
        ready(person)
        expect(number).to_have_text("图 3/3")
        peaks_at(person, 255, 150)
        page.keyboard.press("ArrowUp")
        expect(nothing).to_be_visible()
        page.keyboard.press("ArrowUp")
        ready(person)
        expect(number).to_have_text("图 1/3")
        peaks_at(person, 255, 150)
        page.mouse.move(*middle(person))
        page.mouse.wheel(0, 100)
        expect(nothing).to_be_visible()
        page.mouse.wheel(0, 100)
        ready(person)
        expect(number).to_have_text("图 3/3")
        expect(page.get_by_test_id("thumb").locator(".count")).to_have_text("3幅")


@dataclass(frozen=True)
class MrFrame:
    """One frame of an enhanced object, as its functional groups tell."""

    width: float
    centre: float
    thickness_mm: float
    values: npt.NDArray[np.float64]

    @property
    def window(self) -> str:
        return f"W{self.width:.0f} L{self.centre:.0f}"


def frames_of(ds: Dataset) -> list[MrFrame]:
    """Return the frames along the normal of their planes, which lie across the second axis."""
    told = []
    for group, values in zip(ds.PerFrameFunctionalGroupsSequence, ds.pixel_array, strict=True):
        [voi], [measures] = group.FrameVOILUTSequence, group.PixelMeasuresSequence
        [position] = group.PlanePositionSequence
        frame = MrFrame(
            float(voi.WindowWidth), float(voi.WindowCenter), float(measures.SliceThickness), values
        )
        told.append((float(position.ImagePositionPatient[1]), frame))
    return [frame for _, frame in sorted(told, key=lambda one: one[0])]


@pytest.mark.parametrize(("query", "language"), PATHS)
def test_each_frame_of_an_enhanced_object_has_its_own_window_and_thickness(
    browser: Browser, demo: RunningDemo, query: str, language: str
) -> None:
    content, ds = next(
        (content, ds)
        for _, content in members("mr-siemens-xa-study-a.tar.xz")
        if (ds := pydicom.dcmread(io.BytesIO(content))).get("NumberOfFrames")
    )
    assert "WindowCenter" not in ds
    assert "SliceThickness" not in ds
    frames = frames_of(ds)
    middle_one = (len(frames) - 1) // 2
    store(demo, [content])
    with at_work(browser, county(demo), language=language, size=SIZE) as person:
        opened(person, demo, ds.StudyInstanceUID, f"{query}&series={ds.SeriesInstanceUID}")
        ready(person)
        page = person.page
        window, number = page.get_by_test_id("window"), page.get_by_test_id("image-number")
        names = {"zh-CN": ["原窗", "全范围", "窄窗", "宽窗"], "en": ["As sent", "Full range"]}
        for name in names[language]:
            expect(page.get_by_role("button", name=name)).to_be_visible()
        for at, frame in ((middle_one, frames[middle_one]), (len(frames) - 1, frames[-1])):
            if at != middle_one:
                page.keyboard.press("End")
            expect(number).to_contain_text(f"{at + 1}/{len(frames)}")
            page.keyboard.press("2")
            whole = rf"W{frame.values.max() - frame.values.min() + 1:.0f} L\d+"
            expect(window).to_have_text(re.compile(whole))
            peaks_at(person, 255, 12)
            page.keyboard.press("1")
            expect(window).to_have_text(frame.window)
            peaks_at(person, grey(frame.values.max(), frame.width, frame.centre), 12)
            expect(page.locator(".overlay")).to_contain_text(f"{frame.thickness_mm:.1f} mm")
        person.picture(f"reading-enhanced-{query[1:]}-{language}-{SIZE}")


@pytest.mark.parametrize(("query", "language"), PATHS)
def test_a_radiograph_is_inverted_and_put_back_as_it_came(
    browser: Browser, demo: RunningDemo, query: str, language: str
) -> None:
    ds = stored(demo, "dicomdir-tree/77654033/CR1/6154")
    assert ds.PhotometricInterpretation == "MONOCHROME1"
    values = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
    width, centre = float(ds.WindowWidth), float(ds.WindowCenter)
    as_it_came = 255 - grey(values.min(), width, centre)
    exchanged = grey(values.max(), width, centre)
    assert abs(as_it_came - exchanged) > 20
    with at_work(browser, county(demo), language=language, size=SIZE) as person:
        opened(person, demo, ds.StudyInstanceUID, f"{query}&series={ds.SeriesInstanceUID}")
        ready(person)
        page = person.page
        overlay = page.locator(".overlay")
        told = {"zh-CN": "反色", "en": "Inverted"}[language]
        peaks_at(person, as_it_came, 6)
        expect(overlay).not_to_contain_text(told, ignore_case=True)
        page.keyboard.press("i")
        peaks_at(person, exchanged, 6)
        expect(overlay).to_contain_text(told, ignore_case=True)
        page.keyboard.press("3")
        page.keyboard.press("Space")
        expect(page.get_by_test_id("window")).to_have_text(f"W{width:.0f} L{centre:.0f}")
        peaks_at(person, as_it_came, 6)
        expect(overlay).not_to_contain_text(told, ignore_case=True)
        person.picture(f"reading-reset-{query[1:]}-{language}-{SIZE}")
