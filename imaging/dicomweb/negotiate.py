"""What a DICOMweb client will take, in what order (PS3.18 8.7, RFC 9110 12.5.1)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from kernel.errors import Category, PlatformError

OCTETS: Final = "application/octet-stream"
DICOM: Final = "application/dicom"
JSON: Final = "application/dicom+json"
XML: Final = "application/dicom+xml"
_PARAMETER: Final = re.compile(r';\s*([^\s=;,]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;,]*)')
_MAX_RANGES: Final = 64
_REMEMBERED_LENGTH: Final = 1024


class NotAcceptable(PlatformError):
    """None of what the client accepts can be made of this resource."""

    code = "not-acceptable"
    category = Category.UNSUPPORTED


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One alternative of an Accept value.

    Attributes:
        essence: ``type/subtype`` in lower case, wildcards as ``*``.
        parameters: names in lower case; quotes taken off values.
        quality: 0 to 1; 0 means "not this".
        multipart: whether the client wants this essence inside multipart/related.
    """

    essence: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    quality: float = 1.0
    multipart: bool = False

    @property
    def transfer_syntax(self) -> str:
        """The ``transfer-syntax`` parameter: a UID, ``*`` for as stored, or empty."""
        return self.parameters.get("transfer-syntax", "")

    def covers(self, essence: str) -> bool:
        """Return whether *essence* falls under this range."""
        if self.essence in ("*/*", essence):
            return True
        return self.essence.endswith("/*") and essence.startswith(self.essence[:-1])


def accepted(header: str, query: str = "") -> Sequence[MediaRange]:
    """Return the alternatives a request accepts, best first, in the client's order where equal.

    Args:
        header: the Accept header, several joined by commas; empty means anything.
        query: the ``accept`` query parameter, which wins over the header (PS3.18 8.3.3.1).

    ``multipart/related; type="x"`` becomes a range of ``x`` that wants multipart. Ranges that
    cannot be read are left out, as are those of quality 0.
    """
    text = query or header or "*/*"
    return _remembered(text) if len(text) <= _REMEMBERED_LENGTH else _ranges(text)


def _ranges(text: str) -> tuple[MediaRange, ...]:
    ranges = [r for r in map(_range, _split(text)[:_MAX_RANGES]) if r is not None and r.quality > 0]
    return tuple(sorted(ranges, key=lambda r: -r.quality))


# A viewer says the same for each of a thousand frames.
_remembered: Final = lru_cache(maxsize=256)(_ranges)


def content_type(header: str) -> MediaRange | None:
    """Return what a Content-Type header says, read as one range; None where it cannot be."""
    return _range(header)


def _range(text: str) -> MediaRange | None:
    essence, _, rest = text.strip().partition(";")
    essence = essence.strip().lower()
    if essence == "*":
        essence = "*/*"
    if not re.fullmatch(r"[a-z0-9!#$&^_.+*-]+/[a-z0-9!#$&^_.+*-]+", essence):
        return None
    parameters = {name.lower(): _unquoted(value) for name, value in _PARAMETER.findall(";" + rest)}
    try:
        quality = min(1.0, max(0.0, float(parameters.pop("q", "1"))))
    except ValueError:
        quality = 1.0
    if essence in ("multipart/related", "multipart/*"):
        inner, _, rest = parameters.pop("type", "*/*").partition(";")
        # Some clients put the transfer syntax inside the quotes of the type.
        inside = {name.lower(): _unquoted(value) for name, value in _PARAMETER.findall(";" + rest)}
        essence = inner.strip().lower() or "*/*"
        return MediaRange(essence, inside | parameters, quality, multipart=True)
    return MediaRange(essence, parameters, quality)


def _split(text: str) -> list[str]:
    """Split at commas that stand outside quotes."""
    return re.findall(r'(?:[^,"]|"(?:[^"\\]|\\.)*"|")+', text)


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


def choose(ranges: Sequence[MediaRange], offers: Sequence[str]) -> tuple[str, MediaRange]:
    """Return the first of *offers* that the best range covers, and that range.

    Raises:
        NotAcceptable: no offer is covered.
    """
    for wanted in ranges:
        for offer in offers:
            if wanted.covers(offer):
                return offer, wanted
    raise NotAcceptable(f"this resource comes as {', '.join(offers)}")
