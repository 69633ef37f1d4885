"""Encapsulated documents: only what is a PDF is ever handed to a browser as one."""

from typing import Final

from imaging.dicomweb.negotiate import NotAcceptable
from kernel.dicom.elements import Scan

PDF: Final = "application/pdf"
DOCUMENT: Final = 0x00420011
_MIME_TYPE: Final = 0x00420012
_MAGIC: Final = b"%PDF-"
_MAGIC_WITHIN: Final = 1024


def document_of(walked: Scan) -> tuple[int, int]:
    """Return where in ``walked.source`` the encapsulated PDF begins, and its length.

    Only what says it is a PDF and begins like one: nothing else is ever shown by a browser.

    Raises:
        NotAcceptable: the object encapsulates no PDF.
    """
    element = walked.find(DOCUMENT)
    declared = walked.text(_MIME_TYPE).lower()
    if element is None or element.fragments is not None or declared != PDF:
        raise NotAcceptable("there is no picture of this object")
    head = walked.source.read(element.value_offset, min(_MAGIC_WITHIN, element.length))
    if b"%PDF-" not in head:
        raise NotAcceptable("the document is not the PDF it says it is")
    length = element.length
    if length and walked.source.read(element.value_offset + length - 1, 1) == b"\0":
        length -= 1
    return element.value_offset, length
