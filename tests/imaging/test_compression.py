"""Which Content-Encoding an answer comes in."""

import gzip
import json

import brotli  # type: ignore[import-untyped]
import pytest

from imaging.dicomweb.compression import Compressor, Encoding, compressed, encoding_for
from tests.imaging.desk import Desk
from tests.imaging.sample import ROOT, ct
from tests.imaging.web_door import WebDoor


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", Encoding.PLAIN),
        ("identity", Encoding.PLAIN),
        ("gzip", Encoding.GZIP),
        ("gzip, deflate, br", Encoding.BROTLI),
        ("gzip;q=1.0, br;q=0.5", Encoding.GZIP),
        ("GZIP", Encoding.GZIP),
        ("x-gzip", Encoding.GZIP),
        ("*", Encoding.BROTLI),
        ("br;q=0, *", Encoding.GZIP),
        ("gzip;q=0", Encoding.PLAIN),
        ("gzip;q=0.0, br;q=0", Encoding.PLAIN),
        ("zstd, compress", Encoding.PLAIN),
        ("gzip;q=nonsense", Encoding.GZIP),
        (",,;q=1", Encoding.PLAIN),
    ],
)
def test_the_client_says_what_it_takes(header: str, expected: Encoding) -> None:
    assert encoding_for(header) is expected


UNPACK = {
    Encoding.BROTLI: brotli.decompress,
    Encoding.GZIP: gzip.decompress,
    Encoding.PLAIN: bytes,
}


@pytest.mark.parametrize("encoding", Encoding)
def test_whole_or_in_pieces_the_body_is_the_same(encoding: Encoding) -> None:
    body = bytes(range(256)) * 100
    assert UNPACK[encoding](compressed(body, encoding)) == body
    packer = Compressor(encoding)
    pieces = [packer.compress(body[at : at + 1000]) for at in range(0, len(body), 1000)]
    assert UNPACK[encoding](b"".join([*pieces, packer.finish()])) == body


@pytest.mark.parametrize("encoding", [Encoding.BROTLI, Encoding.GZIP])
async def test_metadata_and_long_answers_of_searches_are_packed(
    sqlite_desk: Desk, door: WebDoor, encoding: Encoding
) -> None:
    await sqlite_desk.file(*(ct(number) for number in range(1, 8)))
    series = f"/studies/{ROOT}.1/series/{ROOT}.1.1"
    tags = set()
    for path in (
        f"/studies/{ROOT}.1/metadata",
        f"{series}/metadata",
        f"{series}/instances/{ROOT}.1.1.1/metadata",
        f"{series}/instances",
    ):
        _, headers, plain = await door.get(path, Accept_Encoding="identity")
        assert "Content-Encoding" not in headers
        _, headers, body = await door.get(path, Accept_Encoding=encoding)
        assert headers["Content-Encoding"] == encoding
        assert "Accept-Encoding" in headers["Vary"]
        assert len(body) < len(plain)
        assert json.loads(UNPACK[encoding](body)) == json.loads(plain)
        tags.add(headers.get("ETag"))
    assert len(tags) == 4
    _, headers, _ = await door.get(f"/studies/{ROOT}.9/series", Accept_Encoding=encoding)
    assert "Content-Encoding" not in headers
