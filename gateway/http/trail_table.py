"""The audit trail as CSV that no spreadsheet takes for formulas."""

import csv
import io
from collections.abc import Iterable
from typing import Final

import msgspec

from kernel.audit.reading import TrailLine

_HEAD: Final = (
    "id",
    "at",
    "event",
    "outcome",
    "username",
    "institution",
    "address",
    "subject",
    "patient",
    "reason",
    "detail",
    "later_accesses",
    "last_at",
    "chain",
    "number",
)
_ACTIVE: Final = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet may begin to calculate with, in full width as well (OWASP, CSV injection)."""
_BOM: Final = "\ufeff"
"""Without it a spreadsheet reads Chinese as something else."""


def as_csv(lines: Iterable[TrailLine]) -> bytes:
    """Return *lines* under a head of their names, each cell quoted and none of them active."""
    text = io.StringIO(newline="")
    text.write(_BOM)
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(_HEAD)
    for line in lines:
        writer.writerow([_cell(getattr(line, name)) for name in _HEAD])
    return text.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        text = value
    elif isinstance(value, int):
        return str(value)
    else:
        text = msgspec.json.encode(value).decode().strip('"')
    return f"'{text}" if text.lstrip(" ")[:1] in _ACTIVE and text.strip(" ") else text
