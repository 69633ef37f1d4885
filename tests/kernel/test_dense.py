"""The densest form of an object: smaller, and what comes back has the same content."""

import numpy as np
import pytest
from pydicom.dataset import Dataset

from kernel.dicom.codecs import HTJ2K_LOSSLESS_RPCL, DecodeFailed, InThread, encode_jpeg_xl
from kernel.dicom.content import content_digest
from kernel.dicom.dataset import BytesSource, FileSource, Source, read_file_meta, scan
from kernel.dicom.dense import NotDense, dense, restored
from kernel.dicom.lossless import compress_object
from kernel.errors import PlatformError
from tests.kernel.objects import encapsulated, encoded, gradient, image, walked
from tests.shared_data import single_files

KINDS = [
    pytest.param(image(gradient((40, 50), "<u2", 4095), bits_stored=12), id="12-bit"),
    pytest.param(image(gradient((40, 50), "<u2", 65535)), id="16-bit"),
    pytest.param(image(gradient((40, 51), "u1", 255)), id="8-bit-odd"),
    pytest.param(image(gradient((40, 50), "<i2", 3000) - 1024, bits_stored=13), id="negative"),
    pytest.param(
        image((gradient((40, 50), "<i4", 65535) - 32768).astype("<i2")), id="negative-16-bit"
    ),
    pytest.param(image(gradient((40, 50, 3), "u1", 255)), id="colour"),
    pytest.param(image(gradient((40, 50, 3), "u1", 255), planar=1), id="colour-by-plane"),
    pytest.param(
        image(np.stack([gradient((30, 20), "<u2", 999 + n) for n in range(5)]), frames=5),
        id="five-frames",
    ),
]


def compressed(ds: Dataset) -> bytes:
    """Return *ds* as this house stores it."""
    source, meta, found = walked(encoded(ds))
    packed = compress_object(source, meta, found, threads=1)
    assert packed is not None
    with packed:
        return b"".join(packed.chunks())


def read(source: Source) -> bytes:
    return source.read(0, source.size)


def content(source: Source) -> str:
    meta = read_file_meta(source)
    found = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    return content_digest(found, decoder=InThread()).whole


@pytest.mark.parametrize("ds", KINDS)
def test_an_object_comes_back_as_it_was(ds: Dataset) -> None:
    stored = compressed(ds)
    small = dense(BytesSource(stored))
    assert small is not None
    back = restored(BytesSource(read(small)), decoder=InThread())
    # The same library made both, so even the bytes are the same.
    assert read(back) == stored


def test_what_this_house_did_not_compress_has_no_dense_form() -> None:
    assert dense(BytesSource(encoded(image(gradient((40, 50), "<u2", 4095))))) is None
    assert dense(BytesSource(b"")) is None


def test_a_damaged_frame_of_our_own_is_left_as_it_is() -> None:
    stored = bytearray(compressed(image(gradient((40, 50), "<u2", 4095), bits_stored=12)))
    head = stored.index(b"\xff\x4f\xff\x51")
    stored[head + 4 : head + 60] = bytes(56)
    assert dense(BytesSource(stored)) is None


def test_what_is_not_dense_is_refused_and_named() -> None:
    with pytest.raises(NotDense):
        restored(BytesSource(compressed(image(gradient((40, 50), "<u2", 99)))), decoder=InThread())


def test_a_frame_of_another_size_than_its_object_says_is_refused() -> None:
    ds = image(gradient((40, 50), "<u2", 4095), bits_stored=12)
    smaller = encode_jpeg_xl(gradient((8, 8), "<u2", 4095))
    # pydicom does not know JPEG XL; the two names are of one length.
    raw = encapsulated(ds, [smaller], HTJ2K_LOSSLESS_RPCL).replace(b".4.202\0", b".4.110\0", 1)
    with pytest.raises(DecodeFailed):
        restored(BytesSource(raw), decoder=InThread())


def test_large_objects_lie_in_a_file() -> None:
    frames = np.stack([gradient((1024, 1024), "<u2", 60_000 + n) for n in range(12)])
    frames ^= np.random.default_rng(1).integers(0, 8192, frames.shape, dtype=np.uint16)
    stored = compressed(image(frames, frames=12))
    with BytesOrFile(dense(BytesSource(stored))) as small:
        assert isinstance(small, FileSource)
        with BytesOrFile(restored(small, decoder=InThread())) as back:
            assert read(back) == stored


class BytesOrFile:
    """Whatever came back, closed in the end."""

    def __init__(self, source: BytesSource | FileSource | None) -> None:
        assert source is not None
        self.source = source

    def __enter__(self) -> BytesSource | FileSource:
        return self.source

    def __exit__(self, *_: object) -> None:
        if isinstance(self.source, FileSource):
            self.source.close()


def test_real_images_get_smaller_and_come_back() -> None:
    before = after = 0
    for name, raw in single_files():
        try:
            source, meta, found = walked(raw)
        except PlatformError:
            continue
        packed = compress_object(source, meta, found, threads=1)
        if packed is None:
            continue
        with packed:
            stored = b"".join(packed.chunks())
        small = dense(BytesSource(stored))
        if small is None:
            continue
        with (
            BytesOrFile(small) as opened,
            BytesOrFile(restored(opened, decoder=InThread())) as back,
        ):
            assert content(back) == content(BytesSource(stored)), name
            before, after = before + len(stored), after + opened.size
    assert 0 < after < 0.95 * before
