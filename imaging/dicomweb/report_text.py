"""Structured reports as people read them: a page, or plain text (PS3.18 8.7.4, PS3.3 C.17.3)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from kernel.dicom.shown import display_name

HTML: Final = "text/html"
PLAIN: Final = "text/plain"
_DEPTH_MAX: Final = 32
_LINES_MAX: Final = 20_000
_STYLE: Final = (
    "body{font:16px/1.5 sans-serif;max-width:50em;margin:1em auto;padding:0 1em}"
    "ul{padding-left:1.2em}h1{font-size:1.3em}p{white-space:pre-wrap;margin:.2em 0}"
)
_CONTENT: Final = "0040A730"
_CONCEPT: Final = "0040A043"
_VALUES: Final = {
    "TEXT": "0040A160",
    "DATE": "0040A121",
    "TIME": "0040A122",
    "DATETIME": "0040A120",
    "UIDREF": "0040A124",
}
_HEADER: Final = ("00100010", "00100020", "00100040", "00100030", "00080050", "00080023")
_FLAGS: Final = ("0040A491", "0040A493")


@dataclass(frozen=True, slots=True)
class Line:
    """One content item."""

    depth: int
    name: str
    value: str


def as_html(dataset: Mapping[str, Any]) -> bytes:
    """Return the report in *dataset* (DICOM JSON) as a page in UTF-8 with nothing active in it."""
    title = escape(_title(dataset))
    parts = [
        "<!doctype html><html><head><meta charset=utf-8>",
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>",
        f"<p>{escape(' · '.join(_head(dataset)))}</p>",
    ]
    depth = 0
    for line in _lines(dataset):
        parts.append("<ul>" * (line.depth - depth) + "</ul>" * (depth - line.depth))
        depth = line.depth
        colon = ": " if line.name and line.value else ""
        parts.append(f"<li><p><b>{escape(line.name)}</b>{colon}{escape(line.value)}</p></li>")
    parts.append("</ul>" * depth + "</body></html>")
    return "".join(parts).encode()


def as_text(dataset: Mapping[str, Any]) -> bytes:
    """Return the report in *dataset* (DICOM JSON) as plain text in UTF-8."""
    lines = [_title(dataset), " · ".join(_head(dataset)), ""]
    for line in _lines(dataset):
        colon = ": " if line.name and line.value else ""
        lines.append(f"{'  ' * (line.depth - 1)}{line.name}{colon}{line.value}")
    return ("\n".join(lines) + "\n").encode()


def _title(dataset: Mapping[str, Any]) -> str:
    return _meaning(dataset.get(_CONCEPT)) or "Structured report"


def _head(dataset: Mapping[str, Any]) -> Iterator[str]:
    for tag in (*_HEADER, *_FLAGS):
        for value in _of(dataset.get(tag)):
            text = _person(value) if isinstance(value, Mapping) else str(value)
            if text:
                yield text


def _lines(dataset: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the content items in their order, down to a depth and number no report has."""
    left = _LINES_MAX
    for line in _items(_of(dataset.get(_CONTENT)), 1):
        left -= 1
        if left < 0:
            yield Line(1, "…", "")
            return
        yield line


def _items(items: Iterable[Any], depth: int) -> Iterator[Line]:
    for item in items:
        if not isinstance(item, Mapping):
            continue
        yield Line(depth, _meaning(item.get(_CONCEPT)), _value(item))
        if depth < _DEPTH_MAX:
            yield from _items(_of(item.get(_CONTENT)), depth + 1)


def _value(item: Mapping[str, Any]) -> str:
    kind = _first(item, "0040A040")
    match kind:
        case "CODE":
            return _meaning(item.get("0040A168"))
        case "NUM":
            return _measured(item)
        case "PNAME":
            return "; ".join(_person(each) for each in _of(item.get("0040A123")))
        case "IMAGE" | "COMPOSITE" | "WAVEFORM":
            return "; ".join(_first(each, "00081155") for each in _of(item.get("00081199")))
        case _:
            return "; ".join(str(each) for each in _of(item.get(_VALUES.get(kind, ""))))


def _measured(item: Mapping[str, Any]) -> str:
    told = []
    for measured in _of(item.get("0040A300")):
        # (1, UCUM, "no units") is how the standard says that there is none.
        code = next((_first(unit, "00080100") for unit in _of(measured.get("004008EA"))), "")
        told.append(f"{_first(measured, '0040A30A')} {'' if code == '1' else code}".rstrip())
    return "; ".join(told) or _meaning(item.get("0040A301"))


def _meaning(element: Any) -> str:
    for code in _of(element):
        return _first(code, "00080104") or _first(code, "00080100")
    return ""


def _first(dataset: Any, tag: str) -> str:
    values = _of(dataset.get(tag)) if isinstance(dataset, Mapping) else ()
    return str(values[0]) if values and values[0] is not None else ""


def _person(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    groups = (value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic"))
    return display_name("=".join(groups))


def _of(element: Any) -> Sequence[Any]:
    values = element.get("Value") if isinstance(element, Mapping) else None
    return values if isinstance(values, list) else ()
