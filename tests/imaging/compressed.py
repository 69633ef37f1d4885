"""Objects as a township sends them: HTJ2K lossless, with the form they had before."""

from kernel.arrival import Arrival, encode_arrival
from kernel.dicom.dataset import scan
from kernel.dicom.lossless import compress_object
from kernel.dicom.part10 import BytesSource, read_file_meta
from tests.imaging.desk import Desk
from tests.imaging.sample import arrival


def as_sent(raw: bytes) -> tuple[bytes, Arrival]:
    """Return *raw* as a township would send it, and what it tells of it."""
    source = BytesSource(raw)
    meta = read_file_meta(source)
    walked = scan(source, offset=meta.dataset_offset, transfer_syntax_uid=meta.transfer_syntax_uid)
    made = compress_object(source, meta, walked)
    assert made is not None
    with made:
        told = arrival(native=made.native, digest=made.digest)
        return b"".join(made.chunks()), told


async def compressed(desk: Desk, raw: bytes) -> None:
    """File *raw* as a township would send it: HTJ2K, with its native form."""
    file, told = as_sent(raw)
    draft = desk.writer.begin()
    await draft.write(file)
    await desk.writer.commit([(draft, encode_arrival(told))])
    await desk.file_all()
