"""Damaging objects as a disk does."""

from pathlib import Path


def key_of(path: Path) -> str:
    """Return the name of the object at *path*."""
    return "/".join(path.parts[-3:])


def flip(path: Path, at: int) -> None:
    """Turn the last bit of the byte at *at*."""
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def flip_content(path: Path) -> None:
    """Turn a bit that makes it other content: of the accession number, where there is one."""
    flip(path, max(0, path.read_bytes().find(b"A00001")))
