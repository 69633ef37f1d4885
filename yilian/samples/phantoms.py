"""Pictures of nobody: phantoms drawn from ellipses, the same for the same seed."""

from typing import Final

import numpy as np
import numpy.typing as npt

_AIR_HU: Final = -1000
_BONE_HU: Final = 900
_BRAIN_HU: Final = 36
_BLOOD_HU: Final = 68
_WATER_HU: Final = 6
_LUNG_HU: Final = -820
_SOFT_HU: Final = 45

Pixels = npt.NDArray[np.int16]
Mask = npt.NDArray[np.bool_]


def _ellipse(size: int, centre: tuple[float, float], radii: tuple[float, float]) -> Mask:
    rows, columns = np.mgrid[0:size, 0:size] / size - 0.5
    inside: Mask = ((rows - centre[0]) / radii[0]) ** 2 + (
        (columns - centre[1]) / radii[1]
    ) ** 2 <= 1
    return inside


def head_ct(slices: int, *, size: int = 256, seed: int) -> list[Pixels]:
    """Return *slices* axial CT images in Hounsfield units with a left-sided bleed in the middle.

    Each is ``size`` x ``size``; skull, brain, ventricles and noise of 6 HU.
    """
    random = np.random.default_rng(seed)
    images: list[Pixels] = []
    for index in range(slices):
        height = abs(index / max(1, slices - 1) - 0.5) * 2
        scale = float(np.sqrt(max(0.15, 1 - height**2 * 0.7)))
        image = np.full((size, size), _AIR_HU, dtype=np.float64)
        image[_ellipse(size, (0, 0), (0.44 * scale, 0.36 * scale))] = _BONE_HU
        image[_ellipse(size, (0, 0), (0.40 * scale, 0.32 * scale))] = _BRAIN_HU
        for side in (-1, 1):
            image[_ellipse(size, (-0.02, side * 0.06), (0.11 * scale, 0.028 * scale))] = _WATER_HU
        if height < 0.35:
            image[_ellipse(size, (0.03, 0.14), (0.07, 0.045))] = _BLOOD_HU
        image += random.normal(0, 6, image.shape)
        images.append(np.clip(image, -1024, 3071).astype(np.int16))
    return images


def chest_ct(slices: int, *, size: int = 256, seed: int) -> list[Pixels]:
    """Return *slices* axial CT images of a chest with one small nodule in the right lung."""
    random = np.random.default_rng(seed)
    images: list[Pixels] = []
    for index in range(slices):
        along = index / max(1, slices - 1)
        lung = 0.10 + 0.10 * float(np.sin(np.pi * along))
        image = np.full((size, size), _AIR_HU, dtype=np.float64)
        image[_ellipse(size, (0.02, 0), (0.34, 0.46))] = _SOFT_HU
        for side in (-1, 1):
            image[_ellipse(size, (0, side * 0.21), (lung + 0.08, lung))] = _LUNG_HU
            image[_ellipse(size, (-0.1, side * 0.4), (0.03, 0.02))] = _BONE_HU
        image[_ellipse(size, (0.26, 0), (0.05, 0.05))] = _BONE_HU
        if 0.45 < along < 0.6:
            image[_ellipse(size, (0.05, -0.24), (0.02, 0.02))] = _SOFT_HU
        image += random.normal(0, 12, image.shape)
        images.append(np.clip(image, -1024, 3071).astype(np.int16))
    return images


def radiograph(*, rows: int, columns: int, joint: bool, seed: int) -> npt.NDArray[np.uint16]:
    """Return one 12-bit radiograph (0-4095): a knee where *joint*, else a chest."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns]
    v, u = y / rows - 0.5, x / columns - 0.5
    image = 700 + 500 * np.exp(-(u**2) * 6)
    if joint:
        shaft = np.exp(-((u / 0.11) ** 4))
        image += 1500 * shaft * (np.abs(v) > 0.02)
        image += 700 * np.exp(-((u / 0.18) ** 2 + (v / 0.12) ** 2))
    else:
        for side in (-1, 1):
            image -= 700 * np.exp(-((((u - side * 0.19) / 0.13) ** 2 + (v / 0.3) ** 2) ** 2))
        image += 1300 * np.exp(-((u / 0.05) ** 2)) + 150 * (np.sin(v * 60 + np.abs(u) * 8) > 0.6)
        image += 900 * np.exp(-(((u - 0.08) / 0.12) ** 2 + ((v - 0.16) / 0.13) ** 2))
    image += random.normal(0, 18, image.shape)
    pixels: npt.NDArray[np.uint16] = np.clip(image, 0, 4095).astype(np.uint16)
    return pixels


def ultrasound_cine(frames: int, *, size: int = 240, seed: int) -> npt.NDArray[np.uint8]:
    """Return *frames* 8-bit images (frames, size, size) of a beating dark chamber in speckle."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:size, 0:size] / size
    fan = (np.abs(columns - 0.5) <= rows * 0.55 + 0.02) & (rows**2 + (columns - 0.5) ** 2 < 0.95)
    speckle = random.rayleigh(38, (size, size))
    images = np.zeros((frames, size, size), dtype=np.uint8)
    for index in range(frames):
        beat = 0.16 + 0.03 * np.sin(2 * np.pi * index / frames)
        chamber = ((rows - 0.55) / beat) ** 2 + ((columns - 0.5) / (beat * 0.8)) ** 2 <= 1
        image = np.where(chamber, speckle * 0.15, speckle * (1.4 - rows))
        images[index] = np.where(fan, np.clip(image, 0, 255), 0).astype(np.uint8)
    return images
