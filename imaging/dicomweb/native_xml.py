"""The Native DICOM Model in XML (PS3.19 A.1), made of DICOM JSON."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from imaging.dicomweb.multipart import closing, part_head
from imaging.dicomweb.negotiate import XML
from kernel.dicom.dictionary import keyword_of

_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<NativeDicomModel xml:space="preserve" '
    'xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
)
_TAIL: Final = "</NativeDicomModel>"
# What XML 1.0 can hold (its production 2); a device's control characters it cannot.
_NO_CHARACTER: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_CREATORS: Final = range(0x10, 0x100)


def native_xml(dataset: Mapping[str, Any]) -> bytes:
    """Return *dataset*, a DICOM JSON object, as an XML document in UTF-8.

    Characters that XML cannot hold are left out. A private attribute has its creator beside it and
    00 for its block, whichever the object uses.
    """
    return (_HEAD + "".join(_attributes(dataset)) + _TAIL).encode()


def parts(datasets: Iterable[Mapping[str, Any]], boundary: str) -> Iterable[bytes]:
    """Yield a multipart body of *datasets*, each a document of its own."""
    for index, dataset in enumerate(datasets):
        yield part_head(boundary, XML, first=index == 0)
        yield native_xml(dataset)
    yield closing(boundary)


def _attributes(dataset: Mapping[str, Any]) -> Iterable[str]:
    creators: dict[int, str] = {}
    for name in sorted(dataset):
        element = dataset[name]
        tag = int(name, 16)
        group, low = tag >> 16, tag & 0xFFFF
        told = f' vr="{element["vr"]}"'
        if group % 2 == 0:
            if keyword := keyword_of(tag):
                told += f' keyword="{keyword}"'
        elif low in _CREATORS:
            creators[group << 8 | low] = str(next(iter(element.get("Value", ())), ""))
        elif creator := creators.get(group << 8 | low >> 8, ""):
            name = f"{group:04X}00{low & 0xFF:02X}"  # noqa: PLW2901
            told += f" privateCreator={quoteattr(_text(creator))}"
        yield f'<DicomAttribute tag="{name}"{told}>{"".join(_values(element))}</DicomAttribute>'


def _values(element: Mapping[str, Any]) -> Iterable[str]:
    if "BulkDataURI" in element:
        yield f"<BulkData uri={quoteattr(element['BulkDataURI'])}/>"
    elif "InlineBinary" in element:
        yield f"<InlineBinary>{element['InlineBinary']}</InlineBinary>"
    for number, value in enumerate(element.get("Value", ()), 1):
        if value is None:
            continue
        if element["vr"] == "SQ":
            yield f'<Item number="{number}">{"".join(_attributes(value))}</Item>'
        elif element["vr"] == "PN":
            yield f'<PersonName number="{number}">{"".join(_name(value))}</PersonName>'
        else:
            yield f'<Value number="{number}">{escape(_text(str(value)))}</Value>'


def _name(groups: Mapping[str, str]) -> Iterable[str]:
    for group in _GROUPS:
        if not groups.get(group):
            continue
        yield f"<{group}>"
        components = groups[group].split("^", len(_COMPONENTS) - 1)
        for component, text in zip(_COMPONENTS, components, strict=False):
            if text:
                yield f"<{component}>{escape(_text(text))}</{component}>"
        yield f"</{group}>"


def _text(text: str) -> str:
    return _NO_CHARACTER.sub("", text)
