"""What a poor line has to carry before the first page can be used."""

import re
from pathlib import Path

import pytest

from tests.demo.running import ROOT

pytestmark = pytest.mark.e2e

DIST = ROOT / "gateway" / "ui" / "dist"
ENTRY_MAX_BYTES = 250_000
VIEWER_MAX_BYTES = 300_000


@pytest.fixture(scope="module")
def index() -> str:
    page = DIST / "index.html"
    if not page.exists():
        pytest.skip("needs the built workstation (make ui)")
    return page.read_text("utf-8")


def loaded_at_once(index: str) -> list[Path]:
    """Every script and style the entry page asks for before anything is clicked."""
    found = {
        DIST / address.lstrip("/") for address in re.findall(r'(?:src|href)="(/[^"]+)"', index)
    }
    unseen = list(found)
    while unseen:
        script = unseen.pop()
        if script.suffix != ".js":
            continue
        text = script.read_text("utf-8")
        for name in re.findall(r'(?:^|[;}])\s*(?:import|export)\s*[^;"()]*?"(\./[^"]+)"', text):
            imported = (script.parent / name).resolve()
            if imported not in found:
                found.add(imported)
                unseen.append(imported)
    return sorted(found)


def on_the_line(path: Path) -> int:
    """Bytes of *path* as a browser gets it: compressed where that was worth it."""
    packed = path.with_name(path.name + ".br")
    return (packed if packed.exists() else path).stat().st_size


def test_the_entry_fits_a_poor_line(index: str) -> None:
    sizes = {path.name: on_the_line(path) for path in loaded_at_once(index)}
    assert sum(sizes.values()) + on_the_line(DIST / "index.html") <= ENTRY_MAX_BYTES, sizes


def test_the_viewer_comes_only_when_images_are_opened_and_fits_a_poor_line(index: str) -> None:
    viewer = list((DIST / "assets").glob("ViewerPage-*.js"))
    assert len(viewer) == 1, "the viewer is a chunk of its own"
    assert not set(viewer) & set(loaded_at_once(index))
    # At 1 Mbit/s each 125 kB is a second before the first image.
    assert on_the_line(viewer[0]) <= VIEWER_MAX_BYTES


def test_everything_worth_it_lies_there_compressed() -> None:
    wanted = {".js", ".css", ".wasm"}
    for path in (DIST / "assets").iterdir():
        if path.suffix in wanted and path.stat().st_size >= 1024:
            for ending in (".br", ".gz"):
                packed = path.with_name(path.name + ending)
                assert packed.stat().st_size < path.stat().st_size, packed.name


def test_no_page_asks_a_foreign_host_for_anything(index: str) -> None:
    assert re.findall(r'(?:src|href)="(?:https?:)?//', index) == []
