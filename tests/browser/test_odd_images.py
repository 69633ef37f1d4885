"""Images out of the ordinary: PET and dose in their own units, objects without a picture."""

import io
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from playwright.sync_api import Browser, expect
from pydicom.dataset import Dataset

from tests.browser.test_objects import changed
from tests.browser.test_viewer import drag, middle, ready, zoom
from tests.browser.workstation import Person, at_work, county, sign_in, store
from tests.demo.running import RunningDemo
from tests.shared_data import need_shared_data
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
PATHS = [("?cpu", "zh-CN"), ("?gpu", "en")]


def stored(demo: RunningDemo, name: str) -> Dataset:
    """Store the real object *name* at the county and return it as it lies in its file."""
    content = (need_shared_data() / "dicom" / name).read_bytes()
    store(demo, [content])
    return pydicom.dcmread(io.BytesIO(content), force=True)


def opened(person: Person, demo: RunningDemo, study: str, query: str = "") -> None:
    sign_in(person, demo, "radiologist")
    person.page.goto(f"{county(demo)}/studies/{study}{query}")


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
        assert page.evaluate(_PEAK) == pytest.approx(brightest, abs=4)
        page.keyboard.press("2")
        expect(window).not_to_have_text(own)
        whole = numbers(person.text("window"))
        assert whole == pytest.approx([pet.values.max() + 1, pet.values.max() / 2], abs=2)
        assert page.evaluate(_PEAK) == pytest.approx(255, abs=5)
        page.keyboard.press("1")
        expect(window).to_have_text(own)
        assert page.evaluate(_PEAK) == pytest.approx(brightest, abs=4)

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
        assert person.page.evaluate(_PEAK) == pytest.approx(brightest, abs=4)


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
        assert person.page.evaluate(_PEAK) > 200
        person.page.keyboard.press("Shift+E")
        x, y = middle(person)
        drag(person, (x - 90, y - 90), (x + 90, y + 90))
        lines = person.page.get_by_test_id("cell-0").locator("svg text tspan")
        expect(lines.nth(1)).to_contain_text("Gy")
