"""The grey and colour pipelines against pydicom's, which shares no line with ours."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels.processing import (
    apply_color_lut,
    apply_modality_lut,
    apply_voi_lut,
    apply_windowing,
    convert_color_space,
)
from pydicom.sequence import Sequence

from imaging.pixels import voi
from imaging.pixels.voi import Palette, Rescale, Shading, Table, VoiFunction, Window

FUNCTIONS = list(VoiFunction)


def described(**more: object) -> Dataset:
    ds = Dataset()
    ds.BitsStored = ds.BitsAllocated = 16
    ds.PixelRepresentation = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return ds


@settings(max_examples=60, deadline=None)
@given(
    function=st.sampled_from(FUNCTIONS),
    centre=st.floats(-2000, 3000),
    width=st.floats(1.0, 5000),
    slope=st.sampled_from([0.5, 1.0, 2.25]),
    intercept=st.sampled_from([-1024.0, 0.0, 17.5]),
)
def test_windows_as_pydicom_does(
    function: VoiFunction, centre: float, width: float, slope: float, intercept: float
) -> None:
    cells = np.arange(-2048, 4096, 7, dtype=np.int16).reshape(2, -1)
    ds = described(
        WindowCenter=centre,
        WindowWidth=width,
        VOILUTFunction=function.value,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
    )
    output = apply_modality_lut(cells, ds)
    ours = voi.modality(cells, Rescale(slope, intercept))
    assert np.allclose(ours, output)
    # pydicom maps to the range of the output values; ours is stretched to the same.
    low = -(2.0**15) * slope + intercept
    high = (2.0**15 - 1) * slope + intercept
    with np.errstate(over="ignore"):
        shown = np.asarray(apply_windowing(output, ds), np.float64)
    expected = (shown - low) / (high - low)
    assert np.allclose(voi.windowed(ours, Window(centre, width, function), high=1.0), expected)


@pytest.mark.parametrize("first", [-100, 0, 50])
def test_looks_up_as_pydicom_does(first: int) -> None:
    cells = np.arange(-300, 900, 3, dtype=np.int16)
    entries = np.linspace(0, 4095, 400).astype(np.uint16)
    item = Dataset()
    item.LUTDescriptor = [400, first, 12]
    item.LUTData = entries.tolist()
    item["LUTDescriptor"].VR = "SS"
    item["LUTData"].VR = "US"
    ds = described(VOILUTSequence=Sequence([item]))
    expected = apply_voi_lut(cells, ds)
    assert np.array_equal(voi.looked_up(cells, Table(first, 12, entries)), expected)


def test_colours_a_palette_as_pydicom_does() -> None:
    ramp = np.arange(256, dtype=np.uint16)
    planes = [ramp * 257, ramp[::-1] * 257, (ramp // 2) * 257]
    ds = Dataset()
    ds.PhotometricInterpretation = "PALETTE COLOR"
    for name, plane in zip(("Red", "Green", "Blue"), planes, strict=True):
        setattr(ds, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", plane.astype("<u2").tobytes())
        ds[f"{name}PaletteColorLookupTableDescriptor"].VR = "US"
    cells = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = (apply_color_lut(cells, ds) >> 8).astype(np.uint8)
    palette = Palette(*(Table(0, 16, plane.astype(np.uint16)) for plane in planes))
    assert np.array_equal(voi.coloured(cells, palette), expected)


def test_an_index_beyond_the_palette_takes_its_last_colour() -> None:
    table = Table(0, 8, np.array([1, 2, 3], np.uint16))
    shown = voi.coloured(np.array([[0, 2, 200]], np.uint8), Palette(table, table, table))
    assert shown[0, :, 0].tolist() == [1, 3, 3]


def test_turns_ybr_into_rgb_as_pydicom_does() -> None:
    rng = np.random.default_rng(5)
    cells = rng.integers(0, 256, (40, 40, 3)).astype(np.uint8)
    expected = convert_color_space(cells, "YBR_FULL", "RGB")
    assert np.abs(voi.rgb_of_ybr(cells).astype(int) - expected.astype(int)).max() <= 1


def test_spreads_the_chrominance_of_native_4_2_2() -> None:
    made = voi.ybr_of_422(bytes([10, 11, 100, 200, 12, 13, 101, 201]), 1, 4)
    assert made[0, :, 0].tolist() == [10, 11, 12, 13]
    assert made[0, :, 1].tolist() == [100, 100, 101, 101]
    assert made[0, :, 2].tolist() == [200, 200, 201, 201]


def test_shows_the_whole_range_where_no_window_is_given() -> None:
    shown = voi.grey(np.array([[100, 200, 300]], np.uint16), Shading())
    assert shown.tolist() == [[0, 128, 255]]


def test_padding_is_black_and_widens_no_range() -> None:
    cells = np.array([[-2000, 100, 200, 300]], np.int16)
    shown = voi.grey(cells, Shading(padding=(-2000, -2000)))
    assert shown.tolist() == [[0, 0, 128, 255]]
    inverse = voi.grey(cells, Shading(padding=(-2000, -2000), inverse=True))
    assert inverse.tolist() == [[0, 255, 127, 0]]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_shades_the_same_by_table_and_cell_by_cell(function: VoiFunction) -> None:
    rng = np.random.default_rng(1)
    cells = rng.integers(-1000, 1000, (80, 80)).astype(np.int16)
    shading = Shading(modality=Rescale(2.0, -3.0), voi=Window(40, 350.5, function), inverse=True)
    assert np.array_equal(voi.grey(cells, shading), voi.grey(cells.astype(np.float64), shading))


def test_shows_what_is_no_number_as_something() -> None:
    shown = voi.grey(np.array([[np.nan, np.inf, 0.0, 1.0]]), Shading())
    assert shown.tolist() == [[0, 255, 0, 255]]
    assert voi.grey(np.full((2, 2), np.nan), Shading()).tolist() == [[0, 0], [0, 0]]


def test_one_value_everywhere_is_one_grey() -> None:
    assert len(set(voi.grey(np.full((3, 3), 7, np.uint8), Shading()).ravel().tolist())) == 1
