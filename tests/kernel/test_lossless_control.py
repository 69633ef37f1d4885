"""The control of the proof: a codec that changes one cell gets nothing out of the house."""

from typing import Any

import numpy as np
import pytest

from kernel.dicom import lossless
from kernel.dicom.codecs import encode_htj2k
from tests.kernel.objects import encoded, gradient, image, walked

HONEST = encode_htj2k


def _packed(data: bytes) -> lossless.CompressedObject | None:
    return lossless.compress_object(*walked(data))


@pytest.mark.parametrize("at", [0, 17, -1])
def test_a_codec_that_changes_one_cell_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    data = encoded(image(gradient((33, 21), "<u2", 4095), bits_stored=12))

    def lying(cells: Any, **settings: Any) -> bytes | None:
        changed = np.array(cells)
        changed.flat[at] ^= 1
        return HONEST(changed, **settings)

    honest = _packed(data)
    assert honest is not None
    honest.close()
    monkeypatch.setattr(lossless, "encode_htj2k", lying)
    assert _packed(data) is None
