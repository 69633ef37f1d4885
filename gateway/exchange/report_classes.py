"""Which objects are reports for a person to read, by SOP Class (PS3.4 B.5). Pure."""

from enum import StrEnum
from typing import Final

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."


class ReportForm(StrEnum):
    """How a report is written."""

    PDF = "pdf"
    STRUCTURED = "structured"
    """A tree of text, codes and measurements (SR)."""
    DOCUMENT = "document"
    """Encapsulated, and no PDF."""


REPORT_CLASSES: Final = {
    _STORAGE + "88.11": ReportForm.STRUCTURED,  # Basic Text SR
    _STORAGE + "88.22": ReportForm.STRUCTURED,  # Enhanced SR
    _STORAGE + "88.33": ReportForm.STRUCTURED,  # Comprehensive SR
    _STORAGE + "88.34": ReportForm.STRUCTURED,  # Comprehensive 3D SR
    _STORAGE + "88.35": ReportForm.STRUCTURED,  # Extensible SR
    _STORAGE + "104.1": ReportForm.PDF,
    _STORAGE + "104.2": ReportForm.DOCUMENT,  # Encapsulated CDA
}
"""Notes of machines (dose, procedure log, CAD, key objects) are not among them."""
